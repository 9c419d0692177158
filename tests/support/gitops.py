"""What both GitOps tools share: programs as processes, and a Git repository that holds examples/gitops."""

import os
import signal
import socket
import subprocess
from abc import ABC, abstractmethod
from collections.abc import Mapping
from contextlib import ExitStack, suppress
from pathlib import Path
from types import TracebackType
from typing import Any, ClassVar, Protocol, Self

import yaml

from tests.support.api import Api, Manifest
from tests.support.cli import theazo
from tests.support.cluster import ROOT, Kubectl, wait_until
from tests.support.docs import fences
from tests.support.sealing import public_key
from tests.support.stage import Stage

EXAMPLE = ROOT / "examples" / "gitops"
GUIDE = ROOT / "docs" / "gitops.md"
#: The platform, the session and the agent of the example.
PLATFORM, SESSION, AGENT = "acme", "alice", "assistant"
#: Where the guide puts it in a repository.
FOLDER, AGENTS = "acme", "acme-agents"
_FIRST = ("kustomization.yaml", "session.yaml", "secret.yaml")


class Program:
    """A program that runs until the test is over, with its output in a file."""

    def __init__(self, log: Path, *command: str | Path, **environment: str) -> None:
        self._log = log
        with log.open("ab") as output:
            self._process = subprocess.Popen(
                [str(each) for each in command],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env=os.environ | environment,
                # `git daemon` is a child of the git that was called: both end as one group.
                start_new_session=True,
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait(timeout=30)

    def listens(self, port: int) -> None:
        """Wait until it takes connections at a port; it fails the test, with its output, if it ended instead."""
        wait_until(f"{self._log.stem} listens", lambda: self._alive() and _connects(port), 60)

    def _alive(self) -> bool:
        assert self._process.poll() is None, f"{self._log.stem} ended:\n{self._log.read_text()[-4000:]}"
        return True


def _connects(port: int) -> bool:
    with socket.socket() as caller:
        return caller.connect_ex(("127.0.0.1", port)) == 0


class Repository:
    """A Git repository, bare as on a server, and a clone of it to work in."""

    def __init__(self, bare: Path, clone: Path) -> None:
        self._clone = clone
        self.bare = bare
        subprocess.run(["git", "init", "--quiet", "--bare", "--initial-branch=main", bare], check=True)
        subprocess.run(["git", "clone", "--quiet", bare, clone], check=True, capture_output=True)
        self._git("symbolic-ref", "HEAD", "refs/heads/main")

    def path(self, name: str) -> Path:
        """A file of the clone."""
        return self._clone / name

    def push(self, message: str) -> str:
        """Commit all that is in the clone and push it; returns the revision."""
        self._git("add", "--all")
        self._git("-c", "user.name=alice", "-c", "user.email=alice@example.com", "commit", "--quiet", "-m", message)
        self._git("push", "--quiet", "origin", "main")
        return self._git("rev-parse", "HEAD").decode().strip()

    def archive(self) -> bytes:
        """The tree of the last revision, as a compressed tarball."""
        return self._git("archive", "--format=tar.gz", "HEAD")

    def _git(self, *arguments: str) -> bytes:
        return subprocess.run(["git", "-C", self._clone, *arguments], check=True, capture_output=True).stdout


class Tool(ABC):
    """A GitOps tool beside the cluster, with its administrator's rights, as the tool's own installation has them."""

    #: Where it is installed, the group of its kinds, and where its apps are.
    namespace: ClassVar[str]
    group: ClassVar[str]
    apps: ClassVar[str]

    def __init__(self, api: Api, kubectl: Kubectl, kubeconfig: Path, folder: Path) -> None:
        self.api = api
        self.folder = folder
        self._kubectl = kubectl
        self._kubeconfig = kubeconfig
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            self._install()
            self._start(stack)
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()
        self._uninstall()

    def repository(self, name: str) -> Repository:
        """A repository that the tool is given."""
        return Repository(self.folder / "git" / name, self.folder / "clones" / name)

    @abstractmethod
    def _install(self) -> None:
        """Put into the cluster what the tool's programs find there."""

    @abstractmethod
    def _start(self, stack: ExitStack) -> None:
        """Start its programs."""

    def _apply(self, *arguments: str) -> None:
        self._kubectl("apply", "--server-side", "--force-conflicts", *arguments)

    def _served(self, *places: str) -> None:
        for where in places:
            wait_until(f"{where} is served", lambda where=where: self.api.get(where).code == 200)  # type: ignore[misc]  # no types in a lambda

    def _make_namespace(self) -> None:
        if self.api.get(f"/api/v1/namespaces/{self.namespace}").code == 404:
            self.api.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": self.namespace}}).ok()

    def _uninstall(self) -> None:
        """Take it out of the cluster, with what a failed test has left of its apps."""
        for item in self.api.get(self.apps).ok()["items"]:
            # Its controller is gone, which would have taken the finalizer away.
            self.api.merge(f"{self.apps}/{item['metadata']['name']}", {"metadata": {"finalizers": None}})
        names = self._kubectl("get", "crd", "-o", "name").split()
        ours = [name for name in names if name.partition(".")[2].endswith(self.group)]
        self._kubectl("delete", "--timeout=60s", *ours, f"namespace/{self.namespace}")


class App(Protocol):
    """What a tool makes of a repository."""

    def healthy(self, revision: str) -> None:
        """Wait until the tool says that this revision is applied and all of it is well."""

    def failed(self, revision: str, kind: str, reason: str) -> None:
        """Wait until the tool says that an object of this kind has failed, with its reason if it tells reasons."""

    def again(self) -> None:
        """Have the tool compare, and correct where it has to; returns when that is done."""

    def remove(self) -> None:
        """Delete the app, and with it all that it has applied."""


class Project:
    """examples/gitops in a repository, for the platform of a test and sealed with its key."""

    def __init__(self, repository: Repository, stage: Stage) -> None:
        self.repository = repository
        self.stage = stage
        for file in EXAMPLE.glob("*.yaml"):
            target = self.file(file.name)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(file.read_text().replace(f"namespace: {PLATFORM}\n", f"namespace: {stage.name}\n"))
        self._key = repository.path(".git") / "key"
        self._key.write_text(public_key(stage.api, stage.name).to_base64())

    def file(self, name: str) -> Path:
        """A file of the example in the clone."""
        apart = self.repository.path(AGENTS)
        here = self.repository.path(FOLDER)
        return (apart if apart.exists() and name not in _FIRST else here) / name

    def agents_apart(self) -> None:
        """Move the agent into a folder of its own, which agents to come go to as well."""
        self.list(without="agent.yaml")
        text = self.file("agent.yaml").read_text()
        self.file("agent.yaml").unlink()
        self.repository.path(AGENTS).mkdir()
        self.file("agent.yaml").write_text(text)

    def seal(self, value: str, name: str = "OPENAI_API_KEY") -> None:
        """Seal a value into the file, as an author does who has the public key and no cluster."""
        target = ("-n", self.stage.name, "--session", SESSION, "--sealing-id", SESSION, "--public-key", self._key)
        done = theazo("seal", *target, "--stdin", name, "-f", self.file("secret.yaml"), stdin=value.encode())
        assert done.code == 0, done.err

    def corrupt(self) -> None:
        """Change one character of the ciphertext, which is then still well formed."""
        secret = yaml.safe_load(self.file("secret.yaml").read_text())
        (entry,) = secret["spec"]["encryptedData"].values()
        text = entry["ciphertext"]
        entry["ciphertext"] = text[:-9] + ("A" if text[-9] != "A" else "B") + text[-8:]
        self.file("secret.yaml").write_text(yaml.safe_dump(secret))

    def agent(self, name: str, **spec: Any) -> None:
        """Add an agent like the example's, or change it; keywords replace fields of its spec."""
        source = self.file(f"{name}.yaml" if self.file(f"{name}.yaml").exists() else "agent.yaml")
        manifest = yaml.safe_load(source.read_text())
        manifest["metadata"]["name"] = name
        manifest["spec"] |= spec
        target = self.file("agent.yaml" if name == AGENT else f"{name}.yaml")
        target.write_text(yaml.safe_dump(manifest))
        if target.parent == self.file("kustomization.yaml").parent:
            self.list(target.name)

    def list(self, *names: str, without: str = "") -> None:
        """Have the kustomization list these files too, and one of them no longer."""
        file = self.file("kustomization.yaml")
        kustomization = yaml.safe_load(file.read_text())
        names = (*kustomization["resources"], *names)
        kustomization["resources"] = [each for each in dict.fromkeys(names) if each != without]
        file.write_text(yaml.safe_dump(kustomization))

    def leave(self) -> None:
        """Take all of ours out of the kustomization. Something stays in it: Argo CD does not empty an app."""
        metadata = {"name": "stays", "namespace": self.stage.name}
        stays = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata}
        self.file("stays.yaml").write_text(yaml.safe_dump(stays))
        file = self.file("kustomization.yaml")
        file.write_text(yaml.safe_dump(yaml.safe_load(file.read_text()) | {"resources": ["stays.yaml"]}))

    def change(self, name: str, **spec: Any) -> None:
        """Change fields of the spec of a file's object."""
        manifest = yaml.safe_load(self.file(name).read_text())
        manifest["spec"] |= spec
        self.file(name).write_text(yaml.safe_dump(manifest))

    def push(self, message: str) -> str:
        """Commit and push; returns the revision."""
        return self.repository.push(message)

    def uid(self, kind: str, name: str) -> str:
        """The UID of an object in the cluster: another one means that it was made anew."""
        found = self.stage.get(kind, name)
        assert found is not None, f"{kind} {name} is not there"
        return str(found["metadata"]["uid"])

    def versions(self) -> Mapping[str, str]:
        """Name and resourceVersion of all our objects: another version means that somebody wrote."""
        kinds = ("TheazoSession", "TheazoSecret", "TheazoAgent")
        found = {kind: self.stage.list(kind) for kind in kinds}
        return {
            f"{kind} {item['metadata']['name']} {item['metadata']['uid']}": item["metadata"]["resourceVersion"]
            for kind, items in found.items()
            for item in items
        }


def guide(kind: str, name: str = PLATFORM) -> Manifest:
    """The manifest of a kind and a name that the guide shows, as its readers save it."""
    texts = [fence.text for fence in fences(GUIDE) if fence.language == "yaml"]
    manifests = [item for text in texts for item in yaml.safe_load_all(text)]
    (found,) = [each for each in manifests if each.get("kind") == kind and each["metadata"]["name"] == name]
    assert isinstance(found, dict)
    return found
