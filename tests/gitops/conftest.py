"""The GitOps tools run beside the cluster of tests/cluster, so its fixtures are theirs too."""

from tests.cluster.conftest import (
    api,
    api_client,
    installed,
    kubeconfig,
    kubectl,
    operator_kubeconfig,
    platform,
    running_operator,
    stage,
)

__all__ = [
    "api",
    "api_client",
    "installed",
    "kubeconfig",
    "kubectl",
    "operator_kubeconfig",
    "platform",
    "running_operator",
    "stage",
]
