"""The hook for pre-commit, run by pre-commit itself in a repository that is set up as docs/gitops.md says."""

import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import pytest
import yaml

from tests.support import docplace
from tests.support.cluster import ROOT
from tests.support.docblocks import blocks
from tests.support.gitops import EXAMPLE, GUIDE

CONFIG = ".pre-commit-config.yaml"
#: The second makes the hook's environment with uv, whose cache has all of it. pip takes minutes for the same.
PRE_COMMIT = ("tool", "run", "--from", "pre-commit==4.7.0", "--with", "pre-commit-uv==4.4.1", "pre-commit")
CANARY = "sk-c4n4ry"
META = "apiVersion: theazo.dev/v1alpha1\nkind: TheazoSecret\nmetadata: {name: alice, namespace: acme}\n"
AGENT = "apiVersion: theazo.dev/v1alpha1\nkind: TheazoAgent\nmetadata: {name: a, namespace: acme}\n"
TIMES = "createdAt: '2026-01-01T00:00:00Z', updatedAt: '2026-01-01T00:00:00Z'"


class Fleet(NamedTuple):
    """A platform team's repository, and the environment of those who work in it."""

    folder: Path
    environment: Mapping[str, str]

    def run(self, *command: str | Path, folder: Path | None = None) -> "subprocess.CompletedProcess[str]":
        """Run a command there, or in another folder."""
        return subprocess.run(
            command, cwd=folder or self.folder, env=self.environment, capture_output=True, text=True, check=False
        )

    def git(self, *arguments: str, folder: Path | None = None) -> None:
        """Run git, which has to succeed."""
        done = self.run("git", *arguments, folder=folder)
        assert done.returncode == 0, done.stderr

    def commit(self) -> tuple[int, str]:
        """Commit all that is there; the exit code, and all that was said."""
        self.git("add", "--all")
        done = self.run("git", "commit", "--message", "try")
        return done.returncode, done.stdout + done.stderr


@pytest.fixture(scope="module")
def installed_hook(tmp_path_factory: pytest.TempPathFactory) -> Fleet:
    folder = tmp_path_factory.mktemp("pre-commit")
    (text,) = [block.fence.text for block in blocks(GUIDE) if block.name == CONFIG]
    (ours,) = yaml.safe_load(text)["repos"]
    here = folder / "theazo-secrets"
    settings = {f"url.{here}.insteadOf": ours["repo"], "user.name": "alice", "user.email": "alice@example.com"}
    environment = {**os.environ, "PRE_COMMIT_HOME": str(folder / "home"), "GIT_CONFIG_COUNT": str(len(settings))}
    for number, (key, value) in enumerate(settings.items()):
        environment |= {f"GIT_CONFIG_KEY_{number}": key, f"GIT_CONFIG_VALUE_{number}": value}
    fleet = Fleet(folder / "fleet", environment)
    _publish(fleet, here, ours["rev"])
    fleet.folder.mkdir()
    fleet.git("init", "--quiet", "--initial-branch=main")
    (fleet.folder / CONFIG).write_text(text)
    done = fleet.run(ROOT / "hack" / "uv", *PRE_COMMIT, "install", "--install-hooks")
    assert done.returncode == 0, done.stdout + done.stderr
    code, said = fleet.commit()
    assert code == 0, said
    return fleet


def _publish(fleet: Fleet, folder: Path, revision: str) -> None:
    """Make this project's files a repository with that tag."""
    docplace.clone(folder)
    for link in (".venv", ".cluster"):
        (folder / link).unlink()
    fleet.git("init", "--quiet", folder=folder)
    fleet.git("add", "--all", folder=folder)
    fleet.git("commit", "--quiet", "--message", "all", folder=folder)
    fleet.git("tag", revision, folder=folder)


@pytest.fixture
def fleet(installed_hook: Fleet) -> Iterator[Fleet]:
    yield installed_hook
    installed_hook.git("reset", "--quiet", "--hard")


def test_sealed_values_and_what_is_no_manifest_are_committed(fleet: Fleet) -> None:
    shutil.copytree(EXAMPLE, fleet.folder / "acme")
    shutil.copytree(ROOT / "charts" / "theazo", fleet.folder / "chart")
    code, said = fleet.commit()
    assert (code, "sealed values are sealed" in said, "Passed" in said) == (0, True, True), said


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (f"{META.replace('TheazoSecret', 'theazosecret')}encryptedData: {{A: {CANARY}}}", "an object that is none of"),
        (f"{AGENT}spec: {{secrets: [{{name: A, value: {CANARY}}}]}}", "declared secret 1 of a TheazoAgent: unknown"),
        (f"{META}stringData: {{A: {CANARY}}}", "unknown field stringData"),
        (f"{META}spec: {{encryptedData: {{A: {CANARY}}}}}", "entry A is no sealed value"),
        (f"{META}spec: {{encryptedData: {{A: {{ciphertext: {CANARY}, {TIMES}}}}}}}", "entry A: the ciphertext is no"),
        (f"apiVersion: v1\nkind: Secret\nmetadata: {{name: a}}\nstringData: {{A: {CANARY}}}", "entry A of a Secret"),
    ],
    ids=["kind", "agent", "stringData", "no-entry", "no-envelope", "Secret"],
)
def test_a_plaintext_is_not(fleet: Fleet, text: str, says: str) -> None:
    (fleet.folder / "plain.yaml").write_text(f"{text}\n")
    code, said = fleet.commit()
    assert code == 1, said
    assert f"error: plain.yaml: {says}" in said
    assert CANARY not in said


def test_a_plaintext_in_the_place_of_a_time_is_not(fleet: Fleet) -> None:
    sealed = (EXAMPLE / "secret.yaml").read_text()
    (fleet.folder / "plain.yaml").write_text(re.sub(r"createdAt: .*", f"createdAt: {CANARY}", sealed))
    code, said = fleet.commit()
    assert code == 1, said
    assert "error: plain.yaml: entry OPENAI_API_KEY: createdAt is no time" in said
    assert CANARY not in said


def test_a_plaintext_in_json_is_not(fleet: Fleet) -> None:
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "a"}, "stringData": {"A": CANARY}}
    (fleet.folder / "plain.json").write_text(json.dumps(secret, indent="\t"))
    code, said = fleet.commit()
    assert code == 1, said
    assert "error: plain.json: entry A of a Secret" in said
    assert CANARY not in said
