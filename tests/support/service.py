"""The REST API's shipped entry point as a process beside the cluster, with its own rights, and keys to call it with."""

import base64
import json
import os
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.support.api import Api
from tests.support.cluster import REST_API, SYSTEM, wait_until
from tests.support.operator import write_kubeconfig
from theazo import api_key

KEYS = "theazo-api-keys"
# Compiling some hundred modules anew at each start takes longer than most tests.
_CACHED = {"PYTHONDONTWRITEBYTECODE": ""}


def api_kubeconfig(api: Api, cluster_kubeconfig: Path, target: Path, server: str | None = None) -> Path:
    """Write a kubeconfig with the rights of the API's own ServiceAccount."""
    return write_kubeconfig(target, cluster_kubeconfig, api.token_of(SYSTEM, REST_API), server)


def new_api_key(api: Api, platform: str, description: str = "") -> str:
    """Make an API key as `theazo api-keys create` does, and give its text.

    Each entry has a field manager of its own, so that nobody's apply takes away another's.
    """
    key_id, key = api_key.generate()
    put_api_key(
        api,
        key_id,
        {
            "platform": platform,
            "hash": api_key.digest(key),
            "createdAt": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "description": description,
        },
    )
    return key


def put_api_key(api: Api, key_id: str, entry: object) -> None:
    """Store whatever there shall be under a key's id."""
    data = {key_id: base64.b64encode(json.dumps(entry).encode()).decode()}
    api.apply(_secret(data), _manager(key_id)).ok()


def revoke_api_key(api: Api, key_id: str) -> None:
    """Take the entry away that `new_api_key` or `put_api_key` made."""
    api.apply(_secret({}), _manager(key_id)).ok()


def _manager(key_id: str) -> str:
    return f"test-key-{key_id}"


def _secret(data: dict[str, str]) -> dict[str, object]:
    # An apply of an empty `data` would own all of it, and the next key would be a conflict.
    labels = {"app.kubernetes.io/managed-by": "theazo"}
    metadata = {"name": KEYS, "namespace": SYSTEM, "labels": labels}
    entries = {"data": data} if data else {}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "type": "Opaque", **entries}


class ApiProcess:
    """One instance of the REST API. Any number may run beside each other."""

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
            self.kill()  # there will be no __exit__
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kill()

    @property
    def url(self) -> str:
        """Where it listens: scheme, address and port."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def pid(self) -> int:
        """The process's number."""
        assert self._process is not None, "the API was not started"
        return self._process.pid

    def start(self, *, wait: bool = True) -> None:
        """Start it; with `wait`, until it says that it is ready."""
        command = [sys.executable, "-m", "theazo_operator.api", "--kubeconfig", str(self._kubeconfig)]
        command += ["--namespace", SYSTEM, "--listen", f"127.0.0.1:{self.port}", "--log-level", self._level]
        with self.log.open("ab") as output:
            self._process = subprocess.Popen(
                command, stdout=output, stderr=output, env={**os.environ, **_CACHED, **self._environment}
            )
        if wait:
            wait_until("the API is ready", self.ready, 60)

    def ready(self) -> bool:
        """Whether /readyz says so. An API that ended instead fails the test, with its log."""
        assert self._process is not None, "the API was not started"
        assert self._process.poll() is None, f"the API ended:\n{self.log.read_text()[-4000:]}"
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
        code = self._process.wait(timeout=40)
        self._process = None
        return code


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port
