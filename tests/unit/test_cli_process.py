"""The command line as a process: what a shell, a pipe, a terminal and a signal see of it."""

import contextlib
import os
import select
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from unittest.mock import patch

import pytest
import yaml

from tests.support.cli import KEY, KEYRING, theazo
from theazo.rules import session_name
from theazo.sealing import Binding

THEAZO = str(Path(sys.executable).with_name("theazo"))
# Becomes the leader of a session whose terminal is standard input, as a shell in a window is, and then theazo.
ON_TERMINAL = """
import fcntl, os, sys, termios
os.setsid()
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
os.execv(sys.argv[1], sys.argv[1:])
"""


@pytest.fixture
def offline(tmp_path: Path) -> tuple[str, ...]:
    (tmp_path / "key").write_text(KEY.to_base64())
    key = str(tmp_path / "key")
    return (THEAZO, "seal", "-n", "acme", "--session", "demo", "--sealing-id", "i", "--public-key", key)


def run(*arguments: str, **options: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(arguments, capture_output=True, text=True, check=False, timeout=60, **options)  # type: ignore[call-overload,no-any-return]


def test_exit_codes_and_streams() -> None:
    done = run(THEAZO, "session-name", "user_123", "-n", "acme")
    assert (done.returncode, done.stdout, done.stderr) == (0, f"{session_name('acme', 'user_123')}\n", "")
    failed = run(THEAZO, "platforms", "list", "--kubeconfig", "/nowhere")
    assert (failed.returncode, failed.stdout) == (1, "")
    assert failed.stderr.startswith("error: no usable kubeconfig")
    misused = run(THEAZO, "session-name", "user_123", "-n", "Acme")
    assert (misused.returncode, misused.stdout) == (2, "")
    assert run(THEAZO, "--version").stdout == "0.1.0\n"


COMMANDS = [
    (),
    ("seal",),
    ("verify",),
    ("diff",),
    ("session-name",),
    *(("platforms", verb) for verb in ("add", "list", "remove")),
    *(("api-keys", verb) for verb in ("create", "list", "revoke")),
    *(("sessions", verb) for verb in ("create", "list", "get", "delete")),
    *(("secrets", verb) for verb in ("set", "list", "delete")),
    *(("agents", verb) for verb in ("create", "list", "get", "wait", "delete", "logs")),
    ("explain",),
    ("doctor",),
    ("completion",),
]


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_every_command_has_help_and_examples_that_fit_a_terminal(command: tuple[str, ...]) -> None:
    result = theazo(*command, "--help")
    assert (result.code, result.err) == (0, "")
    assert f"Usage: {' '.join(('theazo', *command))}" in result.out
    assert ("Examples:" in result.out) == bool(command)
    examples = result.out.partition("Examples:")[2].strip("\n").splitlines()
    assert all(line.startswith("  ") or not line for line in examples), "a line was wrapped"


def test_the_first_help_names_every_command() -> None:
    assert theazo().out == theazo("--help").out
    assert all(name in theazo().out for name in ("platforms", "seal", "session-name", "Exit codes"))


@pytest.mark.parametrize("command", [("session-name", "u", "-n", "acme"), ("seal", "--stdin", "A")])
def test_nothing_slow_is_imported_without_need(offline: tuple[str, ...], command: tuple[str, ...]) -> None:
    arguments = (*offline[1:], *command[1:]) if command[0] == "seal" else command
    script = """
import sys
from theazo.cli import main
assert main(sys.argv[1:]) == 0
print("imported", {"kubernetes", "urllib3", "rich", "yaml"} & set(sys.modules))
"""
    result = run(sys.executable, "-c", script, *arguments, input="v")
    assert result.returncode == 0, result.stderr
    needed = "{'yaml'}" if command[0] == "seal" else "set()"
    assert result.stdout.splitlines()[-1] == f"imported {needed}"


@pytest.mark.parametrize("package", ["cyclopts", "kubernetes", "rich", "yaml"])
def test_without_the_extra_it_says_how_to_get_it(package: str) -> None:
    with patch.dict(sys.modules, {package: None}):
        result = theazo("--version")
    assert (result.code, result.out) == (1, "")
    assert result.err == "error: the command line needs the extra `cli`: pip install 'theazo[cli]'\n"


def test_the_package_itself_needs_no_extra() -> None:
    script = """
import sys
sys.modules.update(dict.fromkeys(["cyclopts", "kubernetes", "rich", "yaml"]))
import theazo, theazo.cli, theazo.rules, theazo.sealing, theazo.secret_value
"""
    assert run(sys.executable, "-c", script).returncode == 0


def test_a_reader_that_leaves_ends_it_quietly() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    result = subprocess.run(
        [THEAZO, "session-name", "u", "-n", "acme"], stdout=writer, stderr=subprocess.PIPE, check=False, timeout=60
    )
    os.close(writer)
    assert (result.returncode, result.stderr) == (141, b"")


def test_a_full_disk_is_said(offline: tuple[str, ...]) -> None:
    with Path("/dev/full").open("w") as full:
        command = [*offline, "--stdin", "A"]
        result = subprocess.run(command, input=b"v", stdout=full, stderr=subprocess.PIPE, check=False, timeout=60)
    assert result.returncode == 1
    assert b"error: cannot write to standard output: No space left on device" in result.stderr


@contextmanager
def on_terminal(*arguments: str) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """`arguments` with a terminal as standard input and error, and our end of that terminal."""
    ours, theirs = os.openpty()
    command = [sys.executable, "-c", ON_TERMINAL, *arguments]
    try:
        with subprocess.Popen(command, stdin=theirs, stdout=subprocess.PIPE, stderr=theirs) as process:
            try:
                yield process, ours
            finally:
                process.kill()
    finally:
        os.close(ours)
        os.close(theirs)


def read_until(terminal: int, text: bytes) -> bytes:
    seen = b""
    while text not in seen:
        assert select.select([terminal], [], [], 60)[0], f"only {seen!r} came"
        seen += os.read(terminal, 1024)
    return seen


def type_until_it_ends(process: subprocess.Popen[bytes], terminal: int, key: bytes) -> None:
    """Press a key, and again: Python sees a signal that came between a prompt and its read at the next one."""
    for _ in range(60):
        os.write(terminal, key)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(timeout=1)
            return


def rest_of(terminal: int) -> bytes:
    """What a process that has ended left on its terminal."""
    return os.read(terminal, 4096) if select.select([terminal], [], [], 0)[0] else b""


def test_a_prompt_asks_twice_and_shows_nothing(offline: tuple[str, ...]) -> None:
    with on_terminal(*offline, "--prompt", "A") as (process, terminal):
        seen = read_until(terminal, b"Value of A: ")
        os.write(terminal, "c4n4ry é\n".encode())
        seen += read_until(terminal, b"Once more, A: ")
        os.write(terminal, "c4n4ry é\n".encode())
        manifest = yaml.safe_load(process.communicate(timeout=60)[0])
        assert process.returncode == 0
    assert b"c4n4ry" not in seen
    ciphertext = manifest["spec"]["encryptedData"]["A"]["ciphertext"]
    assert KEYRING.open(ciphertext, Binding("acme", "demo", "i", "A")).reveal() == "c4n4ry é".encode()


def test_two_different_answers_are_refused(offline: tuple[str, ...]) -> None:
    with on_terminal(*offline, "--prompt", "A") as (process, terminal):
        read_until(terminal, b"Value of A: ")
        os.write(terminal, b"c4n4ry-1\n")
        read_until(terminal, b"Once more, A: ")
        os.write(terminal, b"c4n4ry-2\n")
        seen = read_until(terminal, b"the two answers differ")
        assert process.communicate(timeout=60)[0] == b""
        assert process.returncode == 1
    assert b"c4n4ry" not in seen


@pytest.mark.parametrize(("typed", "code", "said"), [(b"\x03", 130, b""), (b"\x04", 1, b"no answer")])
def test_an_interrupted_prompt_is_quiet_and_a_closed_one_refused(
    offline: tuple[str, ...], typed: bytes, code: int, said: bytes
) -> None:
    with on_terminal(*offline, "--prompt", "A") as (process, terminal):
        read_until(terminal, b"Value of A: ")
        type_until_it_ends(process, terminal, typed)
        seen = read_until(terminal, said)
        assert process.communicate(timeout=60)[0] == b""
        assert process.returncode == code
        assert b"Traceback" not in seen + rest_of(terminal)


def test_a_prompt_without_a_terminal_is_refused(offline: tuple[str, ...]) -> None:
    result = run(*offline, "--prompt", "A", input="c4n4ry\nc4n4ry\n", start_new_session=True)
    assert (result.returncode, result.stdout) == (1, "")
    assert "--prompt A: there is no terminal" in result.stderr
    assert "c4n4ry" not in result.stderr


def test_an_interrupt_is_quiet(offline: tuple[str, ...], tmp_path: Path) -> None:
    source = tmp_path / "source"
    os.mkfifo(source)
    with (
        subprocess.Popen([*offline, "--env-file", source], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process,
        source.open("wb"),
    ):  # which waits until it is read
        process.send_signal(signal.SIGINT)
        assert process.communicate(timeout=60) == (b"", b"")
        assert process.returncode == 130


@pytest.mark.parametrize(("setting", "escapes"), [("A=1", 2), ("NO_COLOR=1", 0), ("TERM=dumb", 0)])
def test_colour_is_for_terminals_that_want_it(setting: str, escapes: int) -> None:
    with on_terminal("/usr/bin/env", "-u", "NO_COLOR", "TERM=xterm", setting, THEAZO, "sael") as (process, terminal):
        assert process.communicate(timeout=60)[0] == b""
        seen = read_until(terminal, b"--help")
    assert seen.count(b"\x1b[") == escapes
    assert b"argument 1 is no command (did you mean seal?)" in seen
    assert "\x1b" not in run(THEAZO, "sael", env={**os.environ, "FORCE_COLOR": ""}).stderr
