"""The commands that use a kubeconfig, against a real API server and a real operator."""

import io
import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from unittest.mock import patch

import pytest
from cyclopts import App

from tests.support.api import Api, path
from tests.support.cli import Result, theazo
from tests.support.cluster import OPERATOR, SYSTEM, Kubectl, bind, wait_until
from tests.support.operator import write_kubeconfig
from tests.support.stage import Stage
from theazo import api_key
from theazo.cli import agent_logs

pytestmark = [pytest.mark.cluster, pytest.mark.usefixtures("running_operator")]

THEAZO = str(Path(sys.executable).with_name("theazo"))
KEYS = "theazo-api-keys"


@pytest.fixture
def no_keys(installed: None, api: Api) -> Iterator[None]:  # noqa: ARG001 - its namespace has to be there
    """A cluster without API keys."""
    where = path("Secret", SYSTEM, KEYS)
    api.delete(where)
    yield
    api.delete(where)


def api_keys(kubeconfig: Path, *arguments: str) -> Result:
    return theazo("api-keys", *arguments, "--kubeconfig", kubeconfig)


@pytest.mark.usefixtures("no_keys")
def test_from_several_first_keys_to_none(stage: Stage, api: Api, kubeconfig: Path) -> None:
    create = [THEAZO, "api-keys", "create", "-n", stage.name, "--kubeconfig", str(kubeconfig)]
    with ThreadPoolExecutor(4) as pool:
        done = list(pool.map(lambda _: subprocess.run(create, capture_output=True, text=True, check=True), range(4)))
    keys = [each.stdout.removesuffix("\n") for each in done]
    ids = sorted(key[8:20] for key in keys)
    found = json.loads(api_keys(kubeconfig, "list", "-o", "json").out)["apiKeys"]
    assert [(each["id"], each["platform"]) for each in found] == [(key_id, stage.name) for key_id in ids]
    secret = api.get(path("Secret", SYSTEM, KEYS)).ok()
    assert (secret["type"], sorted(secret["data"])) == ("Opaque", ids)
    assert secret["metadata"]["labels"] == {"app.kubernetes.io/managed-by": "theazo"}
    everything = json.dumps(secret) + "".join(each.stderr for each in done)
    assert not any(key[21:] in everything for key in keys)

    assert api_keys(kubeconfig, "revoke", ids[0], ids[1]).code == 0
    result = api_keys(kubeconfig, "revoke", ids[0], ids[2])
    assert (result.code, result.out) == (1, f"API key {ids[2]} revoked\n")
    assert f"there is no API key {ids[0]}" in result.err
    assert api_keys(kubeconfig, "list", "-o", "name").out == f"{ids[3]}\n"
    assert api_keys(kubeconfig, "revoke", ids[3]).code == 0
    # A Secret without any entry takes one again.
    key = api_keys(kubeconfig, "create", "-n", stage.name, "--description", "again").out.strip()
    assert api_key.API_KEY_PATTERN.fullmatch(key)
    assert api_keys(kubeconfig, "list", "-o", "name").out == f"{key[8:20]}\n"


@pytest.mark.usefixtures("tenant")
def test_who_may_not_make_keys_is_told_so(api: Api, platform: str, kubeconfig: Path, tmp_path: Path) -> None:
    weak = write_kubeconfig(tmp_path / "weak", kubeconfig, api.token_of(platform, "tenant"))
    result = api_keys(weak, "create", "-n", platform)
    assert (result.code, result.out) == (1, "")
    assert "your account may not do that" in result.err
    assert len(result.err.splitlines()) == 1


def explain(stage: Stage, agent: str, kubeconfig: Path) -> Result:
    return theazo("explain", agent, "-n", stage.name, "--kubeconfig", kubeconfig)


