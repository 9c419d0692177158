"""The pod-scoped Secret: made so that only the sandbox gets it, and there no longer than it must be.

Judged by the API server's own history: what is there only for a moment is seen all the same.
"""

import base64
import re
from datetime import datetime, timedelta
from itertools import pairwise

import pytest

from hack.cluster import paths
from tests.support.api import Api, Manifest, path
from tests.support.cluster import wait_until
from tests.support.history import Audit, history, lives, version
from tests.support.stage import IDLE, Stage, compute

pytestmark = [pytest.mark.cluster, pytest.mark.usefixtures("running_operator")]


def first(stage: Stage, kind: str, name: str, since: str, **status: str) -> int:
    """The place in the history where an object's status first said this."""
    for _, obj in history(stage.api, kind, stage.name, since):
        if obj["metadata"]["name"] == name and status.items() <= obj.get("status", {}).items():
            return version(obj)
    pytest.fail(f"{kind} {name} was never {status}")


def started(stage: Stage, pod: str, since: str) -> int:
    """The place in the history where a Pod's container first ran or had ended."""
    for _, obj in history(stage.api, "Pod", stage.name, since):
        states = obj.get("status", {}).get("containerStatuses", [])
        if obj["metadata"]["name"] == pod and any(not each["state"].get("waiting") for each in states):
            return version(obj)
    pytest.fail(f"Pod {pod} never started")


def test_it_is_whole_from_its_creation(stage: Stage, nowhere: str) -> None:
    stage.open()
    stage.set({"KEY": "value", "OTHER": "other"})
    since = stage.version()
    agent = stage.start("a", ["KEY", {"name": "COPY", "from": "KEY"}], compute=nowhere)
    pod = stage.pod_of("a")
    (life,) = lives(stage.api, stage.name, since)
    made: Manifest = life.created
    assert re.fullmatch(r"thz-[a-z2-7]{26}", life.name)
    assert made["immutable"] is True
    assert made["type"] == "theazo.dev/agent"
    assert {name: base64.b64decode(text) for name, text in made["data"].items()} == {"KEY": b"value", "COPY": b"value"}
    assert made["metadata"]["labels"]["theazo.dev/agent-uid"] == agent["metadata"]["uid"]
    (owner,) = made["metadata"]["ownerReferences"]
    assert (owner["kind"], owner["name"], owner["uid"]) == ("TheazoAgent", "a", agent["metadata"]["uid"])
    assert not made["metadata"].keys() & {"annotations", "finalizers", "generateName"}
    assert pod["metadata"]["ownerReferences"] == [owner]
    assert pod["spec"]["containers"][0]["envFrom"] == [{"secretRef": {"name": life.name}}]
    (appeared,) = (each for change, each in history(stage.api, "Pod", stage.name, since) if change == "ADDED")
    assert version(made) < version(appeared), "the other order costs the kubelet's back-off"


def test_with_never_it_goes_when_the_sandbox_has_started(stage: Stage) -> None:
    stage.open()
    stage.set({"KEY": "value"})
    since, audit = stage.version(), Audit()
    stage.start("runs", ["KEY"])
    stage.start("ends", ["KEY"], command=["true"])
    stage.running("runs")
    stage.agent_is("ends", "Completed", "Current")
    assert stage.values() == {}
    found = {
        life.created["metadata"]["labels"]["theazo.dev/agent"]: life for life in lives(stage.api, stage.name, since)
    }
    for agent in ("runs", "ends"):
        pod = stage.pod_of(agent)["metadata"]["name"]
        deleted = found[agent].deleted
        assert deleted is not None
        assert started(stage, pod, since) < deleted
    # What the status says has been done.
    deleted = found["runs"].deleted
    assert deleted is not None
    assert deleted < first(stage, "TheazoAgent", "runs", since, phase="Running")
    deletions = [call for call in audit.calls(stage.name) if call.verb == "deletecollection"]
    assert len(deletions) == 2, "once for each agent"
    assert stage.environment("runs")["KEY"] == "value", "it keeps its environment"


def test_it_keeps_its_environment_over_a_kubelet_restart(stage: Stage) -> None:
    stage.open()
    stage.set({"KEY": "value"})
    stage.start("before", ["KEY"])
    stage.running("before")
    assert stage.values() == {}
    container = _container(stage, "before")
    paths.node_exec("systemctl", "restart", "kubelet")
    # What the new kubelet does with this one, it does after it has looked at what was there.
    stage.start("after", ["KEY"])
    stage.running("after")
    assert stage.environment("before")["KEY"] == "value"
    assert _container(stage, "before") == container


def _container(stage: Stage, agent: str) -> tuple[str, int]:
    """Which container an agent's sandbox is, and how often it was started again."""
    (state,) = stage.pod_of(agent)["status"]["containerStatuses"]
    assert "running" in state["state"]
    return state["containerID"], state["restartCount"]


