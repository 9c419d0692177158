"""A reverse proxy before the API server that counts an operator's writes, and can hold any one of them.

Plain HTTP in, TLS and the operator's own bearer token out; watches stream through. Writes are counted for each object
that they are about: of an agent, those of its Secret and Pod too. So one kill can hit many agents, each at another of
its writes.

    LOST     the write is held and never reaches the API server
    LANDED   the write is done, and its answer is held and never goes back
    LATE     the write is held, and reaches the API server once the next operator has got somewhere with its subject
    LAST     the write is held, and reaches the API server when all else is done
"""

import asyncio
import base64
import json
import ssl
import threading
from collections import defaultdict
from collections.abc import Mapping
from enum import Enum
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import aiohttp
import yaml
from aiohttp import web
from yarl import URL

_WRITES = frozenset({"POST", "PUT", "PATCH", "DELETE"})
# Of one hop (RFC 9110, 7.6.1), or said anew by aiohttp.
_HOP = frozenset({"connection", "content-length", "host", "keep-alive", "transfer-encoding"})
_START_SECONDS = 10


class Fate(Enum):
    """What becomes of a held write."""

    LOST = "lost"
    LANDED = "landed"
    LATE = "late"
    LAST = "last"


class Hold:
    """The n-th write about one object, and what becomes of it."""

    def __init__(self, subject: str, number: int, fate: Fate) -> None:
        self.subject = subject
        self.number = number
        self.fate = fate
        self.what = ""
        self.landed_as = 0
        self._reached = threading.Event()
        self._released = asyncio.Event()
        self._lands = False
        self._landed = asyncio.Event()

    @property
    def reached(self) -> bool:
        """Whether the write came, and waits where it shall wait."""
        return self._reached.is_set()

    def __str__(self) -> str:
        return f"{self.subject}: write {self.number} ({self.what}) {self.fate.value}"


class Proxy:
    """Serves on a port of its own, in a thread of its own; its methods are for the test's thread."""

    def __init__(self, cluster_kubeconfig: Path) -> None:
        cluster = yaml.safe_load(cluster_kubeconfig.read_text())["clusters"][0]["cluster"]
        self._upstream = str(cluster["server"])
        self._authority = base64.b64decode(cluster["certificate-authority-data"]).decode("ascii")
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="proxy", daemon=True)
        self._holds: dict[tuple[str, int], Hold] = {}
        self._all_holds: list[Hold] = []
        self._counts: dict[str, int] = defaultdict(int)
        self._agents: dict[str, str] = {}
        self.writes: list[str] = []
        self.url = ""

    def __enter__(self) -> Self:
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._start(), self._loop).result(_START_SECONDS)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        asyncio.run_coroutine_threadsafe(self._stop(), self._loop).result(_START_SECONDS)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def hold(self, subject: str, number: int, fate: Fate) -> Hold:
        """Hold the n-th write (from 1) about a subject, such as `platform/theazoagents/a`, from now on."""
        hold = self._holds[subject, number] = Hold(subject, number, fate)
        self._all_holds.append(hold)
        return hold

    def next_life(self) -> None:
        """Count from 0 again and hold nothing more: the operator was killed. What is held stays held."""
        self._holds.clear()
        self._counts.clear()
        self.writes.append("--- killed ---")

    def let_land(self, hold: Hold) -> int:
        """Let a LATE or LAST write reach the API server, and say with which HTTP status."""
        hold._lands = True
        self._loop.call_soon_threadsafe(hold._released.set)
        asyncio.run_coroutine_threadsafe(hold._landed.wait(), self._loop).result(_START_SECONDS)
        return hold.landed_as

    def learn_agent(self, agent: Mapping[str, Any]) -> None:
        """Hear of an agent, so that a deletion by its UID is known for one of its writes."""
        self._agents[agent["metadata"]["uid"]] = agent["metadata"]["name"]

    async def _start(self) -> None:
        context = ssl.create_default_context(cadata=self._authority)
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(ssl=context, limit=0),
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=_START_SECONDS),
            auto_decompress=False,
        )
        application = web.Application(client_max_size=8 * 1024 * 1024)
        application.router.add_route("*", "/{path:.*}", self._handle)
        self._runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"

    async def _stop(self) -> None:
        for hold in self._all_holds:
            hold._released.set()
        await self._session.close()
        await self._runner.cleanup()

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        hold = self._count(request, body) if request.method in _WRITES else None
        if hold is None:
            return await self._pass_on(request, body)
        if hold.fate is Fate.LANDED:
            await self._forward(request, body)
        hold._reached.set()
        await hold._released.wait()
        if hold._lands:
            hold.landed_as = await self._forward(request, body)
            hold._landed.set()
        raise web.HTTPServiceUnavailable  # nobody hears it: who asked is dead

    def _count(self, request: web.Request, body: bytes) -> Hold | None:
        subject = self._subject(request, body)
        self._counts[subject] += 1
        what = f"{request.method} {request.path.rpartition('/namespaces/')[2]}"
        self.writes.append(f"{subject} {self._counts[subject]}: {what}")
        hold = self._holds.get((subject, self._counts[subject]))
        if hold is not None:
            hold.what = what
        return hold

    def _subject(self, request: web.Request, body: bytes) -> str:
        """Say what a write is about, as namespace/plural/name; of an agent also where it is about Secret or Pod."""
        _, _, rest = request.path.rpartition("/namespaces/")
        namespace, plural, name, *_ = [*rest.split("/"), "", "", ""]
        if request.method == "POST" and plural in {"pods", "secrets"}:
            metadata = json.loads(body)["metadata"]
            agent = metadata.get("labels", {}).get("theazo.dev/agent")
            plural, name = ("theazoagents", agent) if agent else (plural, metadata["name"])
        elif plural == "secrets" and not name:
            uid = request.query.get("labelSelector", "").rpartition("=")[2]
            plural, name = "theazoagents", self._agents.get(uid, uid)
        elif plural == "pods":
            plural, name = "theazoagents", name.rpartition("-")[0]
        return f"{namespace}/{plural}/{name}"

    async def _forward(self, request: web.Request, body: bytes) -> int:
        async with self._ask(request, body) as answer:
            await answer.read()
            status: int = answer.status
            return status

    def _ask(self, request: web.Request, body: bytes) -> Any:
        headers = {name: value for name, value in request.headers.items() if name.lower() not in _HOP}
        url = URL(self._upstream + request.raw_path, encoded=True)
        return self._session.request(request.method, url, data=body or None, headers=headers, allow_redirects=False)

    async def _pass_on(self, request: web.Request, body: bytes) -> web.StreamResponse:
        async with self._ask(request, body) as answer:
            headers = {name: value for name, value in answer.headers.items() if name.lower() not in _HOP}
            reply = web.StreamResponse(status=answer.status, headers=headers)
            try:
                await reply.prepare(request)
                async for chunk in answer.content.iter_any():
                    await reply.write(chunk)
                await reply.write_eof()
            except (ConnectionError, aiohttp.ClientError):
                pass  # the operator was killed, or the test is over
            return reply
