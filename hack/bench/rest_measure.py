"""The REST API's part of the measurement: bare client and API by turns, at one concurrency after the other."""

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field

from hack.bench.counts import AuditLog, Memory, cpu_seconds, percentile
from hack.bench.rest_sides import Bare, RestApi
from hack.bench.rest_stage import RestStage, rest_staged
from hack.bench.sizes import Sizes
from hack.bench.stage import Stage
from hack.cluster.shell import say
from tests.support.cluster import REST_API

Act = Callable[[int], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Figures:
    """What one side reached: times in seconds."""

    requests: int
    p50: float
    p99: float
    rate: float
    """Requests a second."""


@dataclass(frozen=True, slots=True)
class Line:
    """One kind of request at one concurrency."""

    what: str
    concurrency: int
    bare: Figures
    api: Figures
    cpu_seconds: float
    """Of the API's process, all its requests together."""
    behind: Mapping[str, int] | None
    """What the API asked of the API server meanwhile, by verb and resource; None without an audit log."""


@dataclass(frozen=True, slots=True)
class RestMeasured:
    """All of it."""

    lines: tuple[Line, ...]
    idle: Memory
    last: Memory


@dataclass(slots=True)
class _Turns:
    """What one side did in its turns."""

    times: list[float] = field(default_factory=list)
    seconds: float = 0.0

    async def take(self, act: Act, concurrency: int, requests: int, *, shared: bool) -> None:
        """Send so many requests; each worker has a session of its own, or all have one. The first error ends it."""
        sessions = [0 if shared else worker for worker in range(concurrency)]

        async def work(session: int) -> None:
            for _ in range(requests // concurrency):
                started = time.perf_counter()
                await act(session)
                self.times.append(time.perf_counter() - started)

        began = time.perf_counter()
        try:
            async with asyncio.TaskGroup() as group:
                for session in sessions:
                    group.create_task(work(session))
        except ExceptionGroup as errors:
            raise errors.exceptions[0] from None
        self.seconds += time.perf_counter() - began

    def figures(self) -> Figures:
        return Figures(
            len(self.times),
            percentile(self.times, 0.5),
            percentile(self.times, 0.99),
            len(self.times) / self.seconds,
        )


def measure_rest(stage: Stage, sizes: Sizes, audit: AuditLog | None) -> RestMeasured:
    """Measure the REST API. No operator runs meanwhile.

    Raises:
        NotMeasured: a figure could not be had.
    """
    with rest_staged(stage) as rest:
        time.sleep(sizes.settle)
        idle = Memory.of(rest.process.pid)
        asyncio.run(rest.fill(max(concurrency for concurrency, _ in sizes.rest)))
        lines = asyncio.run(_lines(rest, sizes, audit))
        return RestMeasured(tuple(lines), idle, Memory.of(rest.process.pid))


async def _lines(rest: RestStage, sizes: Sizes, audit: AuditLog | None) -> list[Line]:
    async with rest.sides() as (api, bare):
        kinds: list[tuple[str, Act, Act]] = [
            ("set 3 values", bare.set, api.set),
            ("set 3 sealed values", bare.set, api.set_sealed),
            ("list", bare.list, api.list),
            ("create an agent", bare.create, api.create),
        ]
        alternating = _Alternating(rest, api, bare, sizes, audit)
        lines = [
            await alternating.line(what, concurrency, requests, acts)
            for what, *acts in kinds
            for concurrency, requests in sizes.rest
        ]
        concurrency, requests = sizes.rest[-1]
        shared: list[Act] = [bare.set_shared, api.set]
        lines.append(await alternating.line("set 3 values, one session", concurrency, requests, shared, shared=True))
        return lines


@dataclass(frozen=True, slots=True)
class _Alternating:
    """Bare client and API by turns, so that what else the machine does meets both."""

    rest: RestStage
    api: RestApi
    bare: Bare
    sizes: Sizes
    audit: AuditLog | None

    async def line(self, what: str, concurrency: int, requests: int, acts: list[Act], *, shared: bool = False) -> Line:
        say(f"REST API: {what}, {concurrency} at a time")
        by_bare, by_api = acts
        bare, api, cpu, behind = _Turns(), _Turns(), 0.0, Counter[str]()
        each = requests // self.sizes.turns
        for _ in range(self.sizes.turns):
            await asyncio.gather(*map(self.bare.begin, range(concurrency)))
            await bare.take(by_bare, concurrency, each, shared=shared)
            await asyncio.gather(*map(self.api.begin, range(concurrency)))
            mark, used = self.audit.mark() if self.audit else 0, cpu_seconds(self.rest.process.pid)
            await api.take(by_api, concurrency, each, shared=shared)
            cpu += cpu_seconds(self.rest.process.pid) - used
            if self.audit:
                behind.update(self.audit.since(mark, account=REST_API))
        counted = dict(sorted(behind.items())) if self.audit else None
        return Line(what, concurrency, bare.figures(), api.figures(), cpu, counted)
