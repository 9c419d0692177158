"""One platform on the test cluster, and short words for what tests do in it and wait for."""

import base64
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

from tests.support import manifests
from tests.support.api import Api, Manifest, path
from tests.support.cluster import SYSTEM, Kubectl, wait_until
from tests.support.manifests import entry
from tests.support.sealing import public_key
from theazo._primitives import hpke_seal
from theazo.sealing import SUITE, VERSION, Binding, Envelope, hpke_info, seal
from theazo.secret_value import SecretValue

AGENT = "TheazoAgent"
#: What idles until it is told to end, whatever its arguments are.
IDLE = ["python3", "-c", "from signal import *; pthread_sigmask(SIG_BLOCK, {SIGTERM}); sigwait({SIGTERM})"]


#: A node selector that no node has.
NOWHERE = {"theazo.dev/test": "nowhere"}


def find(status: Mapping[str, Any], kind: str) -> Mapping[str, Any]:
    """A condition of a status; empty if there is none."""
    return next((row for row in status.get("conditions", ()) if row["type"] == kind), {})


def kstatus(obj: Manifest) -> str:
    """What kstatus, and so Flux and `kpt live`, conclude from an object (sigs.k8s.io/cli-utils/pkg/kstatus/status)."""
    status = obj.get("status", {})
    true = {row["type"] for row in status.get("conditions", ()) if row["status"] == "True"}
    if "deletionTimestamp" in obj["metadata"]:
        return "Terminating"
    if status.get("observedGeneration") != obj["metadata"]["generation"] or "Reconciling" in true:
        return "InProgress"
    if "Stalled" in true:
        return "Failed"
    return "Current" if "Ready" in true else "InProgress"


def invalid(data: bytes, binding: Binding, key_raw: bytes, key_id: str) -> str:
    """Seal what no client of ours seals."""
    header = f"{VERSION}.{SUITE}.{key_id}"
    return str(Envelope(key_id, hpke_seal(SecretValue(data), key_raw, hpke_info(header, binding))))


class Stage:
    """A platform. Each waiting method gives up, and says what it saw last."""

    def __init__(self, api: Api, kubectl: Kubectl, name: str) -> None:
        self.api = api
        self.name = name
        self.kubectl = kubectl

    def create(self, manifest: Manifest, **metadata: Any) -> Manifest:
        """Create an object here; keywords are further metadata."""
        return self.api.create(manifest | {"metadata": manifest["metadata"] | {"namespace": self.name} | metadata}).ok()

    def open(self, session: str = "alice", *, metadata: Mapping[str, Any] | None = None, **spec: Any) -> Manifest:
        """Create a session; keywords are fields of its spec."""
        return self.create(manifests.session(session, **spec), **(metadata or {}))

    def start(
        self,
        agent: str,
        secrets: Sequence[Any] = (),
        session: str = "alice",
        *,
        metadata: Mapping[str, Any] | None = None,
        **spec: Any,
    ) -> Manifest:
        """Create an agent; keywords are fields of its spec."""
        return self.create(manifests.agent(agent, "", session, secrets, **spec), **(metadata or {}))

    def sealed(self, name: str, value: str | bytes, session: str = "alice", sealing_id: str | None = None) -> str:
        """Seal a value for this platform; one that is bytes without looking at it."""
        key, binding = public_key(self.api, self.name), Binding(self.name, session, sealing_id or session, name)
        if isinstance(value, bytes):
            return invalid(value, binding, key.raw, key.key_id)
        return seal(SecretValue(value.encode()), binding, key)

    def set(
        self,
        values: Mapping[str, str | bytes],
        session: str = "alice",
        *,
        sealing_id: str | None = None,
        **metadata: Any,
    ) -> Manifest:
        """Set values in a session, those that were there before stay."""
        texts = {name: self.sealed(name, value, session, sealing_id) for name, value in values.items()}
        return self.put(texts, session, **metadata)

    def put(self, texts: Mapping[str, str | None], session: str = "alice", **metadata: Any) -> Manifest:
        """Put ciphertexts into a session's TheazoSecret as they are; None takes the name away."""
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        entries = {name: None if text is None else entry(text, updatedAt=now) for name, text in texts.items()}
        where = path("TheazoSecret", self.name, session)
        if self.api.get(where).code == 404:
            return self.create(manifests.secret(session, "", entries), **metadata)
        return self.api.merge(where, {"spec": {"encryptedData": entries}}).ok()

    def get(self, kind: str, name: str) -> Manifest | None:
        """An object of this platform, if it is there."""
        reply = self.api.get(path(kind, self.name, name))
        return None if reply.code == 404 else reply.ok()

    def list(self, kind: str) -> list[Manifest]:
        """All objects of a kind in this platform."""
        items: list[Manifest] = self.api.get(path(kind, self.name)).ok()["items"]
        return items

    def version(self) -> str:
        """The resourceVersion that history starts from, if it starts now."""
        return str(self.api.get(path("Secret", self.name), limit="1").ok()["metadata"]["resourceVersion"])

    def is_now(self, kind: str, name: str, reason: str, verdict: str, seconds: float = 30) -> Manifest:
        """Wait until the object's Ready has a reason and kstatus gives a verdict; returns its status."""
        seen: Manifest = {}

        def holds() -> bool:
            seen.clear()
            seen.update(self.get(kind, name) or {"metadata": {"generation": 0}})
            return find(seen.get("status", {}), "Ready").get("reason") == reason and kstatus(seen) == verdict

        try:
            wait_until(f"{kind} {name} is {reason} ({verdict})", holds, seconds)
        except AssertionError as error:
            raise AssertionError(f"{error}; it is {seen.get('status')}") from None
        status: Manifest = seen["status"]
        return status

    def agent_is(self, name: str, reason: str, verdict: str, seconds: float = 30) -> Manifest:
        """Wait for an agent as `is_now` does."""
        return self.is_now(AGENT, name, reason, verdict, seconds)

    def running(self, agent: str) -> Manifest:
        """Wait until an agent's sandbox runs; returns the status."""
        return self.agent_is(agent, "SandboxRunning", "Current", 60)

    def pod_of(self, agent: str) -> Manifest:
        """Wait until an agent has its Pod on record; returns that Pod."""
        wait_until(f"agent {agent} has a Pod", lambda: "podName" in self.status(agent))
        pod = self.get("Pod", self.status(agent)["podName"])
        assert pod is not None
        return pod

    def status(self, agent: str) -> Manifest:
        """An agent's status, empty before there is one."""
        status: Manifest = (self.get(AGENT, agent) or {}).get("status", {})
        return status

    def gone(self, *objects: tuple[str, str], seconds: float = 30) -> None:
        """Wait until all of these, pairs of kind and name, are gone."""
        for kind, name in objects:
            wait_until(f"{kind} {name} is gone", lambda kind=kind, name=name: self.get(kind, name) is None, seconds)  # type: ignore[misc]  # no types in a lambda

    def values(self) -> dict[str, dict[str, str]]:
        """The pod-scoped Secrets that live now, by name, with what they hold."""
        return {
            item["metadata"]["name"]: {
                key: base64.b64decode(text).decode() for key, text in item.get("data", {}).items()
            }
            for item in self.list("Secret")
            if item["metadata"]["name"].startswith("thz-")
        }

    def run(self, agent: str, *command: str, container: str = "sandbox") -> str:
        """Run a command in an agent's sandbox and give what it prints."""
        pod = self.status(agent)["podName"]
        return self.kubectl("exec", "-n", self.name, pod, "-c", container, "--", *command)

    def logs(self, agent: str, *options: str) -> str:
        """What the agent's sandbox printed."""
        return self.kubectl("logs", "-n", self.name, self.status(agent)["podName"], "-c", "sandbox", *options)

    def environment(self, agent: str, container: str = "sandbox") -> dict[str, str]:
        """The environment of the sandbox's first process, as the kernel tells it."""
        encoded = self.run(agent, "base64", "/proc/1/environ", container=container)
        pairs = (each.partition("=") for each in base64.b64decode(encoded).decode().split("\0") if each)
        return {name: value for name, _, value in pairs}


