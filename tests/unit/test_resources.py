"""Objects are read without trust: the API server vouches for their metadata, and for nothing else here."""

import json
import math
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.builders import (
    JSON,
    KEYRING,
    NOW,
    POD_UID,
    SESSION_UID,
    SNAPSHOT,
    agent,
    agent_body,
    at,
    compute,
    compute_body,
    metadata,
    pod,
    pod_body,
    running,
    secret,
    secret_body,
    session,
    session_body,
    terminated,
    waiting,
)
from theazo_operator.reasons import Reason
from theazo_operator.reconcile import agent as agents
from theazo_operator.reconcile import secret as secrets
from theazo_operator.reconcile import session as sessions
from theazo_operator.reconcile.secrets import Refusal, resolve
from theazo_operator.resources.agent import Agent
from theazo_operator.resources.conditions import MAX_MESSAGE, Condition, merge
from theazo_operator.resources.meta import Meta, format_time, number, parse_time
from theazo_operator.resources.meta import time as read_time
from theazo_operator.resources.sandbox import Compute, SandboxPod, Snapshot
from theazo_operator.resources.session import SecretRecord, Session, TheazoSecret

# Whatever JSON can say, and strings that look nearly right.
_TIMES = [at(0), "2025-05-01", "2025-05-01T10:00:00", "0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z", "now"]
_WORDS = ["", "A", "Never", "Running", "Failed", "Succeeded", "True", SESSION_UID, POD_UID, SNAPSHOT, "Ready", *_TIMES]
scalars = (
    st.none()
    | st.booleans()
    | st.integers(-(10**30), 10**30)
    | st.floats()
    | st.sampled_from([2**31, 2**63, 10**400, -1, 0, 1, math.inf, math.nan])
    | st.text(max_size=10)
    | st.sampled_from(_WORDS)
)
anything = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
)


