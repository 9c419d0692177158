"""What happens to an agent next: a row for each decision."""

from datetime import timedelta
from typing import Any, NamedTuple

import pytest

from tests.support.builders import (
    JSON,
    NOW,
    POD_NAME,
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
from theazo_operator.reasons import Reason
from theazo_operator.reconcile.agent import Observed, Plan, plan
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
# As a kubelet says it of a command that is not in the image.
UNSTARTABLE = {"exitCode": 128, "reason": "StartError", "startedAt": "1970-01-01T00:00:00Z", "finishedAt": at(6)}
ON_FAILURE = {"restartPolicy": "OnFailure"}
DELETING: JSON = {"deletionTimestamp": at(50), "deletionGracePeriodSeconds": 30}  # asked for at 20

CASES: dict[str, tuple[Observed, Expected]] = {
    # Deleted: garbage collection does the rest, but a finalizer may keep it waiting.
    "deleting, even after its session": (
        seen(agent(status=RECORDED, **DELETING), session=None),
        does("delete_secrets"),
    ),
    "deleting, and its pod runs": (
        seen(agent(status=RECORDED, **DELETING), pod=pod()),
        does("delete_secrets", "delete_pod"),
    ),
    "deleting, and so does its pod": (
        seen(agent(status=RECORDED, **DELETING), pod=pod(**DELETING)),
        does("delete_secrets"),
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
    "its command can't be started": (
        seen(pod=pod(status=container_status("Pending", terminated=UNSTARTABLE))),
        works(reason=Reason.SANDBOX_STARTING, wake=300),
    ),
    "its command could not be started": (
        seen(pod=pod(status=container_status("Failed", terminated=UNSTARTABLE))),
        does("delete_secrets", phase="Failed", reason=Reason.SANDBOX_FAILED),
    ),
    "its command can't be started again and again": (
        seen(
            agent(spec=ON_FAILURE),
            pod=pod(status=container_status(waiting={"reason": "CrashLoopBackOff"}, last=UNSTARTABLE)),
        ),
        works(reason=Reason.SANDBOX_STARTING, wake=300),
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
    "of a broken attempt, and deleted by us": (seen(pod=pod(**DELETING)), does("delete_secrets")),
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
