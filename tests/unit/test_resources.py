"""What is read of objects that are as they should be; and what of those that are nearly so."""

import json
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import pytest

from tests.support.builders import (
    AGENT_UID,
    JSON,
    NOW,
    POD_UID,
    SNAPSHOT,
    agent,
    at,
    compute,
    metadata,
    owner,
    pod,
    pod_body,
    running,
    secret,
    secret_body,
    session,
    terminated,
    waiting,
)
from theazo_operator.reasons import Reason
from theazo_operator.reconcile import agent as agents
from theazo_operator.resources.agent import Agent
from theazo_operator.resources.conditions import MAX_MESSAGE, Condition, merge
from theazo_operator.resources.meta import Meta, format_time, number, parse_time
from theazo_operator.resources.meta import time as read_time
from theazo_operator.resources.sandbox import SandboxPod, Snapshot
from theazo_operator.resources.session import SecretRecord


def test_an_agents_spec_has_the_schemas_defaults() -> None:
    spec = agent(spec={"secrets": [{"name": "A"}, {"name": "B", "from": "C", "optional": True}]}).spec
    assert spec is not None
    assert (spec.restart_policy, spec.secrets_deadline_seconds, spec.start_deadline_seconds) == ("Never", 300, 300)
    assert [(each.name, each.key, each.optional) for each in spec.secrets] == [("A", "A", False), ("B", "C", True)]
    assert (spec.command, spec.args, spec.active_deadline_seconds, spec.ttl_seconds_after_finished) == (None,) * 4


def test_a_later_versions_field_is_no_obstacle() -> None:
    assert agent(spec={"teleport": True}).spec is not None


@pytest.mark.parametrize(
    "spec",
    [
        "?",
        {"compute": None},
        {"sessionRef": {}},
        {"restartPolicy": "Sometimes"},
        {"ttlSecondsAfterFinished": -1},
        {"ttlSecondsAfterFinished": 2**31},
        {"secrets": [{}]},
    ],
    ids=str,
)
def test_an_unreadable_spec_is_none(spec: Any) -> None:
    assert agent(spec=spec).spec is None


@pytest.mark.parametrize(
    ("status", "finished"),
    [(None, False), ({"phase": "Running"}, False), ({"phase": "Succeeded"}, True), ({"phase": "Failed"}, True)],
    ids=str,
)
def test_finished(status: JSON | None, finished: bool) -> None:  # noqa: FBT001
    assert agent(status=status).finished is finished


POD = {"podUID": POD_UID}
ON_FAILURE = {"restartPolicy": "OnFailure"}


@pytest.mark.parametrize(
    ("subject", "holds"),
    [
        (agent(), False),
        (agent(status={"phase": "Pending"}), False),
        (agent(status={**POD, "phase": "Pending"}), True),
        (agent(status={**POD, "phase": "Running"}), False),
        (agent(spec=ON_FAILURE, status={**POD, "phase": "Running"}), True),
        (agent(spec=ON_FAILURE, status={**POD, "phase": "Succeeded"}), False),
        (agent(spec={"secrets": []}, status={**POD, "phase": "Pending"}), False),
        (agent(spec={**ON_FAILURE, "secrets": []}, status={**POD, "phase": "Running"}), False),
    ],
    ids=["new", "waits", "starts", "runs", "runs, OnFailure", "ended", "starts, no secrets", "runs, no secrets"],
)
def test_which_agents_hold_a_pod_scoped_secret(subject: Agent, holds: bool) -> None:  # noqa: FBT001
    assert subject.holds_pod_secret is holds


@pytest.mark.parametrize(
    ("meta", "tracked"),
    [
        ({}, False),
        ({"labels": {"app": "x"}, "annotations": {"y": "z"}}, False),
        ({"labels": {"app.kubernetes.io/instance": "x"}}, True),
        ({"labels": {"argocd.argoproj.io/instance": "x"}}, True),
        ({"annotations": {"argocd.argoproj.io/tracking-id": "x"}}, True),
        ({"labels": {"kustomize.toolkit.fluxcd.io/name": "x"}}, True),
        ({"labels": {"helm.toolkit.fluxcd.io/name": "x"}}, True),
        ({"annotations": {"kustomize.toolkit.fluxcd.io/prune": "x"}}, True),
    ],
    ids=str,
)
def test_what_gitops_tracks(meta: JSON, tracked: bool) -> None:  # noqa: FBT001
    assert Meta.of({"metadata": metadata("x", "u", **meta)}).tracked is tracked


