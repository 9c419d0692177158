"""Objects are read without trust: the API server vouches for their metadata, and for nothing else here."""

import json
import math
from datetime import timedelta
from functools import partial
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
    compute_body,
    metadata,
    pod_body,
    secret_body,
    session,
    session_body,
)
from theazo_operator.reasons import Reason
from theazo_operator.reconcile import agent as agents
from theazo_operator.reconcile import secret as secrets
from theazo_operator.reconcile import session as sessions
from theazo_operator.reconcile.secrets import Refusal, open_entry, resolve
from theazo_operator.resources.agent import Agent
from theazo_operator.resources.meta import parse_time
from theazo_operator.resources.sandbox import Compute, SandboxPod
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
        resolve(declared, session(), subject, partial(open_entry, keyring=KEYRING))