def maybe(**fields: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """An object with some of these fields, each as it should be or anything at all; or no object."""
    strategies = {name: strategy | anything for name, strategy in fields.items()}
    return st.fixed_dictionaries({}, optional=strategies) | anything


conditions = st.lists(
    maybe(
        type=st.sampled_from(["Ready", "Finished", "SecretsResolved", "SandboxCreated"]),
        status=st.sampled_from(["True", "False"]),
        reason=st.sampled_from([*Reason, "Teleported"]),
        message=st.text(max_size=3),
        lastTransitionTime=st.sampled_from(_TIMES),
    ),
    max_size=3,
)
times = st.sampled_from(_TIMES)
agent_statuses = maybe(
    phase=st.sampled_from(["Pending", "Running", "Succeeded", "Failed"]),
    firstObservedTime=times,
    startTime=times,
    finishTime=times,
    sessionUID=st.just(SESSION_UID),
    podUID=st.just(POD_UID),
    conditions=conditions,
)
agent_specs = maybe(
    sessionRef=maybe(name=st.just("demo")),
    compute=st.just("python"),
    secrets=st.lists(maybe(name=st.just("A"), **{"from": st.just("B")}, optional=st.booleans()), max_size=3),
    command=st.lists(scalars, max_size=2),
    resources=maybe(limits=maybe(cpu=scalars)),
    restartPolicy=st.sampled_from(["Never", "OnFailure"]),
    ttlSecondsAfterFinished=st.integers(),
    secretsDeadlineSeconds=st.integers(),
    startDeadlineSeconds=st.integers(),
)
container_states = maybe(
    running=maybe(startedAt=times),
    waiting=maybe(reason=st.just("ImagePullBackOff")),
    terminated=maybe(exitCode=st.integers(), startedAt=times, finishedAt=times),
)
pod_statuses = maybe(
    phase=st.sampled_from(["Pending", "Running", "Succeeded", "Failed"]),
    reason=st.sampled_from(["Evicted", "DeadlineExceeded"]),
    containerStatuses=st.lists(
        maybe(name=st.just("sandbox"), state=container_states, lastState=container_states), max_size=2
    ),
)
pod_specs = maybe(
    containers=st.lists(
        maybe(name=st.just("sandbox"), envFrom=st.lists(maybe(secretRef=maybe(name=st.text())), max_size=2)), max_size=2
    )
)
snapshots = st.text() | anything.map(json.dumps) | st.just(SNAPSHOT)
session_specs = maybe(user=st.text(), sealingId=st.text(), ttlSeconds=st.integers())
session_statuses = maybe(conditions=conditions, sealingId=st.text())
secret_specs = maybe(
    encryptedData=st.dictionaries(
        st.text(max_size=3) | st.just("A"),
        maybe(ciphertext=st.text(), createdAt=times, updatedAt=times),
        max_size=3,
    )
)
secret_statuses = maybe(
    observedGeneration=st.integers(),
    sessionUID=st.text(),
    keyIds=st.lists(st.text()),
    failingCount=st.integers(),
    conditions=conditions,
)


def sound(status: JSON | None) -> None:
    """A status that we write is JSON, and the conditions in it are whole."""
    if status is not None:
        for row in json.loads(json.dumps(status))["conditions"]:
            assert parse_time(row["lastTransitionTime"]).tzinfo is not None
            assert row["reason"] in set(Reason)
            assert {row["status"]} <= {"True", "False"}


def body(meta: JSON, **parts: Any) -> JSON:
    return {"metadata": meta, **parts}


@given(
    agent_specs, agent_statuses, pod_specs, pod_statuses, snapshots, st.sampled_from([{}, {"deletionTimestamp": at(9)}])
)
def test_no_agent_and_no_pod_stops_us(
    spec: Any, status: Any, pod_spec: Any, pod_status: Any, snapshot: str, deleting: JSON
) -> None:
    subject = Agent.of(body(metadata("job", "0a1b2c3d-1111-4000-8000-000000000001"), spec=spec, status=status))
    sandbox = SandboxPod.of({**pod_body(snapshot=snapshot, **deleting), "spec": pod_spec, "status": pod_status})
    for here in (None, sandbox):
        for owner in (None, session(), session(spec={"ttlSeconds": 1})):
            now = NOW + timedelta(seconds=77)
            facts = agents.Observed(subject, is_platform=True, session=owner, compute=None, pod=here, now=now)
            sound(agents.plan(facts).status)
    assert isinstance(subject.finished, bool)
    assert isinstance(subject.holds_pod_secret, bool)
    assert subject.pod_name == "job-0a1b2c3d"


@given(st.sampled_from(["spec", "status"]), anything)
def test_no_object_stops_us_where_a_whole_part_is_of_the_wrong_kind(part: str, value: Any) -> None:
    for parse, whole in (
        (Agent.of, agent_body()),
        (Session.of, session_body()),
        (SecretRecord.of, secret_body({})),
        (TheazoSecret.of, secret_body({})),
        (SandboxPod.of, pod_body()),
        (Compute.of, compute_body()),
    ):
        assert parse({**whole, part: value, "template": value}).meta.key.name == whole["metadata"]["name"]


@given(session_specs, session_statuses)
def test_no_session_stops_us(spec: Any, status: Any) -> None:
    subject = Session.of(body(metadata("demo", SESSION_UID), spec=spec, status=status))
    for after in (0, 10**9):
        sound(sessions.plan(subject, is_platform=True, now=NOW + timedelta(seconds=after)).status)
    assert subject.sealing_id


@given(secret_specs, secret_statuses)
def test_no_secret_stops_us(spec: Any, status: Any) -> None:
    whole = body(metadata("demo", "uid"), spec=spec, status=status)
    record, subject = SecretRecord.of(whole), TheazoSecret.of(whole)
    secrets.plan(record, session(), is_platform=True, keys_changed=False, now=NOW)
    sound(secrets.waiting(subject, NOW))
    sound(secrets.verified(subject, session(), {}, [], NOW))
    declared = agent().spec
    assert declared is not None
    with pytest.raises(Refusal):
        resolve(declared, session(), subject, KEYRING)


# What is read of objects that are as they should be.


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
    assert (meta.created, meta.deleting, meta.owned) == (NOW, True, False)


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
