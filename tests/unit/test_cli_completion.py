"""Completion in shells, and the name that kubectl calls this program by."""

import io
import subprocess
import sys
from contextlib import redirect_stdout
from unittest.mock import patch

import pytest

from tests.support.cli import refused, theazo
from theazo.cli import complete_for_kubectl
from theazo.cli.usage import program


def test_a_script_for_bash_that_bash_can_read() -> None:
    result = theazo("completion", "bash")
    assert (result.code, result.err) == (0, "")
    assert "api-keys" in result.out
    assert subprocess.run(["bash", "-n"], input=result.out, text=True, capture_output=True, check=True).stderr == ""


@pytest.mark.parametrize(("shell", "word"), [("zsh", "#compdef theazo"), ("fish", "complete -c theazo")])
def test_scripts_for_other_shells(shell: str, word: str) -> None:
    result = theazo("completion", shell)
    assert (result.code, result.err) == (0, "")
    assert word in result.out


@pytest.mark.parametrize("shell", ["tcsh", ""])
def test_a_shell_without_a_script(shell: str) -> None:
    refused(theazo("completion", shell), "SHELL can't have this value", code=2)


def completed(*words: str) -> list[str]:
    with redirect_stdout(io.StringIO()) as stdout, patch.object(sys, "argv", ["kubectl_complete-theazo", *words]):
        assert complete_for_kubectl() == 0
    return [line.split("\t")[0] for line in stdout.getvalue().splitlines()]


@pytest.mark.parametrize(
    ("words", "found"),
    [
        (("platf",), ["platforms", ":4"]),
        (("platforms", ""), ["add", "list", "remove", ":4"]),
        (("doctor", "--kubec"), ["--kubeconfig", ":4"]),
        (("platforms", "list", "-o", ""), ["table", "wide", "name", "json", "yaml", ":4"]),
        (("doctor", "--kubeconfig", ""), [":0"]),
        (("nothing", "like", "that"), [":4"]),
    ],
)
def test_kubectl_gets_words_and_a_directive(words: tuple[str, ...], found: list[str]) -> None:
    assert completed(*words) == found


def test_without_the_extra_nothing_is_completed() -> None:
    with patch.dict(sys.modules, {"cyclopts": None}):
        assert complete_for_kubectl() == 1


@pytest.mark.parametrize(
    ("path", "name"),
    [("/usr/bin/theazo", "theazo"), ("/x/kubectl-theazo", "kubectl theazo"), ("kubectl-theazo.exe", "kubectl theazo")],
)
def test_it_calls_itself_as_its_user_does(path: str, name: str) -> None:
    with patch.object(sys, "argv", [path]):
        assert program() == name
        refused(theazo("explain", "a"), f"see {name} explain --help", code=2)
