"""Who writes the same takes turns, and what comes in while a write is under way is the next one together.

A turn is a task of its own and no request's: whoever goes away leaves the write to the others, and wants nothing more.
So a write may outlive all requests that wanted it, and these count no more: writes have shares of their own.
"""

import asyncio
from collections.abc import Awaitable, Callable, Hashable
from dataclasses import dataclass
from typing import Generic, TypeVar
from weakref import WeakValueDictionary

from theazo_operator.kube.errors import Refused
from theazo_operator.resources.meta import Key

W = TypeVar("W")
# Of a platform, of the 64 connections to the API server; what is at work for its requests besides is in `fairness`.
_AT_ONCE = 16


@dataclass(frozen=True, slots=True, eq=False)
class Waiting(Generic[W]):
    """What is wanted, and its outcome."""

    wanted: W
    done: asyncio.Future[None]

    @property
    def over(self) -> bool:
        """Whether it has an outcome, or nobody waits for one any more."""
        return self.done.done()

    def end(self, error: Exception | None) -> None:
        """Give it its outcome, unless it has one."""
        if not self.over:
            self.done.set_exception(error) if error else self.done.set_result(None)


Write = Callable[[list[Waiting[W]]], Awaitable[None]]
"""Does all of it together, and gives each its outcome, or raises what is the outcome of those that have none."""


class Turns(Generic[W]):
    """The turns of all objects that are written."""

    def __init__(self) -> None:
        self._locks: WeakValueDictionary[Key, asyncio.Lock] = WeakValueDictionary()
        self._shares: WeakValueDictionary[str, asyncio.Semaphore] = WeakValueDictionary()
        self._waiting: dict[tuple[Key, Hashable], list[Waiting[W]]] = {}
        self._taken: set[asyncio.Task[None]] = set()  # asyncio itself keeps no task alive

    async def take(self, place: Key, way: Hashable, wanted: W, write: Write[W]) -> None:
        """Have something written, together with all that waits for the same place to be written in the same way.

        Raises:
            Exception: what `write` raised, or gave as the outcome.
        """
        mine = Waiting(wanted, asyncio.get_running_loop().create_future())
        if (place, way) not in self._waiting:
            self._waiting[place, way] = []
            turn = asyncio.create_task(self._turn(place, way, write))
            self._taken.add(turn)
            turn.add_done_callback(self._taken.discard)
        waiting = self._waiting[place, way]
        waiting.append(mine)
        try:
            await mine.done
        finally:
            if mine in waiting:  # it holds what was to be written, and the turn may be far
                waiting.remove(mine)

    async def _turn(self, place: Key, way: Hashable, write: Write[W]) -> None:
        share = self._shares.setdefault(place.namespace, asyncio.Semaphore(_AT_ONCE))
        # In this order: who waits for another write of the same place takes nothing of the share.
        async with self._locks.setdefault(place, asyncio.Lock()), share:
            await _end(self._waiting.pop((place, way)), write)


async def _end(together: list[Waiting[W]], write: Write[W]) -> None:
    together[:] = [each for each in together if not each.over]
    try:
        if together:
            await write(list(together))
    except Exception as error:  # noqa: BLE001 - told to each that waits, and handled where each came from
        if isinstance(error, Refused) and len(together) > 1:
            half = len(together) // 2  # whose fault it is nobody says
            await _end(together[:half], write)
            await _end(together[half:], write)
        for each in together:
            each.end(error)
