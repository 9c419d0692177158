"""The REST API as its users have it: two replicas of the project's own image, behind the Service."""

import json
from collections.abc import Iterator

import pytest

from tests.support.api import Api, path
from tests.support.cluster import REST_API, SYSTEM, Kubectl, KubectlError, wait_until
from tests.support.load import Load, client_pod
from tests.support.sealing import keyring, public_key
from tests.support.service import new_api_key
from tests.support.stage import NOWHERE, Stage, compute
from theazo.rules import session_name
from theazo.sealing import Binding

pytestmark = [pytest.mark.cluster, pytest.mark.parametrize("installed", [1], indirect=True)]

CLIENTS = 8
HOME = f"/api/v1/namespaces/{SYSTEM}"
BY_SERVICE = f"{HOME}/services/{REST_API}:http/proxy"
PYTHON = "/usr/bin/python3.13"
LOOK = """
import json, os, shutil
def writable(folder):
    try:
        with open(os.path.join(folder, "written"), "w"):
            return True
    except OSError as error:
        return error.strerror
found = {folder: writable(folder) for folder in ("/", "/tmp", "/app", "/var/tmp", "/home/nonroot", "/dev/shm")}
tools = [each for each in ("sh", "bash", "busybox", "apt", "dpkg", "pip", "curl") if shutil.which(each)]
with open("/proc/self/status") as status:
    capabilities = [line.split()[1] for line in status if line.startswith("CapEff")]
print(json.dumps({"ids": [os.getuid(), os.getgid()], "folders": found, "tools": tools, "capabilities": capabilities}))
"""


@pytest.fixture
def deployed(installed: None, kubectl: Kubectl, api: Api) -> list[str]:  # noqa: ARG001 - it has to be there
    """The Deployment with its two replicas: the names of its Pods."""
    kubectl("scale", f"deployment/{REST_API}", "-n", SYSTEM, "--replicas=2")
    kubectl("rollout", "status", f"deployment/{REST_API}", "-n", SYSTEM, "--timeout=120s")
    return pods(api)


def pods(api: Api) -> list[str]:
    """The API's Pods that are not about to end."""
    found = api.get(path("Pod", SYSTEM), labelSelector=f"app.kubernetes.io/name={REST_API}").ok()["items"]
    return [item["metadata"]["name"] for item in found if "deletionTimestamp" not in item["metadata"]]


@pytest.fixture
def somewhere(installed: None, api: Api) -> Iterator[str]:  # noqa: ARG001 - it has to be there
    """A compute that no node takes."""
    with compute(api, nodeSelector=NOWHERE) as name:
        yield name


def test_the_image_has_no_shell_no_root_and_nothing_to_write_to(deployed: list[str], kubectl: Kubectl) -> None:
    for pod in deployed:
        found = json.loads(kubectl("exec", "-n", SYSTEM, pod, "--", PYTHON, "-c", LOOK))
        assert found["ids"] == [65532, 65532]
        assert found["tools"] == []
        assert found["capabilities"] == ["0" * 16]
        written = {folder: why for folder, why in found["folders"].items() if folder != "/dev/shm"}  # noqa: S108 - looked at
        assert set(written.values()) <= {"Read-only file system", "Permission denied", "No such file or directory"}
        assert written["/"] == "Read-only file system"
        for shell in ("sh", "/bin/sh", "bash", "/busybox/sh"):
            with pytest.raises(KubectlError, match=r"no such file or directory|executable file not found"):
                kubectl("exec", "-n", SYSTEM, pod, "--", shell, "-c", "true")


def test_through_the_api_servers_proxy_there_are_probes_but_no_key(
    deployed: list[str], api: Api, kubectl: Kubectl, platform: str
) -> None:
    """The proxy keeps the Authorization header to itself, so whoever may proxy comes without a key."""
    assert len(deployed) == 2
    assert kubectl("get", "--raw", f"{BY_SERVICE}/livez") == "ok\n"
    assert kubectl("get", "--raw", f"{BY_SERVICE}/readyz") == "ok\n"
    assert json.loads(kubectl("get", "--raw", f"{BY_SERVICE}/openapi.json"))["openapi"] == "3.1.0"
    new_api_key(api, platform)
    refused = api.get(f"{BY_SERVICE}/v1/sessions")
    assert (refused.code, refused.body["code"]) == (401, "unauthorized")


def test_a_rollout_loses_no_request(
    deployed: list[str], stage: Stage, somewhere: str, api: Api, kubectl: Kubectl
) -> None:
    public_key(api, stage.name)
    session, key = session_name(stage.name, "user_123"), new_api_key(api, stage.name)
    stage.open(session, user="user_123")
    base = f"http://{REST_API}.{SYSTEM}.svc/v1/sessions/{session}"
    with client_pod(api, stage.name):
        load = Load(kubectl, stage.name, url=base, key=key, clients=CLIENTS, compute=somewhere)
        wait_until("all clients have set something", lambda: names(stage, session) == CLIENTS)
        kubectl("rollout", "restart", f"deployment/{REST_API}", "-n", SYSTEM)
        kubectl("rollout", "status", f"deployment/{REST_API}", "-n", SYSTEM, "--timeout=120s")
        wait_until("the old Pods are gone", lambda: gone(api, deployed), 60)
        found = load.stop()
    assert found["lost"] == []
    assert found["requests"] > 10 * CLIENTS
    assert not [error for error in found["mended"] if error[:1].isdigit()], "no error was an answer"
    secret = stage.get("TheazoSecret", session)
    assert secret is not None
    keys = keyring(api)
    assert {
        name: keys.open(entry["ciphertext"], Binding(stage.name, session, session, name)).reveal().decode()
        for name, entry in secret["spec"]["encryptedData"].items()
    } == found["last"]
    for pod in pods(api):
        text = kubectl("get", "--raw", f"{HOME}/pods/{pod}:8080/proxy/metrics")
        assert 'route="/v1/sessions/{sid}/secrets"' in text, "each replica has its share"


def names(stage: Stage, session: str) -> int:
    return len((stage.get("TheazoSecret", session) or {"spec": {"encryptedData": ()}})["spec"]["encryptedData"])


def gone(api: Api, old: list[str]) -> bool:
    return all(api.get(path("Pod", SYSTEM, pod)).code == 404 for pod in old)
