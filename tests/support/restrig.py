"""The REST API in process, beside an API server in memory. Each reply is held against what the API promises of all."""

import asyncio
import base64
import json
import logging
import re
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo
from types import SimpleNamespace
from typing import Any, ClassVar, Self
from urllib.parse import unquote_to_bytes

import jsonschema_rs
import pytest

from tests.support.builders import JSON, KEYRING, NOW, NS, SYSTEM, compute_body
from tests.support.fakekube import FakeKube
from theazo import api_key
from theazo.sealing import SUITE, Binding, seal
from theazo.secret_value import SecretValue
from theazo_operator.api import auth, sealing_keys, service, sessions
from theazo_operator.api import secrets as stored
from theazo_operator.api.__main__ import services
from theazo_operator.api.auth import ApiKeys
from theazo_operator.api.openapi import document
from theazo_operator.kube import resource as kind
from theazo_operator.settings import parse_api

Header = tuple[str | bytes, str | bytes]
SEALED = "application/vnd.theazo.sealed+json"
PROBLEM = "application/problem+json"
VALUE = "sk-canary-5up3r-s3cr3t"
USER = "user_123"
DOCUMENT = document()
_UNROUTED = {"route_not_found", "method_not_allowed"}
_REQUEST_ID = re.compile("req_[a-z2-7]{26}")


class Clock(datetime):
    """Stands still at NOW, or as many seconds after it as a test says."""

    offset: ClassVar[float] = 0.0

    @classmethod
    def now(cls, tz: tzinfo | None = None) -> Self:  # noqa: ARG003
        moment = NOW + timedelta(seconds=cls.offset)
        return cls.fromtimestamp(moment.timestamp(), NOW.tzinfo)


@dataclass(frozen=True)
class Reply:
    """What was answered."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body)

    @property
    def code(self) -> str | None:
        """A problem's code, or None."""
        return self.json["code"] if self.headers.get("content-type") == PROBLEM else None

    @property
    def outcome(self) -> tuple[int, str | None]:
        """Status and code, for tables."""
        return self.status, self.code

    @property
    def text(self) -> bytes:
        """All that a client gets to see."""
        return b"\n".join([*(f"{name}: {value}".encode() for name, value in self.headers.items()), b"", self.body])