@contextmanager
def compute(api: Api, name: str | None = None, **spec: Any) -> Iterator[str]:
    """A compute of a test's own: its name.

    Keywords are fields of the Pod spec, but for two: `sandbox` has fields of that container, `more` other containers.
    """
    name = name or f"test-{uuid4().hex[:8]}"
    container = {"name": "sandbox", "image": "docker.io/library/python:3.13-slim", "command": IDLE}
    containers = [container | spec.pop("sandbox", {}), *spec.pop("more", ())]
    metadata = {"name": name, "namespace": SYSTEM}
    template = {"spec": {"containers": containers} | spec}
    api.create({"apiVersion": "v1", "kind": "PodTemplate", "metadata": metadata, "template": template}).ok()
    try:
        yield name
    finally:
        api.delete(path("PodTemplate", SYSTEM, name)).ok()


@contextmanager
def webhook(stage: Stage, **client: Any) -> Iterator[None]:
    """An admission webhook that new Pods of a platform have to pass, in force. Keywords are its `clientConfig`.

    Nothing answers there: the API server gives it 10 seconds, and refuses with 500.
    """
    version, name = "admissionregistration.k8s.io/v1", f"{stage.name}.example.com"
    hook = {
        "name": name,
        "clientConfig": client,
        "rules": [{"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"]}],
        "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": stage.name}},
        "failurePolicy": "Fail",
        "sideEffects": "None",
        "admissionReviewVersions": ["v1"],
        "timeoutSeconds": 10,
    }
    kind, pod = "ValidatingWebhookConfiguration", {"containers": [{"name": "any", "image": "localhost/none:1"}]}
    probe = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "probe", "namespace": stage.name}, "spec": pod}
    stage.api.create({"apiVersion": version, "kind": kind, "metadata": {"name": name}, "webhooks": [hook]}).ok()
    try:
        wait_until("the webhook is in force", lambda: stage.api.create(probe, dry_run=True).code == 500)
        yield
    finally:
        stage.api.delete(path(kind, name=name)).ok()
