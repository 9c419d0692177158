"""What makes a namespace a platform: its label, and the RoleBindings that are the real authority."""

from dataclasses import dataclass
from typing import Any

from theazo.cli.cluster import Cluster, items, segment
from theazo.cli.terminal import Misused
from theazo.errors import InvalidName
from theazo.rules import check_platform

LABEL = "theazo.dev/platform"
KEY_LABEL = "theazo.dev/sealing-key"
# RoleBindings by name, each for the ServiceAccount of its own name, and the ClusterRole that it binds.
BINDINGS = {"theazo-operator": "theazo-operator-platform", "theazo-api": "theazo-api-platform"}
WHOSE = {"theazo-operator": "the operator's", "theazo-api": "the REST API's"}
_RBAC = "/apis/rbac.authorization.k8s.io/v1"


@dataclass(frozen=True, slots=True)
class Platform:
    """What a listing knows of one platform. `fingerprint` and `suite` are None until its key is published."""

    name: str
    createdAt: str  # noqa: N815 - a field of the output, where Kubernetes' spelling is expected
    phase: str
    bound: bool
    fingerprint: str | None
    suite: str | None


def checked(name: str) -> str:
    """`name`, if a platform can have it.

    Raises:
        Misused: if not.
    """
    try:
        check_platform(name)
    except InvalidName as error:
        raise Misused(str(error)) from None
    return name


def labels(namespace: dict[str, Any]) -> dict[str, str]:
    """The labels of a namespace."""
    return namespace["metadata"].get("labels") or {}


def find(cluster: Cluster, name: str) -> dict[str, Any] | None:
    """The namespace, platform or not; None where there is none."""
    return cluster.get(f"/api/v1/namespaces/{segment(name)}", f"read the namespace {name}")


def binding_path(namespace: str, name: str) -> str:
    """Where one of the two RoleBindings is."""
    return f"{_RBAC}/namespaces/{segment(namespace)}/rolebindings/{name}"


def binding(namespace: str, name: str, operator_namespace: str) -> dict[str, Any]:
    """One of the two RoleBindings, as it has to be."""
    return {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "RoleBinding",
        "metadata": {"name": name, "namespace": namespace},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": BINDINGS[name]},
        "subjects": [{"kind": "ServiceAccount", "name": name, "namespace": operator_namespace}],
    }


def binds(found: dict[str, Any] | None, name: str, operator_namespace: str) -> bool:
    """Whether a RoleBinding gives that ServiceAccount of the operator's namespace its rights."""
    role, account = (found or {}).get("roleRef") or {}, ("ServiceAccount", name, operator_namespace)
    subjects = (found or {}).get("subjects") or ()
    return (role.get("kind"), role.get("name")) == ("ClusterRole", BINDINGS[name]) and any(
        (each.get("kind"), each.get("name"), each.get("namespace")) == account for each in subjects
    )


def bound(cluster: Cluster, name: str, operator_namespace: str) -> set[str]:
    """The namespaces where that one of the two RoleBindings is as it has to be."""
    found = cluster.get(f"{_RBAC}/rolebindings", "list the rights in platforms", fieldSelector=f"metadata.name={name}")
    return {each["metadata"]["namespace"] for each in items(found) if binds(each, name, operator_namespace)}


def platforms(cluster: Cluster, operator_namespace: str) -> list[Platform]:
    """All namespaces with the label, and what else they have of a platform."""
    namespaces = items(cluster.get("/api/v1/namespaces", "list the namespaces", labelSelector=LABEL))
    path = f"/api/v1/namespaces/{segment(operator_namespace)}/configmaps"
    config_maps = items(cluster.get(path, "list the sealing keys", labelSelector=KEY_LABEL))
    keys = {data["platform"]: data for each in config_maps if "platform" in (data := each.get("data") or {})}
    both = set.intersection(*(bound(cluster, name, operator_namespace) for name in BINDINGS))
    return [
        Platform(
            name=(name := namespace["metadata"]["name"]),
            createdAt=namespace["metadata"]["creationTimestamp"],
            phase=(namespace.get("status") or {}).get("phase", ""),
            bound=name in both,
            fingerprint=keys.get(name, {}).get("keyId"),
            suite=keys.get(name, {}).get("suite"),
        )
        for namespace in namespaces
    ]