def test_from_a_missing_secret_to_a_sandbox_that_ended(stage: Stage, kubeconfig: Path) -> None:
    canary = "c4n4ry-in-words"
    stage.start("hello", ["KEY"], command=["python3", "-c", "print('h\\xe9llo')"])
    stage.agent_is("hello", "SessionNotFound", "InProgress")
    assert f"there is no session alice in {stage.name}" not in explain(stage, "hello", kubeconfig).out
    assert "[fail] session: there is no session alice" in explain(stage, "hello", kubeconfig).out
    stage.open()
    stage.agent_is("hello", "SecretNotFound", "InProgress")
    result = explain(stage, "hello", kubeconfig)
    assert (result.code, result.err) == (1, "")
    assert "is not running yet" in result.out.splitlines()[0]
    assert "[fail] secret: KEY is not set in session alice" in result.out
    stage.set({"KEY": canary})
    stage.agent_is("hello", "Completed", "Current", 60)
    result = explain(stage, "hello", kubeconfig)
    assert (result.code, result.err) == (0, "")
    assert result.out.startswith(f"agent hello of platform {stage.name} succeeded")
    assert "[ok]   secrets: given to the sandbox: KEY" in result.out
    assert "the container sandbox ended with exit code 0" in result.out
    sealed = stage.get("TheazoSecret", "alice")
    assert sealed is not None
    for text in (canary, sealed["spec"]["encryptedData"]["KEY"]["ciphertext"]):
        assert text not in result.out
    assert logged(kubeconfig, "hello", "-n", stage.name) == "héllo\n".encode()


def test_a_sandbox_that_no_node_takes(stage: Stage, nowhere: str, kubeconfig: Path) -> None:
    stage.open()
    stage.start("lost", compute=nowhere)
    stage.pod_of("lost")
    wait_until("the scheduler says why", lambda: "event: FailedScheduling" in explain(stage, "lost", kubeconfig).out)
    text = explain(stage, "lost", kubeconfig).out
    assert "takes the Pod lost-" in text
    assert "Unschedulable" in text
    assert "0/1 nodes are available" in text


def test_a_sandbox_that_failed(stage: Stage, kubeconfig: Path) -> None:
    stage.open()
    stage.start("bad", command=["python3", "-c", "raise SystemExit(3)"])
    stage.agent_is("bad", "SandboxFailed", "Failed", 60)
    result = explain(stage, "bad", kubeconfig)
    assert result.code == 1
    assert result.out.startswith(f"agent bad of platform {stage.name} failed: the sandbox ended with an error\n")
    assert "[fail] container: the container sandbox ended with exit code 3" in result.out


def test_logs_are_followed_until_the_sandbox_ends_or_nobody_follows(stage: Stage, kubeconfig: Path) -> None:
    """What is printed comes while the sandbox runs, and the command ends with it by itself."""
    told = "signal.SIGUSR1"
    block = f"signal.pthread_sigmask(signal.SIG_BLOCK, [{told}])"
    stage.open()
    script = f"import signal; {block}; print('one', flush=True); signal.sigwait([{told}]); print('tw\\xf6')"
    stage.start("hello", command=["python3", "-c", script])
    stage.running("hello")
    command = [THEAZO, "agents", "logs", "hello", "-n", stage.name, "--follow", "--kubeconfig", str(kubeconfig)]
    with (
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as stays,
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as leaves,
    ):
        for each in (stays, leaves):
            assert each.stdout is not None
            assert each.stdout.readline() == b"one\n"
        leaves.send_signal(signal.SIGINT)
        out, err = leaves.communicate(timeout=60)
        assert (leaves.returncode, out) == (130, b"")
        assert b"Traceback" not in err
        stage.run("hello", "python3", "-c", f"import os, signal; os.kill(1, {told})")
        assert (*stays.communicate(timeout=60), stays.returncode) == ("tw\xf6\n".encode(), b"", 0)
    stage.agent_is("hello", "Completed", "Current", 60)
    assert logged(kubeconfig, "hello", "-n", stage.name, "--follow", "--tail", "1") == "tw\xf6\n".encode()


