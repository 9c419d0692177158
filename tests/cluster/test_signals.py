"""What the operator says of itself: probes, metrics, logs; and what it says when its master key is missing."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.support.api import Api, Manifest, path
from tests.support.cluster import SYSTEM, wait_until
from tests.support.history import Audit
from tests.support.manifests import SHORTEST
from tests.support.operator import OperatorProcess
from tests.support.stage import Stage
from theazo_operator.health import MAX_WATCH_IDLE

pytestmark = pytest.mark.cluster
MASTER_KEY = path("Secret", SYSTEM, "theazo-master-key")


def metric(operator: OperatorProcess, name: str, **labels: str) -> float | None:
    """The value of one sample, if it is there."""
    code, text = operator.probe("metrics")
    assert code == 200
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            if sample.name == name and labels.items() <= sample.labels.items():
                return sample.value
    return None


def living(api: Api) -> int:
    """How many pod-scoped Secrets there are on the whole cluster."""
    return sum(item["metadata"]["name"].startswith("thz-") for item in api.get("/api/v1/secrets").ok()["items"])


def test_probes(running_operator: OperatorProcess) -> None:
    assert running_operator.probe("livez") == (200, "ok\n")
    assert running_operator.probe("readyz") == (200, "ok\n")
    assert running_operator.probe("nothing")[0] == 404


def test_metrics(stage: Stage, running_operator: OperatorProcess, nowhere: str) -> None:
    def openings(result: str) -> float:
        return metric(running_operator, "theazo_openings_total", purpose="agent", result=result) or 0

    opened, failed = openings("Opened"), openings("UnknownKey")
    stage.open()
    stage.set({"A_NAME": "canary-value", "OTHER": "value"})
    stage.put({"BAD": SHORTEST})
    stage.start("holds", ["A_NAME", "OTHER"], compute=nowhere)
    stage.start("bare", compute=nowhere)
    stage.start("bad", ["BAD"], compute=nowhere)
    stage.start("runs", ["A_NAME"])
    for agent in ("holds", "bare"):
        stage.pod_of(agent)
    stage.agent_is("bad", "UnknownKey", "Failed")
    stage.running("runs")
    assert openings("Opened") == opened + 3
    assert openings("UnknownKey") > failed
    # One that runs has given its Secret back, one without secrets never had one.
    assert len(stage.values()) == 1
    wait_until("it counts what lives", lambda: metric(running_operator, "theazo_pod_secrets") == living(stage.api))
    agents = {"controller": "theazoagent"}
    assert (metric(running_operator, "controller_runtime_reconcile_total", **agents, result="success") or 0) >= 4
    assert (metric(running_operator, "controller_runtime_reconcile_time_seconds_count", **agents) or 0) >= 4
    assert (metric(running_operator, "controller_runtime_reconcile_time_seconds_sum", **agents) or 0) > 0
    for resource in ("namespaces", "pods", "podtemplates", "theazoagents", "theazosecrets", "theazosessions"):
        age = metric(running_operator, "theazo_watch_age_seconds", resource=resource)
        assert age is not None
        # kopf's watch says no more than when it was last asked for.
        assert 0 <= age < (MAX_WATCH_IDLE if resource == "theazoagents" else 120)
    text = running_operator.probe("metrics")[1]
    for name in ("canary", "A_NAME", "alice", stage.name):
        assert name not in text


def test_logs(stage: Stage, running_operator: OperatorProcess, nowhere: str) -> None:
    stage.open()
    stage.start("a", ["A_NAME"], compute=nowhere)
    stage.agent_is("a", "SecretNotFound", "InProgress")
    stage.set({"A_NAME": "canary-value"})
    stage.pod_of("a")

    def told() -> list[dict[str, Any]]:
        lines = [json.loads(line) for line in running_operator.log.read_text().splitlines()]
        assert all({"level", "logger", "message", "time"} <= line.keys() for line in lines)
        return [line for line in lines if line.get("agent") == f"{stage.name}/a"]

    wait_until("both are logged", lambda: len(told()) == 2)
    assert [(line["session"], line["phase"], line["reason"]) for line in told()] == [
        ("alice", "Pending", "SecretNotFound"),
        ("alice", "Pending", "SandboxStarting"),
    ]
    assert "canary" not in running_operator.log.read_text()


def test_a_sealing_key_that_somebody_spoilt_is_made_whole(stage: Stage, running_operator: OperatorProcess) -> None:
    where = path("ConfigMap", SYSTEM, f"sealing-key-{stage.name}")
    wait_until("it is published", lambda: stage.api.get(where).code == 200)
    good = stage.api.get(where).ok()["data"]
    for gone in (True, False):
        running_operator.stop()
        if gone:
            stage.api.delete(where).ok()
        else:
            stage.api.merge(where, {"data": {"publicKey": None}}).ok()
        running_operator.start()
        wait_until("it is as before", lambda: stage.api.get(where).body.get("data") == good)


@contextmanager
def without_master_key(api: Api, backup: Path) -> Iterator[Manifest]:
    """Take the master key away, and give it back whatever happens; a copy on disk outlives even this process."""
    found = api.get(MASTER_KEY).ok()
    metadata = {name: found["metadata"][name] for name in ("name", "namespace", "labels")}
    kept = {key: found[key] for key in ("apiVersion", "kind", "type", "data")} | {"metadata": metadata}
    backup.touch(mode=0o600)
    backup.write_text(json.dumps(kept))
    api.delete(MASTER_KEY).ok()
    try:
        yield kept
    finally:
        if api.get(MASTER_KEY).code == 404:
            api.create(kept).ok()
        assert api.get(MASTER_KEY).ok()["data"] == kept["data"]


@contextmanager
def started(operator: OperatorProcess) -> Iterator[OperatorProcess]:
    """An operator that need not get ready."""
    operator.start(wait=False)
    try:
        yield operator
    finally:
        operator.kill()


def test_without_its_master_key_it_writes_nothing_and_says_what_to_do(
    stage: Stage,
    api: Api,
    running_operator: OperatorProcess,
    operator_kubeconfig: Path,
    tmp_path: Path,
    nowhere: str,
) -> None:
    stage.open()
    stage.set({"KEY": "value"})
    running_operator.stop()
    stage.start("a", ["KEY"], compute=nowhere)
    try:
        with without_master_key(api, tmp_path / "backup.json") as kept:
            audit = Audit()
            with started(OperatorProcess(operator_kubeconfig, tmp_path / "log")) as operator:
                wait_until("it says why", lambda: "MasterKeyMissing" in operator.probe("readyz")[1])
                code, text = operator.probe("readyz")
                assert code == 503
                assert "restore the Secret theazo-master-key from its backup" in text
                assert operator.probe("livez")[0] == 200, "a restart would not help"
                assert operator.probe("metrics")[0] == 200
                assert audit.writes() == []
                assert "MasterKeyMissing" in operator.log.read_text()
                assert stage.status("a") == {}
                api.create(kept).ok()
                wait_until("it is ready without a restart", operator.ready)
                stage.pod_of("a")
                assert list(stage.values().values()) == [{"KEY": "value"}]
    finally:
        running_operator.start()


def test_a_wrong_master_key_is_as_good_as_none(
    running_operator: OperatorProcess, operator_kubeconfig: Path, tmp_path: Path
) -> None:
    """One that fits nothing published: authors would go on sealing to a key that nobody has."""
    running_operator.stop()
    keys = tmp_path / "keys"
    keys.mkdir()
    audit = Audit()
    try:
        restore = f"restore its file from the backup into what is mounted at {keys} "
        for key, says, then in (
            (b"k" * 32, "MasterKeyMissing", restore),
            (b"too short", "InvalidMasterKey", "has 9 bytes instead of 32"),
        ):
            (keys / "1").write_bytes(key)
            environment = {"THEAZO_MASTER_KEY_DIR": str(keys)}
            with started(OperatorProcess(operator_kubeconfig, tmp_path / says, **environment)) as operator:
                wait_until("it says why", lambda operator=operator, says=says: says in operator.probe("readyz")[1])  # type: ignore[misc]  # no types in a lambda
                text = operator.probe("readyz")[1]
                assert then in text
                assert "Secret" not in text, "it is never read"
        assert audit.writes() == []
    finally:
        running_operator.start()
