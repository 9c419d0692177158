"""What the operator asks of the API server, counted by the API server's own audit log."""

import json

import pytest

from tests.support.api import path
from tests.support.cluster import wait_until
from tests.support.history import Audit, history
from tests.support.operator import OperatorProcess
from tests.support.stage import AGENT, Stage

pytestmark = [pytest.mark.cluster, pytest.mark.usefixtures("running_operator")]

TO_A_SANDBOX = ["get theazosecrets", "create secrets", "create pods", "patch theazoagents/status"]
RUNNING = ["deletecollection secrets", "patch theazoagents/status"]
FINISHED = ["patch theazoagents/status"]
TTL_OVER = ["delete theazoagents"]


def furnished(stage: Stage) -> None:
    """A session with values, about which the operator has nothing more to do."""
    audit = Audit()
    stage.open()
    stage.set({"KEY": "value", "OTHER": "value"})
    stage.is_now("TheazoSession", "alice", "Active", "Current")
    stage.is_now("TheazoSecret", "alice", "AllEntriesOpen", "Current")
    # What was written can be seen before the audit log says that it was.
    written = {"patch theazosessions/status", "patch theazosecrets/status"}
    wait_until("the audit log has that", lambda: written <= {str(call) for call in audit.calls(stage.name)})


def test_to_a_sandbox(stage: Stage, nowhere: str) -> None:
    furnished(stage)
    audit = Audit()
    stage.start("a", ["KEY", "OTHER"], compute=nowhere)
    stage.pod_of("a")
    assert [str(call) for call in audit.calls(stage.name)] == TO_A_SANDBOX
    assert all(call.code < 400 for call in audit.calls(stage.name))


def test_to_the_end_of_a_sandbox(stage: Stage) -> None:
    """At most seven: a container that ends before it was seen to run takes fewer."""
    furnished(stage)
    audit = Audit()
    stage.start("a", ["KEY"], ttlSecondsAfterFinished=1)
    stage.running("a")
    assert [str(call) for call in audit.calls(stage.name)] == TO_A_SANDBOX + RUNNING
    stage.run("a", "sh", "-c", "kill 1")
    stage.gone((AGENT, "a"))
    wait_until("its Pod is gone too", lambda: stage.list("Pod") == [])
    assert [str(call) for call in audit.calls(stage.name)] == TO_A_SANDBOX + RUNNING + FINISHED + TTL_OVER


def test_without_secrets_it_is_less(stage: Stage) -> None:
    furnished(stage)
    audit = Audit()
    stage.start("a", command=["true"])
    stage.agent_is("a", "Completed", "Current")
    calls = [str(call) for call in audit.calls(stage.name)]
    assert calls[0] == "create pods"
    assert set(calls[1:]) == {"patch theazoagents/status"}
    assert len(calls) <= 4


def test_changes_that_mean_nothing_cost_nothing(stage: Stage, nowhere: str) -> None:
    furnished(stage)
    stage.start("a", ["KEY"], compute=nowhere)
    pod = stage.pod_of("a")["metadata"]["name"]
    audit = Audit()
    for kind, name in (
        (AGENT, "a"),
        ("Pod", pod),
        ("TheazoSession", "alice"),
        ("TheazoSecret", "alice"),
    ):
        metadata = {"labels": {"team": "a"}, "annotations": {"note": "b"}}
        stage.api.merge(path(kind, stage.name, name), {"metadata": metadata}).ok()
    stage.api.merge(path("Namespace", name=stage.name), {"metadata": {"labels": {"team": "a"}}}).ok()
    # What it does for this one comes after what it would have done for those.
    stage.start("b", ["KEY"], compute=nowhere)
    stage.pod_of("b")
    assert [str(call) for call in audit.calls(stage.name)] == TO_A_SANDBOX


def test_a_restart_writes_nothing_about_what_is_settled(
    stage: Stage, running_operator: OperatorProcess, nowhere: str
) -> None:
    furnished(stage)
    stage.start("starts", ["KEY"], compute=nowhere)
    stage.start("runs", ["KEY"])
    stage.start("ended", ["KEY"], command=["true"])
    stage.start("failed", ["KEY"], command=["false"])
    stage.pod_of("starts")
    stage.running("runs")
    stage.agent_is("ended", "Completed", "Current")
    stage.agent_is("failed", "SandboxFailed", "Failed")
    running_operator.stop()
    audit = Audit()
    running_operator.start()
    for later in ("later", "z-last"):
        stage.start(later, ["KEY"], compute=nowhere)
    marks = ["later", "z-last"]
    for later in marks[:2]:
        pod = stage.pod_of(later)
        marks += [pod["metadata"]["name"], pod["metadata"]["labels"]["theazo.dev/agent-uid"]]
    # They may be older than the operator's own first look, and so count as what a crash left half done.
    writes = [call for call in audit.writes(stage.name) if call.verb != "create"]
    assert writes
    assert [call for call in writes if not any(mark in call.uri for mark in marks)] == []
    made = [call for call in audit.writes(stage.name) if call.verb == "create"]
    assert len(made) == 4, "a Secret and a Pod for each"


def test_a_new_value_costs_its_verification_only(stage: Stage, nowhere: str) -> None:
    furnished(stage)
    for name in ("a", "b", "c"):
        stage.start(name, ["KEY"], compute=nowhere)
        stage.pod_of(name)
    audit = Audit()
    stage.set({"KEY": "new"})
    where = path("TheazoSecret", stage.name, "alice")
    generation = stage.api.get(where).ok()["metadata"]["generation"]
    wait_until("it was verified", lambda: stage.api.get(where).ok()["status"]["observedGeneration"] == generation)
    assert [str(call) for call in audit.calls(stage.name)] == ["get theazosecrets", "patch theazosecrets/status"]


def test_nothing_is_written_but_what_we_say(stage: Stage, nowhere: str) -> None:
    """No finalizer, no annotation and no Kubernetes Event, of kopf or of ours, through a whole life."""
    since = stage.version()
    furnished(stage)
    stage.start("a", ["KEY"], compute=nowhere)
    stage.start("b", ["KEY"], command=["true"])
    stage.pod_of("a")
    stage.agent_is("b", "Completed", "Current")
    for kind in (AGENT, "TheazoSession", "TheazoSecret"):
        for _, obj in history(stage.api, kind, stage.name, since):
            assert not obj["metadata"].keys() & {"finalizers", "annotations", "labels"}, obj["metadata"]
            assert "kopf" not in json.dumps(obj)
    for _, obj in history(stage.api, "Pod", stage.name, since):
        assert "finalizers" not in obj["metadata"]
    for _, event in history(stage.api, "Event", stage.name, since):
        assert event["involvedObject"]["kind"] == "Pod"
        assert event["reportingComponent"] in {"kubelet", "default-scheduler"}


def test_the_operator_asks_for_no_secret_by_name(stage: Stage, nowhere: str) -> None:
    audit = Audit()
    furnished(stage)
    stage.start("a", ["KEY"], compute=nowhere)
    stage.pod_of("a")
    stage.api.delete(path(AGENT, stage.name, "a")).ok()
    wait_until("its Secret is gone", lambda: stage.values() == {})
    verbs = {call.verb for call in audit.calls() if call.what == "secrets"}
    # The other one, blindly and by label, where the Pod's deletion is seen before the agent's.
    assert verbs - {"deletecollection"} == {"create"}
