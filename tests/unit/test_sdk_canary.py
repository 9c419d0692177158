"""Values and API keys are in no repr, no message, no log, and no variable of any traceback that the SDK causes."""

import asyncio
import json
import logging
import pickle
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.support.sdk import (
    API_KEY,
    SID,
    Script,
    agent_body,
    async_client,
    key_body,
    problem,
    reply,
    session_body,
    sync_client,
)
from theazo import AsyncTheazo, Theazo, errors
from theazo.secret_value import SecretValue

CANARY = "c4n4ryZq81x"
SECRETS = (CANARY, API_KEY, API_KEY.removeprefix("th_live_"))
GOOD = [reply(200, session_body()), reply(200, key_body())]


def lines(error: BaseException) -> str:
    """All that a careless program shows of an error: its frames below this file, with their variables."""
    told = traceback.TracebackException.from_exception(error, capture_locals=True)
    shown = [repr(error), str(error), json.dumps(error.args, default=repr)]
    for frame in told.stack:
        if "/theazo/" in frame.filename or "httpx2" in frame.filename:
            shown += [f"{frame.filename}:{frame.lineno}", *map(str, (frame.locals or {}).items())]
    assert error.__context__ is None
    return "\n".join(shown)


def silent(error: BaseException) -> None:
    text = lines(error)
    assert "/theazo/" in text
    assert [secret for secret in SECRETS if secret in text] == []


FAILURES: dict[str, list[Any]] = {
    "lost": [*GOOD, httpx2.ReadError(CANARY)],
    "slow": [*GOOD, httpx2.ReadTimeout(CANARY)],
    "no key": [GOOD[0], problem(503, "sealing_key_unavailable")],
    "a key that is none": [GOOD[0], reply(200, {"publicKey": CANARY})],
    "refused": [*GOOD, problem(400, "invalid_secret", errors=[{"pointer": "/0", "detail": "x"}])],
    "ended": [*GOOD, problem(409, "session_ended")],
    "changed twice": [*GOOD, problem(409, "session_changed"), GOOD[0], problem(409, "session_changed")],
    "a page": [*GOOD, httpx2.Response(502, content=CANARY)],
    "a redirect": [*GOOD, httpx2.Response(302, headers={"location": CANARY}, content=CANARY)],
}


@pytest.mark.parametrize("answers", FAILURES.values(), ids=FAILURES)
def test_a_set_that_fails(answers: list[Any]) -> None:
    client = sync_client(Script(list(answers)), max_retries=0)
    with pytest.raises(errors.TheazoError) as caught:
        client.sessions.get(SID).secrets.set({"A": CANARY, "B": SecretValue(CANARY.encode())})
    silent(caught.value)


@pytest.mark.parametrize("answers", FAILURES.values(), ids=FAILURES)
def test_a_set_that_fails_in_the_other_client(answers: list[Any]) -> None:
    async def scenario() -> None:
        session = await async_client(Script(list(answers)), max_retries=0).sessions.get(SID)
        await session.secrets.set({"A": CANARY, "B": CANARY.encode()})

    with pytest.raises(errors.TheazoError) as caught:
        asyncio.run(scenario())
    silent(caught.value)


BAD: dict[str, Any] = {
    "NUL": {"A": f"{CANARY}\0"},
    "not UTF-8": {"A": CANARY.encode() + b"\xff"},
    "no Unicode": {"A": f"{CANARY}\ud800"},
    "too long": {"A": CANARY * 9999},
    "of another type": {"A": [CANARY]},
    "no mapping": [("A", CANARY)],
    "as a name": {f"{CANARY}-": "x"},
    "beside a bad name": {"A": CANARY, "a-b": "x"},
    "reserved": {"PATH": CANARY},
}


@pytest.mark.parametrize("values", BAD.values(), ids=BAD)
def test_values_that_are_refused(values: Any) -> None:
    session = sync_client(Script(list(GOOD))).sessions.get(SID)
    with pytest.raises((errors.TheazoError, TypeError)) as caught:
        session.secrets.set(values)
    silent(caught.value)


