"""A bad object is its own trouble: it delays no good one, and none crashes the operator, whatever is in it."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.api import path
from tests.support.cluster import wait_until
from tests.support.manifests import LONGEST, SHORTEST, ciphertext, condition
from tests.support.operator import OperatorProcess
from tests.support.stage import AGENT, Stage, find, webhook

pytestmark = pytest.mark.cluster


@pytest.fixture(autouse=True)
def unharmed(running_operator: OperatorProcess) -> Iterator[None]:
    """After each of these tests the operator is the same process, in good health, and met nothing unforeseen."""
    before = running_operator.pid
    yield
    assert running_operator.ready()
    assert running_operator.probe("livez")[0] == 200
    assert running_operator.pid == before
    unforeseen = [line for line in running_operator.log.read_text().splitlines() if '"level": "ERROR"' in line]
    assert unforeseen == []


def a_good_one_is_served(stage: Stage, nowhere: str, name: str = "good") -> None:
    stage.open(name)
    stage.set({"KEY": "value"}, name)
    stage.start(name, ["KEY"], name, compute=nowhere)
    wait_until("the good agent has its Pod", lambda: "podName" in stage.status(name), 10)


def test_many_bad_ones_do_not_delay_a_good_one(stage: Stage, nowhere: str) -> None:
    """More than there are workers, of each kind that fails: waiting, not opening, refused by the API server."""
    stage.open("bad")
    stage.put({"BAD": SHORTEST}, "bad")
    limits = {"limits": [{"type": "Container", "max": {"memory": "64Mi"}}]}
    stage.create({"apiVersion": "v1", "kind": "LimitRange", "metadata": {"name": "wall"}, "spec": limits})
    for i in range(40):
        stage.start(f"waits{i}", ["ABSENT"], "bad", compute=nowhere)
        stage.start(f"sealed-badly{i}", ["BAD"], "bad", compute=nowhere)
        large = {"limits": {"memory": "1Gi"}, "requests": {"memory": "1Gi"}}
        stage.start(f"refused{i}", session="bad", compute=nowhere, resources=large)
    a_good_one_is_served(stage, nowhere)
    for i in (0, 39):
        stage.agent_is(f"refused{i}", "SandboxRefused", "Failed")
        stage.agent_is(f"sealed-badly{i}", "UnknownKey", "Failed")


SILENT = "import socket, threading; s = socket.create_server(('', 8443), backlog=4096); threading.Event().wait()"


def test_a_slow_webhook_of_one_platform_delays_no_other(stage: Stage, other_stage: Stage, nowhere: str) -> None:
    """Each of its Pods takes the API server ten seconds: with one in each worker's hand, others would wait as long."""
    container = {
        "name": "silent",
        "image": "docker.io/library/python:3.13-slim",
        "command": ["python3", "-c", SILENT],
        "readinessProbe": {"tcpSocket": {"port": 8443}, "periodSeconds": 1},
    }
    stage.create(
        {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "silent"}, "spec": {"containers": [container]}}
    )

    def address() -> str | None:
        status = (stage.get("Pod", "silent") or {}).get("status", {})
        return status["podIP"] if find(status, "Ready").get("status") == "True" else None

    wait_until("somebody listens", lambda: address() is not None, 60)
    stage.open()
    with webhook(stage, url=f"https://{address()}:8443/"):
        for i in range(120):
            stage.start(f"slow{i}", compute=nowhere)
        a_good_one_is_served(other_stage, nowhere)
        stage.agent_is("slow0", "SandboxRefused", "InProgress")
        for i in range(120):
            stage.api.delete(path(AGENT, stage.name, f"slow{i}")).ok()


