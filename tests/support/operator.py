"""The shipped entry point as a process beside the cluster, with the rights of the operator's own ServiceAccount."""

from pathlib import Path

import yaml

from tests.support.process import Shipped


def write_kubeconfig(target: Path, cluster_kubeconfig: Path, token: str, server: str | None = None) -> Path:
    """Write a kubeconfig for the bearer of a token, perhaps by way of another server, such as a proxy."""
    cluster = yaml.safe_load(cluster_kubeconfig.read_text())["clusters"][0]["cluster"]
    if server is not None:
        cluster = {"server": server}
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "test", "cluster": cluster}],
        "users": [{"name": "operator", "user": {"token": token}}],
        "contexts": [{"name": "test", "context": {"cluster": "test", "user": "operator"}}],
        "current-context": "test",
    }
    target.touch(mode=0o600)
    target.write_text(yaml.safe_dump(config))
    return target


class OperatorProcess(Shipped):
    """One operator. Only one may run on a cluster at a time."""

    module = "theazo_operator"
    called = "the operator"
    grace = 30
