"""The SDK's two clients on a scripted transport: fake at the HTTP edge and nowhere else."""

import asyncio
import inspect
import json
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, TypeAlias

import httpx2

from theazo.aio import AsyncTheazo
from theazo.client import Theazo
from theazo.sealing import SUITE, PublicKey
from theazo.testing import API_KEY as FAKE_KEY
from theazo.testing import FakeTheazo
from theazo_operator.opening import Keyring

BASE_URL = "https://api.test/base"
API_KEY = f"th_live_{'k2' * 6}_{'z7' * 26}"
KEYRING = Keyring({1: bytes(range(32))})
SECOND = Keyring({1: bytes(range(32)), 2: bytes(range(1, 33))})
TIME = "2026-05-01T10:00:00.123456Z"
SID = "s-aaaaaaaaaaaaaaaaaaaaaaaaaa"

Scripted: TypeAlias = httpx2.Response | Exception


def reply(status: int, body: Any = None, **headers: str) -> httpx2.Response:
    """A success; names of headers have _ for -."""
    shown = {name.replace("_", "-"): value for name, value in headers.items()}
    return httpx2.Response(status, headers=shown, json=body) if body is not None else httpx2.Response(status)


def problem(status: int, code: str, **more: Any) -> httpx2.Response:
    """A problem as the API writes it; `retry_after` is a header."""
    headers = {"content-type": "application/problem+json", "x-request-id": "req_1"}
    if "retry_after" in more:
        headers["retry-after"] = str(more.pop("retry_after"))
    body = {"type": f"urn:theazo:problem:{code}", "title": "T", "status": status, "code": code, "requestId": "req_1"}
    return httpx2.Response(status, headers=headers, content=json.dumps(body | {"detail": "what to do"} | more))


def session_body(**changes: Any) -> dict[str, Any]:
    body = {"id": SID, "user": "user_123", "platform": "acme", "sealingId": "seal-1"}
    return body | {"createdAt": TIME, "expiresAt": None} | changes


def agent_body(**changes: Any) -> dict[str, Any]:
    body: dict[str, Any] = {"id": "a-1", "sessionId": SID, "compute": "python", "phase": "Pending", "stalled": False}
    body |= dict.fromkeys(("reason", "message", "podName", "exitCode", "startedAt", "finishedAt"))
    return body | {"createdAt": TIME, "secrets": [{"name": "A", "from": "B", "updatedAt": None}]} | changes


def key_body(key: PublicKey = KEYRING.public_key("acme")) -> dict[str, Any]:  # noqa: B008 - a constant
    return {"platform": "acme", "suite": SUITE, "keyId": key.key_id, "publicKey": key.to_base64()}


@dataclass
class Script:
    """Answers in order, and what was asked and waited."""

    answers: list[Scripted]
    requests: list[httpx2.Request] = field(default_factory=list)
    pauses: list[float] = field(default_factory=list)
    clock: float = 0.0

    def handle(self, request: httpx2.Request) -> httpx2.Response:
        self.requests.append(request)
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        # Another one each time: a client binds what it is given to itself.
        return httpx2.Response(answer.status_code, headers=answer.headers, content=answer.content)

    def asked(self) -> list[str]:
        """Methods and paths with queries, below the base URL."""
        return [f"{each.method} {str(each.url).removeprefix(BASE_URL)}" for each in self.requests]

    def body(self, number: int = -1) -> Any:
        return json.loads(self.requests[number].content)

    def now(self) -> float:
        return self.clock

    def sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.clock += seconds

    async def asleep(self, seconds: float) -> None:
        self.sleep(seconds)


def sync_client(script: Script, **options: Any) -> Theazo:
    client = Theazo(API_KEY, BASE_URL, transport=httpx2.MockTransport(script.handle), **options)
    client._link.sleep, client._link.now = script.sleep, script.now
    object.__setattr__(client._link.api.policy, "jitter", lambda: 1.0)
    return client


def async_client(script: Script, **options: Any) -> AsyncTheazo:
    client = AsyncTheazo(API_KEY, BASE_URL, transport=httpx2.MockTransport(script.handle), **options)
    client._link.sleep, client._link.now = script.asleep, script.now
    object.__setattr__(client._link.api.policy, "jitter", lambda: 1.0)
    return client


Scenario: TypeAlias = Callable[[Any], Awaitable[Any]]
Runner: TypeAlias = Callable[..., Any]


def run_sync(scenario: Scenario, script: Script, **options: Any) -> Any:
    """A scenario, written with `await`, on the client that has none."""
    with sync_client(script, **options) as client:
        coroutine = scenario(Awaitabled(client))
        return asyncio.run(_await(coroutine))


def run_async(scenario: Scenario, script: Script, **options: Any) -> Any:
    async def run() -> Any:
        async with async_client(script, **options) as client:
            return await scenario(client)

    return asyncio.run(run())


BOTH: tuple[Runner, ...] = (run_sync, run_async)


async def _await(found: Awaitable[Any]) -> Any:
    return await found


class Awaitabled:
    """An object of the sync client that is used like its asynchronous twin."""

    def __init__(self, inner: Any) -> None:
        self.inner = inner

    def __getattr__(self, name: str) -> Any:
        found = getattr(self.inner, name)
        if not inspect.ismethod(found):
            return _wrapped(found)

        def call(*args: Any, **kwargs: Any) -> Any:
            if inspect.isgeneratorfunction(found):
                return _aiter(found(*args, **kwargs))

            async def later() -> Any:
                return _wrapped(found(*args, **kwargs))

            return later()

        return call


def _wrapped(found: Any) -> Any:
    return Awaitabled(found) if type(found).__module__ == "theazo.client" else found


async def _aiter(items: Iterator[Any]) -> AsyncIterator[Any]:
    for item in items:
        yield _wrapped(item)


@contextmanager
def served(fake: FakeTheazo) -> Iterator[dict[str, str]]:
    """The API in memory on a port of its own, and the environment that leads to it."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            url = f"http://{self.headers['Host']}{self.path}"
            request = httpx2.Request(self.command, url, headers=dict(self.headers.items()), content=body)
            answer = fake.transport.handle_request(request)
            self.send_response(answer.status_code)
            for name, value in answer.headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(answer.content)

        def do_POST(self) -> None:
            self.do_GET()

        def do_DELETE(self) -> None:
            self.do_GET()

        def log_message(self, *_: object) -> None:
            """Nothing: the tests look at standard error."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield {"THEAZO_BASE_URL": f"http://127.0.0.1:{server.server_port}", "THEAZO_API_KEY": FAKE_KEY}
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
