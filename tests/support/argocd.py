"""Argo CD beside the cluster: Redis, repo-server and application-controller as processes."""

import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from hack.gitops import argocd_cm, build
from tests.support.api import Api, Manifest
from tests.support.cluster import Kubectl, wait_until
from tests.support.gitops import Program, Project, Repository, Tool, guide
from tests.support.process import free_port

NAMESPACE = "argocd"
_APPLICATIONS = f"/apis/argoproj.io/v1alpha1/namespaces/{NAMESPACE}/applications"
_PROJECTS = f"/apis/argoproj.io/v1alpha1/namespaces/{NAMESPACE}/appprojects"
_PROJECT = {
    "apiVersion": "argoproj.io/v1alpha1",
    "kind": "AppProject",
    "metadata": {"name": "default", "namespace": NAMESPACE},
    "spec": {
        "sourceRepos": ["*"],
        "destinations": [{"server": "*", "namespace": "*"}],
        "clusterResourceWhitelist": [{"group": "*", "kind": "*"}],
    },
}
#: What argocd-server makes at its first start. Only it needs the password.
_SECRET = {
    "apiVersion": "v1",
    "kind": "Secret",
    "metadata": {
        "name": "argocd-secret",
        "namespace": NAMESPACE,
        "labels": {"app.kubernetes.io/name": "argocd-secret", "app.kubernetes.io/part-of": "argocd"},
    },
    "stringData": {"server.secretkey": "for-the-tests-alone"},
}


class ArgoCD(Tool):
    """Argo CD itself."""

    namespace = NAMESPACE
    group = "argoproj.io"
    apps = _APPLICATIONS

    def __init__(self, api: Api, kubectl: Kubectl, kubeconfig: Path, folder: Path) -> None:
        super().__init__(api, kubectl, kubeconfig, folder)
        self._git = free_port()

    def url(self, repository: Repository) -> str:
        """Where Argo CD reads a repository."""
        return f"git://127.0.0.1:{self._git}/{repository.bare.name}"

    def app(
        self, project: Project, *, options: Sequence[str] | None = None, compare: str = "", automated: bool = True
    ) -> "ArgoApp":
        """The guide's Application for a project; `options` replaces its sync options."""
        manifest = guide("Application")
        manifest["metadata"]["name"] = project.stage.name
        spec = manifest["spec"]
        spec["source"]["repoURL"] = self.url(project.repository)
        spec["destination"]["namespace"] = project.stage.name
        if options is not None:
            spec["syncPolicy"]["syncOptions"] = list(options)
        if compare:
            manifest["metadata"]["annotations"] = {"argocd.argoproj.io/compare-options": compare}
        if not automated:
            del spec["syncPolicy"]["automated"]
        self.api.request("POST", _APPLICATIONS, manifest).ok()
        return ArgoApp(self.api, project.stage.name)

    @contextmanager
    def tracking_by(self, method: str) -> Iterator[None]:
        """Have it mark what belongs to an app by another method than its own default."""
        where, key = f"/api/v1/namespaces/{NAMESPACE}/configmaps/argocd-cm", "application.resourceTrackingMethod"
        self.api.merge(where, {"data": {key: method}}).ok()
        try:
            yield
        finally:
            self.api.merge(where, {"data": {key: None}}).ok()

    def _install(self) -> None:
        source = build.sources("argocd") / "manifests"
        self._apply("-k", str(source / "crds"))
        self._served(_APPLICATIONS, _PROJECTS)
        self._make_namespace()
        self._apply("-n", NAMESPACE, "-k", str(source / "base" / "config"))
        self._apply("--field-manager=theazo", "-n", NAMESPACE, "-f", str(argocd_cm.TARGET))
        self.api.apply(_SECRET, "tests", force=True).ok()
        if self.api.get(f"{_PROJECTS}/default").code == 404:
            self.api.request("POST", _PROJECTS, _PROJECT).ok()

    def _start(self, stack: ExitStack) -> None:
        for name in ("git", "clones", "gpg", "tls", "ssh", "bin"):
            (self.folder / name).mkdir()
        for wrapper in (build.sources("argocd") / "hack").glob("*-wrapper.sh"):
            shutil.copy(wrapper, self.folder / "bin")
            (self.folder / "bin" / wrapper.name).chmod(0o755)
        (self.folder / "ssh" / "ssh_known_hosts").touch()
        redis, server = free_port(), free_port()
        run = partial(self._run, stack)
        run("redis", redis, "redis-server", "--port", str(redis), "--bind", "127.0.0.1", "--save", "")
        daemon = ("git", "daemon", "--export-all", "--reuseaddr", "--listen=127.0.0.1", f"--port={self._git}")
        run("git-daemon", self._git, *daemon, f"--base-path={self.folder / 'git'}")
        self._argo(run, "repo-server", server, redis, "--disable-tls", "--client-ca-path=", "--address=127.0.0.1")
        options = ("--repo-server-plaintext", f"--repo-server=127.0.0.1:{server}", "--persist-resource-health")
        self._argo(run, "application-controller", free_port(), redis, *options)

    def _argo(self, run: Callable[..., None], name: str, port: int, redis: int, *options: str) -> None:
        program = self.folder / "bin" / f"argocd-{name}"
        program.symlink_to(build.program("argocd"))
        if name == "repo-server":
            options = (*options, f"--port={port}", f"--metrics-port={free_port()}")
        else:
            options = (*options, f"--metrics-port={port}", "--namespace", NAMESPACE)
        run(name, port, program, *options, f"--redis=127.0.0.1:{redis}", "--loglevel=info")

    def _run(self, stack: ExitStack, name: str, port: int, *command: str | Path) -> None:
        program = Program(self.folder / f"{name}.log", *command, **self._environment())
        stack.enter_context(program).listens(port)

    def _environment(self) -> dict[str, str]:
        return environment(self.folder) | {"KUBECONFIG": str(self._kubeconfig)}


