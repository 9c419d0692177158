"""The shipped entry points where they can't come up: one line that says what to do, exit code 1, and at once."""

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.operator import write_kubeconfig

# kopf tries again what failed at its start after 60 seconds; so much is none of it.
_LIMIT = 45
_BROKEN = """
import sys
from theazo_operator import __main__, runtime
async def fails(*_):
    raise ValueError("canary-5up3r-s3cr3t")
runtime.load_keyring = fails
sys.exit(__main__.main())
"""


@pytest.fixture
def taken() -> Iterator[int]:
    """A port that somebody else listens on."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield int(listener.getsockname()[1])


@pytest.fixture
def kubeconfig(tmp_path: Path) -> Path:
    """Of an API server that nobody will ask."""
    cluster = tmp_path / "cluster"
    cluster.write_text("clusters: [{name: none, cluster: {server: 'https://127.0.0.1:1'}}]")
    return write_kubeconfig(tmp_path / "kubeconfig", cluster, "no-token")


def lines_of(*arguments: str) -> list[dict[str, Any]]:
    """Run Python until it ends by itself, badly: the lines that were logged, without time and logger."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("KUBE", "THEAZO_"))}
    done = subprocess.run([sys.executable, *arguments], env=kept, capture_output=True, timeout=_LIMIT, check=False)
    assert (done.returncode, done.stdout) == (1, b"")
    lines = [json.loads(line) for line in done.stderr.decode().splitlines()]
    return [{name: value for name, value in line.items() if name not in {"time", "logger"}} for line in lines]


@pytest.mark.parametrize("module", ["theazo_operator", "theazo_operator.api"])
def test_without_a_way_to_the_api_server(module: str) -> None:
    says = "no service account is mounted here: run in a cluster, or give --kubeconfig FILE"
    assert lines_of("-m", module, "--listen", "127.0.0.1:0") == [{"level": "CRITICAL", "message": says}]


def test_where_somebody_else_listens(taken: int, kubeconfig: Path) -> None:
    [line] = lines_of("-m", "theazo_operator", "--listen", f"127.0.0.1:{taken}", "--kubeconfig", str(kubeconfig))
    assert line["level"] == "CRITICAL"
    assert line["message"].startswith("can't listen for probes (")
    assert line["message"].endswith("): choose another --listen")


def test_where_the_start_breaks(kubeconfig: Path) -> None:
    """It ends, so that whoever runs it starts it anew; and nothing is quoted."""
    [line, *rest] = lines_of("-c", _BROKEN, "--listen", "127.0.0.1:0", "--kubeconfig", str(kubeconfig))
    what = {"part": "start", "error": "ValueError", "at": "<string>:5"}
    assert line == {"level": "CRITICAL", "message": "a part of the operator ended", **what}
    assert {each["level"] for each in rest} <= {"WARNING"}, "kopf may say that it was ended early"
    assert "canary" not in str(rest)
