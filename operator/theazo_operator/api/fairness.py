"""No platform takes all: some of its requests are worked on at once, others wait for that, and more are refused."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from weakref import WeakValueDictionary

from theazo_operator.api.problems import TOO_MANY_REQUESTS, Problem

# Of the 64 connections to the API server; 16 more may write what nobody waits for any more.
_AT_ONCE = 40
_PRESENT = 250  # of the 1000 connections that the service has
_RETRY_SECONDS = 3  # by then some are through


@dataclass(slots=True, weakref_slot=True)
class _Share:
    turns: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(_AT_ONCE))
    present: int = 0


class Fairness:
    """The requests of each platform that are under way."""

    def __init__(self) -> None:
        self._shares: WeakValueDictionary[str, _Share] = WeakValueDictionary()

    @asynccontextmanager
    async def turn(self, platform: str) -> AsyncIterator[None]:
        """Work on a request once it is its turn, before its body is read: what waits holds no memory.

        Raises:
            Problem: TOO_MANY_REQUESTS.
        """
        share = self._shares.setdefault(platform, _Share())
        if share.present >= _PRESENT:
            raise Problem(
                TOO_MANY_REQUESTS,
                f"{_PRESENT} requests of this platform are under way already: send fewer at once, or try again",
                headers={"Retry-After": str(_RETRY_SECONDS)},
            )
        share.present += 1
        try:
            async with share.turns:
                yield
        finally:
            share.present -= 1
