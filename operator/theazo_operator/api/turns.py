"""Who writes the same takes turns, and what comes in while a write is under way is the next one together.

A turn is a task of its own and no request's: whoever goes away leaves the write to the others, and wants nothing more.
"""

import asyncio
from collections.abc import Awaitable, Callable, Hashable
from dataclasses import dataclass
from typing import Generic, TypeVar
from weakref import WeakValueDictionary

from theazo_operator.kube.errors import Refused

W = TypeVar("W")


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
        self._locks: WeakValueDictionary[Hashable, asyncio.Lock] = WeakValueDictionary()
        self._waiting: dict[Hashable, list[Waiting[W]]] = {}
        self._taken: set[asyncio.Task[None]] = set()  # asyncio itself keeps no task alive

    async def take(self, place: Hashable, way: Hashable, wanted: W, write: Write[W]) -> None:
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
        self._waiting[place, way].append(mine)
        await mine.done

    async def _turn(self, place: Hashable, way: Hashable, write: Write[W]) -> None:
        async with self._locks.setdefault(place, asyncio.Lock()):
            await _end(self._waiting.pop((place, way)), write)


async def _end(together: list[Waiting[W]], write: Write[W]) -> None:
    together = [each for each in together if not each.over]
    try:
        if together:
            await write(together)
    except Exception as error:  # noqa: BLE001 - told to each that waits, and handled where each came from
        if isinstance(error, Refused) and len(together) > 1:
            for each in together:  # whose fault it is nobody says
                await _end([each], write)
        for each in together:
            each.end(error)
