"""Where a skip fails, as in CI, it does so however a test or a whole module was skipped."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
RUNS = "def test_that_runs():\n    pass\n"
SKIPS = {
    "a test": "import pytest\n@pytest.mark.skip\ndef test_it():\n    pass\n",
    "a module": "import pytest\npytest.skip('not here', allow_module_level=True)\n",
}


def code(folder: Path, fails: str) -> int:
    """The exit code of pytest with what our own conftest.py adds to it."""
    options = ["-p", "tests.conftest", "-c", os.devnull, "--rootdir", str(folder)]
    command = [sys.executable, "-m", "pytest", *options, str(folder)]
    environment = {**os.environ, "THEAZO_FAIL_ON_SKIP": fails, "PYTEST_ADDOPTS": ""}
    return subprocess.run(command, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL, check=False).returncode


@pytest.mark.parametrize("what", SKIPS)
def test_a_skip_fails_where_it_should(what: str, tmp_path: Path) -> None:
    (tmp_path / "test_a.py").write_text(RUNS)
    (tmp_path / "test_b.py").write_text(SKIPS[what])
    assert code(tmp_path, "1") == 1


@pytest.mark.parametrize(("more", "fails"), [("", "1"), (SKIPS["a module"], "")], ids=["none", "where it may"])
def test_else_nothing_fails(more: str, fails: str, tmp_path: Path) -> None:
    (tmp_path / "test_a.py").write_text(RUNS)
    (tmp_path / "test_b.py").write_text(more)
    assert code(tmp_path, fails) == 0
