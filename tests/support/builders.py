"""Objects as the API server would send them. Each builder makes a whole one; a test says only what it is about."""

import itertools
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from theazo.sealing import Binding, seal
from theazo.secret_value import SecretValue
from theazo_operator.opening import Keyring
from theazo_operator.resources.agent import Agent
from theazo_operator.resources.meta import format_time
from theazo_operator.resources.sandbox import Compute, SandboxPod
from theazo_operator.resources.session import Session, TheazoSecret

JSON = dict[str, Any]

NOW = datetime(2025, 5, 1, 10, 0, 0, tzinfo=UTC)
NS = "acme"
SYSTEM = "theazo-system"
AGENT_UID = "0a1b2c3d-1111-4000-8000-000000000001"
SESSION_UID = "5e551011-2222-4000-8000-000000000002"
POD_UID = "90d00000-3333-4000-8000-000000000003"
POD_NAME = "job-0a1b2c3d"
POD_SECRET = "thz-aaaaaaaaaaaaaaaaaaaaaaaaaa"
KEYRING = Keyring({1: bytes(range(32))})
_versions = itertools.count(1000)


def at(seconds: float) -> str:
    """The time so many seconds after NOW, as the API server writes it."""
    return format_time(NOW + timedelta(seconds=seconds))


def metadata(name: str, uid: str, *, namespace: str = NS, created: float = 0, **more: Any) -> JSON:
    return {
        "name": name,
        **({"namespace": namespace} if namespace else {}),
        "uid": uid,
        "generation": 1,
        "resourceVersion": str(next(_versions)),
        "creationTimestamp": at(created),
        **more,
    }


def agent_body(*, spec: Any = None, status: Any = None, uid: str = AGENT_UID, **meta: Any) -> JSON:
    declared = {"sessionRef": {"name": "demo"}, "compute": "python", "secrets": [{"name": "A"}]}
    body = {"metadata": metadata("job", uid, **meta), "spec": {**declared, **spec} if isinstance(spec, dict) else spec}
    if spec is None:
        body["spec"] = declared
    return body if status is None else {**body, "status": status}


def agent(*, spec: Any = None, status: Any = None, **meta: Any) -> Agent:
    return Agent.of(agent_body(spec=spec, status=status, **meta))


def session_body(*, spec: Mapping[str, Any] | None = None, uid: str = SESSION_UID, **meta: Any) -> JSON:
    return {"metadata": metadata("demo", uid, **meta), "spec": {"user": "ann", **(spec or {})}}


def session(*, spec: Mapping[str, Any] | None = None, uid: str = SESSION_UID, **meta: Any) -> Session:
    return Session.of(session_body(spec=spec, uid=uid, **meta))


def compute_body(*, spec: JSON | None = None, name: str = "python", namespace: str = SYSTEM) -> JSON:
    pod_spec = {"containers": [{"name": "sandbox", "image": "python:3"}]} if spec is None else spec
    return {"metadata": metadata(name, f"uid-{name}", namespace=namespace), "template": {"spec": pod_spec}}


def compute(*, spec: JSON | None = None) -> Compute:
    return Compute.of(compute_body(spec=spec))


def owner(uid: str = AGENT_UID) -> JSON:
    return {"apiVersion": "theazo.dev/v1alpha1", "kind": "TheazoAgent", "name": "job", "uid": uid, "controller": True}


SNAPSHOT = (
    f'{{"sessionUID":"{SESSION_UID}","compute":{{"name":"python","namespace":"{SYSTEM}","resourceVersion":"7"}},'
    f'"secrets":[{{"name":"A","from":"A","updatedAt":"2025-04-01T00:00:00.000001Z"}}]}}'
)


def pod_body(
    *,
    status: Any = None,
    owner_uid: str = AGENT_UID,
    secret: str | None = POD_SECRET,
    snapshot: str = SNAPSHOT,
    uid: str = POD_UID,
    **meta: Any,
) -> JSON:
    container = {"name": "sandbox", **({"envFrom": [{"secretRef": {"name": secret}}]} if secret else {})}
    return {
        "metadata": metadata(
            POD_NAME,
            uid,
            **{
                "labels": {"theazo.dev/agent-uid": owner_uid},
                "annotations": {"theazo.dev/snapshot": snapshot},
                "ownerReferences": [owner(owner_uid)],
                **meta,
            },
        ),
        "spec": {"containers": [container]},
        "status": {"phase": "Pending"} if status is None else status,
    }


def pod(**given: Any) -> SandboxPod:
    return SandboxPod.of(pod_body(**given))


def container_status(phase: str = "Running", *, last: Any = None, reason: str | None = None, **state: Any) -> JSON:
    """A Pod's status with the container `sandbox` in a state: running=…, waiting=… or terminated=…."""
    row = {"name": "sandbox", "state": state, **({"lastState": {"terminated": last}} if last else {})}
    return {"phase": phase, "containerStatuses": [row], **({"reason": reason} if reason else {})}


def running(started: float = 5) -> JSON:
    return container_status(running={"startedAt": at(started)})


def waiting(reason: str) -> JSON:
    return container_status("Pending", waiting={"reason": reason, "message": "CANARY-from-the-kubelet"})


def terminated(code: int = 0, *, phase: str | None = None, started: float = 5, finished: float = 30) -> JSON:
    state = {"exitCode": code, "startedAt": at(started), "finishedAt": at(finished), "message": "CANARY-from-the-agent"}
    return container_status(phase or ("Succeeded" if code == 0 else "Failed"), terminated=state)


def sealed_text(value: bytes, name: str, *, session_name: str = "demo", sealing_id: str = "demo") -> str:
    binding = Binding(platform=NS, session=session_name, sealing_id=sealing_id, name=name)
    return seal(SecretValue(value), binding, KEYRING.public_key(NS))


def secret_body(entries: Mapping[str, str], *, status: Any = None, **meta: Any) -> JSON:
    """A TheazoSecret with ciphertexts by name."""
    data = {
        name: {"ciphertext": text, "createdAt": "2025-04-01T00:00:00Z", "updatedAt": "2025-04-01T00:00:00.000001Z"}
        for name, text in entries.items()
    }
    body = {"metadata": metadata("demo", "uid-secret", **meta), "spec": {"encryptedData": data}}
    return body if status is None else {**body, "status": status}


def secret(entries: Mapping[str, str], **given: Any) -> TheazoSecret:
    return TheazoSecret.of(secret_body(entries, **given))
