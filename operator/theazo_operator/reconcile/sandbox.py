"""A sandbox: the pod-scoped Secret and the Pod that uses it."""

import base64
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from theazo_operator.reasons import Reason
from theazo_operator.reconcile.hardening import harden, sandbox_container
from theazo_operator.reconcile.secrets import Refusal, Resolved
from theazo_operator.resources.agent import Agent, AgentSpec
from theazo_operator.resources.meta import (
    AGENT_LABEL,
    AGENT_UID_LABEL,
    ARGO_IGNORE_HEALTH_ANNOTATION,
    MANAGED_BY,
    MANAGED_BY_LABEL,
    SESSION_LABEL,
    SNAPSHOT_ANNOTATION,
    owner_reference,
)
from theazo_operator.resources.sandbox import Compute, ComputeRef, Snapshot
from theazo_operator.resources.session import Session

SECRET_TYPE = "theazo.dev/agent"  # noqa: S105 - a type's name
# etcd's own limit is 1.5 MiB. What is over it is no refusal to the API server but an internal error, tried for ever.
MAX_POD = 1_400_000  # bytes of JSON, which is longer than what is stored


@dataclass(frozen=True, slots=True)
class PodSecret:
    """The pod-scoped Secret. Its values stay `SecretValue`s until the request's bytes are written."""

    manifest: Mapping[str, Any]
    resolved: Sequence[Resolved]

    @property
    def name(self) -> str:
        """The name, never used twice."""
        return str(self.manifest["metadata"]["name"])

    def to_json(self) -> bytes:
        """Write the body of the POST that creates it."""
        data = {each.record.name: base64.b64encode(each.value.reveal()).decode("ascii") for each in self.resolved}
        return json.dumps({**self.manifest, "data": data}).encode()


@dataclass(frozen=True, slots=True)
class Sandbox:
    """What is to be created for an agent. Without resolved secrets there is no Secret."""

    secret: PodSecret | None
    pod: dict[str, Any]


def build(
    agent: Agent, spec: AgentSpec, session: Session, compute: Compute, resolved: Sequence[Resolved], secret_name: str
) -> Sandbox:
    """Build Secret and Pod. `secret_name` has to be one that nobody can make first.

    Raises:
        Refusal: the compute's template can't be a sandbox, or what it and the agent ask for is too long for a Pod.
    """
    labels = {
        AGENT_UID_LABEL: agent.meta.uid,
        AGENT_LABEL: agent.meta.key.name,
        SESSION_LABEL: session.meta.key.name,
        MANAGED_BY_LABEL: MANAGED_BY,
    }
    secret = _pod_secret(agent, secret_name, labels, resolved) if resolved else None
    # All declared names, also of optional secrets that are not there: a template's value must not pass for one.
    pod_spec = harden(compute, {each.name for each in spec.secrets})
    container = sandbox_container(pod_spec)
    _apply_agent(pod_spec, container, spec)
    if secret is not None:
        container["envFrom"] = [{"secretRef": {"name": secret.name}}]
    snapshot = Snapshot(
        session_uid=session.meta.uid,
        compute=ComputeRef(
            name=compute.meta.key.name,
            namespace=compute.meta.key.namespace,
            resource_version=str(compute.meta.resource_version),
        ),
        secrets=tuple(each.record for each in resolved),
    )
    metadata = {
        "name": agent.pod_name,
        "namespace": agent.meta.key.namespace,
        "labels": labels,
        "annotations": {SNAPSHOT_ANNOTATION: snapshot.to_json(), ARGO_IGNORE_HEALTH_ANNOTATION: "true"},
        "ownerReferences": [_owner(agent)],
    }
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": pod_spec}
    _check_size(pod)
    return Sandbox(secret, pod)


def _check_size(pod: Mapping[str, Any]) -> None:
    size = len(json.dumps(pod, ensure_ascii=False).encode("utf-8", "surrogatepass"))
    if size > MAX_POD:
        raise Refusal(
            Reason.SANDBOX_REFUSED,
            f"the sandbox's Pod would have {size} bytes and a Pod holds {MAX_POD}: shorten command and args",
        )


def _owner(agent: Agent) -> dict[str, Any]:
    """The owner is in the create: one that a second write adds is lost in a crash between the two."""
    return {**owner_reference("TheazoAgent", agent.meta), "controller": True}


def _pod_secret(agent: Agent, name: str, labels: Mapping[str, str], resolved: Sequence[Resolved]) -> PodSecret:
    manifest = {
        "apiVersion": "v1",
        "kind": "Secret",
        "type": SECRET_TYPE,
        "immutable": True,
        "metadata": {
            "name": name,
            "namespace": agent.meta.key.namespace,
            "labels": dict(labels),
            "ownerReferences": [_owner(agent)],
        },
    }
    return PodSecret(manifest, resolved)


def _apply_agent(pod_spec: dict[str, Any], container: dict[str, Any], spec: AgentSpec) -> None:
    pod_spec["restartPolicy"] = spec.restart_policy
    if spec.active_deadline_seconds is not None:
        pod_spec["activeDeadlineSeconds"] = spec.active_deadline_seconds
    if spec.command is not None:
        # As with core/v1 containers: a command of one's own does not keep the template's arguments.
        container["command"] = list(spec.command)
        container.pop("args", None)
    if spec.args is not None:
        container["args"] = list(spec.args)
    for field in ("command", "args"):
        if field in container:
            container[field] = [verbatim(word) for word in container[field]]
    resources = container.setdefault("resources", {})
    for kind, amounts in (spec.resources or {}).items():
        resources[kind] = {**resources.get(kind, {}), **amounts}


def verbatim(word: str) -> str:
    """Escape a word so that the kubelet hands it over as it is.

    The kubelet expands `$(NAME)` in command and args, and would write a secret into the command line, which every
    process on the node can read. `$$` is its escape for `$` (k8s.io/kubernetes/third_party/forked/golang/expansion).
    """
    return word.replace("$", "$$")