def test_the_largest_objects_that_the_schema_takes(stage: Stage, nowhere: str) -> None:
    stage.open("alice")
    stage.put({f"K{i:0127}": ciphertext(3600) for i in range(256)}, "alice")
    stage.open("bob")
    stage.put({f"K{i}": ciphertext(LONGEST) for i in range(10)}, "bob")
    stage.open("carol")
    stage.set({f"K{i:0127}": "x" * 256 for i in range(256)}, "carol")
    names = [f"K{i:0127}" for i in range(256)]
    renamed = [{"name": f"V{i:0127}", "from": name} for i, name in enumerate(names)]
    stage.start("does-not-open", names, "alice", compute=nowhere)
    stage.start("names", renamed, "carol", compute=nowhere)
    words: dict[str, Any] = {"command": ["$" * 32_768] * 2, "args": ["$" * 32_768] * 2}
    stage.start("words", names, "carol", compute=nowhere, **words)
    stage.start("a" * 52, names[:1], "carol", compute=nowhere)
    stage.agent_is("does-not-open", "UnknownKey", "Failed")
    assert len(stage.pod_of("names")["metadata"]["name"]) <= 63
    assert len(stage.status("names")["secrets"]) == 256
    stage.pod_of("a" * 52)
    # Escaped, its words are twice as long.
    (container,) = stage.pod_of("words")["spec"]["containers"]
    assert container["command"] == container["args"] == ["$" * 65_536] * 2
    for session in ("alice", "bob"):
        stage.is_now("TheazoSecret", session, "EntriesDoNotOpen", "Failed")
    stage.is_now("TheazoSecret", "carol", "AllEntriesOpen", "Current")
    a_good_one_is_served(stage, nowhere)


STATUSES = {
    "nothing": {},
    "finished-without-a-reason": {"phase": "Failed"},
    "ended-in-the-year-one": {"phase": "Succeeded", "finishTime": "0001-01-01T00:00:00Z"},
    "ends-in-the-year-9999": {"phase": "Succeeded", "finishTime": "9999-12-31T23:59:59Z"},
    "seen-in-the-year-9999": {"phase": "Pending", "firstObservedTime": "9999-12-31T23:59:59.999999999Z"},
    "of-another-pod": {"phase": "Running", "podName": "x", "podUID": "y"},
    "conditions-of-another-version": {
        "phase": "Pending",
        "conditions": [condition(kind, "Unknown", "Whatever") for kind in ("Ready", "Finished", "example.com/Odd")],
    },
    "many-conditions": {"conditions": [condition(f"C{i}", "True", "X", "m" * 32768) for i in range(8)]},
}


def test_a_status_that_somebody_else_wrote(stage: Stage, nowhere: str) -> None:
    stage.open()
    stage.set({"KEY": "value"})
    for name, status in STATUSES.items():
        stage.start(name, ["KEY"], compute=nowhere, ttlSecondsAfterFinished=2_147_483_647)
        stage.pod_of(name)
        where = path(AGENT, stage.name, name, "status")
        stage.api.merge(where, {"status": None}).ok()
        stage.api.merge(where, {"status": status}).ok()
    for kind in ("TheazoSession", "TheazoSecret"):
        where = path(kind, stage.name, "alice", "status")
        odd = {"observedGeneration": 0, "conditions": [condition("Ready", "Unknown", "Whatever")]}
        stage.api.merge(where, {"status": odd}).ok()
    for kind in ("TheazoSession", "TheazoSecret"):
        reason = {"TheazoSession": "Active", "TheazoSecret": "AllEntriesOpen"}[kind]
        stage.is_now(kind, "alice", reason, "Current")
    for name in ("nothing", "conditions-of-another-version", "many-conditions", "seen-in-the-year-9999"):
        stage.agent_is(name, "SandboxStarting", "InProgress")
    stage.agent_is("of-another-pod", "SandboxLost", "Failed")
    a_good_one_is_served(stage, nowhere)


def test_a_pod_that_somebody_edited(stage: Stage, nowhere: str) -> None:
    stage.open()
    stage.set({"KEY": "value"})
    edits = {
        "no-json": {"annotations": {"theazo.dev/snapshot": "{"}},
        "another-json": {"annotations": {"theazo.dev/snapshot": '{"secrets": [{"name": 7}]}'}},
        "too-much": {
            "annotations": {
                "theazo.dev/snapshot": json.dumps(
                    {
                        "sessionUID": "u",
                        "compute": {"name": "c", "namespace": "n", "resourceVersion": "1"},
                        "secrets": [{"name": "N" * 9999, "from": "N", "updatedAt": "never"}],
                    }
                )
            }
        },
        "none": {"annotations": None},
    }
    for name, metadata in edits.items():
        stage.start(name, ["KEY"], compute=nowhere)
        pod = stage.pod_of(name)["metadata"]["name"]
        stage.api.merge(path("Pod", stage.name, pod), {"metadata": metadata}).ok()
        stage.api.merge(path("Pod", stage.name, pod, "status"), {"status": {"phase": "Succeeded"}}).ok()
    for name in edits:
        status = stage.agent_is(name, "Completed", "Current")
        assert [row["name"] for row in status["secrets"]] == ["KEY"], "what was recorded before stays"
    a_good_one_is_served(stage, nowhere)
