"""How a sandbox ends, and that it has ended for good."""

import pytest

from tests.support.api import path
from tests.support.cluster import wait_until
from tests.support.history import history
from tests.support.operator import OperatorProcess
from tests.support.stage import Stage, find

pytestmark = [pytest.mark.cluster, pytest.mark.usefixtures("running_operator")]


def test_how_a_sandbox_ends(stage: Stage) -> None:
    stage.open()
    stage.set({"KEY": "value"})

    def python(text: str) -> list[str]:
        return ["python3", "-c", text]

    stage.start("well", ["KEY"], command=python("print('canary-printed')"))
    stage.start("badly", ["KEY"], command=python("raise SystemExit(7)"))
    stage.start("late", ["KEY"], activeDeadlineSeconds=2)
    stage.start("no-such-program", ["KEY"], command=["/no/such/program"], startDeadlineSeconds=4)
    stage.start("lost", ["KEY"])
    lost = stage.running("lost")["podName"]
    stage.api.delete(path("Pod", stage.name, lost)).ok()
    expected = {
        "well": ("Completed", "Current", "Succeeded", 0),
        "badly": ("SandboxFailed", "Failed", "Failed", 7),
        "late": ("DeadlineExceeded", "Failed", "Failed", None),
        "lost": ("SandboxLost", "Failed", "Failed", None),
    }
    for agent, (reason, verdict, phase, code) in expected.items():
        status = stage.agent_is(agent, reason, verdict, 60)
        assert status["phase"] == phase
        assert code is None or status["exitCode"] == code
        assert find(status, "Finished")["status"] == "True"
        assert find(status, "SandboxCreated")["status"] == "True"
        assert status["startTime"] <= status["finishTime"]
        assert "canary" not in str(status)
    assert wait_finished(stage, "no-such-program") in {"SandboxFailed", "SandboxNotStarted"}
    stage.gone(("Pod", lost))
    assert stage.agent_is("lost", "SandboxLost", "Failed")["podName"] == lost
    assert stage.get("Pod", lost) is None, "never a second Pod"
    assert stage.values() == {}


def wait_finished(stage: Stage, agent: str) -> str:
    """Wait for an agent's end, and give its reason."""
    wait_until(f"{agent} has finished", lambda: bool(find(stage.status(agent), "Finished")), 30)
    return str(find(stage.status(agent), "Finished")["reason"])


def test_a_pod_that_went_while_nobody_looked_is_not_made_again(
    stage: Stage, running_operator: OperatorProcess, nowhere: str
) -> None:
    stage.open()
    stage.set({"KEY": "value"})
    since = stage.version()
    stage.start("a", ["KEY"], compute=nowhere)
    pod = stage.pod_of("a")["metadata"]["name"]
    running_operator.stop()
    stage.api.delete(path("Pod", stage.name, pod)).ok()
    running_operator.start()
    assert stage.agent_is("a", "SandboxLost", "Failed")["podName"] == pod
    assert stage.values() == {}
    made = [
        obj["metadata"]["name"] for change, obj in history(stage.api, "Pod", stage.name, since) if change == "ADDED"
    ]
    assert made == [pod]


def test_a_pod_that_its_node_ended(stage: Stage, nowhere: str) -> None:
    """By what the kubelet writes; its message, which could quote anything, is not repeated."""
    stage.open()
    stage.set({"KEY": "value"})
    stage.start("a", ["KEY"], compute=nowhere)
    pod = stage.pod_of("a")["metadata"]["name"]
    told = {"phase": "Failed", "reason": "Evicted", "message": "canary: low on memory"}
    stage.api.merge(path("Pod", stage.name, pod, "status"), {"status": told}).ok()
    status = stage.agent_is("a", "Evicted", "Failed")
    assert "canary" not in str(status)
    assert stage.values() == {}
