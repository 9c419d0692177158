"""Programs that run a document's blocks one by one: a shell at a terminal, a Python, a module in Node.js."""

import json
import os
import re
import secrets
import select
import selectors
import signal
import socket
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

LIMIT = 180  # seconds for one block
GRACE = 10  # seconds for a program to end by itself, once there is no more to do
_BASH = """\
set -Eeuo pipefail
exec < "$2"
trap 'printf "line %s: %s\\n" "$LINENO" "$BASH_COMMAND failed" >&2' ERR
set -- "$1"
while IFS= read -r -u "$1" REPLY; do
  . "$REPLY" > "$REPLY.out" 2> "$REPLY.err"
  pwd > "$REPLY.cwd"
  env -0 > "$REPLY.env"
  printf '\\n' >&"$1"
done
"""
#: A question at a terminal ends like this; its last word says what is asked for.
_QUESTION = re.compile(rb"(\w+): $")


class Printed(NamedTuple):
    """What a block printed, and whether it came to its end."""

    out: str
    err: str
    done: bool


class Session:
    """A process that takes orders, a line each, on a socket, and answers each with a line when it is carried out."""

    def __init__(self, folder: Path, name: str) -> None:
        self.folder = folder
        self._out = folder / f"{name}.stdout"
        self._err = folder / f"{name}.stderr"
        self._ours, self._theirs = socket.socketpair()
        self._process: subprocess.Popen[bytes] | None = None
        self._ended = -1  # can be read once the process has ended

    def start(self, command: Sequence[str], environment: Mapping[str, str], cwd: Path) -> None:
        """Start the process. It gets the number of its end of the socket where the command says `CONTROL`."""
        control = self._theirs.fileno()
        with self._out.open("wb") as out, self._err.open("wb") as err:
            self._process = subprocess.Popen(
                [str(control) if word == "CONTROL" else word for word in command],
                cwd=cwd,
                env=dict(environment),
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                pass_fds=[control],
                start_new_session=True,
            )
        self._ended = os.pidfd_open(self._process.pid)
        self._theirs.close()

    def order(self, text: str) -> Printed:
        """Give an order, and wait until it is carried out, or the process ended."""
        sizes = self._out.stat().st_size, self._err.stat().st_size
        try:
            self._ours.sendall(f"{text}\n".encode())
        except OSError:
            return Printed("", "the session had ended before", done=False)
        done, why = self._wait()
        out, err = (
            file.read_bytes()[size:].decode(errors="replace")
            for file, size in zip((self._out, self._err), sizes, strict=True)
        )
        return Printed(out, err + why, done)

    def _wait(self) -> tuple[bool, str]:
        end = time.monotonic() + LIMIT
        with selectors.DefaultSelector() as selector:
            selector.register(self._ours, selectors.EVENT_READ)
            selector.register(self._ended, selectors.EVENT_READ)
            self.watch(selector)
            while (left := end - time.monotonic()) > 0:
                ready = [key.fileobj for key, _ in selector.select(timeout=left)]
                if self._ours in ready and self._answered():
                    return True, ""
                if self._ours in ready or self._ended in ready:
                    return False, f"it ended with code {self._code()}"
                if ready:
                    self.heard()
        return False, f"not done in {LIMIT} s"

    def _answered(self) -> bool:
        try:
            return bool(self._ours.recv(1))
        except ConnectionResetError:
            return False  # it ended without having read its order

    def _code(self) -> int:
        """The exit code, or the signal's number. The process stays known, so that its group's number stays its own."""
        result = os.waitid(os.P_PIDFD, self._ended, os.WEXITED | os.WNOWAIT)
        return result.si_status if result else 0

    def watch(self, selector: selectors.BaseSelector) -> None:
        """Add what else is listened to while an order is carried out."""

    def heard(self) -> None:
        """React to it."""

    def close(self) -> int | None:
        """Let it end, and end what it left running; its exit code, or nothing if it did not end by itself."""
        self._ours.close()
        self._theirs.close()
        if self._process is None:
            return None
        by_itself = select.select([self._ended], [], [], GRACE)[0]
        code = self._code() if by_itself else None
        # Its own group: what it put into the background, such as a port-forward, is in it too.
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait(timeout=30)
        os.close(self._ended)
        self._process = None
        return code


class Shell(Session):
    """One bash for all `sh` blocks of a document, at a terminal of its own, where questions are answered."""

    def __init__(self, folder: Path, environment: Mapping[str, str], cwd: Path) -> None:
        super().__init__(folder, "sh")
        self.environment = dict(environment)
        self.cwd = cwd
        self._terminal, self._far_end = os.openpty()
        self._said = b""
        self._answers: dict[bytes, str] = {}
        self._number = 0
        name = os.ttyname(self._far_end)
        self.start(["bash", "--noprofile", "--norc", "-c", _BASH, "bash", "CONTROL", name], environment, cwd)

    def run(self, text: str) -> Printed:
        """Run a block. Afterwards `environment` and `cwd` are what it left."""
        self._number += 1
        block = self.folder / f"{self._number}.sh"
        block.write_text(text, encoding="utf-8")
        self._said = b""
        own = self.order(str(block))
        out, err = (_read(block.with_suffix(f".sh.{end}")) for end in ("out", "err"))
        if own.done:
            self.environment = dict(
                line.split("=", 1) for line in _read(block.with_suffix(".sh.env")).split("\0") if "=" in line
            )
            self.cwd = Path(_read(block.with_suffix(".sh.cwd")).removesuffix("\n"))
        return Printed(out, err + own.err, own.done)

    def watch(self, selector: selectors.BaseSelector) -> None:
        """Listen to the terminal too."""
        selector.register(self._terminal, selectors.EVENT_READ)

    def heard(self) -> None:
        """Answer a question at the terminal; the same question later gets the same answer."""
        self._said += os.read(self._terminal, 65536)
        if question := _QUESTION.search(self._said):
            answer = self._answers.setdefault(question[1], f"typed-{secrets.token_urlsafe(12)}")
            self._said = b""
            os.write(self._terminal, f"{answer}\n".encode())

    def close(self) -> int | None:
        """End it with all that it started."""
        code = super().close()
        os.close(self._terminal)
        os.close(self._far_end)
        return code


class Script(Session):
    """A Python or a Node.js that runs blocks of a document."""

    def run(self, environment: Mapping[str, str], cwd: Path, **order: object) -> Printed:
        """Run a block with the environment and in the folder that the shell has now."""
        return self.order(json.dumps({**order, "env": dict(environment), "cwd": str(cwd)}))


def _read(file: Path) -> str:
    return file.read_text(encoding="utf-8", errors="replace") if file.exists() else ""
