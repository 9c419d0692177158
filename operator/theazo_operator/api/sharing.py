"""One read for all who want the same at the same time.

Behind a lock each that waits would ask in its turn: where the API server hangs, the last of N waits N time-outs.
"""

import asyncio
from collections.abc import Callable, Coroutine, Hashable
from typing import Any, Generic, TypeVar

T = TypeVar("T")


class Shared(Generic[T]):
    """The reads that are under way, by what they read."""

    def __init__(self) -> None:
        self._under_way: dict[Hashable, asyncio.Task[T]] = {}

    async def join(self, what: Hashable, read: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """The outcome of the read that is under way, or else of one that begins now. Raises what it raises.

        It is nobody's own: who goes away leaves it to the others.
        """
        task = self._under_way.get(what)
        if task is None:
            task = self._under_way[what] = asyncio.create_task(read())
            task.add_done_callback(lambda ended: self._end(what, ended))
        await asyncio.wait((task,))
        return task.result()

    def _end(self, what: Hashable, ended: asyncio.Task[T]) -> None:
        del self._under_way[what]
        if not ended.cancelled():
            ended.exception()  # asked for, or asyncio logs it where nobody waits any more
