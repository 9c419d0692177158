"""What shall happen to a TheazoAgent next.

observe   the agent, its session, compute and Pod, as the watches last showed them
plan      finished? → its Pod tells → its Pod is gone → something is missing → create
act       the controller carries the plan out, then writes the status: see controllers/agents.py
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from theazo_operator.reasons import Reason
from theazo_operator.reconcile import progress, remedies
from theazo_operator.resources.agent import Agent, AgentSpec
from theazo_operator.resources.conditions import Health
from theazo_operator.resources.meta import Key, parse_time, seconds
from theazo_operator.resources.sandbox import Compute, SandboxPod
from theazo_operator.resources.session import Session

# These failures end a sandbox that may still be there; the others end because their Pod did.
_ENDED_BY_US = frozenset({Reason.SANDBOX_NOT_STARTED, Reason.SESSION_EXPIRED})


@dataclass(frozen=True, slots=True)
class Observed:
    """All that a decision about one agent depends on."""

    agent: Agent
    is_platform: bool
    session: Session | None
    compute: Compute | None
    pod: SandboxPod | None
    now: datetime


@dataclass(frozen=True, slots=True)
class Plan:
    """What to do, in this order; the status is written last, so it never claims what has not been done."""

    create: bool = False
    """Read the TheazoSecret, open what is declared, create Secret and Pod. `status` is then made from the outcome."""
    pod_lost: bool = False
    """The Pod on record is not in our cache: make sure that it is gone before saying so."""
    session_gone: bool = False
    """The session on record is not in our cache: make sure that it is gone, then delete the agent."""
    delete_secrets: bool = False
    delete_pod: bool = False
    delete_agent: bool = False
    back_off: bool = False
    """Try again, but later each time."""
    status: dict[str, Any] | None = None
    wake_after: timedelta | None = None


NOTHING = Plan()


def plan(seen: Observed) -> Plan:
    """Decide the next step of an agent."""
    agent, session = seen.agent, seen.session
    if seen.pod is not None and seen.pod.agent_uid != agent.meta.uid:
        seen = replace(seen, pod=None)  # a namesake: only the POST of our own Pod has to do with it
    if agent.meta.deleting:
        return _on_the_way_out(seen)
    if _session_gone(agent, session):
        return Plan(session_gone=True)
    if session is not None and session.expired(seen.now):
        return _after_session(seen)
    if agent.finished:
        return _after_finish(seen)
    if agent.spec is None:
        return Plan(status=progress.stuck(agent, seen.now, Reason.INVALID_SPEC, _INVALID_SPEC))
    pod, recorded = seen.pod, agent.status.get("podUID")
    if pod is not None and recorded in {None, pod.meta.uid}:
        return _follow_pod(agent, agent.spec, pod, seen.now)
    return Plan(pod_lost=True) if recorded is not None else _start(seen, agent.spec)


POD_DELETED = "somebody deleted the agent's Pod, and an agent has one Pod only: create a new agent"
_INVALID_SPEC = "spec can't be read by this version of the operator: compare it with `kubectl explain theazoagent.spec`"


def _on_the_way_out(seen: Observed) -> Plan:
    """Garbage collection takes Pod and Secret with their owner; but a finalizer of anybody may hold that up."""
    held = seen.agent.spec is None or bool(seen.agent.spec.secrets)
    return Plan(delete_secrets=held, delete_pod=seen.pod is not None and not seen.pod.meta.deleting)


def _session_gone(agent: Agent, session: Session | None) -> bool:
    """Only a session that this agent was once seen with can be gone; one that never was there is waited for.

    Of an agent whose spec can't be read nobody knows the session, and what can't be known deletes nothing.
    """
    recorded = agent.status.get("sessionUID") if agent.spec is not None else None
    return recorded is not None and (session is None or session.meta.uid != recorded)


def _after_session(seen: Observed) -> Plan:
    agent = seen.agent
    if not agent.meta.tracked:
        return Plan(delete_agent=True)
    if agent.finished:
        return _after_finish(seen)
    return Plan(
        delete_secrets=True,
        delete_pod=seen.pod is not None,
        status=progress.failed(
            agent, seen.now, Reason.SESSION_EXPIRED, "the session's ttlSeconds are over; agents start in a new session"
        ),
    )


def _after_finish(seen: Observed) -> Plan:
    agent, pod = seen.agent, seen.pod
    reason = (progress.condition(agent, "Finished") or {}).get("reason")
    removable = pod is not None and not pod.meta.deleting
    unrecorded = pod is not None and pod.meta.uid != agent.status.get("podUID")
    if removable and (unrecorded or reason in _ENDED_BY_US):
        return Plan(delete_secrets=True, delete_pod=True)
    ttl = agent.spec.ttl_seconds_after_finished if agent.spec else None
    finished = agent.status.get("finishTime")
    if ttl is None or finished is None:
        return NOTHING
    left = parse_time(finished) + seconds(ttl) - seen.now
    if left > timedelta(0):
        return Plan(wake_after=left)
    if not agent.meta.tracked:
        return Plan(delete_agent=True)
    return Plan(delete_secrets=True, delete_pod=True) if removable else NOTHING


def _follow_pod(agent: Agent, spec: AgentSpec, pod: SandboxPod, now: datetime) -> Plan:
    """Translate the Pod's state. The Secret goes before the status says so: a recorded phase is a done clean-up."""
    once = spec.restart_policy == "Never"
    held = bool(spec.secrets) and not (once and agent.status.get("phase") == "Running")
    if pod.taken_away:
        if "podUID" not in agent.status:
            return Plan(delete_secrets=held)  # of a broken attempt; there will be another
        return Plan(delete_secrets=held, status=progress.failed(agent, now, Reason.SANDBOX_LOST, POD_DELETED))
    if pod.phase in {"Succeeded", "Failed"}:
        return Plan(delete_secrets=held, status=progress.ended(agent, pod, now))
    if pod.started:
        return Plan(delete_secrets=held and once, status=progress.running(agent, pod, now))
    left = pod.meta.created + seconds(spec.start_deadline_seconds) - now
    if left <= timedelta(0):
        return Plan(delete_secrets=True, delete_pod=True, status=progress.not_started(agent, pod, now))
    return Plan(status=progress.starting(agent, pod, now), wake_after=left)


