"""Ordinary Pods, and all the ways in which a Pod can use a Secret."""

from collections.abc import Callable
from typing import Any

from tests.support.api import Manifest

#: Makes fields of a Pod's spec that use the Secret of a name.
Way = Callable[[str], dict[str, Any]]


def ordinary_pod(namespace: str, **spec: Any) -> Manifest:
    """A Pod that has nothing to do with Theazo; keywords are fields of its spec. It stays Pending."""
    containers = [{"name": "main", "image": "python:3.13-slim"}]
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "ordinary", "namespace": namespace},
        "spec": {"schedulerName": "nobody", "containers": containers} | spec,
    }


def container(**fields: Any) -> dict[str, Any]:
    """A container; keywords are its fields."""
    return {"name": "main", "image": "python:3.13-slim"} | fields


def env(name: str) -> list[dict[str, Any]]:
    """An `env` with a variable out of a Secret."""
    return [{"name": "A", "value": "b"}, {"name": "K", "valueFrom": {"secretKeyRef": {"name": name, "key": "K"}}}]


def env_from(name: str) -> list[dict[str, Any]]:
    """An `envFrom` with a Secret."""
    return [{"configMapRef": {"name": "c", "optional": True}}, {"secretRef": {"name": name, "optional": True}}]


def volume(**source: Any) -> dict[str, Any]:
    """Fields of a Pod's spec: two volumes, the second of which is what the keyword says."""
    return {"volumes": [{"name": "a", "emptyDir": {}}, {"name": "b"} | source]}


ISCSI = {"targetPortal": "192.0.2.1:1", "iqn": "iqn.2001-04.com.example:a", "lun": 0}
# Every field of a Pod by which it can use a Secret, around that Secret's name.
WAYS: dict[str, Way] = {
    "env": lambda name: {"containers": [container(), container(name="b", env=env(name))]},
    "envFrom": lambda name: {"containers": [container(envFrom=env_from(name))]},
    "init-env": lambda name: {"initContainers": [container(name="i", env=env(name))]},
    "init-envFrom": lambda name: {"initContainers": [container(name="i", envFrom=env_from(name))]},
    "sidecar": lambda name: {"initContainers": [container(name="i", restartPolicy="Always", env=env(name))]},
    "secret": lambda name: volume(secret={"secretName": name}),
    "projected": lambda name: volume(projected={"sources": [{"configMap": {"name": "c"}}, {"secret": {"name": name}}]}),
    "pull": lambda name: {"imagePullSecrets": [{"name": "registry"}, {"name": name}]},
    "csi": lambda name: volume(csi={"driver": "example.com", "nodePublishSecretRef": {"name": name}}),
    "flex": lambda name: volume(flexVolume={"driver": "example.com/x", "secretRef": {"name": name}}),
    "iscsi": lambda name: volume(iscsi=ISCSI | {"secretRef": {"name": name}}),
    "rbd": lambda name: volume(rbd={"monitors": ["a"], "image": "b", "secretRef": {"name": name}}),
    "cephfs": lambda name: volume(cephfs={"monitors": ["a"], "secretRef": {"name": name}}),
    "cinder": lambda name: volume(cinder={"volumeID": "a", "secretRef": {"name": name}}),
    "azureFile": lambda name: volume(azureFile={"secretName": name, "shareName": "s"}),
    "scaleIO": lambda name: volume(
        scaleIO={"gateway": "g", "system": "s", "volumeName": "v", "secretRef": {"name": name}}
    ),
    "storageos": lambda name: volume(
        storageos={"volumeName": "v", "volumeNamespace": "n", "secretRef": {"name": name}}
    ),
}
