"""What was measured, as a table for people and as JSON for programs."""

import json
import math
import os
import platform
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from hack.bench.counts import percentile
from hack.bench.measure import Measured
from hack.bench.rest_measure import RestMeasured
from hack.bench.rest_report import rest_rows
from hack.bench.sizes import Sizes
from hack.bench.text import aligned, short

_DISTRIBUTIONS = ("theazo-operator", "aiohttp", "kopf", "kubernetes", "starlette", "uvicorn", "pydantic")
_HEAD = ("", "bare client", "operator", "ratio", "budget", "")
_NUMBERS = (False, True, True, True, False, False)


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table. A budget is for the ratio where there is one, else for the operator's figure."""

    what: str
    unit: str
    bare: float | None
    operator: float | None
    budget: str = ""
    most: float = math.inf
    least: float = -math.inf

    @property
    def ratio(self) -> float | None:
        """The operator's figure by the bare client's."""
        return self.operator / self.bare if self.bare and self.operator is not None else None

    @property
    def verdict(self) -> str:
        """`within` or `over` a budget; empty where there is none."""
        judged = self.operator if self.ratio is None or self.unit == "requests" else self.ratio
        if not self.budget or judged is None:
            return ""
        return "within" if self.least <= judged <= self.most else "over"

    def cells(self) -> tuple[str, ...]:
        """Write it."""
        ratio = "" if self.ratio is None else f"{self.ratio:.2f}"
        return (f"{self.what}, {self.unit}", short(self.bare), short(self.operator), ratio, self.budget, self.verdict)


def rows(measured: Measured) -> list[Row]:
    """Put what was measured beside each other, with the budgets of the design."""
    bare, operator = measured.bare, measured.operator
    best = (bare.before.rate + bare.after.rate) / 2
    serial, light = bare.serial.whole, operator.light.seconds
    return [
        Row("light load, p50", "ms", percentile(serial, 0.5) * 1e3, percentile(light, 0.5) * 1e3, "ratio ≤ 2", most=2),
        Row("light load, p99", "ms", percentile(serial, 0.99) * 1e3, percentile(light, 0.99) * 1e3),
        Row("burst, agents there before", "agents/s", best, operator.backlog.rate, "ratio ≥ 0.7", least=0.7),
        Row("burst, agents created meanwhile", "agents/s", bare.creating.rate, operator.burst.rate),
        Row(
            "to a sandbox",
            "requests",
            _each(bare.requests, bare.before.agents),
            _each(operator.backlog_cost.requests, operator.backlog.agents),
            "4",
            most=4,
        ),
        Row(
            "CPU for an agent, burst",
            "ms",
            bare.before.cpu_seconds / bare.before.agents * 1e3,
            operator.backlog_cost.cpu_seconds / operator.backlog.agents * 1e3,
        ),
        Row("memory, idle", "MB", None, operator.idle.now, "≤ 110", most=110),
        Row("memory, after one burst", "MB", None, operator.loaded.now),
        Row("memory, most ever", "MB", None, operator.last.peak),
    ]


def table(measured: Measured, sizes: Sizes) -> str:
    """Write the table, and below it what it rests on."""
    lines = [_HEAD, *(row.cells() for row in rows(measured))]
    return "\n".join([*aligned(lines, _NUMBERS), "", *_notes(measured, sizes)])


def _notes(measured: Measured, sizes: Sizes) -> tuple[str, ...]:
    bare, burst = measured.bare, measured.operator.burst
    serial = len(bare.serial.whole) / sum(bare.serial.whole)
    sweep = ", ".join(f"{each.rate:.0f} at {each.concurrency}" for each in bare.sweep)
    before, after = bare.before, bare.after
    return (
        f"bare client, agents/s: {serial:.0f} one at a time, {sweep}",
        f"{before.agents} agents, {before.concurrency} at a time: {before.rate:.0f} before, {after.rate:.0f} after",
        f"light load: {sizes.light} agents, {sizes.rate:g} a second",
        f"burst: {sizes.burst} agents; where they are created meanwhile, that took {burst.creation_seconds:.1f} s",
    )


def as_json(measured: Measured | None, rest: RestMeasured | None, sizes: Sizes, kubernetes: str) -> str:
    """Write all figures, each time in seconds, with what they were measured on. A part that was left out is null."""
    versions = {"kubernetes": kubernetes, "python": platform.python_version()}
    content = {
        "date": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "machine": {"cpu": _cpu_model(), "cores": os.cpu_count()},
        "versions": versions | {f"package {name}": version(name) for name in _DISTRIBUTIONS},
        "sizes": asdict(sizes),
        "table": _table_rows(measured) if measured else None,
        "measured": asdict(measured) if measured else None,
        "restTable": rest_rows(rest) if rest else None,
        "restMeasured": asdict(rest) if rest else None,
    }
    return json.dumps(content, indent=2, ensure_ascii=False) + "\n"


def _table_rows(measured: Measured) -> list[dict[str, object]]:
    return [
        {
            "what": row.what,
            "unit": row.unit,
            "bareClient": row.bare,
            "operator": row.operator,
            "ratio": row.ratio,
            "budget": row.budget,
            "verdict": row.verdict,
        }
        for row in rows(measured)
    ]


def _cpu_model() -> str:
    """Tell what the kernel calls the CPU; not every architecture has a name for it."""
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        name, _, text = line.partition(":")
        if name.strip() == "model name":
            return text.strip()
    return platform.machine()


def _each(requests: Mapping[str, int] | None, agents: int) -> float | None:
    return None if requests is None else sum(requests.values()) / agents
