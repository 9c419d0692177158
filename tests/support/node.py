"""Node.js: a folder's packages from its lock file, and questions to a module that answers in JSON."""

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.support.cluster import ROOT
from theazo.sealing import Binding

#: The TypeScript SDK's package.
SDK = ROOT / "sdk" / "typescript"


def install(folder: Path) -> None:
    """Install the packages of a folder's lock file, unless they are there. Without Node.js the test fails."""
    if missing := [command for command in ("node", "npm") if shutil.which(command) is None]:
        pytest.fail(f"not found: {', '.join(missing)}. Node.js 20 or later with npm is needed.", pytrace=False)
    lock, installed = folder / "package-lock.json", folder / "node_modules" / ".package-lock.json"
    if not installed.exists() or installed.stat().st_mtime < lock.stat().st_mtime:
        command = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
        subprocess.run(command, cwd=folder, check=True, stdout=subprocess.DEVNULL)


def build_sdk() -> None:
    """Build the TypeScript SDK from its sources, as it is published."""
    install(SDK)
    subprocess.run(["npm", "run", "--silent", "build"], cwd=SDK, check=True, stdout=subprocess.DEVNULL)


def ask(module: Path, *requests: dict[str, Any]) -> list[Any]:
    """Give a module all requests at once; returns an answer to each."""
    done = subprocess.run(
        ["node", module.name],
        cwd=module.parent,
        input=json.dumps(requests),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    answers: list[Any] = json.loads(done.stdout)
    assert len(answers) == len(requests)
    return answers


def as_json(binding: Binding) -> dict[str, str]:
    """Spell a binding as the modules read it."""
    return {
        "platform": binding.platform,
        "session": binding.session,
        "sealingId": binding.sealing_id,
        "name": binding.name,
    }
