"""The bench in its small form: that it measures what it says. How fast anything was is not judged here."""

import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from hack.bench.sizes import SMALL
from hack.cluster import paths
from tests.support.api import Api, Manifest, path
from tests.support.cluster import ROOT, SYSTEM
from tests.support.history import lives_in
from tests.support.watches import Following

pytestmark = [pytest.mark.cluster, pytest.mark.usefixtures("installed")]

SWEEP = [f"sweep-{concurrency}" for concurrency in SMALL.concurrencies]
#: How many agents each part of the measurement makes, by the first part of their names.
AGENTS = {
    "sample": 1,
    "serial": SMALL.serial + 5,
    **dict.fromkeys(SWEEP, SMALL.sweep),
    **dict.fromkeys(["before", "creating", "backlog", "burst", "after"], SMALL.burst),
    "light": SMALL.light,
}
#: Agents of the REST API and of the bare client beside it; no operator gives them Pods.
REST_AGENTS = {"a": 1 + 2 * sum(requests for _, requests in SMALL.rest)}
REQUESTS = ["create pods", "create secrets", "get theazosecrets", "patch theazoagents/status"]
OPERATORS = ("light", "backlog", "burst")
SHARED = "set 3 values, one session"
_SET = ["get theazosecrets", "get theazosessions", "patch theazosecrets"]
#: What the REST API asks of the API server for one request, but for what it keeps a while.
BEHIND = {
    "set 3 values": _SET,
    "set 3 sealed values": _SET,
    "list": ["get theazosecrets", "get theazosessions"],
    "create an agent": ["create theazoagents", "get podtemplates", "get theazosecrets", "get theazosessions"],
    SHARED: _SET,
}
KEPT = {"get secrets", "get configmaps"}


def test_measures_what_it_says(api: Api, tmp_path: Path) -> None:
    start, target = paths.audit_log().stat().st_size, tmp_path / "bench.json"
    command = [sys.executable, "-m", "hack.bench", "--small", "--json", str(target)]
    with Following(api, "Secret") as secrets:
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        secrets.catch_up("default")
    _check_lives(secrets.changes())
    lines = done.stdout.splitlines()
    assert lines[0].split() == ["bare", "client", "operator", "ratio", "budget"]
    assert "Traceback" not in done.stderr

    written = json.loads(target.read_text())
    assert written["machine"]["cores"] == os.cpu_count()
    for row, line in zip(written["table"], lines[1:], strict=False):
        assert line.startswith(f"{row['what']}, {row['unit']} ")
    _check_figures(written["measured"]["bare"], written["measured"]["operator"])
    _check_rest(written["restMeasured"], written["restTable"], lines)
    _check_requests(paths.audit_log(), start)
    for kind, namespace in (("PodTemplate", SYSTEM), ("Namespace", "")):
        found = api.get(path(kind, namespace)).ok()["items"]
        assert [each["metadata"]["name"] for each in found if _left(each)] == []


def _left(found: Manifest) -> bool:
    return found["metadata"]["name"].startswith("bench-") and "deletionTimestamp" not in found["metadata"]


def _check_figures(bare: dict[str, Any], operator: dict[str, Any]) -> None:
    assert len(bare["serial"]["whole"]) == len(bare["serial"]["to_pod"]) == SMALL.serial
    assert [each["concurrency"] for each in bare["sweep"]] == list(SMALL.concurrencies)
    assert {each["agents"] for each in bare["sweep"]} == {SMALL.sweep}
    for part in ("before", "creating", "after"):
        assert bare[part]["agents"] == SMALL.burst
    assert bare["requests"] == dict.fromkeys(REQUESTS, SMALL.burst)
    assert len(operator["light"]["seconds"]) == operator["light"]["pods"] == SMALL.light
    for part in ("backlog", "burst"):
        assert operator[part]["agents"] == operator[part]["pods"] == SMALL.burst
    for part in OPERATORS:
        assert operator[f"{part}_cost"]["requests"] == dict.fromkeys(REQUESTS, AGENTS[part])
    assert 0 < operator["idle"]["now"] <= operator["last"]["peak"]


def _check_rest(measured: dict[str, Any], table: list[dict[str, Any]], lines: list[str]) -> None:
    expected = [(what, *sizes) for what in BEHIND if what != SHARED for sizes in SMALL.rest]
    expected.append((SHARED, *SMALL.rest[-1]))
    for side in ("bare", "api"):
        found = [(line["what"], line["concurrency"], line[side]["requests"]) for line in measured["lines"]]
        assert found == expected
        assert all(0 < line[side]["p50"] <= line[side]["p99"] and line[side]["rate"] > 0 for line in measured["lines"])
    for line in measured["lines"]:
        behind = {what: number for what, number in line["behind"].items() if what not in KEPT}
        if line["what"] == SHARED:  # changes that wait for the same session go together
            assert sorted(behind) == BEHIND[SHARED]
            assert all(0 < number <= line["api"]["requests"] for number in behind.values())
        else:
            assert behind == dict.fromkeys(BEHIND[line["what"]], line["api"]["requests"])
    [start] = [position for position, line in enumerate(lines) if line.startswith("REST API ")]
    for row, line in zip(table, lines[start + 1 : start + 1 + len(expected)], strict=True):
        assert line.startswith(f"{row['what']}, {row['concurrency']} at a time ")
    assert 0 < measured["idle"]["now"] <= measured["last"]["peak"]


def _check_lives(changes: list[tuple[str, Manifest]]) -> None:
    """An agent under load had one Secret, and none is left."""
    found = lives_in(each for each in changes if each[1]["metadata"]["namespace"].startswith("bench-"))
    assert [life.name for life in found if life.deleted is None] == []
    counted = Counter(life.agent for life in found)
    served = {part: sum(agent.rpartition("-")[0] == part for agent in counted) for part in OPERATORS}
    assert served == {part: AGENTS[part] for part in OPERATORS}
    assert {agent: number for agent, number in counted.items() if number > 1} == {}


def _check_requests(log: Path, start: int) -> None:
    """By the API server's own record: who asked for what, in which part."""
    agents: Counter[str] = Counter()
    pods: Counter[tuple[str, bool]] = Counter()
    with log.open("rb") as file:
        file.seek(start)
        for event in map(json.loads, file):
            what = event.get("objectRef", {})
            if event["verb"] != "create" or not what.get("namespace", "").startswith("bench-"):
                continue
            part = what.get("name", "").rpartition("-")[0] or what.get("name", "")
            if what["resource"] == "theazoagents":
                agents[part] += 1
            elif what["resource"] == "pods":
                by_bench = event["userAgent"] == "theazo-bench"
                pods[part.rpartition("-")[0] or part, by_bench] += 1
    assert agents == AGENTS | REST_AGENTS
    assert pods == {(part, part not in {"sample", *OPERATORS}): number for part, number in AGENTS.items()}