@pytest.mark.parametrize("policy", ["OnFailure", "Always"])
def test_otherwise_it_stays_as_long_as_the_pod_may_restart(stage: Stage, policy: str) -> None:
    stage.open()
    stage.set({"KEY": "value"})
    since = stage.version()
    again = (
        f"import os, sys; os.path.exists('/tmp/x') or sys.exit(open('/tmp/x', 'w').close() or 3); exec({IDLE[-1]!r})"
    )
    stage.start("a", ["KEY"], restartPolicy=policy, command=["python3", "-c", again])
    restarted = "the sandbox runs for the second time"
    wait_until(restarted, lambda: _restarts(stage, "a") == 1, 60)
    stage.running("a")
    assert stage.environment("a")["KEY"] == "value"
    assert [list(held) for held in stage.values().values()] == [["KEY"]]
    if policy == "Always":
        return
    stage.run("a", "sh", "-c", "kill 1")
    status = stage.agent_is("a", "Completed", "Current")
    assert status["exitCode"] == 0
    (life,) = lives(stage.api, stage.name, since)
    assert life.deleted is not None
    pod = stage.pod_of("a")["metadata"]["name"]
    assert first(stage, "Pod", pod, since, phase="Succeeded") < life.deleted
    assert life.deleted < first(stage, "TheazoAgent", "a", since, phase="Succeeded")


def _restarts(stage: Stage, agent: str) -> int:
    states = stage.pod_of(agent).get("status", {}).get("containerStatuses", [])
    return sum(each["restartCount"] for each in states if "running" in each["state"])


def test_a_refused_pod_leaves_none_and_each_attempt_has_its_own(stage: Stage) -> None:
    quota = {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "none"}, "spec": {"hard": {"pods": "0"}}}
    stage.create(quota)
    stage.open()
    stage.set({"KEY": "value"})
    since, audit = stage.version(), Audit()
    stage.start("a", ["KEY"])
    stage.agent_is("a", "SandboxRefused", "Failed")

    def attempts() -> int:
        return sum(call.what == "pods" and call.code == 403 for call in audit.calls(stage.name))

    wait_until("it is tried again", lambda: attempts() >= 3)
    stage.api.delete(path("ResourceQuota", stage.name, "none")).ok()
    stage.running("a")
    tried = lives(stage.api, stage.name, since)
    assert len({life.name for life in tried}) == len(tried) == attempts() + 1
    assert all(life.deleted for life in tried)
    calls = [call for call in audit.calls(stage.name) if call.what in {"secrets", "pods"}]
    for refused, after in pairwise(calls):
        if refused.what == "pods" and refused.code == 403:
            assert (after.verb, after.what) == ("deletecollection", "secrets")


def test_what_does_not_start_in_time_goes_with_its_secret(stage: Stage, api: Api) -> None:
    with compute(api, sandbox={"image": "localhost/not-there:1"}) as template:
        stage.open()
        stage.set({"KEY": "value"})
        since = stage.version()
        stage.start("a", ["KEY"], compute=template, startDeadlineSeconds=3)
        pod = stage.pod_of("a")["metadata"]["name"]
        status = stage.agent_is("a", "SandboxNotStarted", "Failed")
        assert (status["phase"], status["podName"]) == ("Failed", pod)
        stage.gone(("Pod", pod))
        (life,) = lives(stage.api, stage.name, since)
        assert life.deleted is not None
        assert life.deleted < first(stage, "TheazoAgent", "a", since, phase="Failed")


def test_it_ends_with_its_agent_and_with_its_session(stage: Stage, nowhere: str) -> None:
    for session in ("alice", "bob"):
        stage.open(session)
        stage.set({"KEY": "value"}, session)
        stage.start(session, ["KEY"], session, compute=nowhere)
        stage.pod_of(session)
    assert len(stage.values()) == 2
    before = _time(stage.open("before"))
    stage.api.delete(path("TheazoAgent", stage.name, "alice")).ok()
    stage.api.delete(path("TheazoSession", stage.name, "bob")).ok()
    wait_until("both Secrets are gone", lambda: stage.values() == {}, 60)
    assert _time(stage.open("after")) - before <= timedelta(seconds=60), "by the API server's clock"
    wait_until("both Pods are gone", lambda: stage.list("Pod") == [])


def _time(made: Manifest) -> datetime:
    return datetime.fromisoformat(made["metadata"]["creationTimestamp"])


@pytest.mark.parametrize("how", ["held by a finalizer", "--cascade=orphan"])
def test_it_goes_even_if_its_agents_deletion_is_held_up(stage: Stage, api: Api, nowhere: str, how: str) -> None:
    stage.open()
    stage.set({"KEY": "value"})
    stage.start("a", ["KEY"], compute=nowhere)
    pod, where = stage.pod_of("a")["metadata"]["name"], path("TheazoAgent", stage.name, "a")
    assert len(stage.values()) == 1
    if how == "held by a finalizer":
        api.merge(where, {"metadata": {"finalizers": ["example.com/held"]}}).ok()
    api.delete(where, propagationPolicy="Orphan" if how == "--cascade=orphan" else "Background").ok()
    wait_until("the Secret is gone", lambda: stage.values() == {})
    wait_until("the Pod is gone", lambda: stage.get("Pod", pod) is None, 60)
    if how == "held by a finalizer":
        api.merge(where, {"metadata": {"finalizers": None}}).ok()
    wait_until("the agent is gone", lambda: stage.get("TheazoAgent", "a") is None, 90)


def test_a_new_value_never_changes_one_that_is_there(stage: Stage, nowhere: str) -> None:
    stage.open()
    stage.set({"KEY": "old"})
    stage.start("a", ["KEY"], compute=nowhere)
    stage.pod_of("a")
    stage.set({"KEY": "new"})
    stage.start("b", ["KEY"], compute=nowhere)
    stage.pod_of("b")
    assert sorted(held["KEY"] for held in stage.values().values()) == ["new", "old"]
