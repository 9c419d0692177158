"""What calls about agents ask, and what is made of answers that are none: the same for both clients."""

from datetime import UTC, datetime
from typing import Any

import httpx2
import pytest

from tests.support.sdk import (
    BOTH,
    SID,
    Runner,
    Script,
    agent_body,
    problem,
    reply,
    session_body,
)
from theazo import errors
from theazo.models import AgentSecret

AT = datetime(2026, 5, 1, 10, 0, 0, 123456, tzinfo=UTC)
SESSION = f"/v1/sessions/{SID}"

pytestmark = pytest.mark.parametrize("run", BOTH)


TIME_Z = "2026-05-01T12:00:00Z"


def ready(*answers: Any) -> Script:
    """A script that begins with the session."""
    return Script([reply(200, session_body()), *answers])


def test_an_agent_with_all_its_options(run: Runner) -> None:
    script = ready(reply(201, agent_body(phase="Running", podName="p", startedAt=TIME_Z)))

    async def scenario(theazo: Any) -> Any:
        session = await theazo.sessions.get(SID)
        return await session.agents.create(
            "python",
            ["A", {"name": "B", "from": "C", "optional": True}],
            command=("sh", "-c"),
            args=["x"],
            resources={"limits": {"cpu": 1}},
            restart_policy="OnFailure",
            active_deadline_seconds=5,
            ttl_seconds_after_finished=0,
            secrets_deadline_seconds=None,
            start_deadline_seconds=7,
            idempotency_key="mine",
        )

    agent = run(scenario, script)
    assert script.body() == {
        "compute": "python",
        "secrets": ["A", {"name": "B", "from": "C", "optional": True}],
        "command": ["sh", "-c"],
        "args": ["x"],
        "resources": {"limits": {"cpu": 1}},
        "restartPolicy": "OnFailure",
        "activeDeadlineSeconds": 5,
        "ttlSecondsAfterFinished": 0,
        "startDeadlineSeconds": 7,
    }
    assert script.requests[-1].headers["idempotency-key"] == "mine"
    assert (agent.id, agent.phase, agent.pod_name, agent.exit_code, agent.stalled) == (
        "a-1",
        "Running",
        "p",
        None,
        False,
    )
    assert agent.secrets == (AgentSecret("A", "B", None),)
    assert (agent.session_id, agent.created_at, agent.finished_at) == (SID, AT, None)


def test_an_idempotency_key_stays_over_retries_and_is_another_each_time(run: Runner) -> None:
    lost = httpx2.ReadError("x")
    script = ready(lost, problem(503, "unavailable", retry_after=3), reply(201, agent_body()), reply(201, agent_body()))

    async def scenario(theazo: Any) -> None:
        session = await theazo.sessions.get(SID)
        await session.agents.create("python")
        await session.agents.create("python")

    run(scenario, script)
    keys = [request.headers["idempotency-key"] for request in script.requests[1:]]
    assert len(set(keys[:3])) == 1
    assert keys[3] != keys[0]
    assert len(keys[0]) == 36
    assert script.pauses == [0.25, 3.0]


@pytest.mark.parametrize(
    ("arguments", "options", "kind"),
    [
        (["python", "AB"], {}, TypeError),
        (["python", {"A": 1}], {}, TypeError),
        (["python", ["a-b"]], {}, errors.InvalidName),
        (["python", [{"name": "PATH"}]], {}, errors.InvalidName),
        (["python", [{"name": "KEY", "from": "sk_live_abc"}]], {}, errors.InvalidName),
        (["python", [{"name": "KEY", "from": ""}]], {}, errors.InvalidName),
        (["python"], {"command": "ls -l"}, TypeError),
        (["python"], {"args": "ls"}, TypeError),
        (["python"], {"comand": ["ls"]}, TypeError),
        (["python"], {"idempotency_key": ""}, errors.InvalidName),
        (["python"], {"idempotency_key": "a" * 256}, errors.InvalidName),
        (["python"], {"idempotency_key": "a\r\nb: c"}, errors.InvalidName),
        (["python"], {"idempotency_key": "ä"}, errors.InvalidName),
    ],
)
def test_what_cannot_be_an_agent_is_not_sent(run: Runner, arguments: Any, options: Any, kind: type[Exception]) -> None:
    async def scenario(theazo: Any) -> None:
        session = await theazo.sessions.get(SID)
        await session.agents.create(*arguments, **options)

    script = ready()
    with pytest.raises(kind):
        run(scenario, script)
    assert len(script.requests) == 1


def test_missing_secrets_are_named(run: Runner) -> None:
    async def scenario(theazo: Any) -> None:
        await (await theazo.sessions.get(SID)).agents.create("python", ["A", "B"])

    with pytest.raises(errors.SecretsMissing) as caught:
        run(scenario, ready(problem(422, "secret_not_found", missing=["B"])))
    assert caught.value.missing == ("B",)


def test_agents_are_listed_by_phase(run: Runner) -> None:
    script = ready(reply(200, {"agents": [agent_body(), agent_body(id="a-2")], "nextCursor": None}))

    async def scenario(theazo: Any) -> Any:
        session = await theazo.sessions.get(SID)
        return [agent.id async for agent in session.agents.list(phase="Pending")]

    assert run(scenario, script) == ["a-1", "a-2"]
    assert script.asked()[1:] == [f"GET {SESSION}/agents?limit=100&phase=Pending"]


@pytest.mark.parametrize(
    "body",
    [
        *("", "{", "[]", "null", "5", '"x"', "[" * 100_000, "{}"),
        *('{"id": 5}', '{"id": "s-1", "user": "u", "platform": "p", "sealingId": "i", "createdAt": "2026-05-01"}'),
        '{"id": "s-1", "user": "u", "platform": "p", "sealingId": "i", "createdAt": "2026-05-01T10:00:00"}',
    ],
    ids=lambda body: body[:20],
)
def test_a_success_that_is_none(run: Runner, body: str) -> None:
    with pytest.raises(errors.APIError) as caught:
        run(lambda theazo: theazo.sessions.get(SID), Script([httpx2.Response(200, content=body)]))
    assert caught.value.code == "unexpected_reply"
    assert caught.value.__context__ is None


@pytest.mark.parametrize(
    ("lost", "kind"),
    [
        (httpx2.ConnectError("s3cret"), errors.ConnectionFailed),
        (httpx2.RemoteProtocolError("s3cret"), errors.ConnectionFailed),
        (httpx2.DecodingError("s3cret"), errors.ConnectionFailed),
        (httpx2.ReadTimeout("s3cret"), errors.RequestTimeout),
        (httpx2.PoolTimeout("s3cret"), errors.RequestTimeout),
    ],
    ids=lambda found: getattr(found, "__name__", type(found).__name__),
)
def test_no_answer(run: Runner, lost: Exception, kind: type[Exception]) -> None:
    script = Script([lost] * 3)
    with pytest.raises(errors.ConnectionFailed) as caught:
        run(lambda theazo: theazo.sessions.get(SID), script, max_retries=2)
    assert type(caught.value) is kind
    assert type(lost).__name__ in str(caught.value)
    assert "s3cret" not in str(caught.value)
    assert caught.value.__context__ is None
    assert script.pauses == [0.25, 0.5]
