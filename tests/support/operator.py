"""The shipped entry point as a process beside the cluster, with the rights of the operator's own ServiceAccount."""

import os
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path
from types import TracebackType
from typing import Self

import yaml

from tests.support.cluster import SYSTEM, wait_until


def write_kubeconfig(target: Path, cluster_kubeconfig: Path, token: str, server: str | None = None) -> Path:
    """Write a kubeconfig for the bearer of a token, perhaps by way of another server, such as a proxy."""
    cluster = yaml.safe_load(cluster_kubeconfig.read_text())["clusters"][0]["cluster"]
    if server is not None:
        cluster = {"server": server}
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "test", "cluster": cluster}],
        "users": [{"name": "operator", "user": {"token": token}}],
        "contexts": [{"name": "test", "context": {"cluster": "test", "user": "operator"}}],
        "current-context": "test",
    }
    target.touch(mode=0o600)
    target.write_text(yaml.safe_dump(config))
    return target


# Compiling some hundred modules anew at each start takes longer than most tests.
_CACHED = {"PYTHONDONTWRITEBYTECODE": ""}


class OperatorProcess:
    """One operator. Only one may run on a cluster at a time."""

    def __init__(self, kubeconfig: Path, log: Path, *, level: str = "INFO", **environment: str) -> None:
        self._kubeconfig = kubeconfig
        self._level = level
        self._environment = environment
        self._process: subprocess.Popen[bytes] | None = None
        self.log = log
        self.port = _free_port()

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.kill()  # there will be no __exit__, and a second operator must not run beside the next test's
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kill()

    @property
    def pid(self) -> int:
        """The process's number."""
        assert self._process is not None, "the operator was not started"
        return self._process.pid

    def start(self, *, wait: bool = True) -> None:
        """Start it; with `wait`, until it says that it is ready."""
        command = [sys.executable, "-m", "theazo_operator", "--kubeconfig", str(self._kubeconfig)]
        command += ["--namespace", SYSTEM, "--listen", f"127.0.0.1:{self.port}", "--log-level", self._level]
        with self.log.open("ab") as output:
            self._process = subprocess.Popen(
                command, stdout=output, stderr=output, env={**os.environ, **_CACHED, **self._environment}
            )
        if wait:
            wait_until("the operator is ready", self.ready, 60)

    def ready(self) -> bool:
        """Whether /readyz says so. An operator that ended instead fails the test, with its log."""
        assert self._process is not None, "the operator was not started"
        assert self._process.poll() is None, f"the operator ended:\n{self.log.read_text()[-4000:]}"
        return self.probe("readyz")[0] == 200

    def probe(self, name: str) -> tuple[int, str]:
        """Ask /livez, /readyz or /metrics: code and text, code 0 where nothing listens."""
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
        code = self._process.wait(timeout=30)
        self._process = None
        return code


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port
