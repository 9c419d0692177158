"""No platform takes all: some of its requests are worked on at once, others wait for that, and more are refused."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from weakref import WeakValueDictionary

from theazo_operator.api.problems import TOO_MANY_REQUESTS, Problem

# Of the 64 connections to the API server; 16 more may write what nobody waits for any more.
_AT_ONCE = 40
_PRESENT = 250  # of a platform
_ALL = 800  # of all; fewer than there are connections, so that a probe always gets one
_RETRY_SECONDS = 3  # by then some are through
# Bytes of bodies: of a platform, of all. At its worst a request takes three times as much, of a memory of 256 MiB.
_BODIES = 8 * 1024 * 1024
_ALL_BODIES = 4 * _BODIES
_SMALL = 64 * 1024  # so much is in a connection's buffers anyway, and never waits for others' large ones


class _Room:
    """So many bytes. Who comes first is served first, also one who needs more than is free."""

    def __init__(self, size: int) -> None:
        self._free = size
        self._next = asyncio.Lock()
        self._freed = asyncio.Event()

    @asynccontextmanager
    async def hold(self, size: int) -> AsyncIterator[None]:
        size = size if size > _SMALL else 0
        if size:
            await self._take(size)
        try:
            yield
        finally:
            self._free += size
            self._freed.set()

    async def _take(self, size: int) -> None:
        async with self._next:
            while size > self._free:
                self._freed.clear()
                await self._freed.wait()
            self._free -= size


@dataclass(slots=True, weakref_slot=True)
class _Share:
    turns: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(_AT_ONCE))
    room: _Room = field(default_factory=lambda: _Room(_BODIES))
    present: int = 0


class Fairness:
    """The requests that are under way, of each platform and of all."""

    def __init__(self) -> None:
        self._shares: WeakValueDictionary[str, _Share] = WeakValueDictionary()
        self._room = _Room(_ALL_BODIES)
        self._present = 0

    @contextmanager
    def admitted(self) -> Iterator[None]:
        """Let a request in, whosesoever it is.

        Raises:
            Problem: TOO_MANY_REQUESTS.
        """
        if self._present >= _ALL:
            raise _too_many(f"{_ALL} requests are under way already: try again")
        self._present += 1
        try:
            yield
        finally:
            self._present -= 1

    @asynccontextmanager
    async def turn(self, platform: str, body: int) -> AsyncIterator[None]:
        """Work on a request once it is its turn, before its body is read: what waits holds no memory.

        Args:
            platform: whose request it is.
            body: how many bytes it may have.

        Raises:
            Problem: TOO_MANY_REQUESTS.
        """
        share = self._shares.setdefault(platform, _Share())
        if share.present >= _PRESENT:
            raise _too_many(
                f"{_PRESENT} requests of this platform are under way already: send fewer at once, or try again"
            )
        share.present += 1
        try:
            # In this order: who waits for his platform's others takes nothing from all.
            async with share.turns, share.room.hold(body), self._room.hold(body):
                yield
        finally:
            share.present -= 1


def _too_many(detail: str) -> Problem:
    return Problem(TOO_MANY_REQUESTS, detail, headers={"Retry-After": str(_RETRY_SECONDS)})