def test_metadata() -> None:
    meta = Meta.of({"metadata": metadata("x", "u", resourceVersion="77", generation=3, deletionTimestamp=at(1))})
    assert (str(meta.key), meta.uid, meta.generation, meta.resource_version) == ("acme/x", "u", 3, 77)
    assert (meta.created, meta.deleting) == (NOW, True)


def test_a_cluster_scoped_object_has_no_namespace() -> None:
    assert Meta.of({"metadata": metadata("acme", "u", namespace="")}).key.namespace == ""


def test_a_pods_words() -> None:
    ended = pod(status=terminated(3))
    assert (ended.phase, ended.started, ended.exit_code) == ("Failed", True, 3)
    assert (ended.start_time, ended.finish_time) == (at(5), at(30))
    assert (pod(status=running()).started, pod(status=waiting("ErrImagePull")).started) == (True, False)
    assert pod().secret_name == "thz-aaaaaaaaaaaaaaaaaaaaaaaaaa"
    assert pod(secret=None).secret_name is None
    assert pod().agent_uid == "0a1b2c3d-1111-4000-8000-000000000001"
    assert pod(ownerReferences=[{"kind": "ReplicaSet", "name": "r", "uid": "u"}]).agent_uid is None


@pytest.mark.parametrize(
    ("given_reason", "read"),
    [
        ("ImagePullBackOff", "ImagePullBackOff"),
        ("ErrImagePull", "ImagePullBackOff"),
        ("CreateContainerConfigError", "CreateContainerConfigError"),
        ("ContainerCreating", None),
        ("PodInitializing", None),
        ("password is hunter2", None),
        ("A" * 61, None),
        ("lowercase", None),
        (7, None),
        (None, None),
    ],
)
def test_only_the_kubelets_own_words_are_taken(given_reason: Any, read: str | None) -> None:
    assert pod(status=waiting(given_reason)).waiting_reason == read


@pytest.mark.parametrize(
    ("grace", "finished", "taken"),
    [
        (30, None, True),
        (30, 19, False),
        (30, 20, True),
        (30, 25, True),
        (0, 49, False),
        (None, 49, False),
        (None, None, True),
    ],
)
def test_a_pod_that_ended_by_itself_was_not_taken_away(grace: int | None, finished: float | None, taken: bool) -> None:  # noqa: FBT001
    status = running() if finished is None else terminated(0, finished=finished)
    asked = {} if grace is None else {"deletionGracePeriodSeconds": grace}
    assert pod(status=status, deletionTimestamp=at(50), **asked).taken_away is taken


def test_a_pod_that_nobody_deletes_was_not_taken_away() -> None:
    assert not pod(status=terminated()).taken_away


def test_the_snapshot_comes_back() -> None:
    snapshot = pod().snapshot
    assert snapshot is not None
    assert Snapshot.model_validate_json(snapshot.to_json()) == snapshot
    assert json.loads(snapshot.to_json()) == snapshot.to_status() == json.loads(SNAPSHOT)


def edited(**change: Any) -> str:
    return json.dumps({**json.loads(SNAPSHOT), **change})


def entries(*names: str, updated: str = "2025-04-01T00:00:00Z") -> list[JSON]:
    return [{"name": name, "from": name, "updatedAt": updated} for name in names]


COMPUTE = {"name": "python", "namespace": "theazo-system", "resourceVersion": "7"}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "null",
        edited(sessionUID="u" * 65),
        edited(compute={**COMPUTE, "name": "c" * 64}),
        edited(compute={**COMPUTE, "namespace": "c" * 64}),
        edited(compute={**COMPUTE, "resourceVersion": "7" * 65}),
        edited(secrets=entries("A", "A")),
        edited(secrets=entries("A" * 129)),
        edited(secrets=entries(*(f"N{number}" for number in range(257)))),
        edited(secrets=entries("A", updated="yesterday")),
        edited(secrets=entries("A", updated="2025-02-31T00:00:00Z")),
        edited(secrets=entries("A", updated="2025-02-01T24:00:00Z")),
        edited(secrets=entries("A", updated="2025-02-01T00:00:00." + "0" * 40 + "Z")),
    ],
)
def test_a_snapshot_that_the_schema_of_the_status_would_refuse_is_none(text: str) -> None:
    """A status that is refused would be sent again for ever, and the agent would never be seen to end."""
    assert pod(snapshot=text).snapshot is None


@pytest.mark.parametrize("updated", ["2025-05-01t10:00:00z", "2025-05-01T10:00:00.123456789+23:59", at(0)])
def test_a_snapshot_with_any_time_that_the_schema_takes_is_read(updated: str) -> None:
    assert pod(snapshot=edited(secrets=entries("A", updated=updated))).snapshot is not None


