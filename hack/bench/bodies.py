"""The bodies that the bare client sends: the operator's own, made before the clock starts.

They come from the operator's pure functions, so they have its labels, its owner and its sizes, also after those change.
Per agent only names and UIDs are put in, which costs the bare client next to nothing.
"""

import json
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from hack.bench.sizes import NotMeasured
from tests.support.manifests import agent as agent_manifest
from theazo.secret_value import SecretValue
from theazo_operator.reconcile import progress
from theazo_operator.reconcile.agent import remember_session
from theazo_operator.reconcile.sandbox import build
from theazo_operator.reconcile.secrets import Resolved
from theazo_operator.resources.agent import Agent
from theazo_operator.resources.meta import short_name
from theazo_operator.resources.sandbox import Compute, SandboxPod, SnapshotEntry
from theazo_operator.resources.session import Session

JSON = Mapping[str, Any]

# Places in the bodies, in the form of what is put there.
_AGENT = "name-of-the-agent"
_AGENT_UID = "00000000-0000-4000-8000-000000000000"
_POD_UID = "11111111-1111-4111-8111-111111111111"
_POD = f"{_AGENT}-{_AGENT_UID[:8]}"
_SECRET = "name-of-the-secret"  # noqa: S105 - a place for a name
_READ_BACK = {"resourceVersion": "1", "creationTimestamp": "2026-05-01T10:00:00Z"}


@dataclass(frozen=True, slots=True)
class Declared:
    """One secret that every agent of the measurement declares."""

    name: str
    value: str
    updated_at: str


@dataclass(frozen=True, slots=True)
class Sent:
    """What is sent for one agent; the Pod's UID goes into `status` once the API server has given it."""

    secret: bytes
    pod: bytes
    status: bytes

    def status_of(self, pod_uid: str) -> bytes:
        """Write the body of the PATCH that records the Pod."""
        return self.status.replace(_POD_UID.encode(), pod_uid.encode())


@dataclass(frozen=True, slots=True)
class Bodies:
    """The bodies for an agent whose name and UID are still open."""

    manifest: JSON
    sent: Sent

    def create(self, name: str) -> dict[str, Any]:
        """Write the TheazoAgent itself."""
        return {**self.manifest, "metadata": {**self.manifest["metadata"], "name": name}}

    def of(self, name: str, uid: str) -> Sent:
        """Put an agent's name and UID in, and a Secret's name that nobody has."""
        places = (
            (_POD, f"{name}-{uid[:8]}"),
            (_AGENT_UID, uid),
            (_AGENT, name),
            (_SECRET, short_name("thz-", secrets.token_bytes(17))),
        )
        return Sent(
            _filled(self.sent.secret, places), _filled(self.sent.pod, places), _filled(self.sent.status, places)
        )


def _filled(body: bytes, places: Sequence[tuple[str, str]]) -> bytes:
    for place, text in places:
        body = body.replace(place.encode(), text.encode())
    return body


def make(platform: str, session: JSON, compute: JSON, declared: Sequence[Declared]) -> Bodies:
    """Make the bodies, of a session and a compute as the API server has them.

    Raises:
        NotMeasured: the operator would not make a Secret of these.
    """
    name = compute["metadata"]["name"]
    names = [each.name for each in declared]
    manifest = agent_manifest(
        _AGENT, platform, session["metadata"]["name"], names, compute=name, startDeadlineSeconds=86400
    )
    metadata = {**manifest["metadata"], **_READ_BACK, "uid": _AGENT_UID, "generation": 1}
    agent, owner = Agent.of({**manifest, "metadata": metadata}), Session.of(session)
    if agent.spec is None:
        raise NotMeasured("the operator can't read the spec of the agents that the bench makes")
    resolved = [
        Resolved(
            SnapshotEntry(name=each.name, source=each.name, updated_at=each.updated_at),
            SecretValue(each.value.encode()),
        )
        for each in declared
    ]
    sandbox = build(agent, agent.spec, owner, Compute.of(compute), resolved, _SECRET)
    if sandbox.secret is None:
        raise NotMeasured("the agents of the bench declare no secret")
    pod = {**sandbox.pod, "metadata": {**sandbox.pod["metadata"], **_READ_BACK, "uid": _POD_UID}}
    status = progress.starting(agent, SandboxPod.of(pod), datetime.now(UTC))
    remember_session(status, owner)
    patch = [
        {"op": "test", "path": "/metadata/uid", "value": _AGENT_UID},
        {"op": "add", "path": "/status", "value": status},
    ]
    sent = Sent(sandbox.secret.to_json(), json.dumps(sandbox.pod).encode(), json.dumps(patch).encode())
    return Bodies(manifest, sent)
