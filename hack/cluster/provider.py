"""Which way the cluster comes up: with kind's own node image where it can be pulled, with the project's where not."""

from __future__ import annotations

import os

from hack.cluster import paths
from hack.cluster.shell import ClusterError, say, succeeds

#: kind's own node image of the version of Kubernetes that the project's has, less the patch.
KIND_IMAGE = "docker.io/kindest/node:v1.37.0"
#: Tells whether a registry answers, without fetching layers.
PROBES = {
    "docker": ["docker", "manifest", "inspect", KIND_IMAGE],
    "podman": ["podman", "manifest", "inspect", KIND_IMAGE],
}
CHOICES = ("docker", "podman", "offline")


def recorded() -> str | None:
    """Return the way in which the running cluster came up."""
    mark = paths.state() / "provider"
    return mark.read_text() if mark.exists() else None


def detect() -> str:
    """Return `docker`, `podman` or `offline`: as CLUSTER_PROVIDER says, else the first that works."""
    said = os.environ.get("CLUSTER_PROVIDER")
    if said:
        if said not in CHOICES:
            raise ClusterError(f"CLUSTER_PROVIDER={said}: it is one of {', '.join(CHOICES)}")
        return said
    if succeeds(["docker", "info"], timeout=20) and succeeds(PROBES["docker"], timeout=20):
        return "docker"
    if succeeds(PROBES["podman"], timeout=20):
        return "podman"
    say("no node image can be pulled with Docker or Podman: the project builds its own")
    return "offline"


def current() -> str:
    """Return the way of the cluster that is there, or else the way that one would come up."""
    return os.environ.get("CLUSTER_PROVIDER") or recorded() or detect()


def env(way: str) -> dict[str, str]:
    """Return what kind and Podman need in their environment for a way."""
    if way == "docker":
        return {"KIND_EXPERIMENTAL_PROVIDER": "docker"}
    own = {"CONTAINERS_CONF": str(paths.containers_conf())} if way == "offline" else {}
    return {"KIND_EXPERIMENTAL_PROVIDER": "podman", **own}
