"""The measurement, part after part, on one cluster and in one run."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeVar

from hack.bench.bare import BareClient, Serial, Throughput
from hack.bench.counts import AuditLog, Memory, cpu_seconds
from hack.bench.load import Burst, Light, Load
from hack.bench.same import check_same
from hack.bench.sizes import Sizes
from hack.bench.stage import SAMPLE, SESSION, Stage
from hack.cluster.shell import say
from tests.support.operator import OperatorProcess

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Cost:
    """What a part of the measurement took, all its agents together."""

    cpu_seconds: float
    requests: Mapping[str, int] | None
    """By verb and resource; None where there is no audit log to read."""


@dataclass(frozen=True, slots=True)
class Bare:
    """What the bare client reached."""

    serial: Serial
    sweep: tuple[Throughput, ...]
    before: Throughput
    """At its best concurrency, before the operator's turn."""
    creating: Throughput
    """The same, creating the agents too."""
    after: Throughput
    """The same as before, after the operator's turn: whether the machine is still the same."""
    requests: Mapping[str, int] | None
    """Of the part `before`."""


@dataclass(frozen=True, slots=True)
class Operator:
    """What the operator reached."""

    light: Light
    light_cost: Cost
    backlog: Burst
    backlog_cost: Cost
    burst: Burst
    burst_cost: Cost
    idle: Memory
    loaded: Memory
    """After the backlog: light load's agents and those of one burst live."""
    last: Memory


@dataclass(frozen=True, slots=True)
class Measured:
    """All of it."""

    bare: Bare
    operator: Operator


def measure(stage: Stage, sizes: Sizes, audit: AuditLog | None) -> Measured:
    """Measure the bare client, the operator, and the bare client again.

    Raises:
        NotMeasured: a figure could not be had.
    """
    client = BareClient(stage.operator_kubeconfig, stage.admin, stage.platform, SESSION, stage.bodies)
    say(f"bare client: {sizes.serial} agents, one at a time")
    serial = client.serial(sizes.serial)
    check_same(stage.objects("serial-0000"), stage.objects(SAMPLE))
    sweep = tuple(_swept(client, concurrency, sizes.sweep) for concurrency in sizes.concurrencies)
    best = max(sweep, key=lambda each: each.rate).concurrency
    say(f"bare client: {sizes.burst} agents, {best} at a time")
    before, requests = _counted(stage, audit, lambda: client.parallel("before", best, sizes.burst))
    say(f"bare client: {sizes.burst} agents, {best} at a time, creating each of them too")
    creating = client.creating("creating", best, sizes.burst)
    stage.purge()
    with stage.operator() as process:
        operator = _measure_operator(stage, sizes, audit, process)
    stage.purge()
    say(f"bare client, once more: {sizes.burst} agents, {best} at a time")
    after = client.parallel("after", best, sizes.burst)
    return Measured(Bare(serial, sweep, before, creating, after, requests), operator)


def _swept(client: BareClient, concurrency: int, agents: int) -> Throughput:
    say(f"bare client: {agents} agents, {concurrency} at a time")
    return client.parallel(f"sweep-{concurrency}", concurrency, agents)


def _measure_operator(stage: Stage, sizes: Sizes, audit: AuditLog | None, process: OperatorProcess) -> Operator:
    load = Load(stage.admin, stage.platform, stage.bodies)
    time.sleep(sizes.settle)
    idle = Memory.of(process.pid)
    say(f"operator: {sizes.light} agents, {sizes.rate:g} a second")
    light, light_cost = _served(stage, audit, process, lambda: load.light(sizes.light, sizes.rate))
    say(f"operator: {sizes.burst} agents that are there when it goes on")
    backlog, backlog_cost = _served(stage, audit, process, lambda: load.backlog(sizes.burst, process.pid))
    time.sleep(sizes.settle)
    loaded = Memory.of(process.pid)
    say(f"operator: {sizes.burst} agents while they are created")
    burst, burst_cost = _served(stage, audit, process, lambda: load.burst(sizes.burst))
    last = Memory.of(process.pid)
    return Operator(light, light_cost, backlog, backlog_cost, burst, burst_cost, idle, loaded, last)


def _served(stage: Stage, audit: AuditLog | None, process: OperatorProcess, part: Callable[[], T]) -> tuple[T, Cost]:
    """Run a part, and count what it cost until the last agent's Pod is on record too."""
    used = cpu_seconds(process.pid)

    def until_recorded() -> T:
        result = part()
        stage.wait_recorded()
        return result

    result, requests = _counted(stage, audit, until_recorded)
    return result, Cost(cpu_seconds(process.pid) - used, requests)


def _counted(stage: Stage, audit: AuditLog | None, part: Callable[[], T]) -> tuple[T, Mapping[str, int] | None]:
    mark = audit.mark() if audit else 0
    result = part()
    return result, audit.since(mark, stage.platform) if audit else None
