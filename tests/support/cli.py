"""The command line as a function, and an API server of a few lines for it: fake at the HTTP edge and nowhere else."""

import io
import json
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from unittest.mock import patch
from urllib.parse import parse_qsl, urlsplit

import yaml

from theazo.cli import main
from theazo.sealing import Binding
from theazo_operator.opening import Keyring

KEYRING = Keyring({1: bytes(range(32))})
KEY = KEYRING.public_key("acme")
KEY_PATH = "/api/v1/namespaces/theazo-system/configmaps/sealing-key-acme"
SESSIONS = "/apis/theazo.dev/v1alpha1/namespaces/acme/theazosessions"
TARGET = ("-n", "acme", "--session", "demo")
Arguments = tuple[str | Path, ...]
TOKEN = "t0ken-of-the-kubeconfig"


@dataclass(frozen=True)
class Result:
    """What one call gave."""

    code: int
    out: str
    err: str

    @property
    def manifest(self) -> dict[str, Any]:
        found = yaml.safe_load(self.out)
        assert isinstance(found, dict)
        return found


def theazo(*arguments: str | Path, stdin: bytes = b"", environ: Mapping[str, str] | None = None) -> Result:
    """Calls `theazo ARGUMENTS` in this process."""
    out, err = io.StringIO(), io.StringIO()
    with ExitStack() as stack:
        stack.enter_context(patch.object(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin))))
        stack.enter_context(patch.dict("os.environ", environ or {}))
        stack.enter_context(redirect_stdout(out))
        stack.enter_context(redirect_stderr(err))
        code = main([str(argument) for argument in arguments])
    return Result(code, out.getvalue(), err.getvalue())


def opened(manifest: dict[str, Any], sealing_id: str) -> dict[str, bytes]:
    """What the operator gets out of a manifest."""
    platform, session = manifest["metadata"]["namespace"], manifest["metadata"]["name"]
    return {
        name: KEYRING.open(entry["ciphertext"], Binding(platform, session, sealing_id, name)).reveal()
        for name, entry in manifest["spec"]["encryptedData"].items()
    }


def refused(result: Result, *words: str, code: int = 1) -> None:
    """Nothing came out, and every line of the refusal is one with a reason."""
    assert (result.code, result.out) == (code, "")
    lines = [line for line in result.err.splitlines() if not line.startswith("note: ")]
    assert lines
    assert all(line.startswith("error: ") for line in lines)
    assert all(word in result.err for word in words), result.err


def config_map(**changes: str) -> dict[str, Any]:
    """The published key of platform acme."""
    data = {"platform": "acme", "suite": "xwing-sha256-aes256gcm", "keyId": KEY.key_id, "publicKey": KEY.to_base64()}
    metadata = {"name": "sealing-key-acme", "namespace": "theazo-system"}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {**data, **changes}}


@dataclass(frozen=True)
class Request:
    """One request that the fake got."""

    verb: str
    path: str
    query: dict[str, str]
    content_type: str
    body: Any
    accept: str = ""


@dataclass
class Api:
    """Objects by path; answers that aren't the obvious ones by verb and path; and what was asked."""

    kubeconfig: Path
    objects: dict[str, dict[str, Any]] = field(default_factory=dict)
    answers: dict[tuple[str, str], tuple[int, Any]] = field(default_factory=dict)
    requests: list[Request] = field(default_factory=list)

    def writes(self) -> list[Request]:
        return [request for request in self.requests if request.verb != "GET"]

    def answer(self, request: Request) -> tuple[int, Any]:
        self.requests.append(request)
        if (request.verb, request.path) in self.answers:
            return self.answers[request.verb, request.path]
        if request.verb in {"PATCH", "POST"}:
            return 200, request.body
        if request.path in self.objects:
            return 200, self.objects[request.path]
        return 404, {"kind": "Status", "message": "not found"}


@contextmanager
def fake_cluster(directory: Path) -> Iterator[Api]:
    """An API server on a port of its own, and the kubeconfig that leads to it."""
    api = Api(directory / "kubeconfig")

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            url = urlsplit(self.path)
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            assert self.headers["Authorization"] == f"Bearer {TOKEN}"
            query, kind = dict(parse_qsl(url.query)), self.headers.get("Content-Type", "")
            accept = self.headers.get("Accept", "")
            request = Request(self.command, url.path, query, kind, json.loads(body or b"null"), accept)
            status, answer = api.answer(request)
            raw = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(raw)))
            self.end_headers()
            self.wfile.write(raw)

        def do_PATCH(self) -> None:
            self.do_GET()

        def do_POST(self) -> None:
            self.do_GET()

        def do_DELETE(self) -> None:
            self.do_GET()

        def log_message(self, *_: object) -> None:
            """Nothing: the tests look at standard error."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    write_kubeconfig(api.kubeconfig, server.server_port)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield api
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def write_kubeconfig(path: Path, port: int) -> None:
    """A kubeconfig for an API server on a port of this machine."""
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "test",
        "contexts": [{"name": "test", "context": {"cluster": "test", "user": "test"}}],
        "clusters": [{"name": "test", "cluster": {"server": f"http://127.0.0.1:{port}"}}],
        "users": [{"name": "test", "user": {"token": TOKEN}}],
    }
    path.write_text(json.dumps(config))
