import asyncio
from collections.abc import AsyncGenerator

import pytest

from tests.support.aio import aio
from tests.support.fakekube import JSON, FakeKube
from theazo_operator.api import settling as settling_module
from theazo_operator.api.settling import Settling
from theazo_operator.kube import resource as kind
from theazo_operator.kube.errors import Unavailable
from theazo_operator.kube.resource import Resource

MADE: JSON = {"metadata": {"namespace": "acme", "name": "a", "resourceVersion": "7"}, "spec": {}}
LOOKED_AT: JSON = {**MADE, "status": {"phase": "Pending", "podName": "a-1"}}


class Watched(FakeKube):
    """Tells what it is given, then nothing more for ever."""

    def __init__(self, *events: JSON, error: Exception | None = None) -> None:
        super().__init__()
        self.events = events
        self.error = error
        self.asked: list[tuple[str, str]] = []
        self.open = 0

    async def watch(
        self, resource: Resource, namespace: str | None, selector: str, since: str, *, fields: str = ""
    ) -> AsyncGenerator[JSON, None]:
        assert (resource, namespace, selector) == (kind.AGENTS, "acme", "")
        self.asked.append((since, fields))
        self.open += 1
        try:
            for event in self.events:
                yield event
            if self.error is not None:
                raise self.error
            await asyncio.Event().wait()
        finally:
            self.open -= 1


@aio
async def test_the_answer_is_what_the_operator_says() -> None:
    early = {**MADE, "status": {}}
    kube = Watched(
        {"type": "BOOKMARK", "object": {}},
        {"type": "MODIFIED", "object": early},
        {"type": "MODIFIED", "object": LOOKED_AT},
    )
    assert await Settling(kube, 20).settled(MADE) == LOOKED_AT
    assert kube.asked == [("7", "metadata.name=a")]
    assert kube.open == 0


@pytest.mark.parametrize(
    "kube",
    [
        Watched(),
        Watched({"type": "DELETED", "object": LOOKED_AT}),
        Watched({"type": "ERROR", "object": {"code": 410}}),
        Watched(error=Unavailable("WATCH", "theazoagents", 0, "ServerDisconnectedError")),
    ],
    ids=["nothing comes", "it is deleted", "an error", "no connection"],
)
@aio
async def test_without_a_word_of_the_operator_the_answer_is_what_was_made(kube: Watched) -> None:
    assert await Settling(kube, 0.05).settled(MADE) == MADE
    assert kube.open == 0


@aio
async def test_no_patience_asks_nothing() -> None:
    kube = Watched({"type": "MODIFIED", "object": LOOKED_AT})
    assert await Settling(kube, 0).settled(MADE) == MADE
    assert kube.asked == []


@aio
async def test_in_a_burst_only_so_many_are_followed() -> None:
    kube = Watched()
    settling = Settling(kube, 0.1)
    assert await asyncio.gather(*(settling.settled(MADE) for _ in range(200))) == [MADE] * 200
    assert len(kube.asked) == settling_module._MOST
