"""The Pods and pod-scoped Secrets that the operator makes, in the least form that the cluster takes from it."""

from collections.abc import Mapping
from typing import Any

from tests.support.api import Manifest, Reply
from tests.support.manifests import API_VERSION

NOBODY = {"name": "nobody", "uid": "0c6e0c1a-7d0e-4b59-9a57-1f5c1f3a0000"}
NAME = "thz-" + "a" * 26


def owner_reference(agent_metadata: Mapping[str, Any]) -> dict[str, Any]:
    """What makes an object an agent's, by the agent's metadata."""
    return {
        "apiVersion": API_VERSION,
        "kind": "TheazoAgent",
        "name": agent_metadata["name"],
        "uid": agent_metadata["uid"],
        "controller": True,
    }


def pod_scoped_secret(namespace: str, agent_metadata: Mapping[str, Any] = NOBODY, *, name: str = NAME) -> Manifest:
    """An agent's Secret."""
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {
            "name": name,
            "namespace": namespace,
            "labels": {"theazo.dev/agent-uid": agent_metadata["uid"]},
            "ownerReferences": [owner_reference(agent_metadata)],
        },
        "type": "theazo.dev/agent",
        "immutable": True,
        "stringData": {"KEY": "value"},
    }


def sandbox(namespace: str, agent_metadata: Mapping[str, Any] = NOBODY, secret_name: str = NAME) -> Manifest:
    """An agent's Pod, with its Secret in the environment of the container `sandbox`. It stays Pending: nothing runs."""
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": "agent-01234567",
            "namespace": namespace,
            "labels": {"theazo.dev/agent-uid": agent_metadata["uid"]},
            "ownerReferences": [owner_reference(agent_metadata)],
        },
        "spec": {
            "schedulerName": "nobody",
            "automountServiceAccountToken": False,
            "restartPolicy": "Never",
            "securityContext": {
                "runAsNonRoot": True,
                "runAsUser": 65532,
                "seccompProfile": {"type": "RuntimeDefault"},
            },
            "containers": [
                {
                    "name": "sandbox",
                    "image": "python:3.13-slim",
                    "envFrom": [{"secretRef": {"name": secret_name}}],
                    "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
                }
            ],
        },
    }


def ordinary_secret(namespace: str, name: str = "database") -> Manifest:
    """A Secret that has nothing to do with Theazo."""
    metadata = {"name": name, "namespace": namespace}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "stringData": {"password": "hunter2"}}


def assert_denied(reply: Reply, says: str) -> None:
    """Refused by an admission policy, not for a missing right, and with what to do."""
    assert reply.code == 403, reply.body
    assert "ValidatingAdmissionPolicy" in reply.message
    assert says in reply.message