def logged(kubeconfig: Path, *arguments: str) -> bytes:
    """What the command, in an app of its own, writes to standard output."""
    app, raw = App(name="agents", result_action="return_value"), io.BytesIO()
    agent_logs.register(app)
    with patch("sys.stdout", io.TextIOWrapper(raw)):
        app(["logs", *arguments, "--kubeconfig", str(kubeconfig)], exit_on_error=False, print_error=False)
        return raw.getvalue()


def test_the_last_lines_of_what_runs(stage: Stage, kubeconfig: Path) -> None:
    stage.open()
    forever = "import signal; print('first', flush=True); print('second', flush=True); signal.pause()"
    stage.start("talks", command=["python3", "-c", forever])
    stage.running("talks")
    last = partial(logged, kubeconfig, "talks", "-n", stage.name, "--tail", "1")
    wait_until("the sandbox has spoken", lambda: last() == b"second\n")


def doctor(kubeconfig: Path) -> dict[str, list[str]]:
    result = theazo("doctor", "-o", "json", "--kubeconfig", kubeconfig)
    assert result.err == ""
    found: dict[str, list[str]] = {"ok": [], "warn": [], "fail": []}
    for each in json.loads(result.out)["checks"]:
        found[each["state"]].append(f"{each['subject']}: {each['text']}")
    assert result.code == bool(found["fail"])
    return found


def about(subject: str, platform: str, lines: list[str]) -> list[str]:
    """The lines of a subject that are about a platform."""
    return [line for line in lines if line.startswith(f"{subject}: ") and platform in line]


def test_doctor_of_a_real_installation(stage: Stage, api: Api, kubectl: Kubectl, kubeconfig: Path) -> None:
    key = path("ConfigMap", SYSTEM, f"sealing-key-{stage.name}")
    wait_until("the key is published", lambda: api.get(key).code == 200)
    # The tests' operator is a process of their own, so that the Deployment has no replica.
    found = doctor(kubeconfig)
    assert "operator: not ready, image theazo-operator:dev" in found["fail"]
    assert "encryption: the API server that answered writes Secrets encrypted, with secretbox" in found["ok"]
    assert "crds: 3 kinds, established and served as v1alpha1" in found["ok"]
    assert "admission: 3 policies, all bound to deny" in found["ok"]
    assert "clock: this machine and the API server agree" in found["ok"]
    assert "own rights: theazo-operator can't read Secrets of platforms" in found["ok"]
    assert about("readers", stage.name, found["ok"])
    assert any("Group kubeadm:cluster-admins" in line for line in found["warn"])
    assert about("pod security", stage.name, found["warn"])

    kubectl("create", "role", "reader", "-n", stage.name, "--verb=get,list", "--resource=secrets")
    kubectl("create", "rolebinding", "eve", "-n", stage.name, "--role=reader", "--user=eve")
    bind(api, stage.name, "too-much", "admin", (SYSTEM, OPERATOR))
    kubectl("delete", "rolebinding", "theazo-operator", "-n", stage.name)
    kubectl("label", "namespace", stage.name, "pod-security.kubernetes.io/enforce=baseline")
    found = doctor(kubeconfig)
    assert any("User eve by RoleBinding eve" in line for line in about("readers", stage.name, found["warn"]))
    assert len(about("own rights", f"in {stage.name},", found["fail"])) == 3
    assert any("no RoleBinding theazo-operator" in line for line in about("platforms", stage.name, found["fail"]))
    assert not about("pod security", stage.name, found["warn"])


@pytest.mark.usefixtures("tenant")
def test_doctor_with_few_rights_says_what_it_could_not_check(
    api: Api, platform: str, kubeconfig: Path, tmp_path: Path
) -> None:
    weak = write_kubeconfig(tmp_path / "weak", kubeconfig, api.token_of(platform, "tenant"))
    found = doctor(weak)
    assert found["fail"] == []
    assert {line.split(":")[0] for line in found["warn"]} == {
        *("crds", "operator", "api", "master key", "admission", "platforms", "sealing keys", "pod security"),
        *("own rights", "readers", "encryption"),
    }
    assert all("could not be checked: " in line for line in found["warn"])
