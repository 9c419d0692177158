"""How many requests of one platform there may be at once, and that others do not feel it."""

import asyncio
from typing import Any

import pytest

from tests.support.aio import settle, soon
from tests.support.builders import NS
from tests.support.fakekube import FakeKube
from tests.support.restrig import USER, Reply, Rest
from theazo import rules
from theazo_operator.api import fairness
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
