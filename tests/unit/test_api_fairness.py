"""How many requests and bytes of one platform there may be at once, and that others do not feel it."""

import asyncio
from typing import Any

import pytest

from tests.support.aio import settle, soon
from tests.support.builders import NS, SYSTEM
from tests.support.fakekube import FakeKube
from tests.support.restrig import USER, Reply, Rest
from theazo import rules
from theazo_operator.api import fairness, reading, service
from theazo_operator.api.auth import ApiKeys
from theazo_operator.kube import resource as kind

SESSION = f"/v1/sessions/{rules.session_name(NS, USER)}"


class Slow:
    """Reads of the platform's sessions, which wait until they are let go; others' do not."""

    def __init__(self, rest: Rest, monkeypatch: pytest.MonkeyPatch, at_once: int, present: int) -> None:
        monkeypatch.setattr(fairness, "_AT_ONCE", at_once)
        monkeypatch.setattr(fairness, "_PRESENT", present)
        real = FakeKube.get
        self.rest = rest
        self.working = 0
        self.let_go = asyncio.Event()
        self.other = rest.new_key("other-platform")
        rest.pass_seconds(60)  # so that it is known

        async def get(kube: FakeKube, resource: Any, namespace: str, name: str) -> Any:
            if (resource, namespace) == (kind.SESSIONS, NS):
                self.working += 1
                await self.let_go.wait()
            return await real(kube, resource, namespace, name)

        monkeypatch.setattr(FakeKube, "get", get)

    async def ask(self, key: str = "") -> Reply:
        return await self.rest.send("GET", SESSION, key=key)

    def run(self, scenario: Any) -> None:
        self.rest.runner.run(soon(scenario))


def outcomes(replies: list[Reply]) -> list[tuple[int, str | None]]:
    return [reply.outcome for reply in replies]


def test_what_is_too_much_at_once_waits_for_its_turn_and_others_do_not(
    rest: Rest, monkeypatch: pytest.MonkeyPatch
) -> None:
    rest.open()
    slow = Slow(rest, monkeypatch, at_once=2, present=5)

    async def scenario() -> None:
        asked = [asyncio.create_task(slow.ask()) for _ in range(5)]
        await settle()
        assert slow.working == 2
        assert (await slow.ask(slow.other)).outcome == (404, "session_not_found")
        slow.let_go.set()
        assert outcomes(list(await asyncio.gather(*asked))) == [(200, None)] * 5

    slow.run(scenario())


def test_what_is_too_much_to_wait_is_refused_until_there_is_room(rest: Rest, monkeypatch: pytest.MonkeyPatch) -> None:
    rest.open()
    slow = Slow(rest, monkeypatch, at_once=2, present=5)

    async def scenario() -> None:
        asked = [asyncio.create_task(slow.ask()) for _ in range(5)]
        await settle()
        refused = await slow.ask()
        assert refused.outcome == (429, "too_many_requests")
        assert refused.headers["retry-after"] == "3"
        assert (await slow.ask(slow.other)).outcome == (404, "session_not_found")
        assert (await slow.rest.send("GET", SESSION, key=None)).outcome == (401, "unauthorized")
        slow.let_go.set()
        assert outcomes(list(await asyncio.gather(*asked))) == [(200, None)] * 5
        assert (await slow.ask()).status == 200

    slow.run(scenario())


@pytest.mark.parametrize("waits", [False, True], ids=["at work", "waiting"])
def test_who_goes_away_makes_room(rest: Rest, monkeypatch: pytest.MonkeyPatch, *, waits: bool) -> None:
    """Cancelled as the deadline cancels it, too."""
    rest.open()
    slow = Slow(rest, monkeypatch, at_once=1, present=2)

    async def scenario() -> None:
        asked = [asyncio.create_task(slow.ask()) for _ in range(2)]
        await settle()
        leaves = asked.pop(waits)
        leaves.cancel()
        await asyncio.wait((leaves,))
        asked.append(asyncio.create_task(slow.ask()))
        await settle()
        assert (await slow.ask()).outcome == (429, "too_many_requests")
        slow.let_go.set()
        assert outcomes(list(await asyncio.gather(*asked))) == [(200, None)] * 2

    slow.run(scenario())


class Uploads:
    """Bodies that have not arrived as a whole: who reads one, holds room for all of it."""

    def __init__(self, rest: Rest, monkeypatch: pytest.MonkeyPatch, of_one: int, of_all: int) -> None:
        monkeypatch.setattr(fairness, "_BODIES", of_one)
        monkeypatch.setattr(fairness, "_ALL_BODIES", of_all)
        real = reading.read_body
        self.reading = 0
        self.let_go = asyncio.Event()

        async def read_body(chunks: Any) -> bytes:
            self.reading += 1
            await self.let_go.wait()
            return await real(chunks)

        monkeypatch.setattr(reading, "read_body", read_body)
        self.rest = rest
        # The room is made with the application.
        rest.app = service.application(rest.services, ApiKeys(rest.kube, SYSTEM), rest_is_ready)

    def send(self, size: int, key: str = "", *, length: bool = True) -> asyncio.Task[Reply]:
        body = b'{"NAME":"1"' + b" " * (size - 12) + b"}"
        sent = self.rest.send("POST", f"{SESSION}/secrets", body=body, kind="application/json", key=key, length=length)
        return asyncio.create_task(sent)


async def rest_is_ready() -> None:
    """Nothing is missing."""


SIZE = 100_000


@pytest.mark.parametrize("length", [True, False], ids=["declared", "chunked"])
def test_bodies_of_a_platform_that_are_too_much_at_once_wait(
    rest: Rest, monkeypatch: pytest.MonkeyPatch, *, length: bool
) -> None:
    """One without a length may be as large as any; small ones and those of others do not wait."""
    rest.open()
    other = rest.new_key("other-platform")
    uploads = Uploads(rest, monkeypatch, of_one=2 * (SIZE if length else reading.MAX_BODY), of_all=1 << 30)

    async def scenario() -> None:
        asked = [uploads.send(SIZE, length=length) for _ in range(5)]
        await settle()
        assert uploads.reading == 2
        asked += [uploads.send(1000), uploads.send(SIZE, other)]
        await settle()
        assert uploads.reading == 4
        assert (await rest.send("GET", SESSION)).status == 200
        uploads.let_go.set()
        assert outcomes(list(await asyncio.gather(*asked))) == [(204, None)] * 6 + [(404, "session_not_found")]

    rest.runner.run(soon(scenario()))


def test_bodies_of_all_are_bounded_too(rest: Rest, monkeypatch: pytest.MonkeyPatch) -> None:
    rest.open()
    other = rest.new_key("other-platform")
    uploads = Uploads(rest, monkeypatch, of_one=2 * SIZE, of_all=3 * SIZE)

    async def scenario() -> None:
        asked = [uploads.send(SIZE, key) for key in ("", "", other, other)]
        await settle()
        assert uploads.reading == 3
        gone = asked.pop(0)
        gone.cancel()
        await settle()
        assert uploads.reading == 4, "who goes away makes room"
        uploads.let_go.set()
        assert outcomes(list(await asyncio.gather(*asked))) == [(204, None)] + [(404, "session_not_found")] * 2

    rest.runner.run(soon(scenario()))
