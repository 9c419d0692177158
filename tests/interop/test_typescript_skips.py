"""Where a skip fails, as in CI, it does so in the TypeScript SDK's own tests too."""

import json
import os
import shlex
import subprocess
from pathlib import Path

import pytest

from tests.support.node import SDK, install

RUNS = "import { describe, test } from 'node:test'\ntest('runs', () => {})\n"
SKIPS = {
    "a test": "test.skip('not run', () => {})\n",
    "inside a test": "test('not run', (context) => context.skip())\n",
    "a suite": "describe.skip('not run', () => { test('inner', () => {}) })\n",
    "one to be written": "test.todo('not run')\n",
}


def run(file: Path, fails: str) -> tuple[int, str]:
    """Exit code and errors of what `npm test` runs, on a file of tests of our own."""
    install(SDK)
    *command, _ = shlex.split(json.loads((SDK / "package.json").read_text())["scripts"]["test"])
    environment = {**os.environ, "THEAZO_FAIL_ON_SKIP": fails}
    done = subprocess.run([*command, file], cwd=SDK, env=environment, capture_output=True, text=True, check=False)
    assert "runs" in done.stdout, done.stderr
    return done.returncode, done.stderr


@pytest.mark.parametrize("what", SKIPS)
def test_a_skip_fails_where_it_should(what: str, tmp_path: Path) -> None:
    file = tmp_path / "a.test.mjs"
    file.write_text(RUNS + SKIPS[what])
    assert run(file, "1") == (1, "error: not run was skipped\n")


@pytest.mark.parametrize(("more", "fails"), [("", "1"), (SKIPS["a test"], "")], ids=["none", "where it may"])
def test_else_nothing_fails(more: str, fails: str, tmp_path: Path) -> None:
    file = tmp_path / "a.test.mjs"
    file.write_text(RUNS + more)
    assert run(file, fails) == (0, "")
