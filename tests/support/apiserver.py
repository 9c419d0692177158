"""An API server as the HTTP edge sees it: it answers what a test tells it to, and remembers what it was asked."""

import asyncio
import contextlib
import json
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import aiohttp
from aiohttp import web

from theazo_operator.kube.client import Kube

JSON = dict[str, Any]
Reply = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass(frozen=True, slots=True)
class Asked:
    """A request that came in."""

    verb: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class ApiServer:
    """Answers in the order of `replies`, watches apart from the rest; a watch with none left stays silent."""

    replies: deque[Reply] = field(default_factory=deque)
    watches: deque[Reply] = field(default_factory=deque)
    asked: list[Asked] = field(default_factory=list)
    _news: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def watched(self) -> list[Asked]:
        """The watches that were asked for."""
        return [each for each in self.asked if "watch" in each.query]

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait until requests have made something true."""
        while not condition():
            self._news.clear()
            await self._news.wait()

    async def answer(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        self.asked.append(Asked(request.method, request.path, dict(request.query), dict(request.headers), body))
        self._news.set()
        if "watch" in request.query:
            return await (self.watches.popleft() if self.watches else stream(then="silence"))(request)
        if not self.replies:
            return await reply(500, status_body(500, "TestHasNoReply"))(request)
        return await self.replies.popleft()(request)


def reply(status: int = 200, body: Any = None, *, raw: bytes | None = None, kind: str = "application/json") -> Reply:
    """An answer with a JSON body, or with any bytes."""

    async def respond(_: web.Request) -> web.StreamResponse:
        payload = raw if raw is not None else json.dumps({} if body is None else body).encode()
        return web.Response(status=status, body=payload, content_type=kind)

    return respond


def status_body(code: int, reason: str, message: str = "") -> JSON:
    return {
        "kind": "Status",
        "apiVersion": "v1",
        "status": "Failure",
        "code": code,
        "reason": reason,
        "message": message,
    }


def refusal(code: int, reason: str, message: str = "") -> Reply:
    return reply(code, status_body(code, reason, message))


def page(*items: JSON, version: int, more: str = "") -> Reply:
    return reply(200, {"metadata": {"resourceVersion": str(version), "continue": more}, "items": list(items)})


def stream(*chunks: bytes, then: str = "end") -> Reply:
    """A watch: pieces of its text, and then it ends, is cut, or falls silent."""

    async def respond(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        for chunk in chunks:
            await response.write(chunk)
        if then == "cut" and request.transport is not None:
            request.transport.abort()
        if then == "silence":
            await asyncio.Event().wait()
        return response

    return respond


def event(kind: str, body: JSON) -> bytes:
    return json.dumps({"type": kind, "object": body}).encode() + b"\n"


async def hang_up(request: web.Request) -> web.StreamResponse:
    """Cut the connection without a word."""
    if request.transport is not None:
        request.transport.abort()
    return web.Response()


@contextlib.asynccontextmanager
async def api_server() -> AsyncIterator[tuple[ApiServer, Kube]]:
    """A server and a client of it."""
    server = ApiServer()
    app = web.Application(client_max_size=8 * 2**20)
    app.router.add_route("*", "/{path:.*}", server.answer)
    runner = web.AppRunner(app, access_log=None, handler_cancellation=True, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host, port = runner.addresses[0][:2]
    async with Kube(aiohttp.ClientSession(), f"http://{host}:{port}/") as kube:
        try:
            yield server, kube
        finally:
            await kube.session.close()
            await runner.cleanup()