def environment(folder: Path) -> dict[str, str]:
    """What Argo CD's programs need where they are not in their own image."""
    system = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
    return {
        "ARGOCD_FAKE_IN_CLUSTER": "true",
        "ARGOCD_GPG_ENABLED": "false",
        "ARGOCD_GNUPGHOME": str(folder / "gpg"),
        "ARGOCD_SSH_DATA_PATH": str(folder / "ssh"),
        "ARGOCD_TLS_DATA_PATH": str(folder / "tls"),
        "HOME": str(folder),
        "NAMESPACE": NAMESPACE,
        "PATH": f"{folder / 'bin'}:{build.tools()}:{system}",
        "TMPDIR": str(folder),
    }


class ArgoApp:
    """An Application. Each waiting method gives up, and says what it saw last."""

    def __init__(self, api: Api, name: str) -> None:
        self._api = api
        self._where = f"{_APPLICATIONS}/{name}"

    def status(self) -> Manifest:
        """The Application's status, empty before there is one."""
        status: Manifest = self._api.get(self._where).ok().get("status", {})
        return status

    def healthy(self, revision: str) -> None:
        """Wait until it is Synced with a revision, and Healthy."""
        self._refresh("normal")
        self._is(f"{revision} is Synced and Healthy", lambda status: _synced(status, revision) == "Healthy")

    def failed(self, revision: str, kind: str, reason: str) -> None:
        """Wait until it is Synced with a revision, and Degraded, for an object of a kind and with a reason."""
        self._told(revision, "Degraded", kind, reason)

    def progressing(self, revision: str, kind: str, reason: str) -> None:
        """Wait until it is Synced with a revision, and Progressing, for an object of a kind and with a reason."""
        self._told(revision, "Progressing", kind, reason)

    def _told(self, revision: str, health: str, kind: str, reason: str) -> None:
        def holds(status: Manifest) -> bool:
            if _synced(status, revision) == health and _says(status, health, kind, reason):
                return True
            # While the health stays the same, Argo CD reads another message at its next refresh only.
            self._refresh("normal")
            return False

        self._is(f"{revision} is {health} for {reason} of {kind}", holds)

    def again(self) -> None:
        """Compare twice: with what is known, and with everything read anew."""
        self._refresh("normal")
        self._refresh("hard")

    def remove(self) -> None:
        """Delete it with all that it has applied, by its finalizer, and wait for its end."""
        self._api.delete(self._where).ok()
        wait_until("the Application is gone", lambda: self._api.get(self._where).code == 404, 60)

    def _refresh(self, kind: str) -> None:
        annotation = "argocd.argoproj.io/refresh"
        self._api.merge(self._where, {"metadata": {"annotations": {annotation: kind}}}).ok()
        wait_until(
            f"a {kind} refresh is done",
            lambda: annotation not in self._api.get(self._where).ok()["metadata"].get("annotations", {}),
            60,
        )

    def _is(self, what: str, holds: Callable[[Manifest], Any]) -> None:
        try:
            wait_until(what, lambda: bool(holds(self.status())), 60)
        except AssertionError as error:
            status = self.status()
            shown = {name: status.get(name) for name in ("sync", "health", "resources", "conditions", "operationState")}
            raise AssertionError(f"{error}; it is {shown}") from None


def _says(status: Manifest, health: str, kind: str, reason: str) -> bool:
    rows = [row.get("health", {}) for row in status.get("resources", ()) if row["kind"] == kind]
    return any(row.get("status") == health and row.get("message", "").startswith(reason) for row in rows)


def _synced(status: Manifest, revision: str) -> str:
    """The health, of an app that is Synced with a revision by an operation that is over."""
    sync, operation = status.get("sync", {}), status.get("operationState", {})
    done = operation.get("phase") == "Succeeded"
    at = sync.get("status") == "Synced" and sync.get("revision") == revision
    return str(status.get("health", {}).get("status")) if done and at else ""