class Rest:
    """A platform with a key, a compute and a published sealing key; sessions are made by requests."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *flags: str) -> None:
        self.kube = FakeKube()
        self.seconds = 1000.0
        self._monkeypatch = monkeypatch
        Clock.offset = 0.0
        for module in (sessions, stored):
            monkeypatch.setattr(module, "datetime", Clock)
        for each in (auth, sealing_keys, stored):
            monkeypatch.setattr(each, "time", SimpleNamespace(monotonic=lambda: self.seconds))
        monkeypatch.setattr(stored, "_PAUSES", (0.0,))
        monkeypatch.setattr(service, "document", lambda: DOCUMENT)  # the same each time, and it takes a while
        self.not_ready: str | None = None
        self.kube.put(kind.POD_TEMPLATES, compute_body())
        self.publish(NS)
        self.keys: dict[str, str] = {}
        self.key = self.new_key(NS)
        known = ApiKeys(self.kube, SYSTEM)
        self.services = services(self.kube, parse_api(["--namespace", SYSTEM, *flags], {}))
        self.app = service.application(self.services, known, self._ready)
        self.runner = asyncio.Runner()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.runner.close()

    async def _ready(self) -> str | None:
        return self.not_ready

    # The cluster's side.

    def publish(self, of: str, **fields: str) -> None:
        """Publish a platform's sealing key, perhaps with other fields."""
        data = {"platform": of, "suite": SUITE, "publicKey": KEYRING.public_key(of).to_base64(), **fields}
        name = f"sealing-key-{of}"
        self.kube.put(kind.CONFIG_MAPS, {"metadata": {"name": name, "namespace": SYSTEM}, "data": data})

    def new_key(self, platform: str) -> str:
        """Make an API key, as the command line does."""
        key_id, key = api_key.generate()
        entry = {"platform": platform, "hash": api_key.digest(key), "createdAt": "2025-05-01T10:00:00Z"}
        self.store_keys(self.keys | {key_id: base64.b64encode(json.dumps(entry).encode()).decode()})
        return key

    def store_keys(self, data: Mapping[str, Any]) -> None:
        """Have this in the Secret of hashes."""
        self.keys = dict(data)
        body = {"metadata": {"name": "theazo-api-keys", "namespace": SYSTEM}, "data": self.keys}
        self.kube.put(kind.SECRETS, body)

    def stored(self, session: str, platform: str = NS) -> JSON:
        """The entries of a session's TheazoSecret, as they are now."""
        entries: JSON = self.kube.objects["theazosecrets", platform, session]["spec"]["encryptedData"]
        return entries

    def pass_seconds(self, seconds: float) -> None:
        """Let time pass, on all clocks."""
        self.seconds += seconds
        Clock.offset += seconds

    # The client's side.

    def open(self, user: str = USER, **fields: Any) -> JSON:
        """A session, as the reply shows it."""
        reply = self.post("/v1/sessions", {"user": user, **fields})
        assert reply.status in {200, 201}, reply.body
        session: JSON = reply.json
        return session

    def sealed(self, session: JSON, values: Mapping[str, str]) -> JSON:
        """A body that the client has sealed."""
        key = KEYRING.public_key(session["platform"])
        binding = (session["platform"], session["id"], session["sealingId"])
        return {
            "sealingId": session["sealingId"],
            "secrets": {
                name: seal(SecretValue(value.encode()), Binding(*binding, name), key) for name, value in values.items()
            },
        }

    def get(self, path: str, **more: Any) -> Reply:
        """GET with the platform's key."""
        return self.call("GET", path, **more)

    def delete(self, path: str, **more: Any) -> Reply:
        """DELETE with the platform's key."""
        return self.call("DELETE", path, **more)

    def post(self, path: str, body: object, kind: str | None = "application/json", **more: Any) -> Reply:
        """POST with the platform's key: bytes as they are, anything else as JSON."""
        return self.call("POST", path, body=body, kind=kind, **more)

    def call(self, method: str, path: str | bytes, **more: Any) -> Reply:
        """Send one request and wait for the reply."""
        return self.runner.run(self.send(method, path, **more))

    async def send(  # noqa: PLR0913 - each part of a request can be spoilt
        self,
        method: str,
        path: str | bytes,
        *,
        body: object = None,
        kind: str | None = None,
        key: str | None = "",
        headers: Iterable[Header] = (),
        client: str = "10.0.0.1",
        chunk: int = 1 << 20,
        length: bool = True,
        gone: asyncio.Event | None = None,
    ) -> Reply:
        """Send one request as a server hands it to the application.

        Args:
            method: any text.
            path: with query, percent-encoded.
            body: bytes as they are, None for none, anything else as JSON.
            kind: the Content-Type, if any.
            key: an API key; "" for the platform's own, None for no header.
            headers: more of them.
            client: the client's address.
            chunk: in pieces of how many bytes the body comes.
            length: whether there is a Content-Length.
            gone: the client goes away when this is set; where it gets no answer, the status is 0.
        """
        raw = path if isinstance(path, bytes) else path.encode("ascii")
        data = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
        given: list[Header] = [("host", "api.test"), *headers]
        given += [("content-type", kind)] if kind is not None else []
        given += [("authorization", f"Bearer {key or self.key}")] if key is not None else []
        given += [("content-length", str(len(data)))] if length and body is not None else []
        where, _, query = raw.partition(b"?")
        scope = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": method,
            "scheme": "http",
            "path": unquote_to_bytes(where).decode("utf-8", "replace"),
            "raw_path": where,
            "query_string": query,
            "root_path": "",
            "headers": [(_bytes(name).lower(), _bytes(value)) for name, value in given],
            "client": (client, 4321),
            "server": ("api.test", 80),
        }
        reply = await _exchange(self.app, scope, _pieces(data, chunk), gone or asyncio.Event())
        if reply.status or gone is None:
            check(method, raw, reply)
        return reply


