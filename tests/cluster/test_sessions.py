"""Sessions end, and nothing of theirs outlives them; the two times to live; what GitOps tracks stays."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.api import Manifest, path
from tests.support.cluster import wait_until
from tests.support.history import Audit, history
from tests.support.manifests import API_VERSION
from tests.support.operator import OperatorProcess
from tests.support.stage import AGENT, Stage, find

pytestmark = [pytest.mark.cluster, pytest.mark.usefixtures("running_operator")]

# What Argo CD and Flux leave on what they apply.
TRACKED: dict[str, dict[str, Any]] = {
    "argo-label": {"labels": {"argocd.argoproj.io/instance": "app"}},
    "argo-annotation": {"annotations": {"argocd.argoproj.io/tracking-id": "app:theazo.dev/TheazoAgent:ns/a"}},
    "flux": {"labels": {"kustomize.toolkit.fluxcd.io/name": "app"}},
    "helm-by-flux": {"labels": {"helm.toolkit.fluxcd.io/name": "app"}},
}


def owned_by(session: Manifest) -> dict[str, Any]:
    """Metadata of what the api makes in a session."""
    metadata = session["metadata"]
    return {
        "ownerReferences": [
            {"apiVersion": API_VERSION, "kind": "TheazoSession", "name": metadata["name"], "uid": metadata["uid"]}
        ]
    }


@pytest.fixture
def operator_down(running_operator: OperatorProcess) -> Iterator[OperatorProcess]:
    """The operator, for a test to stop; it is running again afterwards."""
    yield running_operator
    running_operator.stop()
    running_operator.start()


def test_a_session_ends_with_all_it_owns_when_its_time_is_over(stage: Stage, nowhere: str) -> None:
    stage.open("short", ttlSeconds=3)
    stage.open("long", ttlSeconds=3600)
    for session in ("short", "long"):
        stage.set({"KEY": "value"}, session)
        stage.start(f"{session}-waits", ["ABSENT"], session, compute=nowhere)
        stage.start(f"{session}-has", ["KEY"], session, compute=nowhere)
        stage.pod_of(f"{session}-has")
    (short,) = [pod for pod in stage.list("Pod") if pod["metadata"]["labels"]["theazo.dev/session"] == "short"]
    ends = stage.is_now("TheazoSession", "long", "Active", "Current")["expirationTime"]
    assert ends > short["metadata"]["creationTimestamp"]
    stage.gone(
        ("TheazoSession", "short"), ("TheazoSecret", "short"), (AGENT, "short-waits"), (AGENT, "short-has"), seconds=15
    )
    stage.gone(("Pod", short["metadata"]["name"]))
    wait_until("its pod-scoped Secret is gone", lambda: len(stage.values()) == 1)
    assert stage.get("TheazoSecret", "long")
    assert {item["metadata"]["name"] for item in stage.list(AGENT)} == {"long-waits", "long-has"}


def test_a_tracked_session_stays_as_expired(stage: Stage, nowhere: str) -> None:
    stage.open(ttlSeconds=3, metadata=TRACKED["argo-label"])
    stage.set({"KEY": "value"}, **TRACKED["argo-label"])
    stage.start("untracked", ["KEY"], compute=nowhere)
    stage.start("tracked", ["KEY"], compute=nowhere, metadata=TRACKED["flux"])
    pods = [stage.pod_of(agent)["metadata"]["name"] for agent in ("untracked", "tracked")]
    stage.is_now("TheazoSession", "alice", "Expired", "Failed")
    stage.gone((AGENT, "untracked"), *(("Pod", pod) for pod in pods))
    status = stage.agent_is("tracked", "SessionExpired", "Failed")
    assert (status["phase"], find(status, "Finished")["reason"]) == ("Failed", "SessionExpired")
    assert stage.values() == {}
    assert stage.get("TheazoSecret", "alice"), "it is tracked too"
    stage.api.merge(path("TheazoSession", stage.name, "alice"), {"spec": {"ttlSeconds": 3600}}).ok()
    stage.is_now("TheazoSession", "alice", "Active", "Current")
    stage.start("later", ["KEY"], compute=nowhere)
    stage.pod_of("later")
    assert stage.agent_is("tracked", "SessionExpired", "Failed")["podName"] == pods[1], "an end is for good"


def test_time_to_live_after_the_end_takes_agent_pod_and_secret(stage: Stage, nowhere: str) -> None:
    stage.open()
    stage.set({"KEY": "value"})
    since = stage.version()
    ttl: dict[str, Any] = {"compute": nowhere, "ttlSecondsAfterFinished": 1}
    stage.start("untracked", ["KEY"], **ttl)
    for name, metadata in TRACKED.items():
        stage.start(name, ["KEY"], **ttl, metadata=metadata)
    stage.start("stays", ["KEY"], compute=nowhere)
    agents = ["untracked", *TRACKED, "stays"]
    pods = {agent: stage.pod_of(agent)["metadata"]["name"] for agent in agents}
    for pod in pods.values():
        ended = {"status": {"phase": "Succeeded"}}
        stage.api.merge(path("Pod", stage.name, pod, "status"), ended).ok()
    stage.gone((AGENT, "untracked"), *(("Pod", pods[agent]) for agent in agents[:-1]))
    assert stage.values() == {}
    for agent in TRACKED:
        assert stage.agent_is(agent, "Completed", "Current")["podName"] == pods[agent]
    assert stage.get("Pod", pods["stays"])
    made = [
        obj["metadata"]["name"] for change, obj in history(stage.api, "Pod", stage.name, since) if change == "ADDED"
    ]
    assert sorted(made) == sorted(pods.values()), "none of them ran again"


def furnish(stage: Stage, session: str, nowhere: str, *, owner: Manifest | None = None) -> list[tuple[str, str]]:
    """Secrets and agents of a session, once the operator has seen all of them with it: pairs of kind and name."""
    metadata = owned_by(owner) if owner else {}
    stage.set({"KEY": "value"}, session, **metadata)
    stage.start(f"{session}-waits", ["ABSENT"], session, compute=nowhere, metadata=metadata)
    stage.start(f"{session}-has", ["KEY"], session, compute=nowhere, metadata=metadata)
    stage.is_now("TheazoSecret", session, "AllEntriesOpen", "Current")
    stage.agent_is(f"{session}-waits", "SecretNotFound", "InProgress")
    stage.pod_of(f"{session}-has")
    return [("TheazoSecret", session), (AGENT, f"{session}-waits"), (AGENT, f"{session}-has")]


def test_what_was_seen_with_a_session_goes_with_it(stage: Stage, nowhere: str) -> None:
    sessions = {name: stage.open(name) for name in ("alice", "bob", "carol")}
    swept = furnish(stage, "alice", nowhere)
    collected = furnish(stage, "bob", nowhere, owner=sessions["bob"])
    stays = furnish(stage, "carol", nowhere)
    for name in ("alice", "bob"):
        stage.api.delete(path("TheazoSession", stage.name, name)).ok()
    stage.gone(*swept, *collected, seconds=10)
    wait_until("only carol's pod-scoped Secret lives", lambda: len(stage.values()) == 1)
    assert all(stage.get(kind, name) for kind, name in stays)


def test_also_when_the_session_went_while_nobody_looked(
    stage: Stage, operator_down: OperatorProcess, nowhere: str
) -> None:
    """Deleted, or deleted and made again: its namesake is another session."""
    sessions = {name: stage.open(name) for name in ("alice", "bob", "carol", "dave")}
    deleted = furnish(stage, "alice", nowhere)
    made_again = furnish(stage, "bob", nowhere)
    collected = furnish(stage, "carol", nowhere, owner=sessions["carol"])
    stays = furnish(stage, "dave", nowhere)
    assert operator_down.stop() == 0
    for name in ("alice", "bob", "carol"):
        stage.api.delete(path("TheazoSession", stage.name, name)).ok()
    stage.open("bob")
    stage.gone(*collected)
    assert all(stage.get(kind, name) for kind, name in [*deleted, *made_again])
    operator_down.start()
    stage.gone(*deleted, *made_again, seconds=10)
    wait_until("only dave's pod-scoped Secret lives", lambda: len(stage.values()) == 1)
    assert all(stage.get(kind, name) for kind, name in stays)
    stage.is_now("TheazoSession", "bob", "Active", "Current")


def test_what_was_there_before_its_session_waits_and_is_not_swept(stage: Stage, nowhere: str) -> None:
    stage.open("other")
    stage.set({"KEY": "value"}, "alice")
    stage.start("a", ["KEY"], "alice", compute=nowhere, secretsDeadlineSeconds=1)
    stage.agent_is("a", "SessionNotFound", "Failed")
    stage.is_now("TheazoSecret", "alice", "SessionNotFound", "InProgress")
    stage.api.delete(path("TheazoSession", stage.name, "other")).ok()
    stage.gone(("TheazoSession", "other"))
    assert "sessionUID" not in stage.status("a")
    opened = stage.open("alice")
    stage.pod_of("a")
    stage.is_now("TheazoSecret", "alice", "AllEntriesOpen", "Current")
    assert stage.status("a")["sessionUID"] == opened["metadata"]["uid"]


def test_a_session_made_again_opens_nothing_of_the_old_one(stage: Stage, nowhere: str) -> None:
    stage.open(sealingId="first")
    old = stage.sealed("KEY", "of the old one", sealing_id="first")
    stage.put({"KEY": old})
    stage.is_now("TheazoSecret", "alice", "AllEntriesOpen", "Current")
    assert stage.is_now("TheazoSession", "alice", "Active", "Current")["sealingId"] == "first"
    stage.api.delete(path("TheazoSession", stage.name, "alice")).ok()
    stage.gone(("TheazoSecret", "alice"))
    stage.open(sealingId="second")
    stage.put({"KEY": old})
    stage.start("a", ["KEY"], compute=nowhere)
    stage.agent_is("a", "CannotOpen", "Failed")
    stage.is_now("TheazoSecret", "alice", "EntriesDoNotOpen", "Failed")
    stage.set({"KEY": "of the new one"}, sealing_id="second")
    stage.pod_of("a")
    assert list(stage.values().values()) == [{"KEY": "of the new one"}]


def test_before_a_sweep_the_api_server_confirms_that_the_session_is_gone(stage: Stage, nowhere: str) -> None:
    stage.open()
    furnish(stage, "alice", nowhere)
    audit = Audit()
    stage.api.delete(path("TheazoSession", stage.name, "alice")).ok()
    stage.gone((AGENT, "alice-has"), (AGENT, "alice-waits"), ("TheazoSecret", "alice"))
    deleted = [call for call in audit.calls(stage.name) if call.verb == "delete"]
    assert {(call.what, call.name) for call in deleted} == {
        ("theazoagents", "alice-has"),
        ("theazoagents", "alice-waits"),
        ("theazosecrets", "alice"),
    }
    asked = [call for call in audit.calls(stage.name) if call.verb == "get" and call.what == "theazosessions"]
    assert len(asked) == len(deleted)
    assert {call.code for call in asked} == {404}