@pytest.mark.parametrize(
    "text",
    [CANARY, f"A='{CANARY}", f"A={CANARY}\nA={CANARY}", f"PATH={CANARY}", f"{CANARY}-=1", f"A={CANARY} # {CANARY}"],
)
def test_an_env_file_that_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "env").write_text(text)
    session = sync_client(Script(list(GOOD))).sessions.get(SID)
    with pytest.raises(errors.TheazoError) as caught:
        session.secrets.set(env_file=tmp_path / "env")
    silent(caught.value)


def test_values_beside_a_missing_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("A_1", CANARY)
    session = sync_client(Script(list(GOOD))).sessions.get(SID)
    with pytest.raises(errors.ConfigurationError) as caught:
        session.secrets.set({"B": CANARY}, from_env=["A_1"], required=["C"])
    silent(caught.value)


@pytest.mark.parametrize("kind", [Theazo, AsyncTheazo])
def test_a_key_that_is_refused(kind: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    for wrong, url in ((f"{API_KEY} ", "https://x.test"), (API_KEY, CANARY), (API_KEY, f"https://u:{CANARY}@x.test")):
        with pytest.raises(errors.ConfigurationError) as caught:
            kind(wrong, url)
        silent(caught.value)
        monkeypatch.setenv("THEAZO_API_KEY", wrong)
        monkeypatch.setenv("THEAZO_BASE_URL", url)
        with pytest.raises(errors.ConfigurationError) as caught:
            kind()
        silent(caught.value)


def test_nothing_shows_a_value_in_its_repr_or_fields() -> None:
    script = Script([*GOOD, reply(204), reply(201, agent_body())])
    client = sync_client(script)
    session = client.sessions.get(SID)
    session.secrets.set({"A": CANARY})
    agent = session.agents.create("python", ["A"])
    seen: dict[int, object] = {}
    _walk([client, session, agent], seen)
    shown = "\n".join(map(repr, seen.values()))
    assert len(seen) > 20
    assert f"<Session {SID} of platform acme>" in shown
    assert [secret for secret in (CANARY, CANARY.encode().hex()) if secret in shown] == []
    assert API_KEY not in repr(client) + repr(vars(client)) + repr(vars(client._link)) + repr(
        client._link.client.headers
    )


def _walk(found: object, seen: dict[int, object]) -> None:
    """Everything that hangs on an object, as far as it is the SDK's own."""
    if id(found) in seen:
        return
    seen[id(found)] = found
    if isinstance(found, list | tuple):
        for each in found:
            _walk(each, seen)
    for each in vars(found).values() if hasattr(found, "__dict__") and not isinstance(found, type) else ():
        if type(each).__module__.startswith(("theazo", "builtins", "datetime")):
            _walk(each, seen)
    for name in getattr(type(found), "__slots__", ()):
        if hasattr(found, name):
            _walk(getattr(found, name), seen)


def test_logs_at_their_most_talkative(caplog: pytest.LogCaptureFixture) -> None:
    script = Script([*GOOD, httpx2.ReadError(CANARY), reply(204)])
    with caplog.at_level(logging.DEBUG):
        sync_client(script).sessions.get(SID).secrets.set({"A": CANARY})
    assert "HTTP Request" in caplog.text
    assert [secret for secret in SECRETS if secret in caplog.text] == []


@pytest.mark.parametrize(
    "error",
    [
        errors.SecretsMissing(422, "secret_not_found", "d", "req_1", ("A",), (errors.FieldProblem("/a", "b"),)),
        errors.AgentFailed("a-1", "SandboxFailed", "m", 3),
        errors.WaitTimeout("a-1", None, "m"),
        errors.ConfigurationError("m", ("A",)),
        errors.RequestTimeout("m"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_errors_come_through_pickle(error: errors.TheazoError) -> None:
    again = pickle.loads(pickle.dumps(error))  # noqa: S301 - our own
    assert (type(again), str(again), vars(again)) == (type(error), str(error), vars(error))
