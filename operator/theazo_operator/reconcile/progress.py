"""The status of a TheazoAgent, made whole from its record and what is new.

Nothing that a container printed, and no message that could quote one, is ever copied here.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from theazo_operator.reasons import Reason
from theazo_operator.resources.agent import Agent
from theazo_operator.resources.conditions import Condition, Health, find, merge, recall, verdict
from theazo_operator.resources.meta import format_time, parse_time
from theazo_operator.resources.sandbox import SandboxPod

# Kept from one status to the next, whatever is said later: who edits a Pod's annotation changes no record.
# Everything else is decided anew each time.
_RECORD = (
    "firstObservedTime",
    "sessionUID",
    "podName",
    "podUID",
    "startTime",
    "finishTime",
    "exitCode",
    "secrets",
    "compute",
)
_SECRET_REASONS = frozenset(
    {
        Reason.PLATFORM_NOT_FOUND,
        Reason.SESSION_NOT_FOUND,
        Reason.SESSION_EXPIRED,
        Reason.SECRET_NOT_FOUND,
        Reason.MALFORMED_ENVELOPE,
        Reason.UNKNOWN_KEY,
        Reason.CANNOT_OPEN,
        Reason.INVALID_VALUE,
        Reason.SECRETS_TOO_LARGE,
    }
)


def condition(agent: Agent, kind: str) -> Mapping[str, Any] | None:
    """Look up a recorded condition of the agent."""
    return find(agent.status, kind)


def pending(agent: Agent, now: datetime, health: Health, reason: Reason, message: str) -> dict[str, Any]:
    """No sandbox yet, and why."""
    kind = "SecretsResolved" if reason in _SECRET_REASONS else "SandboxCreated"
    milestone = Condition(kind, status=False, reason=reason, message=message)
    return _status(agent, now, "Pending", [milestone, *verdict(health, reason, message)])


def stuck(agent: Agent, now: datetime, reason: Reason, message: str) -> dict[str, Any]:
    """No sandbox until somebody changes something."""
    return pending(agent, now, Health.STUCK, reason, message)


def refused_since(agent: Agent, now: datetime) -> datetime:
    """When the API server began to refuse the sandbox."""
    row = condition(agent, "SandboxCreated") or {}
    return parse_time(row["lastTransitionTime"]) if row.get("reason") == Reason.SANDBOX_REFUSED.value else now


def refused(agent: Agent, now: datetime, health: Health, message: str) -> dict[str, Any]:
    """The API server refuses what the sandbox needs; `lastTransitionTime` of SandboxCreated says since when."""
    status = pending(agent, now, health, Reason.SANDBOX_REFUSED, message)
    since = format_time(refused_since(agent, now))  # not since it was False for another reason
    for row in status["conditions"]:
        if row["type"] == "SandboxCreated":
            row["lastTransitionTime"] = since
    return status


def starting(agent: Agent, pod: SandboxPod, now: datetime) -> dict[str, Any]:
    """The Pod is there and its container is not up yet."""
    message = "the sandbox starts" if pod.waiting_reason is None else f"the sandbox waits: {pod.waiting_reason}"
    conditions = [*_made(agent, pod), *verdict(Health.WORKING, Reason.SANDBOX_STARTING, message)]
    return _status(agent, now, "Pending", conditions, _of_pod(pod))


def running(agent: Agent, pod: SandboxPod, now: datetime) -> dict[str, Any]:
    """The container `sandbox` is up."""
    conditions = [*_made(agent, pod), *verdict(Health.WELL, Reason.SANDBOX_RUNNING, "the sandbox runs")]
    return _status(agent, now, "Running", conditions, {**_of_pod(pod), **_started(pod)})


def ended(agent: Agent, pod: SandboxPod, now: datetime) -> dict[str, Any]:
    """The Pod ended by itself."""
    record = {**_of_pod(pod), **_started(pod), "finishTime": format_time(pod.ended_at(now))}
    if pod.exit_code is not None:
        record["exitCode"] = pod.exit_code
    if pod.phase == "Succeeded":
        return _finish(agent, now, Reason.COMPLETED, "the sandbox ended with exit code 0", pod, record)
    reason, message = _failure(pod)
    return _finish(agent, now, reason, message, pod, record)


def not_started(agent: Agent, pod: SandboxPod, now: datetime) -> dict[str, Any]:
    """The Pod was there and its container never came up."""
    why = f" ({pod.waiting_reason})" if pod.waiting_reason else ""
    message = f"the sandbox did not start within startDeadlineSeconds{why}: look at the compute's image and resources"
    return _finish(agent, now, Reason.SANDBOX_NOT_STARTED, message, pod, _of_pod(pod))


def failed(agent: Agent, now: datetime, reason: Reason, message: str) -> dict[str, Any]:
    """The agent ends without a Pod that could tell more; what was reached before stays on record."""
    return _finish(agent, now, reason, message, None, {})


def _failure(pod: SandboxPod) -> tuple[Reason, str]:
    match pod.pod_reason:
        case "DeadlineExceeded":
            return Reason.DEADLINE_EXCEEDED, "the sandbox ran longer than activeDeadlineSeconds and was ended"
        case "Evicted" | "Preempting" | "NodeLost" | "Shutdown" | "NodeShutdown" | "Terminated":
            return Reason.EVICTED, f"the sandbox's node ended it ({pod.pod_reason}); create a new agent to run again"
    if pod.unstartable:
        told = f"`kubectl describe pod {pod.meta.key.name}` tells why"
        return Reason.SANDBOX_FAILED, f"the command could not be started: correct `command`, or the image ({told})"
    if pod.exit_code is None:
        return Reason.SANDBOX_FAILED, "the sandbox failed without an exit code; create a new agent to run again"
    return Reason.SANDBOX_FAILED, f"the sandbox ended with exit code {pod.exit_code}: see its logs"


def _finish(
    agent: Agent, now: datetime, reason: Reason, message: str, pod: SandboxPod | None, record: Mapping[str, Any]
) -> dict[str, Any]:
    well = reason is Reason.COMPLETED
    milestones = _made(agent, pod) if pod else recall(agent.status, "SecretsResolved", "SandboxCreated")
    conditions = [
        *milestones,
        *verdict(Health.WELL if well else Health.STUCK, reason, message),
        Condition("Finished", status=True, reason=reason, message=message),
    ]
    return _status(
        agent, now, "Succeeded" if well else "Failed", conditions, {"finishTime": format_time(now), **record}
    )


def _made(agent: Agent, pod: SandboxPod) -> Sequence[Condition]:
    declared = agent.spec is not None and agent.spec.secrets
    names = len(pod.snapshot.secrets) if pod.snapshot else 0
    resolved = (
        Condition("SecretsResolved", status=True, reason=Reason.RESOLVED, message=f"declared secrets resolved: {names}")
        if names or declared
        else Condition("SecretsResolved", status=True, reason=Reason.NONE_DECLARED, message="no secrets to resolve")
    )
    made = Condition(
        "SandboxCreated", status=True, reason=Reason.SANDBOX_CREATED, message=f"Pod {pod.meta.key.name} was created"
    )
    return resolved, made


def _of_pod(pod: SandboxPod) -> dict[str, Any]:
    record: dict[str, Any] = {"podName": pod.meta.key.name, "podUID": pod.meta.uid}
    return {**record, **pod.snapshot.to_status()} if pod.snapshot else record


def _started(pod: SandboxPod) -> dict[str, Any]:
    return {"startTime": pod.start_time} if pod.start_time else {}


def _status(
    agent: Agent,
    now: datetime,
    phase: str,
    conditions: Sequence[Condition],
    record: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    kept = {name: agent.status[name] for name in _RECORD if name in agent.status}
    return {
        "firstObservedTime": format_time(now),
        **(record or {}),
        **kept,
        "observedGeneration": agent.meta.generation,
        "phase": phase,
        "conditions": merge(
            agent.status.get("conditions") or (), conditions, generation=agent.meta.generation, now=now
        ),
    }
