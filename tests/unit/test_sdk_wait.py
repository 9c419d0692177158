from typing import Any

import httpx2
import pytest

from tests.support.sdk import BOTH, SID, Runner, Script, agent_body, problem, reply, session_body
from theazo import errors

AT = "2026-05-01T12:00:00Z"
RUNNING = {"phase": "Running", "startedAt": AT}
DONE = {"phase": "Succeeded", "startedAt": AT, "finishedAt": AT, "exitCode": 0}
FAILED = {"phase": "Failed", "startedAt": AT, "stalled": True, "reason": "SandboxFailed", "message": "m", "exitCode": 3}
NEVER = {"phase": "Failed", "stalled": True, "reason": "SandboxNotStarted", "message": "the image"}
STALLED = {"phase": "Pending", "stalled": True, "reason": "SecretNotFound", "message": "set A"}

pytestmark = pytest.mark.parametrize("run", BOTH)


def waiting(run: Runner, script: Script, *states: Any, **options: Any) -> Any:
    answers = [reply(200, agent_body(**state)) if isinstance(state, dict) else state for state in states]
    script.answers = [reply(200, session_body()), reply(201, agent_body()), *answers]

    async def scenario(theazo: Any) -> Any:
        agent = await (await theazo.sessions.get(SID)).agents.create("python")
        same = await agent.wait(**options)
        assert same.id == agent.id
        return agent

    return run(scenario, script)


@pytest.mark.parametrize(
    ("until", "state"),
    [("running", RUNNING), ("running", DONE), ("running", FAILED), ("finished", DONE)],
)
def test_it_is_there_or_past_at_once(run: Runner, until: str, state: dict[str, Any]) -> None:
    script = Script([])
    assert waiting(run, script, state, until=until).phase == state["phase"]
    assert script.pauses == []


def test_it_looks_less_and_less_often(run: Runner) -> None:
    script = Script([])
    waiting(run, script, *[{}] * 8, RUNNING)
    assert script.pauses == [0.25, 0.375, 0.5625, 0.84375, 1.265625, 1.8984375, 2.0, 2.0]


@pytest.mark.parametrize("until", ["running", "finished"])
@pytest.mark.parametrize("state", [STALLED, NEVER])
def test_what_cannot_start_ends_it_with_why(run: Runner, until: str, state: dict[str, Any]) -> None:
    with pytest.raises(errors.AgentCannotStart) as caught:
        waiting(run, Script([]), {}, state, until=until)
    assert (caught.value.reason, caught.value.message) == (state["reason"], state["message"])
    assert str(caught.value) == f"agent a-1 cannot start ({state['reason']}): {state['message']}"


def test_a_failure_ends_it_with_the_exit_code(run: Runner) -> None:
    with pytest.raises(errors.AgentFailed) as caught:
        waiting(run, Script([]), RUNNING, FAILED, until="finished")
    assert caught.value.exit_code == 3
    assert str(caught.value) == "agent a-1 failed with exit code 3 (SandboxFailed): m"


def test_the_agent_has_what_was_seen_last_after_an_error_too(run: Runner) -> None:
    async def scenario(theazo: Any) -> Any:
        agent = await (await theazo.sessions.get(SID)).agents.create("python")
        with pytest.raises(errors.AgentFailed):
            await agent.wait("finished")
        return agent.phase, agent.exit_code

    answers = [reply(200, session_body()), reply(201, agent_body()), reply(200, agent_body(**FAILED))]
    assert run(scenario, Script([*answers])) == ("Failed", 3)


def test_an_api_that_is_silent_all_along_is_told_as_that(run: Runner) -> None:
    with pytest.raises(errors.RequestTimeout):
        waiting(run, Script([]), *[httpx2.ReadTimeout("x")] * 5, timeout=60)


def test_it_does_not_wait_longer_than_it_may(run: Runner) -> None:
    script = Script([])
    with pytest.raises(errors.WaitTimeout) as caught:
        waiting(run, script, *[{"message": "waits for A", "reason": "SecretNotFound"}] * 4, timeout=1)
    assert script.pauses == [0.25, 0.375, 0.375]
    assert "not running after 1 seconds, but Pending; waits for A" in str(caught.value)


def test_a_timeout_of_zero_looks_once(run: Runner) -> None:
    assert waiting(run, Script([]), RUNNING, timeout=0).phase == "Running"
    with pytest.raises(errors.WaitTimeout):
        waiting(run, Script([]), {}, timeout=0)


def test_without_a_timeout_it_goes_on(run: Runner) -> None:
    script = Script([])
    waiting(run, script, *[{}] * 500, RUNNING, timeout=None)
    assert script.clock > 900


def test_answers_that_are_lost_are_asked_for_again(run: Runner) -> None:
    script = Script([])
    waiting(run, script, httpx2.ReadError("x"), problem(503, "unavailable", retry_after=1), RUNNING)
    assert script.pauses == [0.25, 1.0]


def test_an_api_that_is_silent_until_the_end_is_a_timeout(run: Runner) -> None:
    script = Script([])
    with pytest.raises(errors.WaitTimeout):
        waiting(run, script, {}, *[httpx2.ReadTimeout("x")] * 5, timeout=0.5)
    assert script.clock <= 0.5


def test_an_agent_that_is_gone(run: Runner) -> None:
    with pytest.raises(errors.AgentNotFound):
        waiting(run, Script([]), {}, problem(404, "agent_not_found"))


def test_a_state_that_nobody_can_wait_for(run: Runner) -> None:
    with pytest.raises(ValueError, match="'running' or 'finished'"):
        waiting(run, Script([]), until="done")
