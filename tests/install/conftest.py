"""What the tests of installing share: a cluster of their own, and helm. `make install-test` makes it and removes it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from hack.cluster import paths
from tests.cluster.conftest import api, api_client, kubectl
from tests.install.support import OWN, Helm, empty_cluster
from tests.support.cluster import Kubectl

# As on any cluster; which one it is, is said here.
__all__ = ["api", "api_client", "empty", "helm", "kubeconfig", "kubectl"]


@pytest.fixture(scope="session")
def kubeconfig() -> Path:
    """The kubeconfig of a cluster that is there for these tests and nothing else: they empty it."""
    if paths.foreign() or not paths.cluster_name().endswith(OWN) or not paths.kubeconfig().exists():
        pytest.fail("these tests empty their cluster, so it is one of their own; run: make install-test", pytrace=False)
    return paths.kubeconfig()


@pytest.fixture(scope="session")
def helm(kubeconfig: Path) -> Helm:
    """helm as the cluster's administrator."""
    return Helm(kubeconfig)


@pytest.fixture(scope="module")
def empty(kubectl: Kubectl) -> Iterator[None]:
    """A cluster in which nothing of ours is, and no namespace but Kubernetes' own; emptied again afterwards."""
    empty_cluster(kubectl)
    yield
    empty_cluster(kubectl)
