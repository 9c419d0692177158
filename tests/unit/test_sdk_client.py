"""What each call asks, and what it makes of the answers: the same for both clients."""

from datetime import UTC, datetime
from typing import Any

import pytest

from tests.support.sdk import (
    API_KEY,
    BOTH,
    KEYRING,
    SECOND,
    SID,
    Runner,
    Script,
    agent_body,
    key_body,
    problem,
    reply,
    session_body,
)
from theazo import errors
from theazo.models import SecretInfo
from theazo.sealing import Binding

AT = datetime(2026, 5, 1, 10, 0, 0, 123456, tzinfo=UTC)
SESSION = f"/v1/sessions/{SID}"

pytestmark = pytest.mark.parametrize("run", BOTH)


def opened(script: Script, number: int, *, sealing_id: str = "seal-1") -> dict[str, bytes]:
    """What the operator gets out of what was sent."""
    body = script.body(number)
    assert body["sealingId"] == sealing_id
    return {
        name: SECOND.open(text, Binding("acme", SID, sealing_id, name)).reveal()
        for name, text in body["secrets"].items()
    }


def ready(*answers: Any) -> Script:
    """A script that begins with the session."""
    return Script([reply(200, session_body()), *answers])


def test_every_request_says_who_asks(run: Runner) -> None:
    script = ready()
    run(lambda theazo: theazo.sessions.for_user("user_123"), script)
    [request] = script.requests
    assert str(request.url) == "https://api.test/base/v1/sessions"
    assert request.headers["authorization"] == f"Bearer {API_KEY}"
    assert request.headers["user-agent"].startswith("theazo-python/0.")
    assert request.headers["content-type"] == "application/json"


def test_a_session(run: Runner) -> None:
    script = Script(
        [reply(201, session_body(expiresAt=None)), reply(200, session_body(expiresAt="2026-05-01T12:00:00Z"))]
    )

    async def scenario(theazo: Any) -> Any:
        session = await theazo.sessions.for_user("user_123", ttl_seconds=60)
        return session.id, session.expires_at, (await session.refresh()).expires_at, session.created_at, session.user

    found = run(scenario, script)
    assert found == (SID, None, datetime(2026, 5, 1, 12, tzinfo=UTC), AT, "user_123")
    assert script.asked() == ["POST /v1/sessions", f"GET {SESSION}"]
    assert script.body(0) == {"user": "user_123", "ttlSeconds": 60}


def test_sessions_are_listed_over_pages(run: Runner) -> None:
    pages = [(["s-1", "s-2"], "c=1&x"), ([], "c2"), (["s-3"], None)]
    script = Script(
        [
            reply(200, {"sessions": [session_body(id=each) for each in ids], "nextCursor": cursor})
            for ids, cursor in pages
        ]
    )

    async def scenario(theazo: Any) -> Any:
        return [session.id async for session in theazo.sessions.list(user="ü&x")]

    assert run(scenario, script) == ["s-1", "s-2", "s-3"]
    assert [dict(request.url.params) for request in script.requests] == [
        {"limit": "100", "user": "ü&x"},
        {"limit": "100", "cursor": "c=1&x", "user": "ü&x"},
        {"limit": "100", "cursor": "c2", "user": "ü&x"},
    ]


def test_a_page_is_fetched_when_it_is_needed(run: Runner) -> None:
    script = Script([reply(200, {"sessions": [session_body()], "nextCursor": "more"})])

    async def scenario(theazo: Any) -> Any:
        async for session in theazo.sessions.list():
            return session.id
        return None

    assert run(scenario, script) == SID
    assert script.asked() == ["GET /v1/sessions?limit=100"]


def test_deleting(run: Runner) -> None:
    script = ready(reply(200, agent_body()), *[reply(204)] * 4, reply(200, session_body() | {"id": "s-2"}), reply(204))

    async def scenario(theazo: Any) -> Any:
        session = await theazo.sessions.get(SID)
        agent = await session.agents.get("a-1")
        await agent.delete()
        await session.agents.delete("a-2")
        await session.secrets.delete("A")
        await session.delete()
        await theazo.sessions.delete("s-2")

    run(scenario, script)
    assert script.asked() == [
        *(f"GET {SESSION}", f"GET {SESSION}/agents/a-1", f"DELETE {SESSION}/agents/a-1"),
        *(
            f"DELETE {SESSION}/agents/a-2",
            f"DELETE {SESSION}/secrets/A",
            f"DELETE {SESSION}?sealingId={session_body()['sealingId']}",
            "GET /v1/sessions/s-2",
            f"DELETE /v1/sessions/s-2?sealingId={session_body()['sealingId']}",
        ),
    ]
    assert all(not request.content for request in script.requests)


@pytest.mark.parametrize("wrong", ["", ".", "..", "a/b", "a?b", "A", "a" * 53, "a\n", "ä"])
def test_an_id_that_would_be_another_path_is_never_sent(run: Runner, wrong: str) -> None:
    script = ready()
    with pytest.raises(errors.InvalidName):
        run(lambda theazo: theazo.sessions.delete(wrong), script)

    async def scenario(theazo: Any) -> None:
        session = await theazo.sessions.get(SID)
        for call in (session.agents.get, session.agents.delete):
            with pytest.raises(errors.InvalidName):
                await call(wrong)
        if wrong not in {"A", "a" * 53}:
            with pytest.raises(errors.InvalidName):
                await session.secrets.delete(wrong)

    run(scenario, script)
    assert script.asked() == [f"GET {SESSION}"]


