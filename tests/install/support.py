"""helm as its users run it, on a cluster that these tests have to themselves, and that cluster emptied."""

import json
import os
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.chart.support import tool
from tests.support.cluster import ROOT, SYSTEM, Kubectl, wait_until

CHART = ROOT / "charts" / "theazo"
HERE = Path(__file__).parent
RELEASE = "theazo"
IN_HOME = ("--namespace", SYSTEM)
WAITING = ("--wait", "--timeout", "3m")
#: The images that `make installed` has put into the cluster.
IMAGES: Mapping[str, Any] = {"operator": {"image": {"tag": "dev"}}, "api": {"image": {"tag": "dev"}}}
#: How the name of a cluster ends that is for these tests and nothing else.
OWN = "-install"
#: Seconds that Kubernetes' garbage collector may take. It learns of a new kind by looking every half minute, and looks
#: at an owner of a kind that it did not know, or knows no more, again later each time.
COLLECTED = 240.0
KINDS = ("theazosessions.theazo.dev", "theazosecrets.theazo.dev", "theazoagents.theazo.dev")
#: What Kubernetes and kind make themselves.
_OTHERS = {"default", "kube-node-lease", "kube-public", "kube-system", "local-path-storage"}
_CLUSTER_SCOPED = (
    "validatingadmissionpolicies",
    "validatingadmissionpolicybindings",
    "clusterroles",
    "clusterrolebindings",
    "customresourcedefinitions",
)


class HelmError(Exception):
    """What helm refused to do, in its own words."""


class Helm:
    """helm of the cluster, away from what the user has configured for it."""

    def __init__(self, kubeconfig: Path) -> None:
        self._command = tool("helm")
        self._kubeconfig = str(kubeconfig)

    def __call__(self, *args: str | Path, values: Mapping[str, Any] | None = None) -> str:
        """Run a command, perhaps with values, and return its stdout.

        Raises:
            HelmError: with all that it said, if it fails.
        """
        environment = {key: value for key, value in os.environ.items() if not key.startswith(("HELM_", "KUBE"))}
        more = () if values is None else ("--values", "-")
        done = subprocess.run(
            [self._command, *map(str, args), *more],
            input=None if values is None else json.dumps(values),
            env=environment | {"KUBECONFIG": self._kubeconfig},
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise HelmError(done.stdout + done.stderr)
        return done.stdout


def merged(*many: Mapping[str, Any]) -> dict[str, Any]:
    """Values, later ones over earlier ones, as helm merges files of them."""
    found: dict[str, Any] = {}
    for each in many:
        for key, value in each.items():
            old = found.get(key)
            found[key] = merged(old, value) if isinstance(old, Mapping) and isinstance(value, Mapping) else value
    return found


def _names(kubectl: Kubectl, *what: str) -> list[str]:
    return kubectl("get", *what, "--ignore-not-found", "-o", "name").split()


def leftovers(kubectl: Kubectl) -> list[str]:
    """All that is in the cluster and is not Kubernetes' own: namespaces, and what of ours is cluster-scoped."""
    ours = [name for name in _names(kubectl, ",".join(_CLUSTER_SCOPED)) if "theazo" in name]
    namespaces = [name for name in _names(kubectl, "namespaces") if name.partition("/")[2] not in _OTHERS]
    return sorted(ours + namespaces)


def empty_cluster(kubectl: Kubectl) -> None:
    """Take away whatever an earlier test has left, in one go and without helm; what hangs fails it by its name."""
    found = leftovers(kubectl)
    for namespace in (name.partition("/")[2] for name in found if name.startswith("namespace/")):
        # A namespace with Pods waits for half the time that they may take to end, however soon they do.
        kubectl("delete", "deployments", "--all", "-n", namespace)
        kubectl("delete", "pods", "--all", "-n", namespace, "--grace-period=1")
    if found:
        kubectl("delete", "--ignore-not-found", "--wait=false", *found)
        wait_until(f"gone: {', '.join(found)}", lambda: not leftovers(kubectl), 120)
