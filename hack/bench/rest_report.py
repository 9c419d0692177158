"""What was measured of the REST API, as a table for people and as rows for programs."""

from dataclasses import asdict
from typing import Any

from hack.bench.rest_measure import Line, RestMeasured
from hack.bench.text import aligned, short

_HEAD = ("REST API", "bare p50, ms", "API", "ratio", "bare p99, ms", "API", "ratio", "bare 1/s", "API", "ratio")
_MORE = ("API's CPU, ms", "requests behind")


def rest_table(measured: RestMeasured) -> str:
    """Write the table, and below it what it rests on."""
    lines = [(*_HEAD, *_MORE), *(_cells(line) for line in measured.lines)]
    return "\n".join([*aligned(lines, (False, *(True,) * (len(lines[0]) - 1))), "", *_notes(measured)])


def rest_rows(measured: RestMeasured) -> list[dict[str, Any]]:
    """Write the table's lines for programs, each time in seconds."""
    return [
        {
            "what": line.what,
            "concurrency": line.concurrency,
            "bareClient": asdict(line.bare),
            "api": asdict(line.api),
            "ratio": {name: api / bare for name, bare, api in _pairs(line)},
            "cpuSeconds": line.cpu_seconds / line.api.requests,
            "requestsBehind": _behind(line),
        }
        for line in measured.lines
    ]


def _pairs(line: Line) -> list[tuple[str, float, float]]:
    return [(name, getattr(line.bare, name), getattr(line.api, name)) for name in ("p50", "p99", "rate")]


def _cells(line: Line) -> tuple[str, ...]:
    cells = [f"{line.what}, {line.concurrency} at a time"]
    for name, bare, api in _pairs(line):
        scale = 1 if name == "rate" else 1e3
        cells += [short(bare * scale), short(api * scale), f"{api / bare:.2f}"]
    return (*cells, short(line.cpu_seconds / line.api.requests * 1e3), short(_behind(line)))


def _behind(line: Line) -> float | None:
    return None if line.behind is None else sum(line.behind.values()) / line.api.requests


def _notes(measured: RestMeasured) -> tuple[str, ...]:
    sizes = {line.concurrency: line.api.requests for line in measured.lines}
    requests = ", ".join(f"{number} at {concurrency}" for concurrency, number in sizes.items())
    now, last = measured.idle.now, measured.last
    return (
        f"memory of the API, MB: {now:.1f} idle, {last.now:.1f} after all of this, {last.peak:.1f} at most",
        f"requests of each kind: {requests}, from each side, by turns; both over connections that stay open",
        "one machine has it all: API server and etcd, one process of the API, the load of both sides in another",
        "bare client: one PATCH of the same entries, already sealed; one GET of the object; one POST of the same agent",
        "no operator runs, and the API waits for none (--agent-wait 0)",
        "requests behind: what the API asks of the API server for one request, reading its keys' hashes included",
    )
