"""Who may make and use what belongs to agents, tried as a platform's administrator, the cluster's, and the operator."""

from collections.abc import Callable
from copy import deepcopy
from typing import Any

import pytest

from tests.support.api import Api, Manifest, Reply, path
from tests.support.cluster import PLATFORM_LABEL, SYSTEM, Kubectl, KubectlError
from tests.support.manifests import agent
from tests.support.sandboxes import NAME, NOBODY, owner_reference, pod_scoped_secret, sandbox

pytestmark = [pytest.mark.cluster, pytest.mark.usefixtures("installed")]

ONLY_OPERATOR_SECRET = "only theazo-operator may create Secrets whose name begins with thz-. Choose another name."
ONLY_SANDBOX = "only the sandbox of an agent may use a Secret whose name begins with thz-. Remove the reference"
ONLY_OPERATOR_OWNER = "only theazo-operator may make a Pod the sandbox of a TheazoAgent. Remove the ownerReference"
KEEP = "must stay, since they see to its deletion. Leave them, or delete the Secret."
OPERATOR_SECRETS = "theazo-operator may only create its master key and the Secrets of agents."
OPERATOR_PODS = "theazo-operator may only create sandboxes"
NO_PLATFORM = "this namespace can't be a platform. Remove the label theazo.dev/platform"


def assert_denied(reply: Reply, says: str) -> None:
    assert reply.code == 403, reply.body
    assert "ValidatingAdmissionPolicy" in reply.message
    assert says in reply.message


def ordinary_secret(namespace: str, name: str = "database") -> Manifest:
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": name, "namespace": namespace},
        "stringData": {"KEY": "value"},
    }


def ordinary_pod(namespace: str, **spec: Any) -> Manifest:
    containers = [{"name": "main", "image": "python:3.13-slim"}]
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "ordinary", "namespace": namespace},
        "spec": {"containers": containers} | spec,
    }


def using(namespace: str, **container: Any) -> Manifest:
    return ordinary_pod(namespace, containers=[{"name": "main", "image": "python:3.13-slim"} | container])


def key_ref(name: str) -> dict[str, Any]:
    return {"env": [{"name": "A", "value": "b"}, {"name": "K", "valueFrom": {"secretKeyRef": {"name": name, "key": "K"}}}]}


# Every way in which a Pod can use a Secret.
WAYS: dict[str, Callable[[str, str], Manifest]] = {
    "env": lambda namespace, name: using(namespace, **key_ref(name)),
    "env-from": lambda namespace, name: using(namespace, envFrom=[{"secretRef": {"name": name}}]),
    "init-env": lambda namespace, name: ordinary_pod(
        namespace, initContainers=[{"name": "init", "image": "busybox"} | key_ref(name)]
    ),
    "init-env-from": lambda namespace, name: ordinary_pod(
        namespace, initContainers=[{"name": "init", "image": "busybox", "envFrom": [{"secretRef": {"name": name}}]}]
    ),
    "sidecar": lambda namespace, name: ordinary_pod(
        namespace, initContainers=[{"name": "side", "image": "busybox", "restartPolicy": "Always"} | key_ref(name)]
    ),
    "volume": lambda namespace, name: ordinary_pod(namespace, volumes=[{"name": "v", "secret": {"secretName": name}}]),
    "projected": lambda namespace, name: ordinary_pod(
        namespace,
        volumes=[{"name": "v", "projected": {"sources": [{"downwardAPI": {}}, {"secret": {"name": name}}]}}],
    ),
    "pull": lambda namespace, name: ordinary_pod(namespace, imagePullSecrets=[{"name": "ok"}, {"name": name}]),
    "csi": lambda namespace, name: ordinary_pod(
        namespace, volumes=[{"name": "v", "csi": {"driver": "example.com", "nodePublishSecretRef": {"name": name}}}]
    ),
    "flex": lambda namespace, name: ordinary_pod(
        namespace, volumes=[{"name": "v", "flexVolume": {"driver": "example.com/x", "secretRef": {"name": name}}}]
    ),
    "iscsi": lambda namespace, name: ordinary_pod(
        namespace,
        volumes=[
            {"name": "v", "iscsi": {"targetPortal": "a:1", "iqn": "iqn.2001-04.com.example:a", "lun": 0}
             | {"secretRef": {"name": name}}}
        ],
    ),
    "rbd": lambda namespace, name: ordinary_pod(
        namespace, volumes=[{"name": "v", "rbd": {"monitors": ["a"], "image": "b", "secretRef": {"name": name}}}]
    ),
    "cephfs": lambda namespace, name: ordinary_pod(
        namespace, volumes=[{"name": "v", "cephfs": {"monitors": ["a"], "secretRef": {"name": name}}}]
    ),
    "azure-file": lambda namespace, name: ordinary_pod(
        namespace, volumes=[{"name": "v", "azureFile": {"secretName": name, "shareName": "s"}}]
    ),
}
each_way = pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)


@pytest.mark.parametrize("named", [{"name": NAME}, {"name": "thz-"[:-1] + "-x"}, {"generateName": "thz-"}, {"generateName": "thz-a-"}])
def test_nobody_else_makes_a_secret_of_an_agent(api: Api, tenant: Api, platform: str, named: dict[str, str]) -> None:
    for manifest in (ordinary_secret(platform), pod_scoped_secret(platform)):
        manifest["metadata"] = {**manifest["metadata"], "name": None} | named
        for user in (tenant, api):
            assert_denied(user.create(manifest), ONLY_OPERATOR_SECRET)


def test_nor_by_an_apply_or_in_another_namespace(api: Api, tenant: Api, platform: str) -> None:
    assert_denied(tenant.apply(ordinary_secret(platform, NAME), "kubectl"), ONLY_OPERATOR_SECRET)
    for namespace in ("default", "kube-system", SYSTEM):
        assert_denied(api.create(ordinary_secret(namespace, NAME), dry_run=True), ONLY_OPERATOR_SECRET)
    assert_denied(tenant.request("PUT", path("Secret", platform, NAME), ordinary_secret(platform, NAME)), "404") if False else None
