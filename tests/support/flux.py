"""Flux beside the cluster: its kustomize-controller as a process.

Its source-controller fetches repositories and serves them as tarballs. Here an ExternalArtifact stands in for a
GitRepository: Flux's own door for sources that others fetch. What is done with a revision is the same from there on.
"""

import hashlib
import re
import threading
from collections.abc import Callable
from contextlib import ExitStack
from datetime import UTC, datetime
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from uuid import uuid4

from hack.gitops import build
from tests.support.api import Api, Manifest
from tests.support.cluster import Kubectl, wait_until
from tests.support.gitops import PLATFORM, Program, Project, Repository, Tool, guide
from tests.support.process import free_port
from tests.support.stage import find

NAMESPACE = "flux-system"
_KUSTOMIZATIONS = f"/apis/kustomize.toolkit.fluxcd.io/v1/namespaces/{NAMESPACE}/kustomizations"
_ARTIFACTS = f"/apis/source.toolkit.fluxcd.io/v1/namespaces/{NAMESPACE}/externalartifacts"
_GATES = "ExternalArtifact=true,CancelHealthCheckOnNewRevision=true"


class _Tarballs(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - as the class calls it
        """Nothing: what matters of it is in the controller's log."""


class Flux(Tool):
    """Flux itself."""

    namespace = NAMESPACE
    group = "toolkit.fluxcd.io"
    apps = _KUSTOMIZATIONS

    def __init__(self, api: Api, kubectl: Kubectl, kubeconfig: Path, folder: Path) -> None:
        super().__init__(api, kubectl, kubeconfig, folder)
        self._http = 0

    def publish(self, name: str, repository: Repository, revision: str) -> None:
        """Do for a revision what a source-controller does: serve its tree, and tell where it is."""
        tree = repository.archive()
        file = f"{name}-{revision}.tar.gz"
        (self.folder / "tarballs" / file).write_bytes(tree)
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        artifact = {
            "digest": f"sha256:{hashlib.sha256(tree).hexdigest()}",
            "lastUpdateTime": now,
            "path": file,
            "revision": f"main@sha1:{revision}",
            "url": f"http://127.0.0.1:{self._http}/{file}",
        }
        ready = {"type": "Ready", "status": "True", "reason": "Succeeded", "message": "", "lastTransitionTime": now}
        status = {"status": {"artifact": artifact, "conditions": [ready]}}
        self.api.merge(f"{_ARTIFACTS}/{name}/status", status).ok()

    def app(self, project: Project, part: str = "", **spec: Any) -> "FluxApp":
        """The guide's Kustomization for a project, or a further one for a part; keywords replace fields of its spec."""
        # Flux does not install the operator here, so there is nothing that it would wait for.
        manifest = guide("Kustomization", PLATFORM)
        self._create(manifest, project.stage.name + part, project.stage.name, {"dependsOn": []} | spec)
        return FluxApp(self, project, part)

    def operator(self, repository: Repository, **spec: Any) -> "Applied":
        """The guide's Kustomization for the operator itself; keywords replace fields of its spec."""
        self._create(guide("Kustomization", "theazo"), "theazo", "theazo", spec)
        return Applied(self, "theazo", "theazo", repository)

    def _create(self, manifest: Manifest, name: str, source: str, spec: Manifest) -> None:
        if self.api.get(f"{_ARTIFACTS}/{source}").code == 404:
            artifact = {
                "apiVersion": "source.toolkit.fluxcd.io/v1",
                "kind": "ExternalArtifact",
                "metadata": {"name": source, "namespace": NAMESPACE},
                "spec": {"sourceRef": {"kind": "GitRepository", "name": source}},
            }
            self.api.request("POST", _ARTIFACTS, artifact).ok()
        manifest["metadata"]["name"] = name
        manifest["spec"] |= {"sourceRef": {"kind": "ExternalArtifact", "name": source}} | spec
        self.api.request("POST", _KUSTOMIZATIONS, manifest).ok()

    def _install(self) -> None:
        bases = (build.sources("flux") / "config" / "crd" / "bases", build.source_crds())
        self._apply(*(argument for base in bases for argument in ("-f", str(base))))
        self._served(_KUSTOMIZATIONS, _ARTIFACTS)
        self._make_namespace()

    def _start(self, stack: ExitStack) -> None:
        for name in ("git", "clones", "tarballs", "tmp"):
            (self.folder / name).mkdir()
        serve = partial(_Tarballs, directory=str(self.folder / "tarballs"))
        server = stack.enter_context(ThreadingHTTPServer(("127.0.0.1", 0), serve))
        self._http = server.server_port
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        stack.callback(server.shutdown)
        port = free_port()
        listen = (f"--health-addr=127.0.0.1:{port}", "--metrics-addr=0", "--events-addr=")
        options = (*listen, f"--feature-gates={_GATES}", "--requeue-dependency=1s")
        environment = {"RUNTIME_NAMESPACE": NAMESPACE, "KUBECONFIG": str(self._kubeconfig)}
        environment["TMPDIR"] = str(self.folder / "tmp")
        log = self.folder / "kustomize-controller.log"
        stack.enter_context(Program(log, build.program("flux"), *options, **environment)).listens(port)


class Applied:
    """A Kustomization. Each waiting method gives up, and says what it saw last."""

    def __init__(self, flux: Flux, name: str, source: str, repository: Repository) -> None:
        self._flux = flux
        self._name = name
        self._source = source
        self._repository = repository
        self._where = f"{_KUSTOMIZATIONS}/{name}"

    def status(self) -> Manifest:
        """The Kustomization's status, empty before there is one."""
        status: Manifest = self._flux.api.get(self._where).ok().get("status", {})
        return status

    def healthy(self, revision: str) -> None:
        """Wait until a revision is applied and all its objects are ready."""
        self._comes_to(
            revision,
            "is Ready",
            lambda status: (
                find(status, "Ready").get("status") == "True"
                and status.get("lastAppliedRevision", "").endswith(revision)
            ),
        )

    def held_back(self, revision: str) -> None:
        """Wait until it waits for another Kustomization to apply a revision."""
        self._comes_to(
            revision, "is held back", lambda status: find(status, "Ready").get("reason") == "DependencyNotReady"
        )

    def change(self, **spec: Any) -> None:
        """Replace fields of its spec."""
        self._flux.api.merge(self._where, {"spec": spec}).ok()

    def again(self) -> None:
        """Have it reconcile, as `flux reconcile` does, and wait until that is done."""
        asked = uuid4().hex
        annotations = {"reconcile.fluxcd.io/requestedAt": asked}
        self._flux.api.merge(self._where, {"metadata": {"annotations": annotations}}).ok()
        self._is("it has reconciled", lambda status: status.get("lastHandledReconcileAt") == asked)

    def remove(self) -> None:
        """Delete it with all that it has applied, by its finalizer, and wait for its end."""
        self._flux.api.delete(self._where).ok()
        wait_until("the Kustomization is gone", lambda: self._flux.api.get(self._where).code == 404, 60)
        self._flux.api.delete(f"{_ARTIFACTS}/{self._source}")

    def changes(self) -> list[str]:
        """What it has told so far of objects that it created, changed or deleted; one line for each."""
        where = f"/api/v1/namespaces/{NAMESPACE}/events"
        found = self._flux.api.get(where, fieldSelector=f"involvedObject.name={self._name}").ok()["items"]
        lines = [line for event in found for line in event["message"].splitlines()]
        return [line for line in lines if re.fullmatch(r"\w+/\S+ (created|configured|deleted)", line)]

    def _comes_to(self, revision: str, what: str, holds: Callable[[Manifest], Any]) -> None:
        self._flux.publish(self._source, self._repository, revision)
        self._is(f"{revision} {what}", holds)

    def _is(self, what: str, holds: Callable[[Manifest], Any]) -> None:
        try:
            wait_until(what, lambda: bool(holds(self.status())), 60)
        except AssertionError as error:
            raise AssertionError(f"{error}; it is {self.status()}") from None


class FluxApp(Applied):
    """The Kustomization of a project."""

    def __init__(self, flux: Flux, project: Project, part: str = "") -> None:
        super().__init__(flux, project.stage.name + part, project.stage.name, project.repository)
        self._stage = project.stage

    def failed(self, revision: str, kind: str, reason: str) -> None:
        """Wait until a revision's health check has failed, long before its time is over.

        Flux names the first object that it finds stalled. The reason is in the object.
        """
        self._comes_to(revision, "has failed", lambda status: _failed(status, revision))
        (name,) = [item["metadata"]["name"] for item in self._stage.list(kind)]
        self._stage.is_now(kind, name, reason, "Failed")

    def waits(self, revision: str) -> None:
        """Wait until a revision is applied and its objects are waited for."""
        self._comes_to(
            revision,
            "is waited for",
            lambda status: (
                status.get("lastAttemptedRevision", "").endswith(revision)
                and "health checks" in find(status, "Reconciling").get("message", "")
            ),
        )

    def is_late(self, revision: str, *kinds: str) -> None:
        """Wait until a revision's health check has run out of time, with objects of these kinds without a status."""
        names = [f"{kind}/{self._source}/" for kind in kinds]
        self._comes_to(
            revision,
            "is late",
            lambda status: (
                (text := find(status, "Ready").get("message", "")).count("no such attribute(s)") == len(kinds)
                and all(name in text for name in names)
            ),
        )


def _failed(status: Manifest, revision: str) -> bool:
    here = status.get("lastAttemptedRevision", "").endswith(revision)
    told = str(find(status, "Ready").get("message"))
    return here and re.search(r"stalled resources: \[Theazo\w+/\S+ status: 'Failed'", told) is not None
