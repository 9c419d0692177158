"""What holds for an agent whatever is observed."""

from dataclasses import replace
from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from tests.support.builders import (
    JSON,
    NOW,
    POD_UID,
    SESSION_UID,
    agent,
    at,
    compute,
    container_status,
    pod,
    running,
    session,
    terminated,
    waiting,
)
from tests.unit.test_reconcile_agent import (
    ARGO,
    DELETING,
    OTHER_UID,
    RECORDED,
    finished,
    seen,
)
from theazo_operator.reconcile.agent import Observed, plan

pod_statuses = st.sampled_from(
    [
        {},
        {"phase": "Pending"},
        waiting("ContainerCreating"),
        waiting("ImagePullBackOff"),
        running(),
        container_status(waiting={"reason": "CrashLoopBackOff"}, last={"exitCode": 1}),
        terminated(0, phase="Running"),
        terminated(0),
        terminated(9),
        {"phase": "Failed", "reason": "Evicted"},
        {"phase": "Failed", "reason": "DeadlineExceeded"},
        {"phase": "Unknown", "reason": "NodeLost"},
    ]
)
pods = (
    st.none()
    | st.builds(
        pod,
        status=pod_statuses,
        uid=st.sampled_from([POD_UID, OTHER_UID]),
        owner_uid=st.sampled_from(["0a1b2c3d-1111-4000-8000-000000000001", OTHER_UID]),
        snapshot=st.sampled_from(["", "{}", '{"sessionUID":"x"}']),
    )
    | st.builds(pod, status=pod_statuses, **{name: st.just(value) for name, value in DELETING.items()})
)
specs = st.fixed_dictionaries(
    {},
    optional={
        "restartPolicy": st.sampled_from(["Never", "OnFailure", "Always", "?"]),
        "ttlSecondsAfterFinished": st.integers(0, 400),
        "secretsDeadlineSeconds": st.integers(1, 400),
        "startDeadlineSeconds": st.integers(1, 400),
        "secrets": st.just([]),
    },
)
sessions = st.none() | st.builds(
    session,
    uid=st.sampled_from([SESSION_UID, OTHER_UID]),
    spec=st.sampled_from([{}, {"ttlSeconds": 60}, {"ttlSeconds": 1000}]),
)
statuses = st.sampled_from(
    [
        None,
        {"firstObservedTime": at(0)},
        {**RECORDED, "phase": "Pending"},
        {**RECORDED, "phase": "Running"},
        finished(),
        finished("Failed", "SandboxFailed"),
        finished("Failed", "SandboxNotStarted"),
    ]
)


@st.composite
def observations(draw: st.DrawFn) -> Observed:
    subject = agent(spec=draw(specs), status=draw(statuses), **draw(st.sampled_from([{}, ARGO, DELETING])))
    return seen(
        subject,
        pod=draw(pods),
        session=draw(sessions),
        compute=draw(st.sampled_from([None, compute()])),
        is_platform=draw(st.booleans()),
        after=draw(st.integers(0, 500)),
    )


def with_status(facts: Observed, status: JSON | None, after: float = 0) -> Observed:
    """The same facts, once a status has been written."""
    if status is None:
        return facts
    return replace(facts, agent=replace(facts.agent, status=status), now=facts.now + timedelta(seconds=after))


@given(observations())
def test_kstatus_never_contradicts_itself(facts: Observed) -> None:
    status = plan(facts).status
    if status is None:
        return
    by_type = {row["type"]: row["status"] for row in status["conditions"]}
    assert len(by_type) == len(status["conditions"])
    working, stuck, ready = (by_type.get(kind) == "True" for kind in ("Reconciling", "Stalled", "Ready"))
    assert "Ready" in by_type
    assert [working, stuck, ready].count(True) == 1
    assert ready == (status["phase"] in {"Running", "Succeeded"})
    assert (by_type.get("Finished") == "True") == (status["phase"] in {"Succeeded", "Failed"})
    assert ("finishTime" in status) or status["phase"] not in {"Succeeded", "Failed"}


@given(observations())
def test_what_is_finished_says_the_same_for_ever(facts: Observed) -> None:
    status = plan(facts).status
    assert status is None or not facts.agent.finished
    if status is not None and status["phase"] in {"Succeeded", "Failed"}:
        assert plan(with_status(facts, status, after=1000)).status is None


@given(observations())
def test_planning_again_with_the_same_facts_writes_nothing_new(facts: Observed) -> None:
    first = plan(facts)
    again = plan(with_status(facts, first.status)).status
    assert again is None or again == (first.status or facts.agent.status)


@given(observations(), st.integers(1, 500))
def test_a_condition_that_stays_keeps_its_time(facts: Observed, later: int) -> None:
    first = plan(facts).status
    second = plan(with_status(facts, first, after=later)).status
    if first is None or second is None:
        return
    before = {row["type"]: row for row in first["conditions"]}
    for row in second["conditions"]:
        same = row["type"] in before and before[row["type"]]["status"] == row["status"]
        expected = before[row["type"]]["lastTransitionTime"] if same else at((facts.now - NOW).total_seconds() + later)
        assert row["lastTransitionTime"] == expected


@given(observations())
def test_the_record_is_never_lost(facts: Observed) -> None:
    status = plan(facts).status
    if status is not None:
        kept = {name for name in ("sessionUID", "podName", "podUID", "finishTime") if name in facts.agent.status}
        assert all(status[name] == facts.agent.status[name] for name in kept)


@given(observations())
def test_there_is_never_a_second_pod_and_never_one_without_its_session(facts: Observed) -> None:
    if plan(facts).create:
        ours = facts.pod is not None and facts.pod.agent_uid == facts.agent.meta.uid
        assert not ours
        assert "podUID" not in facts.agent.status
        assert not facts.agent.finished
        assert facts.is_platform
        assert facts.session is not None
        assert not facts.session.expired(facts.now)


@given(observations())
def test_of_a_tracked_agent_the_resource_stays_while_its_session_does(facts: Observed) -> None:
    assert not (plan(facts).delete_agent and facts.agent.meta.tracked)