def _start(seen: Observed, spec: AgentSpec) -> Plan:
    agent = seen.agent
    namespace = agent.meta.key.namespace
    if not seen.is_platform:
        return wait(agent, seen.now, Reason.PLATFORM_NOT_FOUND, remedies.no_platform(namespace))
    if seen.session is None or seen.session.meta.deleting:
        missing = remedies.no_session(Key(namespace, spec.session_ref.name))
        return wait(agent, seen.now, Reason.SESSION_NOT_FOUND, missing)
    if seen.compute is None:
        return wait(
            agent,
            seen.now,
            Reason.COMPUTE_NOT_FOUND,
            f"there is no compute {spec.compute}: a PodTemplate of that name in the operator's namespace makes it",
        )
    return Plan(create=True)


def wait(agent: Agent, now: datetime, reason: Reason, message: str) -> Plan:
    """Wait for what is missing; stalled after `secretsDeadlineSeconds`, and going on as soon as it is there."""
    first_seen = agent.status.get("firstObservedTime")
    left = _patience(agent, parse_time(first_seen) if first_seen else now) - now
    overdue = left <= timedelta(0)
    health = Health.STUCK if overdue else Health.WORKING
    return Plan(status=progress.pending(agent, now, health, reason, message), wake_after=None if overdue else left)


def refused(seen: Observed, answer: str, *, lasting: bool) -> Plan:
    """The API server answers a request for an agent without a sandbox with an error: say so.

    Args:
        seen: what was observed.
        answer: the request and what the API server said to it.
        lasting: somebody must act; otherwise that is said once it has been refused for `secretsDeadlineSeconds`.
    """
    agent, what_helps = seen.agent, remedies.refused(seen.agent.meta.key.namespace)
    message = f"the API server refused the sandbox, it is tried again: {answer}; {what_helps}"
    overdue = _patience(agent, progress.refused_since(agent, seen.now)) <= seen.now
    health = Health.STUCK if lasting or overdue else Health.WORKING
    return Plan(status=progress.refused(agent, seen.now, health, message), back_off=lasting)


def _patience(agent: Agent, since: datetime) -> datetime:
    """When waiting that began then has become a stall."""
    return since + seconds(agent.spec.secrets_deadline_seconds if agent.spec else 0)


def remember_session(status: dict[str, Any], session: Session | None) -> None:
    """Record the session that an agent was first seen with: it must not outlive that one."""
    if session is not None and not session.meta.deleting:
        status.setdefault("sessionUID", session.meta.uid)
