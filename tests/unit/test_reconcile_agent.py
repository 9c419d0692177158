"""What happens to an agent next: a row for each decision."""

from dataclasses import replace
from datetime import timedelta
from typing import Any, NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.builders import (
    JSON,
    NOW,
    POD_NAME,
    POD_UID,
    SESSION_UID,
    SNAPSHOT,
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
from theazo_operator.reasons import Reason
from theazo_operator.reconcile.agent import Observed, Plan, plan, remember_session
from theazo_operator.reconcile.agent import wait as wait_for
from theazo_operator.resources.agent import Agent
from theazo_operator.resources.conditions import find
from theazo_operator.resources.sandbox import SandboxPod

OTHER_UID = "another-uid"
RECORDED = {"podName": POD_NAME, "podUID": POD_UID, "sessionUID": SESSION_UID}
ARGO: JSON = {"annotations": {"argocd.argoproj.io/tracking-id": "apps:theazo.dev/TheazoAgent:acme/job"}}
FLUX: JSON = {"labels": {"kustomize.toolkit.fluxcd.io/name": "apps"}}
HELM_FLUX: JSON = {"labels": {"helm.toolkit.fluxcd.io/name": "apps"}}
ARGO_LABEL: JSON = {"labels": {"app.kubernetes.io/instance": "apps"}}


def seen(subject: Agent | None = None, *, pod: SandboxPod | None = None, after: float = 0, **more: Any) -> Observed:
    facts = {"is_platform": True, "session": session(), "compute": compute(), **more}
    return Observed(agent=subject or agent(), pod=pod, now=NOW + timedelta(seconds=after), **facts)


def finished(phase: str = "Succeeded", reason: str = "Completed", *, finish: float = 30, **status: Any) -> JSON:
    condition = {"status": "True", "reason": reason, "message": "it ended", "lastTransitionTime": at(finish)}
    conditions = [{"type": "Finished", **condition}]
    return {**RECORDED, "phase": phase, "finishTime": at(finish), "conditions": conditions, **status}


class Expected(NamedTuple):
    """What the plan does, and what the status then says. None: no status is written."""

    phase: str | None = None
    reason: Reason | None = None
    kstatus: str | None = None
    does: frozenset[str] = frozenset()
    wake: float | None = None


def does(*what: str, phase: str | None = None, reason: Reason | None = None, wake: float | None = None) -> Expected:
    kstatus = None
    if phase is not None and reason is not None:
        well = phase in {"Running", "Succeeded"}
        kstatus = "Current" if well else "Failed"
    return Expected(phase, reason, kstatus, frozenset(what), wake)


def works(*what: str, reason: Reason, wake: float | None) -> Expected:
    return Expected("Pending", reason, "InProgress", frozenset(what), wake)


def kstatus(status: JSON) -> str:
    """What sigs.k8s.io/cli-utils' kstatus concludes from the standard conditions."""
    if (find(status, "Reconciling") or {}).get("status") == "True":
        return "InProgress"
    return "Failed" if (find(status, "Stalled") or {}).get("status") == "True" else "Current"


FLAGS = ("create", "pod_lost", "session_gone", "delete_secrets", "delete_pod", "delete_agent", "back_off")


def summary(decided: Plan) -> Expected:
    status = decided.status
    ready = find(status, "Ready") if status else None
    wake = decided.wake_after.total_seconds() if decided.wake_after is not None else None
    return Expected(
        status["phase"] if status else None,
        Reason(ready["reason"]) if ready else None,
        kstatus(status) if status else None,
        frozenset(flag for flag in FLAGS if getattr(decided, flag)),
        wake,
    )


TTL = {"ttlSecondsAfterFinished": 60}
ON_FAILURE = {"restartPolicy": "OnFailure"}
DELETING: JSON = {"deletionTimestamp": at(50), "deletionGracePeriodSeconds": 30}  # asked for at 20

CASES: dict[str, tuple[Observed, Expected]] = {
    # Deleted: garbage collection does the rest.
    "deleting, even after its session": (
        seen(agent(status=RECORDED, **DELETING), session=None),
        does(),
    ),
    # The session.
    "its session is gone": (seen(agent(status=RECORDED), session=None), does("session_gone")),
    "its session was made again": (seen(agent(status=RECORDED), session=session(uid=OTHER_UID)), does("session_gone")),
    "its session is gone, finished": (seen(agent(status=finished()), session=None), does("session_gone")),
    "its session is gone, tracked": (seen(agent(status=RECORDED, **ARGO), session=None), does("session_gone")),
    "its session is gone, but which one is unreadable": (
        seen(agent(spec="?", status=RECORDED), session=None),
        does(phase="Pending", reason=Reason.INVALID_SPEC),
    ),
    "its session is over": (seen(session=session(spec={"ttlSeconds": 60}), after=60), does("delete_agent")),
    "its session is over, finished": (
        seen(agent(status=finished()), session=session(spec={"ttlSeconds": 60}), after=60),
        does("delete_agent"),
    ),
    "its session has a second left": (seen(session=session(spec={"ttlSeconds": 60}), after=59), does("create")),
    "its session is over, tracked, no pod": (
        seen(agent(**ARGO), session=session(spec={"ttlSeconds": 60}), after=60),
        does("delete_secrets", phase="Failed", reason=Reason.SESSION_EXPIRED),
    ),
    "its session is over, tracked, running": (
        seen(
            agent(status={**RECORDED, "phase": "Running"}, **FLUX),
            session=session(spec={"ttlSeconds": 60}),
            pod=pod(status=running()),
            after=60,
        ),
        does("delete_secrets", "delete_pod", phase="Failed", reason=Reason.SESSION_EXPIRED),
    ),
    "its session is over, tracked, finished": (
        seen(agent(status=finished(), **FLUX), session=session(spec={"ttlSeconds": 60}), after=60),
        does(),
    ),
    "ended with its session, and the pod is there still": (
        seen(
            agent(status=finished("Failed", "SessionExpired"), **ARGO),
            session=session(spec={"ttlSeconds": 60}),
            pod=pod(status=running()),
            after=60,
        ),
        does("delete_secrets", "delete_pod"),
    ),
    # Finished.
    "finished": (seen(agent(status=finished()), pod=pod(status=terminated())), does()),
    "finished, pod gone": (seen(agent(status=finished())), does()),
    "finished, not platform any more": (seen(agent(status=finished()), is_platform=False), does()),
    "not started, and the pod is there still": (
        seen(agent(status=finished("Failed", "SandboxNotStarted")), pod=pod()),
        does("delete_secrets", "delete_pod"),
    ),
    "not started, and the pod is on its way out": (
        seen(agent(status=finished("Failed", "SandboxNotStarted")), pod=pod(**DELETING)),
        does(),
    ),
    "not started, and a namesake pod of somebody else": (
        seen(agent(status=finished("Failed", "SandboxNotStarted")), pod=pod(owner_uid=OTHER_UID)),
        does(),
    ),
    "finished, and another pod of ours runs": (
        seen(agent(status=finished("Failed", "SandboxLost")), pod=pod(uid=OTHER_UID, status=running())),
        does("delete_secrets", "delete_pod"),
    ),
    "finished before any pod was recorded": (
        seen(agent(status={**finished("Failed", "SandboxFailed"), "podUID": None}), pod=pod()),
        does("delete_secrets", "delete_pod"),
    ),
    "TTL left": (seen(agent(spec=TTL, status=finished()), after=50), does(wake=40)),
    "TTL over": (seen(agent(spec=TTL, status=finished()), after=90), does("delete_agent")),
    "TTL of nothing": (
        seen(agent(spec={"ttlSecondsAfterFinished": 0}, status=finished()), after=30),
        does("delete_agent"),
    ),
    "TTL over, Argo CD, by annotation": (
        seen(agent(spec=TTL, status=finished(), **ARGO), pod=pod(status=terminated()), after=90),
        does("delete_secrets", "delete_pod"),
    ),
    "TTL over, Argo CD, by label": (
        seen(agent(spec=TTL, status=finished(), **ARGO_LABEL), pod=pod(status=terminated()), after=90),
        does("delete_secrets", "delete_pod"),
    ),
    "TTL over, Flux": (
        seen(agent(spec=TTL, status=finished(), **FLUX), pod=pod(status=terminated()), after=90),
        does("delete_secrets", "delete_pod"),
    ),
    "TTL over, Flux's Helm, pod gone": (seen(agent(spec=TTL, status=finished(), **HELM_FLUX), after=90), does()),
    "TTL over, Argo CD, pod going": (
        seen(agent(spec=TTL, status=finished(), **ARGO), pod=pod(status=terminated(), **DELETING), after=90),
        does(),
    ),
    # A spec that the schema let through and we can't read.
    "unreadable spec": (seen(agent(spec="?")), does(phase="Pending", reason=Reason.INVALID_SPEC)),
    "unknown restart policy": (
        seen(agent(spec={"restartPolicy": "Sometimes"})),
        does(phase="Pending", reason=Reason.INVALID_SPEC),
    ),
    # The Pod tells: starting.
    "pending": (seen(pod=pod()), works(reason=Reason.SANDBOX_STARTING, wake=300)),
    "pending, a while later": (seen(pod=pod(), after=100), works(reason=Reason.SANDBOX_STARTING, wake=200)),
    "pulling": (seen(pod=pod(status=waiting("ContainerCreating"))), works(reason=Reason.SANDBOX_STARTING, wake=300)),
    "in trouble": (seen(pod=pod(status=waiting("ErrImagePull"))), works(reason=Reason.SANDBOX_STARTING, wake=300)),
    "at the start deadline": (
        seen(pod=pod(status=waiting("ImagePullBackOff")), after=300),
        does("delete_secrets", "delete_pod", phase="Failed", reason=Reason.SANDBOX_NOT_STARTED),
    ),
    "its own start deadline": (
        seen(agent(spec={"startDeadlineSeconds": 5}), pod=pod(created=10), after=15),
        does("delete_secrets", "delete_pod", phase="Failed", reason=Reason.SANDBOX_NOT_STARTED),
    ),
    "the start deadline counts from the pod": (
        seen(agent(spec={"startDeadlineSeconds": 5}), pod=pod(created=10), after=14),
        works(reason=Reason.SANDBOX_STARTING, wake=1),
    ),
    # The Pod tells: running. With Never the Secret goes at once, and only once.
    "started, Never": (
        seen(pod=pod(status=running())),
        does("delete_secrets", phase="Running", reason=Reason.SANDBOX_RUNNING),
    ),
    "runs, Never, recorded": (
        seen(agent(status={**RECORDED, "phase": "Running"}), pod=pod(status=running())),
        does(phase="Running", reason=Reason.SANDBOX_RUNNING),
    ),
    "started, OnFailure": (
        seen(agent(spec=ON_FAILURE), pod=pod(status=running())),
        does(phase="Running", reason=Reason.SANDBOX_RUNNING),
    ),
    "started, Always": (
        seen(agent(spec={"restartPolicy": "Always"}), pod=pod(status=running())),
        does(phase="Running", reason=Reason.SANDBOX_RUNNING),
    ),
    "restarts, OnFailure": (
        seen(
            agent(spec=ON_FAILURE),
            pod=pod(status=container_status(waiting={"reason": "CrashLoopBackOff"}, last={"exitCode": 1})),
            after=1000,
        ),
        does(phase="Running", reason=Reason.SANDBOX_RUNNING),
    ),
    "its container ended and its pod not yet, Never": (
        seen(pod=pod(status=terminated(0, phase="Running"))),
        does("delete_secrets", phase="Running", reason=Reason.SANDBOX_RUNNING),
    ),
    "runs long after the start deadline": (
        seen(pod=pod(status=running()), after=100_000),
        does("delete_secrets", phase="Running", reason=Reason.SANDBOX_RUNNING),
    ),
    "runs, and its compute is gone": (
        seen(pod=pod(status=running()), compute=None, is_platform=False),
        does("delete_secrets", phase="Running", reason=Reason.SANDBOX_RUNNING),
    ),
    # The Pod tells: ended.
    "succeeded before it was seen running": (
        seen(pod=pod(status=terminated())),
        does("delete_secrets", phase="Succeeded", reason=Reason.COMPLETED),
    ),
    "succeeded, Never, after Running": (
        seen(agent(status={**RECORDED, "phase": "Running"}), pod=pod(status=terminated())),
        does(phase="Succeeded", reason=Reason.COMPLETED),
    ),
    "succeeded, OnFailure, after Running": (
        seen(agent(spec=ON_FAILURE, status={**RECORDED, "phase": "Running"}), pod=pod(status=terminated())),
        does("delete_secrets", phase="Succeeded", reason=Reason.COMPLETED),
    ),
    "failed": (
        seen(pod=pod(status=terminated(3))),
        does("delete_secrets", phase="Failed", reason=Reason.SANDBOX_FAILED),
    ),
    "failed without a container": (
        seen(pod=pod(status={"phase": "Failed"})),
        does("delete_secrets", phase="Failed", reason=Reason.SANDBOX_FAILED),
    ),
    "ran too long": (
        seen(pod=pod(status={**terminated(137), "reason": "DeadlineExceeded"})),
        does("delete_secrets", phase="Failed", reason=Reason.DEADLINE_EXCEEDED),
    ),
    "evicted": (
        seen(pod=pod(status={"phase": "Failed", "reason": "Evicted"})),
        does("delete_secrets", phase="Failed", reason=Reason.EVICTED),
    ),
    # Somebody deletes the Pod.
    "taken away, recorded": (
        seen(agent(status={**RECORDED, "phase": "Running"}), pod=pod(status=running(), **DELETING)),
        does(phase="Failed", reason=Reason.SANDBOX_LOST),
    ),
    "taken away before it ran, recorded": (
        seen(agent(status={**RECORDED, "phase": "Pending"}), pod=pod(**DELETING)),
        does("delete_secrets", phase="Failed", reason=Reason.SANDBOX_LOST),
    ),
    "taken away, and killed by that": (
        seen(agent(status={**RECORDED, "phase": "Running"}), pod=pod(status=terminated(143, finished=21), **DELETING)),
        does(phase="Failed", reason=Reason.SANDBOX_LOST),
    ),
    "ended by itself and then taken away": (
        seen(agent(status={**RECORDED, "phase": "Running"}), pod=pod(status=terminated(0, finished=19), **DELETING)),
        does(phase="Succeeded", reason=Reason.COMPLETED),
    ),
    "of a broken attempt, and deleted by us": (seen(pod=pod(**DELETING)), does()),
    "gone, recorded": (seen(agent(status=RECORDED)), does("pod_lost")),
    "replaced, recorded": (seen(agent(status=RECORDED), pod=pod(uid=OTHER_UID)), does("pod_lost")),
    "somebody else's, recorded": (seen(agent(status=RECORDED), pod=pod(owner_uid=OTHER_UID)), does("pod_lost")),
    "gone, recorded, and its session ends": (
        seen(agent(status=RECORDED), session=session(**DELETING)),
        does("pod_lost"),
    ),
    # Nothing yet.
    "all there": (seen(), does("create")),
    "all there, and a namesake pod: the POST will tell": (seen(pod=pod(owner_uid=OTHER_UID)), does("create")),
    "no platform": (seen(is_platform=False), works(reason=Reason.PLATFORM_NOT_FOUND, wake=300)),
    "no session": (seen(session=None), works(reason=Reason.SESSION_NOT_FOUND, wake=300)),
    "session ends": (seen(session=session(**DELETING)), works(reason=Reason.SESSION_NOT_FOUND, wake=300)),
    "no compute": (seen(compute=None), works(reason=Reason.COMPUTE_NOT_FOUND, wake=300)),
}
for _name, _lacks, _reason in (
    ("platform", {"is_platform": False}, Reason.PLATFORM_NOT_FOUND),
    ("session", {"session": None}, Reason.SESSION_NOT_FOUND),
    ("compute", {"compute": None}, Reason.COMPUTE_NOT_FOUND),
):
    _first = {"firstObservedTime": at(0)}
    CASES |= {
        f"no {_name}, a second before the deadline": (
            seen(agent(status=_first), after=299, **_lacks),
            works(reason=_reason, wake=1),
        ),
        f"no {_name}, at the deadline": (
            seen(agent(status=_first), after=300, **_lacks),
            does(phase="Pending", reason=_reason),
        ),
        f"no {_name}, at its own deadline": (
            seen(agent(spec={"secretsDeadlineSeconds": 5}, status=_first), after=5, **_lacks),
            does(phase="Pending", reason=_reason),
        ),
        f"{_name} there long after the deadline": (seen(agent(status=_first), after=9999), does("create")),
    }


@pytest.mark.parametrize(("given_facts", "expected"), CASES.values(), ids=CASES.keys())
def test_plan(given_facts: Observed, expected: Expected) -> None:
    assert summary(plan(given_facts)) == expected


def status_of(decided: Plan) -> JSON:
    assert decided.status is not None
    return decided.status


def message(decided: Plan, kind: str = "Ready") -> str:
    condition = find(status_of(decided), kind)
    assert condition is not None
    return str(condition["message"])


@pytest.mark.parametrize(
    ("facts", "says"),
    [
        (seen(session=None), "no TheazoSession demo in namespace acme"),
        (seen(compute=None), "no compute python"),
        (seen(is_platform=False), "`theazo platforms add acme`"),
        (seen(agent(spec="?")), "kubectl explain theazoagent.spec"),
        (seen(pod=pod(status=terminated(3))), "exit code 3"),
        (seen(pod=pod(status=waiting("ImagePullBackOff"))), "waits: ImagePullBackOff"),
        (seen(pod=pod(status=waiting("ErrImagePull"))), "waits: ImagePullBackOff"),
        (seen(pod=pod(status=waiting("ContainerCreating"))), "the sandbox starts"),
        (seen(pod=pod(status=waiting("PodInitializing"))), "the sandbox starts"),
        (seen(pod=pod(status=waiting("a text of who knows whom"))), "the sandbox starts"),
        (seen(pod=pod(status=waiting("ImagePullBackOff")), after=300), "startDeadlineSeconds (ImagePullBackOff)"),
        (seen(pod=pod(status={"phase": "Failed", "reason": "Evicted"})), "(Evicted)"),
    ],
    ids=lambda each: each if isinstance(each, str) else "",
)
def test_messages_say_what_to_do(facts: Observed, says: str) -> None:
    assert says in message(plan(facts))


def test_what_a_container_or_the_kubelet_printed_is_never_copied() -> None:
    for facts, _ in CASES.values():
        assert "CANARY" not in str(plan(facts))


def test_status_of_an_ended_pod() -> None:
    before = {"firstObservedTime": at(0), "sessionUID": SESSION_UID}
    status = status_of(plan(seen(agent(status=before), pod=pod(status=terminated(3)), after=99)))
    del status["conditions"]
    assert status == {
        "phase": "Failed",
        "observedGeneration": 1,
        "firstObservedTime": at(0),
        "sessionUID": SESSION_UID,
        "podName": POD_NAME,
        "podUID": POD_UID,
        "startTime": at(5),
        "finishTime": at(30),
        "exitCode": 3,
        "secrets": [{"name": "A", "from": "A", "updatedAt": "2025-04-01T00:00:00.000001Z"}],
        "compute": {"name": "python", "namespace": "theazo-system", "resourceVersion": "7"},
    }


@pytest.mark.parametrize(
    ("facts", "conditions"),
    [
        (seen(session=None), {"SecretsResolved": "False", "Ready": "False", "Reconciling": "True"}),
        (seen(compute=None), {"SandboxCreated": "False", "Ready": "False", "Reconciling": "True"}),
        (
            seen(pod=pod()),
            {"SecretsResolved": "True", "SandboxCreated": "True", "Ready": "False", "Reconciling": "True"},
        ),
        (seen(pod=pod(status=running())), {"SecretsResolved": "True", "SandboxCreated": "True", "Ready": "True"}),
        (
            seen(pod=pod(status=terminated())),
            {"SecretsResolved": "True", "SandboxCreated": "True", "Ready": "True", "Finished": "True"},
        ),
        (
            seen(pod=pod(status=terminated(1))),
            {
                "SecretsResolved": "True",
                "SandboxCreated": "True",
                "Ready": "False",
                "Stalled": "True",
                "Finished": "True",
            },
        ),
    ],
    ids=["no session", "no compute", "starting", "running", "succeeded", "failed"],
)
def test_conditions(facts: Observed, conditions: dict[str, str]) -> None:
    assert {row["type"]: row["status"] for row in status_of(plan(facts))["conditions"]} == conditions


def test_no_secrets_declared_is_said() -> None:
    snapshot = '{"sessionUID":"u","compute":{"name":"p","namespace":"n","resourceVersion":"1"},"secrets":[]}'
    status = status_of(plan(seen(pod=pod(snapshot=snapshot))))
    resolved = find(status, "SecretsResolved")
    assert resolved is not None
    assert (resolved["status"], resolved["reason"]) == ("True", "NoneDeclared")
    assert status["secrets"] == []


def test_what_was_reached_stays_on_record_when_the_pod_is_gone() -> None:
    running_status = status_of(plan(seen(pod=pod(status=running()))))
    facts = seen(agent(status=running_status), pod=pod(status=running(), **DELETING))
    status = status_of(plan(facts))
    assert {name: status[name] for name in ("podUID", "startTime", "secrets", "compute")} == {
        name: running_status[name] for name in ("podUID", "startTime", "secrets", "compute")
    }
    assert find(status, "SandboxCreated") == find(running_status, "SandboxCreated")


def test_who_edits_the_pods_annotation_changes_no_record() -> None:
    recorded = status_of(plan(seen(pod=pod(status=running()))))
    edited = SNAPSHOT.replace(SESSION_UID, OTHER_UID).replace('"A"', '"B"')
    assert status_of(plan(seen(agent(status=recorded), pod=pod(status=running(), snapshot=edited)))) == recorded


def test_a_restart_keeps_the_first_start_time() -> None:
    recorded = status_of(plan(seen(agent(spec=ON_FAILURE), pod=pod(status=running(5)))))
    again = status_of(plan(seen(agent(spec=ON_FAILURE, status=recorded), pod=pod(status=running(77)))))
    assert again["startTime"] == at(5)


def test_a_reason_of_a_later_version_does_not_stop_this_one() -> None:
    odd = {
        "type": "SecretsResolved",
        "status": "True",
        "reason": "Teleported",
        "message": "",
        "lastTransitionTime": at(0),
    }
    facts = seen(agent(status={**RECORDED, "conditions": [odd]}), pod=pod(**DELETING))
    assert find(status_of(plan(facts)), "SecretsResolved") is None


def test_a_session_is_remembered_once_and_not_while_it_ends() -> None:
    status: JSON = {}
    remember_session(status, None)
    remember_session(status, session(**DELETING))
    assert status == {}
    remember_session(status, session())
    remember_session(status, session(uid=OTHER_UID))
    assert status == {"sessionUID": SESSION_UID}


def test_waiting_without_a_readable_spec_is_overdue_at_once() -> None:
    decided = wait_for(agent(spec="?"), NOW, Reason.SESSION_NOT_FOUND, "")
    assert (kstatus(status_of(decided)), decided.wake_after) == ("Failed", None)


# Properties.

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
