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
REQUESTS = ["create pods", "create secrets", "get theazosecrets", "patch theazoagents/status"]
OPERATORS = ("light", "backlog", "burst")


def test_measures_what_it_says(api: Api, tmp_path: Path) -> None:
    start, target = paths.audit_log().stat().st_size, tmp_path / "bench.json"
    command = [sys.executable, "-m", "hack.bench", "--small", "--json", str(target)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0].split() == ["bare", "client", "operator", "ratio", "budget"]
    assert "Traceback" not in done.stderr

    written = json.loads(target.read_text())
    assert written["machine"]["cores"] == os.cpu_count()
    for row, line in zip(written["table"], lines[1:], strict=False):
        assert line.startswith(f"{row['what']}, {row['unit']} ")
    _check_figures(written["measured"]["bare"], written["measured"]["operator"])
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
    assert agents == AGENTS
    assert pods == {(part, part not in {"sample", *OPERATORS}): number for part, number in AGENTS.items()}
