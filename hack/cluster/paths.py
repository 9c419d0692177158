"""Where the cluster's things are, and a way into its node: what tests and other programs import."""

from __future__ import annotations

import os
from pathlib import Path

from hack.cluster.shell import ClusterError, output

HERE = Path(__file__).resolve().parent
DATA = HERE / "data"
REPO = HERE.parent.parent
#: Where etcd keeps its files on the node, for a test that looks for plain secrets in them.
ETCD_DATA = "/var/lib/etcd/member"


def cache() -> Path:
    """Return the folder of all that is built once per version, outside the clone so that a fresh clone finds it."""
    base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(base) / "theazo"


def cluster_name() -> str:
    """Return the kind cluster's name."""
    return os.environ.get("CLUSTER_NAME") or "theazo"


def node_name() -> str:
    """Return the name of the cluster's only node, which is also its container's."""
    return f"{cluster_name()}-control-plane"


def foreign() -> Path | None:
    """Return the kubeconfig of the cluster that the caller brought, if any; an inherited KUBECONFIG never counts."""
    given = os.environ.get("CLUSTER_KUBECONFIG")
    return Path(given).resolve() if given else None


def refuse_foreign(doing: str) -> None:
    """Refuse to do something to a cluster that the caller brought, unless told that this is meant.

    Raises:
        ClusterError: it is one, and I_KNOW is not 1; `doing` completes "this would ".
    """
    if foreign() and os.environ.get("I_KNOW") != "1":
        raise ClusterError(
            f"CLUSTER_KUBECONFIG names a cluster that is not this project's, and this would {doing}; I_KNOW=1 lets it"
        )


def state() -> Path:
    """Return the folder of a cluster's own state; not in the clone, since two clones may use one cluster."""
    return cache() / "clusters" / cluster_name()


def kubeconfig() -> Path:
    """Return the kubeconfig to use, whether or not it is there yet."""
    return foreign() or REPO / ".cluster" / cluster_name() / "kubeconfig"


def audit_log() -> Path:
    """Return the API server's audit log: JSON lines, each there before its request is answered, never rotated."""
    if foreign():
        raise ClusterError("the audit log of a cluster given by CLUSTER_KUBECONFIG is not known")
    return state() / "audit" / "audit.log"


def engine() -> str:
    """Return the program that runs the cluster's node: docker or podman."""
    mark = state() / "provider"
    if foreign() or not mark.exists():
        raise ClusterError("no kind cluster of this project runs here; run: make cluster")
    return "docker" if mark.read_text() == "docker" else "podman"


def containers_conf() -> Path:
    """Return the project's own settings for Podman."""
    return cache() / "containers.conf"


def engine_env() -> dict[str, str]:
    """Return what Podman needs in its environment; nothing where the machine's own settings are used."""
    mark = state() / "provider"
    own = not mark.exists() or mark.read_text() == "offline"
    return {"CONTAINERS_CONF": str(containers_conf())} if own and containers_conf().exists() else {}


def node_exec(*argv: str) -> bytes:
    """Run a program on the node and return its stdout."""
    return output([engine(), "exec", node_name(), *argv], env=engine_env())
