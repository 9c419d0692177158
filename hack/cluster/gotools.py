"""The Go programs that a node and its tests are made of, built from module files and kept per version."""

from __future__ import annotations

import json
import os
import re
import time
from collections.abc import Iterable, Sequence
from functools import cache
from pathlib import Path

from hack.cluster import paths
from hack.cluster.archive import go_arch
from hack.cluster.shell import ClusterError, digest, making, output, run, say

GOMOD = paths.HERE / "gomod"
#: Module files with what only some targets need. kube-score is alone: it needs an older k8s.io/api than helm does.
MORE = ("extra", "score")
#: What the path from nothing to a cluster builds, in the order in which it is of use.
HOST = ("kubectl", "kind")
NODE = (
    "etcd",
    "kube-apiserver",
    "kubeadm",
    "kube-controller-manager",
    "kube-scheduler",
    "kube-proxy",
    "kubelet",
    "containerd",
    "containerd-shim-runc-v2",
    "ctr",
    "crictl",
    "coredns",
)
VERSION_PACKAGE = "k8s.io/component-base/version"


@cache
def modules(name: str) -> dict[str, str]:
    """Return the programs of a module file (`core`, `extra` or `score`): a program's name and its package."""
    text = output(["go", "mod", "edit", "-json"], cwd=GOMOD / name)
    found = {}
    for tool in json.loads(text)["Tool"]:
        package = str(tool["Path"])
        parts = [part for part in package.split("/") if not re.fullmatch(r"v\d+", part)]
        # etcd's package is called `server`; everyone else calls the program etcd.
        found["etcd" if parts[-1] == "server" else parts[-1]] = package
    return found


def required(name: str, module: str) -> str:
    """Return the version of a module that a module file requires."""
    match = re.search(
        rf"^\s*(?:require )?{re.escape(module)} (v\S+)", (GOMOD / name / "go.mod").read_text(), re.MULTILINE
    )
    if not match:
        raise ClusterError(f"{module} is not in {GOMOD / name / 'go.mod'}")
    return match[1]


def kubernetes_version() -> str:
    """Return the version of Kubernetes that the node image has."""
    return required("core", "k8s.io/kubernetes")


@cache
def key(name: str) -> str:
    """Return the key over all that a module file's programs depend on."""
    folder = GOMOD / name
    return digest(folder / "go.mod", folder / "go.sum", output(["go", "env", "GOVERSION", "GOARCH"]), "1")


def bin_dir(name: str) -> Path:
    """Return the folder of a module file's programs; they come into it one by one."""
    return paths.cache() / f"bin-{name}-{key(name)}"


def module_dir(name: str, module: str) -> Path:
    """Return a module's sources, for the files that are no Go code."""
    run(["go", "mod", "download", module], cwd=GOMOD / name)
    return Path(output(["go", "list", "-m", "-f", "{{.Dir}}", module], cwd=GOMOD / name).decode().strip())


def ldflags(name: str) -> str:
    """Return linker flags: without the version kubectl cannot parse what the API server says it is."""
    if name == "score":
        return "-s -w"
    if name == "extra":
        helm = required(name, "helm.sh/helm/v4")
        return f"-s -w -X helm.sh/helm/v4/internal/version.version={helm}"
    version = kubernetes_version()
    major, minor, _ = version.lstrip("v").split(".", 2)
    flags = {"gitVersion": version, "gitMajor": major, "gitMinor": minor, "gitTreeState": "clean"}
    return "-s -w " + " ".join(f"-X {VERSION_PACKAGE}.{flag}={value}" for flag, value in flags.items())


def build_one(name: str, tool: str) -> None:
    """Build one program beside its place and rename it there."""
    package = modules(name)[tool]
    target = bin_dir(name) / tool
    with making(target) as made:
        env = {"GOBIN": str(made.parent), "CGO_ENABLED": "0", "GOOS": "linux", "GOARCH": go_arch(), "GOFLAGS": ""}
        run(["go", "install", "-trimpath", "-ldflags", ldflags(name), package], env=env, cwd=GOMOD / name)
        (built,) = made.parent.iterdir()
        built.replace(made)


def build(name: str, tools: Iterable[str]) -> Path:
    """Build what is missing of some programs and return their folder."""
    folder = bin_dir(name)
    missing = [tool for tool in tools if not os.access(folder / tool, os.X_OK)]
    if unknown := [tool for tool in missing if tool not in modules(name)]:
        raise ClusterError(f"no such tool: {', '.join(unknown)}; there are: {', '.join(modules(name))}")
    hint = "once per version, about 10 minutes in all" if name == "core" else "once per version"
    for number, tool in enumerate(missing, 1):
        say(f"building {tool} ({number}/{len(missing)}), {hint}")
        start = time.monotonic()
        build_one(name, tool)
        say(f"built {tool} in {time.monotonic() - start:.0f} s")
    return folder


def build_any(tools: Sequence[str]) -> dict[str, Path]:
    """Build programs of any module file, and return the folder of each."""
    owner = {tool: name for name in ("core", *MORE) for tool in modules(name)}
    if unknown := [tool for tool in tools if tool not in owner]:
        raise ClusterError(f"no such tool: {', '.join(unknown)}; there are: {', '.join(owner)}")
    return {tool: build(owner[tool], [tool]) for tool in tools}