def test_values_are_sealed_before_they_leave(run: Runner) -> None:
    script = ready(reply(200, key_body()), reply(204), reply(204))

    async def scenario(theazo: Any) -> None:
        session = await theazo.sessions.get(SID)
        await session.secrets.set({"A": "text ü", "B": b"bytes"})
        await session.secrets.set({"A": "new"})

    run(scenario, script)
    assert script.asked()[1:] == ["GET /v1/sealing-key", f"POST {SESSION}/secrets", f"POST {SESSION}/secrets"]
    assert opened(script, 2) == {"A": "text ü".encode(), "B": b"bytes"}
    assert opened(script, 3) == {"A": b"new"}
    assert script.requests[2].headers["content-type"] == "application/vnd.theazo.sealed+json"
    assert b"bytes" not in script.requests[2].content


def test_a_new_sealing_key_is_fetched_and_all_is_sealed_again(run: Runner) -> None:
    new = key_body(SECOND.public_key("acme"))
    script = ready(reply(200, key_body()), problem(409, "sealing_key_changed"), reply(200, new), reply(204), reply(204))

    async def scenario(theazo: Any) -> None:
        session = await theazo.sessions.get(SID)
        await session.secrets.set({"A": "1"})
        await session.secrets.set({"A": "2"})

    run(scenario, script)
    posts = [number for number, request in enumerate(script.requests) if request.method == "POST"]
    assert len(posts) == 3
    assert new["keyId"] in script.body(posts[1])["secrets"]["A"]
    assert [opened(script, number) for number in posts] == [{"A": b"1"}, {"A": b"1"}, {"A": b"2"}]


def test_a_session_made_again_is_fetched_and_all_is_sealed_again(run: Runner) -> None:
    again = session_body(sealingId="seal-2")
    script = ready(reply(200, key_body()), problem(409, "session_changed"), reply(200, again), reply(204), reply(204))

    async def scenario(theazo: Any) -> Any:
        session = await theazo.sessions.get(SID)
        await session.secrets.set({"A": "1"})
        await session.secrets.set({"A": "2"})
        return session.sealing_id

    assert run(scenario, script) == "seal-2"
    assert opened(script, 2) == {"A": b"1"}
    assert opened(script, 4, sealing_id="seal-2") == {"A": b"1"}
    assert opened(script, 5, sealing_id="seal-2") == {"A": b"2"}


@pytest.mark.parametrize("code", ["session_changed", "sealing_key_changed"])
def test_each_is_done_once(run: Runner, code: str) -> None:
    fresh = reply(200, session_body() if code == "session_changed" else key_body())
    script = ready(reply(200, key_body()), problem(409, code), fresh, problem(409, code))

    async def scenario(theazo: Any) -> None:
        session = await theazo.sessions.get(SID)
        await session.secrets.set({"A": "1"})

    with pytest.raises(errors.Conflict) as caught:
        run(scenario, script)
    assert caught.value.code == code
    assert script.answers == []


def test_both_in_one_set(run: Runner) -> None:
    script = ready(
        reply(200, key_body()),
        *(problem(409, "session_changed"), reply(200, session_body(sealingId="seal-2"))),
        *(problem(409, "sealing_key_changed"), reply(200, key_body(SECOND.public_key("acme"))), reply(204)),
    )

    async def scenario(theazo: Any) -> None:
        await (await theazo.sessions.get(SID)).secrets.set({"A": "1"})

    run(scenario, script)
    assert opened(script, -1, sealing_id="seal-2") == {"A": b"1"}


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"suite": "other"}, "suite"),
        ({"keyId": "0" * 16}, "key id"),
        ({"publicKey": "AAAA"}, "1216 bytes"),
        ({"publicKey": "%"}, "base64"),
        ({"platform": "initech"}, "another platform"),
    ],
)
def test_a_key_that_is_none_seals_nothing_and_is_not_kept(run: Runner, changes: dict[str, Any], words: str) -> None:
    script = ready(reply(200, key_body() | changes), reply(200, key_body()), reply(204))

    async def scenario(theazo: Any) -> None:
        session = await theazo.sessions.get(SID)
        with pytest.raises(errors.InvalidPublicKey, match=words) as caught:
            await session.secrets.set({"A": "1"})
        assert caught.value.__context__ is None
        assert len(script.requests) == 2
        await session.secrets.set({"A": "1"})

    run(scenario, script)
    assert opened(script, -1) == {"A": b"1"}


@pytest.mark.parametrize("changes", [{"publicKey": 5}, {"suite": None}, {"keyId": None}, {"platform": None}])
def test_what_is_no_sealing_key_at_all_is_an_unexpected_reply(run: Runner, changes: dict[str, Any]) -> None:
    script = ready(reply(200, key_body() | changes))

    async def scenario(theazo: Any) -> None:
        await (await theazo.sessions.get(SID)).secrets.set({"A": "1"})

    with pytest.raises(errors.APIError) as caught:
        run(scenario, script)
    assert caught.value.code == "unexpected_reply"
    assert len(script.requests) == 2


def test_names_are_listed(run: Runner) -> None:
    script = ready(reply(200, {"secrets": [{"name": "A", "createdAt": TIME_Z, "updatedAt": TIME_Z, "new": 1}]}))

    async def scenario(theazo: Any) -> Any:
        return await (await theazo.sessions.get(SID)).secrets.list()

    noon = datetime(2026, 5, 1, 12, tzinfo=UTC)
    assert run(scenario, script) == [SecretInfo("A", noon, noon)]


TIME_Z = "2026-05-01T12:00:00Z"


def test_it_opens_with_the_operators_keyring(run: Runner) -> None:
    script = ready(reply(200, key_body()), reply(204))

    async def scenario(theazo: Any) -> None:
        await (await theazo.sessions.get(SID)).secrets.set({"A": "value"})

    run(scenario, script)
    assert KEYRING.open(script.body()["secrets"]["A"], Binding("acme", SID, "seal-1", "A")).reveal() == b"value"
