"""Records objects for the health checks: `hack/uv run python -m tests.gitops.record`, while tests of the cluster run.

It writes one object of each state that it sees and that is not there yet, as Argo CD wants it contributed. What is
expected of it follows kstatus, which the health checks do not know.
"""

import json
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import yaml

from hack.cluster import gotools, paths
from hack.gitops.argocd_cm import CUSTOMIZATIONS
from tests.support.api import GROUP, Manifest
from tests.support.stage import find, kstatus
from theazo_operator.reasons import Reason

FOLDER = CUSTOMIZATIONS / GROUP
KINDS = {"TheazoSession": "theazosessions", "TheazoSecret": "theazosecrets", "TheazoAgent": "theazoagents"}
HEALTH = {"Current": "Healthy", "Failed": "Degraded", "InProgress": "Progressing", "Terminating": "Progressing"}
WAITING, DELETED = "Waiting for the operator", "Being deleted"


def state(item: Manifest) -> str:
    """The name of an object's state."""
    if "deletionTimestamp" in item["metadata"]:
        return "deleted"
    if item.get("status", {}).get("observedGeneration") != item["metadata"]["generation"]:
        return "changed" if "conditions" in item.get("status", {}) else "new"
    reason = re.sub(r"(?<=[a-z])(?=[A-Z])", "-", find(item["status"], "Ready").get("reason", "none")).lower()
    return f"{reason}_{HEALTH[kstatus(item)].lower()}"


def expected(item: Manifest) -> dict[str, str]:
    """The health of an object, as kstatus has it, and the message that says why."""
    name = state(item)
    ready = find(item.get("status", {}), "Ready")
    said = f"{ready['reason']}: {ready['message']}" if ready.get("message") else ready.get("reason", WAITING)
    message = {"deleted": DELETED, "changed": WAITING, "new": WAITING}.get(name, said)
    return {"status": HEALTH[kstatus(item)], "message": message}


def write(item: Manifest) -> bool:
    """Write an object unless there is one of its state, or somebody else has written its status."""
    folder = FOLDER / item["kind"]
    name = state(item)
    target = folder / "testdata" / f"{name}.yaml"
    reason = find(item.get("status", {}), "Ready").get("reason")
    if target.exists() or reason not in {None, *Reason} or name.startswith("none"):
        return False
    item["metadata"].pop("managedFields", None)
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(yaml.safe_dump(item, sort_keys=False, width=120))
    write_tests(folder)
    return True


def write_tests(folder: Path) -> None:
    """Write what is expected of all that is recorded of a kind."""
    rows = []
    for file in sorted((folder / "testdata").glob("*.yaml")):
        health = expected(yaml.safe_load(file.read_text()))
        rows.append({"healthStatus": health, "inputPath": f"testdata/{file.name}"})
    (folder / "health_test.yaml").write_text(yaml.safe_dump({"tests": rows}, sort_keys=False, width=1000))


def _seen(plural: str) -> Iterator[Manifest]:
    kubectl = [str(gotools.bin_dir("core") / "kubectl"), "--kubeconfig", str(paths.kubeconfig()), "get", "--raw"]
    while True:
        where = f"/apis/{GROUP}/v1alpha1/{plural}?watch=true"
        with subprocess.Popen([*kubectl, where], stdout=subprocess.PIPE, text=True) as watch:
            assert watch.stdout is not None
            for line in watch.stdout:
                item = json.loads(line)["object"]
                if item.get("kind") in KINDS:
                    yield item


def _record(plural: str) -> None:
    for item in _seen(plural):
        if write(item):
            sys.stdout.write(f"{item['kind']} {state(item)}\n")
            sys.stdout.flush()


if __name__ == "__main__":
    watching = [threading.Thread(target=_record, args=(plural,), daemon=True) for plural in KINDS.values()]
    for each in watching:
        each.start()
    for each in watching:
        each.join()
