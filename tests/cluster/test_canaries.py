"""No value is ever anywhere but in a living pod-scoped Secret and in its sandbox."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from kubernetes.client import ApiClient

from tests.support.api import Api, path
from tests.support.canaries import Canary, Places, found_in, seal_unchecked
from tests.support.cluster import SYSTEM, wait_until
from tests.support.kills import PRINT
from tests.support.manifests import agent, entry, secret, session
from tests.support.operator import OperatorProcess
from tests.support.sealing import public_key
from theazo.sealing import Binding

pytestmark = pytest.mark.cluster

ABSENT = ["A", "ABSENT"]
SPEAK = [
    "python3",
    "-c",
    "import os; open('/dev/termination-log', 'w').write(os.environ['SPOKEN']); raise SystemExit(3)",
]
TOO_MUCH = {"requests": {"memory": "1Ti"}}  # more than the template's own limit, so the Pod is invalid


class Stage:
    """Session `alice` of a platform, and the canaries that are its secrets."""

    def __init__(self, api: Api, platform: str) -> None:
        self.api = api
        self.platform = platform
        self.key = public_key(api, platform)
        self.canaries: list[Canary] = []
        api.create(session("alice", platform)).ok()

    def where(self, kind: str, name: str = "") -> str:
        return path(kind, self.platform, name)

    def seal(self, name: str, before: bytes = b"", after: bytes = b"") -> dict[str, Any]:
        canary = Canary(f"{name} ({len(self.canaries)})", before, after)
        self.canaries.append(canary)
        return entry(seal_unchecked(canary.value, Binding(self.platform, "alice", "alice", name), self.key))

    def entries(self) -> dict[str, Any]:
        """A canary of each sort: ordinary, one that something could expand or parse, and what no agent may have."""
        sealed = {
            "A": self.seal("A"),
            "B": self.seal("B", b'{"$(A)": "%41&+/', b'\\u0041 <">$(A) ${B} `id`"}'),
            "SPOKEN": self.seal("SPOKEN"),
            "NUL": self.seal("NUL", b"before\0", b"\0after"),
            "BYTES": self.seal("BYTES", b"\xff\xfe\x80", b"\xc3\x28"),
            "LARGE": self.seal("LARGE", after=b"x" * 65_000),
        }
        return sealed | {"MOVED": sealed["A"]}

    def set(self, entries: dict[str, Any]) -> None:
        self.api.apply(secret("alice", self.platform, entries), "author", force=True).ok()

    def start(self, name: str, declared: list[Any], **spec: Any) -> None:
        self.api.create(agent(name, self.platform, "alice", declared, **spec)).ok()

    def comes_to(self, name: str, reason: str) -> None:
        def ready() -> str:
            status = self.api.get(self.where("TheazoAgent", name)).ok().get("status", {})
            return next((row["reason"] for row in status.get("conditions", ()) if row["type"] == "Ready"), "")

        wait_until(f"agent {name} comes to {reason}", lambda: ready() == reason, 90)

    def quota(self, resource: str, most: str) -> str:
        """Limit the platform; gives the path of the limit, for its end."""
        where = f"/api/v1/namespaces/{self.platform}/resourcequotas"
        limit = {
            "apiVersion": "v1",
            "kind": "ResourceQuota",
            "metadata": {"name": "limit"},
            "spec": {"hard": {resource: most}},
        }
        self.api.request("POST", where, limit).ok()
        wait_until("the quota is in force", lambda: "hard" in self.api.get(f"{where}/limit").ok().get("status", {}))
        return f"{where}/limit"


@pytest.fixture(params=["INFO", "DEBUG"])
def process(request: pytest.FixtureRequest, operator_kubeconfig: Path, tmp_path: Path) -> Iterator[OperatorProcess]:
    with OperatorProcess(operator_kubeconfig, tmp_path / "log", level=request.param) as running:
        yield running


@pytest.fixture
def clashing(api: Api, platform: str) -> Iterator[str]:
    """A compute that sets a variable of a secret's name itself."""
    containers = [
        {"name": "sandbox", "image": "docker.io/library/python:3.13-slim", "env": [{"name": "A", "value": "x"}]}
    ]
    template = {"spec": {"containers": containers}}
    metadata = {"name": platform, "namespace": SYSTEM}
    api.create({"apiVersion": "v1", "kind": "PodTemplate", "metadata": metadata, "template": template}).ok()
    yield platform
    api.delete(path("PodTemplate", SYSTEM, platform)).ok()


def test_no_value_is_anywhere(
    process: OperatorProcess, platform: str, api: Api, api_client: ApiClient, clashing: str
) -> None:
    places, stage = Places(api_client, process), Stage(api, platform)
    stage.set(stage.entries())
    create_and_fail(stage, clashing)
    refuse_and_retry(stage)
    stage.set(stage.entries())
    stage.start("updated", ["A", "B"], command=["python3", "-c", PRINT])
    stage.comes_to("updated", "Completed")
    quiet = [canary for canary in stage.canaries if not canary.name.startswith("SPOKEN")]
    assert places.search(quiet, living=True) == []
    # What a container says is in its Pod's status by the kubelet's doing. By ours it goes no further.
    for text in (process.log.read_bytes(), json.dumps(api.get(stage.where("TheazoAgent")).ok()).encode()):
        assert found_in(text, stage.canaries) == []
    delete(stage)
    assert places.search(quiet, living=False) == []


def create_and_fail(stage: Stage, clashing: str) -> None:
    stage.start("keeper", ["A", "B"], args=["$(A) $(B)"], restartPolicy="OnFailure")
    stage.start("once", ["A", "B"], command=["python3", "-c", PRINT], args=["$(A)"])
    stage.start("speaker", ["SPOKEN"], command=SPEAK)
    stage.start("nul", ["A", "NUL"])
    stage.start("bytes", ["A", "BYTES"])
    stage.start("moved", ["A", "MOVED"])
    stage.start("missing", ABSENT, secretsDeadlineSeconds=1)
    stage.start("large", [{"name": f"LARGE_{n}", "from": "LARGE"} for n in range(17)])
    stage.start("clash", ["A", "B"], compute=clashing)
    stage.start("wrong", ["A", "B"], resources=TOO_MUCH)
    for name, reason in {
        "keeper": "SandboxRunning",
        "once": "Completed",
        "speaker": "SandboxFailed",
        "nul": "InvalidValue",
        "bytes": "InvalidValue",
        "moved": "CannotOpen",
        "missing": "SecretNotFound",
        "large": "SecretsTooLarge",
        "clash": "NameConflict",
        "wrong": "SandboxRefused",
    }.items():
        stage.comes_to(name, reason)


def refuse_and_retry(stage: Stage) -> None:
    """The POST of the Secret is refused, then that of the Pod, and then neither."""
    for resource in ("secrets", "pods"):
        limit = stage.quota(resource, "0")
        stage.start(f"no-{resource}", ["A", "B"], command=["python3", "-c", PRINT])
        stage.comes_to(f"no-{resource}", "SandboxRefused")
        stage.api.delete(limit).ok()
        stage.comes_to(f"no-{resource}", "Completed")


def delete(stage: Stage) -> None:
    stage.set({"KEPT": stage.seal("KEPT")})
    stage.start("deleted", ["A"])
    stage.comes_to("deleted", "SecretNotFound")
    stage.api.delete(stage.where("TheazoSession", "alice")).ok()
    for kind in ("TheazoAgent", "Secret"):
        wait_until(f"no {kind} is left", lambda kind=kind: stage.api.get(stage.where(kind)).ok()["items"] == [], 60)  # type: ignore[misc]  # no types in a lambda
