"""Waits until an agent is where its caller wants it, or never will be."""

from theazo._core.operations import Operations
from theazo._core.wire import Now, Pause, Steps
from theazo.errors import AgentCannotStart, AgentError, AgentFailed, RequestTimeout, WaitTimeout
from theazo.models import AgentFields, Until

_FIRST, _LONGEST, _GROWTH = 0.25, 2.0, 1.5  # seconds between two looks, and how they grow


def wait(
    api: Operations, agent: AgentFields, until: Until, timeout: float | None
) -> Steps[tuple[AgentFields, AgentError | None]]:
    """The agent as it was seen last, and why that isn't what was waited for, if so.

    Raises:
        ValueError: if `until` is no state that can be waited for.
        APIError, ConnectionFailed: if the API can't be asked.
    """
    if until not in {"running", "finished"}:
        raise ValueError("until is 'running' or 'finished'")
    deadline: float | None = None if timeout is None else (yield Now()) + timeout
    pause, session, name = _FIRST, agent.session_id, agent.id
    while True:
        try:
            agent = yield from api.agent(session, name, deadline=deadline)
        except RequestTimeout:
            if deadline is None or (yield Now()) < deadline:
                raise
            return agent, _late(agent, until, timeout)
        done, error = _judge(agent, until)
        if done:
            return agent, error
        if deadline is not None:
            left: float = deadline - (yield Now())
            if left <= 0:
                return agent, _late(agent, until, timeout)
            pause = min(pause, left)
        yield Pause(pause)
        pause = min(_LONGEST, pause * _GROWTH)


def _judge(agent: AgentFields, until: Until) -> tuple[bool, AgentError | None]:
    """Whether there is nothing more to wait for, and what went wrong."""
    ran = agent.started_at is not None or agent.exit_code is not None
    if agent.phase == "Failed" and ran:
        return True, None if until == "running" else _error(AgentFailed, agent)
    if agent.phase == "Failed" or (agent.phase == "Pending" and agent.stalled):
        return True, _error(AgentCannotStart, agent)
    return agent.phase == "Succeeded" or (agent.phase == "Running" and until == "running"), None


def _error(kind: type[AgentError], agent: AgentFields) -> AgentError:
    return kind(agent.id, agent.reason, agent.message or "the API gives no message", agent.exit_code)


def _late(agent: AgentFields, until: Until, timeout: float | None) -> WaitTimeout:
    why = f"; {agent.message}" if agent.message else ""
    message = f"not {until} after {timeout:g} seconds, but {agent.phase}{why}"
    return WaitTimeout(agent.id, agent.reason, message, agent.exit_code)
