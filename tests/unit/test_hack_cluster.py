"""Which cluster commands and tests work on, and what they say where they can't."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hack.bench.__main__ import cluster as bench_cluster
from hack.cluster import kind, paths, prereq
from hack.cluster.shell import ClusterError
from tests.cluster import conftest
from tests.gitops import conftest as gitops

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(autouse=True)
def machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """One without a cluster, whose user has a kubeconfig of another."""
    for name in ("CLUSTER_KUBECONFIG", "CLUSTER_NAME", "I_KNOW"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "inherited").write_text("of another cluster")
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "inherited"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))


@pytest.fixture
def foreign(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    (tmp_path / "brought").touch()
    monkeypatch.setenv("CLUSTER_KUBECONFIG", str(tmp_path / "brought"))
    return tmp_path / "brought"


def test_an_inherited_kubeconfig_is_not_used() -> None:
    assert paths.foreign() is None
    assert paths.kubeconfig() == ROOT / ".cluster" / "theazo" / "kubeconfig"
    command = [sys.executable, "-m", "hack.cluster", "kubeconfig"]
    told = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert told == f"{paths.kubeconfig()}\n"


def test_nor_is_it_changed(monkeypatch: pytest.MonkeyPatch) -> None:
    """kind writes into it where it is not told where to write."""
    commands: list[list[str]] = []

    def ran(argv: list[Any], **_: Any) -> bytes:
        commands.append([str(each) for each in argv[1:]])
        (paths.state() / "kubeconfig").touch()
        return paths.cluster_name().encode()

    for name in ("run", "output"):
        monkeypatch.setattr(kind, name, ran)
    kind.write_state()
    kind.create("docker")
    changing = [command for command in commands if command[0] in {"create", "delete"}]
    assert [command[0] for command in changing] == ["delete", "create"]
    for command in changing:
        written = Path(command[command.index("--kubeconfig") + 1])
        assert written.is_relative_to(paths.cache())
        assert str(written) != os.environ["KUBECONFIG"]


@pytest.mark.parametrize(
    ("conditions", "ready"),
    [
        ([("MemoryPressure", "False"), ("Ready", "True")], True),
        ([("MemoryPressure", "True"), ("Ready", "False")], False),
        ([("Ready", "Unknown")], False),
        ([], False),
    ],
)
def test_a_cluster_answers_once_its_node_is_ready(
    conditions: list[tuple[str, str]],
    ready: bool,  # noqa: FBT001 - a column of the table
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    assert not kind.answers(tmp_path / "kubeconfig")
    (tmp_path / "kubeconfig").touch()
    node = {"status": {"conditions": [{"type": type_, "status": status} for type_, status in conditions]}}
    monkeypatch.setattr(kind, "output", lambda *_, **__: json.dumps(node).encode())
    assert kind.answers(tmp_path / "kubeconfig") is ready


def test_a_cluster_that_was_brought_is_used(foreign: Path) -> None:
    assert paths.kubeconfig() == foreign


@pytest.mark.parametrize("destroys", [kind.down, bench_cluster], ids=["make cluster-down", "make bench"])
def test_it_is_not_destroyed_by_mistake(
    destroys: Callable[[], object], foreign: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for said in ("", "0", "yes"):
        monkeypatch.setenv("I_KNOW", said)
        with pytest.raises(ClusterError, match=r"not this project's, and this would .*; I_KNOW=1 lets it"):
            destroys()
    monkeypatch.setenv("I_KNOW", "1")
    destroys()
    assert foreign.exists()


@pytest.mark.usefixtures("foreign")
@pytest.mark.parametrize(
    ("tests", "says"),
    [("tests/cluster/test_schema.py", "I_KNOW=1 lets it"), ("tests/install/test_uninstall.py", "one of their own")],
)
def test_nor_by_tests(tests: str, says: str) -> None:
    """pytest itself, for a fixture is what asks; those of GitOps have the fixture of the others."""
    assert gitops.kubeconfig is conftest.kubeconfig
    command = [sys.executable, "-m", "pytest", "-x", "-p", "no:cacheprovider", tests]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert says in done.stdout


def test_a_missing_npm_is_named_with_its_remedy(tmp_path: Path) -> None:
    make = shutil.which("make")
    assert make
    for target in ("lint-typescript", "unit-typescript", "interop"):
        done = subprocess.run(
            [make, target], cwd=ROOT, env={"PATH": str(tmp_path)}, capture_output=True, text=True, check=False
        )
        assert done.returncode != 0
        assert done.stderr.startswith("npm is missing. Install Node.js 20 or newer with npm")


@pytest.mark.parametrize(("have", "left"), [("128", "512"), ("512", "512"), ("8192", "8192")])
def test_two_clusters_have_watches_enough(
    have: str, left: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    limit = tmp_path / "max_user_instances"
    limit.write_text(have)
    monkeypatch.setattr(prereq, "INOTIFY", limit)
    prereq.allow_watches()
    assert limit.read_text() == left


def test_too_few_watches_are_named_where_they_can_not_be_raised(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    limit = tmp_path / "max_user_instances"
    limit.write_text("128")
    monkeypatch.setattr(prereq, "INOTIFY", limit)
    monkeypatch.setattr(Path, "write_text", _refuse)
    prereq.allow_watches()
    shown = capsys.readouterr()
    assert "sysctl -w fs.inotify.max_user_instances=512" in shown.out + shown.err


def _refuse(*_: object) -> int:
    raise PermissionError(13, "not yours")
