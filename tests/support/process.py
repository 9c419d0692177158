"""The operator or the REST API as its shipped entry point starts it: a process beside the cluster."""

import os
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path
from types import TracebackType
from typing import ClassVar, Self

from tests.support.cluster import SYSTEM, wait_until

# Compiling some hundred modules anew at each start takes longer than most tests.
_CACHED = {"PYTHONDONTWRITEBYTECODE": ""}


class Shipped:
    """One process of a module that is shipped, on a port of its own."""

    #: What `python -m` runs, and what messages call it.
    module: ClassVar[str]
    called: ClassVar[str]
    #: Seconds it has for ending after a signal: what it has in hand, it finishes.
    grace: ClassVar[float]

    def __init__(
        self, kubeconfig: Path, log: Path, *, level: str = "INFO", namespace: str = SYSTEM, **environment: str
    ) -> None:
        self._kubeconfig = kubeconfig
        self._level = level
        self._namespace = namespace
        self._environment = environment
        self._process: subprocess.Popen[bytes] | None = None
        self.log = log
        self.port = free_port()

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.kill()  # there will be no __exit__, and it must not run beside the next test's
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kill()

    @property
    def pid(self) -> int:
        """The process's number."""
        assert self._process is not None, f"{self.called} was not started"
        return self._process.pid

    def start(self, *, wait: bool = True) -> None:
        """Start it; with `wait`, until it says that it is ready."""
        command = [sys.executable, "-m", self.module, "--kubeconfig", str(self._kubeconfig)]
        command += ["--namespace", self._namespace, "--listen", f"127.0.0.1:{self.port}", "--log-level", self._level]
        with self.log.open("ab") as output:
            self._process = subprocess.Popen(
                command, stdout=output, stderr=output, env={**os.environ, **_CACHED, **self._environment}
            )
        if wait:
            wait_until(f"{self.called} is ready", self.ready, 60)

    def ready(self) -> bool:
        """Whether /readyz says so. A process that ended instead fails the test, with its log."""
        assert self._process is not None, f"{self.called} was not started"
        assert self._process.poll() is None, f"{self.called} ended:\n{self.log.read_text()[-4000:]}"
        return self.probe("readyz")[0] == 200

    def probe(self, name: str) -> tuple[int, str]:
        """Ask /livez, /readyz, /metrics or /openapi.json: code and text, code 0 where nothing listens."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/{name}", timeout=5) as reply:
                return reply.status, reply.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode()
        except (urllib.error.URLError, TimeoutError, ConnectionError):
            return 0, ""

    def kill(self) -> None:
        """SIGKILL: nothing is finished, nothing is said."""
        self._end(signal.SIGKILL)

    def stop(self) -> int:
        """SIGTERM, and the exit code."""
        return self._end(signal.SIGTERM)

    def _end(self, number: signal.Signals) -> int:
        if self._process is None:
            return 0
        if self._process.poll() is None:
            self._process.send_signal(number)
        code = self._process.wait(timeout=self.grace)
        self._process = None
        return code


def free_port() -> int:
    """Return a port of this machine that nobody listens on now."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port
