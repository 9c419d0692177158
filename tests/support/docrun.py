"""Running a document: every block of it, in order, as its reader would."""

import shutil
import tempfile
from collections.abc import Callable, Iterable, Mapping
from contextlib import ExitStack
from pathlib import Path
from types import MappingProxyType
from typing import Self

import yaml

from tests.support import docplace, docscripts
from tests.support.cluster import KubectlError
from tests.support.docblocks import Block, blocks, recipients
from tests.support.docmatch import json_problem, text_problem
from tests.support.docsession import Printed, Script, Shell

KUBE_APISERVER = "component=kube-apiserver"
#: Flags with which the API server of the cluster reads a configuration and gets no further.
_FLAGS = (
    "--encryption-provider-config=/dev/stdin",
    "--etcd-servers=http://127.0.0.1:1",
    "--cert-dir=/tmp",
    "--bind-address=127.0.0.1",
    "--secure-port=16443",
    "--service-account-issuer=https://localhost",
    "--service-account-key-file=/etc/kubernetes/pki/sa.pub",
    "--service-account-signing-key-file=/etc/kubernetes/pki/sa.key",
)
#: Right in form, wrong in content: where it is the only thing that the API server minds, all else is right.
_WRONG = {"resources": ["secrets"], "providers": []}
_MINDED = 'err="error while parsing file: resources[{number}].providers: Required value'


class Run:
    """One document on its way."""

    def __init__(
        self, found: list[Block], folder: Path, kubectl: Callable[..., str], environment: dict[str, str]
    ) -> None:
        self._found = found
        self._folder = folder
        self._kubectl = kubectl
        self._printed: dict[int, Printed] = {}
        self._stack = ExitStack()
        self._clone = folder / "theazo-secrets"
        docplace.clone(self._clone)
        self._shell = Shell(folder, environment, self._clone)
        self._stack.callback(self._shell.close)
        self._python: Script | None = None
        self._modules: dict[int, docscripts.Module] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def all(self, before: Callable[[Block], None]) -> None:
        """Run all blocks; `before` is called with each of them before it runs.

        Raises:
            DocumentError: at the first that does not come out as the document says.
        """
        for number, block in enumerate(self._found):
            before(block)
            match block.do:
                case "save":
                    (self._shell.cwd / block.name).parent.mkdir(parents=True, exist_ok=True)
                    (self._shell.cwd / block.name).write_text(block.fence.text, encoding="utf-8")
                case "printed":
                    self._compare(block, self._printed[block.after])
                case "manifest":
                    self._try_manifest(block)
                case _:
                    self._printed[number] = self._run(number, block)

    def _run(self, number: int, block: Block) -> Printed:
        try:
            printed = self._session(number, block)
        except AssertionError as error:
            raise block.error("it can't be run", str(error)) from None
        if not printed.done:
            raise block.error("it failed", printed.out + printed.err)
        if block.do == "ts" and self._is_last(number, block):
            why = self._modules[block.fence.section].finish()
            if why:
                raise block.error(why, printed.out + printed.err)
        return printed

    def _session(self, number: int, block: Block) -> Printed:
        shell = self._shell
        if block.do == "sh":
            return shell.run(block.fence.text)
        if block.do == "python":
            if self._python is None:
                self._python = docscripts.python(self._folder, shell.environment, shell.cwd)
                self._stack.callback(self._python.close)
            return docscripts.run(self._python, block, shell.environment, shell.cwd)
        section = block.fence.section
        if section not in self._modules:
            module = docscripts.Module(self._folder, f"ts-{number}")
            self._stack.callback(module.close)
            self._modules[section] = module
            module.begin([each for each in self._found if _same_module(each, block)], shell.environment, shell.cwd)
        return docscripts.run(self._modules[section], block, shell.environment, shell.cwd)

    def _is_last(self, number: int, block: Block) -> bool:
        return not any(_same_module(each, block) for each in self._found[number + 1 :])

    def _compare(self, block: Block, printed: Printed) -> None:
        problem = json_problem if block.fence.language == "json" else text_problem
        # What a command has to say besides goes to standard error, and is shown only where nothing else is printed.
        text = printed.out or printed.err
        try:
            why = problem(block.fence.text, text)
        except ValueError as error:
            raise block.error(f"it is no JSON: {error}") from None
        if why:
            raise block.error(why, text)

    def _try_manifest(self, block: Block) -> None:
        text = block.fence.text
        try:
            kinds = {(manifest["apiVersion"].split("/")[0], manifest["kind"]) for manifest in yaml.safe_load_all(text)}
            if kinds == {("kustomize.config.k8s.io", "Kustomization")}:
                self._build(text)
            elif kinds == {("apiserver.config.k8s.io", "EncryptionConfiguration")}:
                self._read_encryption(block)
            else:
                self._dry_run(text)
        except (KubectlError, yaml.YAMLError, KeyError, TypeError, AttributeError) as error:
            raise block.error("no such manifest can be applied", str(error)) from None

    def _build(self, text: str) -> None:
        folder = Path(tempfile.mkdtemp(dir=self._folder))
        (folder / "kustomization.yaml").write_text(text, encoding="utf-8")
        self._kubectl("kustomize", str(folder))

    def _dry_run(self, text: str) -> None:
        for manifest in yaml.safe_load_all(text):
            namespace = manifest["metadata"].get("namespace")
            if namespace and not self._kubectl("get", "namespace", namespace, "--ignore-not-found", "-o", "name"):
                # The document shows an object in a place that it does not tell how to make.
                self._kubectl("create", "namespace", namespace)
                self._stack.callback(self._kubectl, "delete", "namespace", namespace, "--wait=false")
        self._kubectl("apply", "--server-side", "--force-conflicts", "--dry-run=server", "-f", "-", input=text)

    def _read_encryption(self, block: Block) -> None:
        """Let the cluster's own kind of API server read it, as if it started with it."""
        config = yaml.safe_load(block.fence.text)
        minded = _MINDED.format(number=len(config["resources"]))
        config["resources"].append(_WRONG)
        pod = self._kubectl("-n", "kube-system", "get", "pods", "-l", KUBE_APISERVER, "-o", "name").split()[0]
        try:
            self._kubectl(
                "-n", "kube-system", "exec", "-i", pod, "--", "kube-apiserver", *_FLAGS, input=yaml.safe_dump(config)
            )
        except KubectlError as error:
            # More than one error would be a list, in brackets.
            if minded not in str(error):
                raise
        else:
            raise block.error("the API server started with a configuration that is wrong on purpose")


def _same_module(block: Block, other: Block) -> bool:
    return block.do == "ts" and block.fence.section == other.fence.section


def run_document(
    document: Path,
    kubectl: Callable[..., str],
    kubeconfig: Path,
    elsewhere: Iterable[str],
    before: Callable[[Block], None] = lambda _: None,
    given: Mapping[str, str] = MappingProxyType({}),
) -> None:
    """Run every block of a document, with some variables `given` in the environment.

    `before` is called with each block before it runs.

    Raises:
        DocumentError: at the first block that does not come out as the document says.
    """
    found = blocks(document)
    # Not below pytest's folders: GnuPG's sockets have no room for a long path.
    folder = Path(tempfile.mkdtemp(prefix="theazo-docs-"))
    environment = {**docplace.environment(folder, kubeconfig, elsewhere), **given}
    try:
        if addresses := recipients(found):
            docplace.make_keys(addresses, environment)
        with Run(found, folder, kubectl, environment) as run:
            run.all(before)
    finally:
        docplace.end_agents(environment)
        shutil.rmtree(folder)