def test_a_session() -> None:
    plain, own = session(), session(spec={"sealingId": "x7", "ttlSeconds": 60})
    assert (plain.sealing_id, plain.expires, plain.expired(NOW + timedelta(days=9999))) == ("demo", None, False)
    assert (own.sealing_id, own.expires) == ("x7", NOW + timedelta(seconds=60))
    assert [own.expired(NOW + timedelta(seconds=after)) for after in (59, 60)] == [False, True]


@pytest.mark.parametrize(("ttl", "after"), [(-(2**62), 1), (0, 1), (2**62, 31_536_000), ("60", None), (True, None)])
def test_a_time_to_live_outside_the_schemas_bounds(ttl: Any, after: int | None) -> None:
    expires = session(spec={"ttlSeconds": ttl}).expires
    assert expires == (None if after is None else NOW + timedelta(seconds=after))


def test_a_secrets_entries_and_record() -> None:
    [entry] = secret({"A": "text"}).entries.values()
    assert (entry.name, entry.ciphertext, entry.updated_at) == ("A", "text", "2025-04-01T00:00:00.000001Z")
    status = {"observedGeneration": 4, "sessionUID": "u", "keyIds": ["k"], "failingCount": 1}
    record = SecretRecord.of(secret_body({"A": "text"}, status=status))
    assert (record.observed_generation, record.session_uid, record.key_ids, record.failing) == (4, "u", ("k",), True)
    assert "text" not in repr(record)


def test_a_compute() -> None:
    assert compute(spec={"x": 1}).template == {"spec": {"x": 1}}


@pytest.mark.parametrize(
    ("text", "read"),
    [(at(0), at(0)), ("2025-05-01T10:00:00.5+02:00", "2025-05-01T10:00:00.5+02:00")]
    + [
        (each, None)
        for each in ("2025-05-01", "2025-05-01T10:00:00", "0001-01-01T00:00:00Z", "9999-12-31T00:00:00Z", "", 7)
    ],
)
def test_times_that_can_be_reckoned_with(text: Any, read: str | None) -> None:
    assert read_time(text) == read


@pytest.mark.parametrize(("value", "read"), [(0, 0), (-7, -7), (True, None), (2**63, None), (1.5, None), ("1", None)])
def test_numbers(value: Any, read: int | None) -> None:
    assert number(value) == read


def test_times_are_written_as_the_api_server_does() -> None:
    moment = parse_time("2025-05-01T12:00:00.999+02:00")
    assert format_time(moment) == "2025-05-01T10:00:00Z"


# Conditions.


def written(status: bool, recorded: list[Mapping[str, Any]], *, message: str = "m", after: float = 9) -> JSON:  # noqa: FBT001
    wanted = [Condition("Ready", status=status, reason=Reason.ACTIVE, message=message)]
    [row] = merge(recorded, wanted, generation=4, now=NOW + timedelta(seconds=after))
    return row


READY = {"type": "Ready", "status": "True", "lastTransitionTime": at(1)}


@pytest.mark.parametrize(
    ("recorded", "since"),
    [([], at(9)), ([READY], at(1)), ([{**READY, "status": "False"}], at(9)), ([{**READY, "type": "Stalled"}], at(9))],
    ids=["new", "the same", "changed", "another"],
)
def test_a_transition_time_is_kept_while_the_status_is(recorded: list[Mapping[str, Any]], since: str) -> None:
    assert written(True, recorded) == {  # noqa: FBT003
        "type": "Ready",
        "status": "True",
        "observedGeneration": 4,
        "lastTransitionTime": since,
        "reason": "Active",
        "message": "m",
    }


def test_a_message_is_cut_to_what_the_schema_takes() -> None:
    assert len(written(False, [], message="x" * 5000)["message"]) == MAX_MESSAGE  # noqa: FBT003


def test_an_unreadable_spec_is_not_quoted() -> None:
    subject = agent(spec={"restartPolicy": "canary"})
    facts = agents.Observed(subject, is_platform=True, session=session(), compute=compute(), pod=None, now=NOW)
    assert "canary" not in repr(agents.plan(facts))


def test_a_grace_period_of_thousands_of_years_is_read() -> None:
    body = pod_body(deletionTimestamp=at(0), deletionGracePeriodSeconds=10**11)
    assert SandboxPod.of(body).taken_away


def test_an_owner_of_another_group_is_no_agent() -> None:
    body = pod_body(ownerReferences=[{**owner(AGENT_UID), "apiVersion": "evil.example/v1"}])
    assert SandboxPod.of(body).agent_uid is None