def _bytes(text: str | bytes) -> bytes:
    return text if isinstance(text, bytes) else text.encode("latin-1")


async def _pieces(data: bytes, size: int) -> AsyncIterator[JSON]:
    for start in range(0, len(data) or 1, size):
        rest = start + size < len(data)
        yield {"type": "http.request", "body": data[start : start + size], "more_body": rest}


async def _exchange(app: Any, scope: JSON, pieces: AsyncIterator[JSON], gone: asyncio.Event) -> Reply:
    sent: list[JSON] = []

    async def receive() -> JSON:
        async for piece in pieces:
            return piece
        await gone.wait()
        return {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        sent.append(message)

    await app(scope, receive, send)
    if not sent:
        return Reply(0, {}, b"")
    start = sent[0]
    headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in start["headers"]}
    assert len(headers) == len(start["headers"]), "a header stands there twice"
    return Reply(start["status"], headers, b"".join(each.get("body", b"") for each in sent[1:]))


# What the API promises of all replies.


def operation_of(method: str, path: bytes) -> JSON | None:
    """What the document says of a request, by its path as it was sent."""
    text = unquote_to_bytes(path.partition(b"?")[0]).decode("utf-8", "replace")
    for route, operations in DOCUMENT["paths"].items():
        if re.fullmatch(re.sub(r"\{\w+\}", "[^/]+", route), text):
            found: JSON | None = operations.get(method.lower())
            return found
    return None


def check(method: str, path: bytes, reply: Reply) -> None:
    """Hold a reply against the document, and against what is true of all replies."""
    assert _REQUEST_ID.fullmatch(reply.headers["x-request-id"])
    operation = operation_of(method, path)
    if reply.code is not None:
        assert operation is not None or reply.code in _UNROUTED, (method, path, reply.outcome)
        _check_problem(reply, operation)
    elif operation is not None:
        assert reply.headers["cache-control"] == "no-store"
        content = operation["responses"][str(reply.status)].get("content", {})
        assert set(content) == ({reply.headers["content-type"]} if reply.body else set())
        for each in content.values():
            validator(each["schema"]).validate(reply.json)


def _check_problem(reply: Reply, operation: JSON | None) -> None:
    body = reply.json
    assert list(body)[:6] == ["type", "title", "status", "detail", "code", "requestId"]
    assert set(body) <= {"type", "title", "status", "detail", "code", "requestId", "missing", "errors"}
    assert (body["status"], body["requestId"]) == (reply.status, reply.headers["x-request-id"])
    assert body["type"] == f"urn:theazo:problem:{body['code']}"
    assert body["detail"]
    assert (reply.status in {429, 503}) is ("retry-after" in reply.headers)
    assert (reply.status == 405) is ("allow" in reply.headers)
    assert (reply.status == 401) is (reply.headers.get("www-authenticate") == "Bearer")
    validator({"$ref": "#/components/schemas/Problem"}).validate(body)
    if operation is not None and body["code"] not in _UNROUTED:
        described = operation["responses"].get(str(reply.status), {}).get("description", "")
        assert f"`{body['code']}`" in described, f"{operation['operationId']} does not document {reply.outcome}"


_VALIDATORS: dict[str, Any] = {}


def validator(schema: JSON) -> Any:
    """What checks JSON against a schema of the document."""
    text = json.dumps(schema)
    if text not in _VALIDATORS:
        whole = {**schema, "components": DOCUMENT["components"]}
        _VALIDATORS[text] = jsonschema_rs.Draft202012Validator(whole, validate_formats=True)
    return _VALIDATORS[text]


def log_lines(capsys: pytest.CaptureFixture[str]) -> list[JSON]:
    """What was logged since this was last asked, by line."""
    return [json.loads(line) for line in capsys.readouterr().err.splitlines()]


def restored_logging() -> Callable[[], None]:
    """Remember how logging is set up; the result sets it up so again."""
    root = logging.getLogger()
    before, level = root.handlers[:], root.level

    def restore() -> None:
        root.handlers[:] = before
        root.setLevel(level)

    return restore
