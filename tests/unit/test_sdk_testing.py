"""What users' tests get: the API in memory, through both clients."""

import asyncio
from typing import Any

import pytest

from theazo import AgentCannotStart, AgentFailed, errors
from theazo.aio import AsyncTheazo
from theazo.client import Theazo
from theazo.testing import API_KEY, BASE_URL, FakeTheazo


@pytest.fixture
def fake() -> FakeTheazo:
    return FakeTheazo()


@pytest.fixture
def theazo(fake: FakeTheazo) -> Theazo:
    return fake.client()


def test_the_story(fake: FakeTheazo, theazo: Theazo) -> None:
    session = theazo.sessions.for_user("user_123")
    assert theazo.sessions.for_user("user_123").id == session.id
    session.secrets.set({"A": "1", "B": "2"})
    created = session.secrets.list()
    session.secrets.set({"A": "3"})
    assert [info.name for info in session.secrets.list()] == ["A", "B"]
    assert session.secrets.list()[0].created_at == created[0].created_at
    assert session.secrets.list()[0].updated_at > created[0].updated_at
    agent = session.agents.create("python", ["A", {"name": "X", "from": "B"}])
    assert agent.wait().phase == "Running"
    fake.end(agent.id)
    assert agent.wait("finished").exit_code == 0
    session.secrets.delete("A")
    with pytest.raises(errors.SecretsMissing) as caught:
        session.agents.create("python", ["A", "B", {"name": "C", "optional": True}])
    assert caught.value.missing == ("A",)
    assert [each.id for each in session.agents.list()] == [agent.id]
    assert list(session.agents.list("Failed")) == []
    agent.delete()
    session.delete()
    assert list(theazo.sessions.list()) == []


def test_a_session_that_was_made_anew_is_not_deleted_in_the_place_of_the_old_one(theazo: Theazo) -> None:
    old = theazo.sessions.for_user("user_123")
    theazo.sessions.delete(old.id)
    new = theazo.sessions.for_user("user_123")
    with pytest.raises(errors.Conflict) as caught:
        old.delete()
    assert caught.value.code == "session_changed"
    assert [each.sealing_id for each in theazo.sessions.list()] == [new.sealing_id]


def test_the_same_with_asyncio(fake: FakeTheazo) -> None:
    async def scenario() -> list[str]:
        async with fake.async_client() as theazo:
            session = await theazo.sessions.for_user("user_123")
            await session.secrets.set({"A": "1"})
            await (await session.agents.create("python", ["A"])).wait()
            return [info.name for info in await session.secrets.list()]

    assert asyncio.run(scenario()) == ["A"]


def test_an_agent_that_is_made_to_fail(fake: FakeTheazo, theazo: Theazo) -> None:
    agents = theazo.sessions.for_user("user_123").agents
    agent = agents.create("python")
    fake.end(agent.id, exit_code=3)
    with pytest.raises(AgentFailed, match="exit code 3"):
        agent.wait("finished")
    stalled = agents.create("python")
    fake.stall(stalled.id)
    with pytest.raises(AgentCannotStart, match="quota"):
        stalled.wait()
    fake.start(stalled.id)
    assert stalled.wait().phase == "Running"
    with pytest.raises(KeyError):
        fake.end("a-none")


def test_agents_may_stay_pending() -> None:
    fake = FakeTheazo(starts=False)
    agent = fake.client().sessions.for_user("user_123").agents.create("python")
    assert (agent.phase, agent.started_at) == ("Pending", None)


@pytest.mark.parametrize("status", [401, 403, 429, 500, 503])
def test_failures_on_demand(fake: FakeTheazo, theazo: Theazo, status: int) -> None:
    fake.fail(status)
    with pytest.raises(errors.APIError) as caught:
        theazo.sessions.for_user("user_123")
    assert (caught.value.status, caught.value.request_id) == (status, "req_00000000000000000000000001")
    assert theazo.sessions.for_user("user_123").user == "user_123"


def test_retries_can_be_tried(fake: FakeTheazo) -> None:
    client = fake.client(max_retries=2)
    client._link.sleep = lambda _: None
    fake.fail(503, 500)
    assert client.sessions.for_user("user_123").user == "user_123"
    assert [each.method for each in fake.requests] == ["POST"] * 3


def test_a_new_key_and_a_new_session_are_sealed_for(fake: FakeTheazo, theazo: Theazo) -> None:
    session = theazo.sessions.for_user("user_123")
    session.secrets.set({"A": "1"})
    fake.rotate_key()
    session.secrets.set({"A": "2"})
    before = session.sealing_id
    fake.recreate_session(session.id)
    assert session.secrets.list() == []
    session.secrets.set({"B": "1"})
    assert [info.name for info in session.secrets.list()] == ["B"]
    assert session.sealing_id != before


def test_what_is_not_there(theazo: Theazo) -> None:
    session = theazo.sessions.for_user("user_123")
    for kind, call in (
        (errors.SessionNotFound, lambda: theazo.sessions.get("s-none")),
        (errors.SessionNotFound, lambda: theazo.sessions.delete("s-none")),
        (errors.SecretNotFound, lambda: session.secrets.delete("A")),
        (errors.AgentNotFound, lambda: session.agents.get("a-none")),
        (errors.AgentNotFound, lambda: session.agents.delete("a-none")),
        (errors.ComputeNotFound, lambda: session.agents.create("perl")),
    ):
        with pytest.raises(kind):
            call()


def test_an_idempotency_key_makes_one_agent(theazo: Theazo) -> None:
    agents = theazo.sessions.for_user("user_123").agents
    assert agents.create("python", idempotency_key="k").id == agents.create("python", idempotency_key="k").id
    with pytest.raises(errors.Conflict) as caught:
        agents.create("python", ["A"], idempotency_key="k")
    assert caught.value.code == "idempotency_mismatch"


@pytest.mark.parametrize("kind", [Theazo, AsyncTheazo])
def test_a_client_of_ones_own(kind: Any, fake: FakeTheazo) -> None:
    assert repr(kind(API_KEY, BASE_URL, transport=fake.transport)) == f"<{kind.__name__} http://theazo.test>"


def test_another_key_is_refused(fake: FakeTheazo) -> None:
    other = f"th_live_{'b' * 12}_{'b' * 52}"
    with pytest.raises(errors.Unauthorized):
        Theazo(other, BASE_URL, transport=fake.transport).sessions.for_user("user_123")


def test_sessions_that_end(theazo: Theazo) -> None:
    session = theazo.sessions.for_user("user_123", ttl_seconds=60)
    assert session.expires_at is not None
    assert 59 < (session.expires_at - session.created_at).total_seconds() < 61
    assert [each.id for each in theazo.sessions.list("user_123")] == [session.id]
    assert list(theazo.sessions.list("user_1")) == []
    assert session.refresh() is session
