"""A work queue of keys, with controller-runtime's promises.

One key is never worked on twice at once; a key added while it is worked on is worked on once more; what fails is
tried again after a growing time. And a promise of our own: groups of keys take turns, and none holds every worker.
"""

import asyncio
import logging
import time
from collections import Counter, deque
from collections.abc import Awaitable, Callable, Hashable
from datetime import timedelta
from typing import Generic, TypeVar

from theazo_operator import metrics
from theazo_operator.kube.errors import KubeError
from theazo_operator.logs import where

log = logging.getLogger(__name__)
K = TypeVar("K", bound=Hashable)

_FIRST_RETRY = timedelta(milliseconds=100)
_LAST_RETRY = timedelta(seconds=5)  # an API server that is back must not be waited for
_LAST_BACK_OFF = timedelta(seconds=60)  # what is refused stays refused until somebody acts


class BackOff(Exception):
    """Raised by work that was done as far as it goes, and that only time or a person can help on."""


class _Lines(Generic[K]):
    """The keys that wait: a line for each group. Groups take turns, and one that has its share at work waits."""

    def __init__(self, group: Callable[[K], Hashable], share: int) -> None:
        self._group = group
        self._share = share
        self._lines: dict[Hashable, deque[K]] = {}
        self._at_work: Counter[Hashable] = Counter()
        self._turns: asyncio.Queue[Hashable] = asyncio.Queue()
        self._in_turn: set[Hashable] = set()

    def put(self, key: K) -> None:
        """Have a key wait."""
        group = self._group(key)
        self._lines.setdefault(group, deque()).append(key)
        self._line_up(group)

    async def get(self) -> K:
        """Take the next key, once there is one whose turn it is. `done` has to follow."""
        group = await self._turns.get()
        self._in_turn.discard(group)
        key = self._lines[group].popleft()
        if not self._lines[group]:
            del self._lines[group]
        self._at_work[group] += 1
        self._line_up(group)
        return key

    def done(self, key: K) -> None:
        """The key is worked on no longer."""
        group = self._group(key)
        self._at_work[group] -= 1
        if not self._at_work[group]:
            del self._at_work[group]
        self._line_up(group)

    def _line_up(self, group: Hashable) -> None:
        if group in self._lines and group not in self._in_turn and self._at_work[group] < self._share:
            self._in_turn.add(group)
            self._turns.put_nowait(group)


class Workqueue(Generic[K]):
    """Runs `work(key)` for each added key; what it returns is when to look again, if nothing happens before.

    Args:
        name: what metrics and logs call it.
        work: what is to be done.
        workers: how many keys are worked on at once.
        share: how many of one group; all where groups don't matter.
        group: a key's group.
    """

    def __init__(
        self,
        name: str,
        work: Callable[[K], Awaitable[timedelta | None]],
        *,
        workers: int,
        share: int | None = None,
        group: Callable[[K], Hashable] = lambda _: None,
    ) -> None:
        self.name = name
        self._work = work
        self._workers = workers
        self._ready = _Lines(group, share or workers)
        self._queued: set[K] = set()
        self._active: set[K] = set()
        self._again: set[K] = set()
        self._anew: set[K] = set()
        self._held: set[K] = set()
        self._timers: dict[K, asyncio.TimerHandle] = {}
        self._failures: dict[K, int] = {}

    def add(self, key: K) -> None:
        """Have the key worked on soon. One that backs off keeps its time: events must not turn into a storm."""
        if key in self._active:
            self._again.add(key)
        elif key not in self._queued and key not in self._held:
            self._queued.add(key)
            self._ready.put(key)

    def restart(self, key: K) -> None:
        """Have the key worked on soon, whatever it failed at: the object is gone, and its namesake owes it nothing."""
        if key in self._active:
            self._anew.add(key)
            return
        self._cancel_timer(key)
        self._held.discard(key)
        self._failures.pop(key, None)
        self.add(key)

    async def run(self) -> None:
        """Work until cancelled."""
        async with asyncio.TaskGroup() as group:
            for _ in range(self._workers):
                group.create_task(self._worker())

    async def _worker(self) -> None:
        while True:
            key = await self._ready.get()
            self._queued.discard(key)
            self._active.add(key)
            started = time.perf_counter()
            result = await self._attempt(key)
            metrics.observe_reconcile(self.name, result, time.perf_counter() - started)
            self._active.discard(key)
            self._ready.done(key)
            if key in self._anew:
                self._anew.discard(key)
                self.restart(key)
            if key in self._again:
                self._again.discard(key)
                self.add(key)

    async def _attempt(self, key: K) -> str:
        self._cancel_timer(key)
        context = {"controller": self.name, "object": str(key)}
        try:
            wake_after = await self._work(key)
        except BackOff:
            self._held.add(key)
            self._wake(key, self._next_delay(key, _LAST_BACK_OFF))
        except KubeError as error:
            longest = _LAST_BACK_OFF if error.costly else _LAST_RETRY
            self._wake(key, self._next_delay(key, longest))
            log.warning("request failed, trying again", extra={**context, "error": str(error)})
        except Exception as error:  # noqa: BLE001 - no object, whatever is in it, may stop the others
            # The type and the place alone: the text of an unforeseen error could quote anything, a value too.
            self._wake(key, self._next_delay(key, _LAST_BACK_OFF))
            place = {"error": type(error).__name__, "at": where(error)}
            log.error("unexpected error, trying again", extra={**context, **place})  # noqa: TRY400
            return "error"
        else:
            self._failures.pop(key, None)
            if wake_after is not None:
                self._wake(key, wake_after)
            return "success"
        return "requeue_after"

    def _next_delay(self, key: K, longest: timedelta) -> timedelta:
        failures = self._failures[key] = min(self._failures.get(key, 0) + 1, 16)
        return min(_FIRST_RETRY * float(2 ** (failures - 1)), longest)

    def _wake(self, key: K, delay: timedelta) -> None:
        seconds = max(delay.total_seconds(), 0.0)
        self._timers[key] = asyncio.get_running_loop().call_later(seconds, self._due, key)

    def _due(self, key: K) -> None:
        self._timers.pop(key, None)
        self._held.discard(key)
        self.add(key)

    def _cancel_timer(self, key: K) -> None:
        timer = self._timers.pop(key, None)
        if timer is not None:
            timer.cancel()
