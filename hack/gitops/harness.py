"""Argo CD's own test of health checks, given ours as if they had been contributed to it."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

from hack.gitops import build

#: The folder of health checks in Argo CD's repository, and that of the test, which looks for the former from there.
_CHECKS, _TEST = "resource_customizations", Path("util", "lua")


def run(checks: Path, folder: Path) -> str:
    """Run it in an empty folder, for what is below `checks` alone, and return all that it prints."""
    module, _, _ = build.PROGRAMS["argocd"]
    _lay_out(build.sources("argocd"), checks, folder / "argo-cd")
    shutil.copy(build.GOMOD / "argocd" / "go.sum", folder)
    text = (build.GOMOD / "argocd" / "go.mod").read_text()
    (folder / "go.mod").write_text(f"{text}\nreplace {module} => ./argo-cd\n")
    # As the program was built, so that most of it is in Go's cache.
    options = ("-trimpath", "-vet=off", "-v", "-run=^TestLuaHealthScript$")
    command = [build.go("argocd"), "test", *options, f"{module}/{_TEST}"]
    environment = os.environ | build.environment()
    done = subprocess.run(command, env=environment, cwd=folder, check=False, capture_output=True, text=True)
    return done.stdout + done.stderr


def _lay_out(source: Path, checks: Path, target: Path) -> None:
    """Make a tree like Argo CD's: links to it, and copies where Go or the test would follow a link back to it."""
    own = target / _CHECKS
    shutil.copytree(checks, own)
    shutil.copy(source / _CHECKS / "embed.go", own)
    shutil.copytree(source / _TEST, target / _TEST)
    for folder in (source, source / _TEST.parent):
        here = target / folder.relative_to(source)
        for part in folder.iterdir():
            if not (here / part.name).exists():
                (here / part.name).symlink_to(part)
