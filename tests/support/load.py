"""Clients in a Pod of their own that work through the API's Service until they are told to stop."""

import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.support.api import Api, path
from tests.support.cluster import Kubectl, wait_until
from tests.support.stage import IDLE

POD = "clients"
#: Runs in the Pod. Reads a line of JSON, works until its input ends, and prints a line of JSON.
_SCRIPT = Path(__file__).with_name("load_script.py")


@contextmanager
def client_pod(api: Api, namespace: str) -> Iterator[None]:
    """A Pod with Python in it, once it runs; it goes with its namespace."""
    container = {"name": "clients", "image": "docker.io/library/python:3.13-slim", "command": IDLE}
    metadata = {"name": POD, "namespace": namespace}
    api.create({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": {"containers": [container]}}).ok()
    where = path("Pod", namespace, POD)
    wait_until("the clients' Pod runs", lambda: api.get(where).ok()["status"].get("phase") == "Running", 60)
    yield
    api.delete(where, gracePeriodSeconds="0")


class Load:
    """The clients at work, and what they tell at the end."""

    def __init__(self, kubectl: Kubectl, namespace: str, **told: Any) -> None:
        # Neither key nor values are in a command line: the script is, and they come by standard input.
        command = [*kubectl._command, "exec", "-i", "-n", namespace, POD, "--", "python3", "-c", _SCRIPT.read_text()]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(told) + "\n")
        self._process.stdin.flush()
        assert self._process.stdout is not None
        assert self._process.stdout.readline() == "working\n"

    def stop(self) -> dict[str, Any]:
        """End the work; returns how many requests there were, their errors, and each client's last value."""
        said, _ = self._process.communicate(timeout=60)
        assert self._process.returncode == 0, said
        found: dict[str, Any] = json.loads(said)
        return found
