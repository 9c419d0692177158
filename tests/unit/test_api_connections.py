"""Connections to the server that is shipped, over real sockets: who says nothing, or too little, or too much."""

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from tests.support.aio import soon
from tests.support.builders import NS, SYSTEM
from tests.support.fakekube import FakeKube
from tests.support.restrig import PROBLEM, USER, Rest
from theazo import rules
from theazo_operator.api import fairness
from theazo_operator.api.__main__ import serving
from theazo_operator.api.connections import Connection, Limits
from theazo_operator.kube import resource as kind
from theazo_operator.settings import parse_api

SESSION = f"/v1/sessions/{rules.session_name(NS, USER)}"
_SHORT = 0.3  # seconds: what is over so soon that a test waits for it, and not before one that is in time has asked
_SHORTER = 0.05  # where nobody is in time
_LONG = 3600.0


def request(path: str, key: str = "", more: str = "", method: str = "GET") -> bytes:
    """A request as a client sends it."""
    authorization = f"Authorization: Bearer {key}\r\n" if key else ""
    return f"{method} {path} HTTP/1.1\r\nHost: x\r\n{authorization}{more}\r\n".encode()


PROBE = request("/livez")


class Client:
    """One connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    def say(self, text: bytes) -> None:
        """Send something."""
        self.writer.write(text)

    async def ask(self, text: bytes) -> tuple[int, dict[str, str], bytes]:
        """Send a request and read its answer."""
        self.say(text)
        return await self.answer()

    async def answer(self) -> tuple[int, dict[str, str], bytes]:
        """Status, headers and body."""
        head = (await self.reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in head[1:] if line)}
        return int(head[0].split(" ")[1]), headers, await self.reader.readexactly(int(headers["content-length"]))

    async def closed(self) -> bytes:
        """Wait until the server closes it: what it said before."""
        try:
            return await self.reader.read()
        except ConnectionResetError:
            return b""


class Server:
    """The shipped server, listening."""

    def __init__(self, rest: Rest, limits: Limits) -> None:
        self._server = serving(rest.app, parse_api(["--namespace", SYSTEM], {}), limits)
        self._listening = socket.create_server(("127.0.0.1", 0))
        self._clients: list[Client] = []

    async def connect(self, of: str = "127.0.0.1") -> Client:
        """A new connection, from an address. The server takes them in one after the other."""
        [client] = await self.connect_at_once(1, of)
        return client

    async def connect_at_once(self, many: int, of: str = "127.0.0.1") -> list[Client]:
        """New connections, which are all there before the server sees the first one."""
        address = self._listening.getsockname()
        made = [socket.create_connection(address, source_address=(of, 0)) for _ in range(many)]
        clients = [Client(*await asyncio.open_connection(sock=each)) for each in made]
        self._clients += clients
        return clients

    @asynccontextmanager
    async def serve(self) -> AsyncIterator[None]:
        """Serve for a while."""
        serving = asyncio.create_task(self._server.serve([self._listening]))
        try:
            yield
        finally:
            for each in self._clients:
                each.writer.transport.abort()
            self._server.should_exit = True
            await serving


def run(rest: Rest, limits: Limits, scenario: Callable[[Server], Awaitable[None]]) -> None:
    async def served() -> None:
        server = Server(rest, limits)
        async with server.serve():
            await scenario(server)

    rest.runner.run(soon(served()))


@pytest.mark.parametrize("said", [b"", b"GET /livez HT", b"GET /livez HTTP/1.1\r\nHost: x\r\n"], ids=repr)
def test_a_connection_without_a_whole_head_is_closed_without_a_word(rest: Rest, said: bytes) -> None:
    async def scenario(server: Server) -> None:
        client = await server.connect()
        client.say(said)
        assert await client.closed() == b""

    run(rest, Limits(_SHORT, _LONG, _LONG), scenario)


async def trickle(client: Client, sent: list[bytes]) -> None:
    """Send one byte after the other."""
    while True:
        sent.append(b"a")
        client.say(sent[-1])
        await asyncio.sleep(0)


@pytest.mark.parametrize(
    ("first", "limits"),
    [
        (b"GET /livez HTTP/1.1\r\nX: ", Limits(_SHORTER, _LONG, _LONG)),
        (request("/v1/sessions", more="Content-Length: 20000\r\n", method="POST"), Limits(_LONG, _SHORTER, _LONG)),
    ],
    ids=["head", "body"],
)
def test_a_request_that_trickles_is_as_late_as_a_silent_one(rest: Rest, first: bytes, limits: Limits) -> None:
    """Also where it has its answer already, 401, and its body still comes."""

    async def scenario(server: Server) -> None:
        client = await server.connect()
        client.say(first)
        sent: list[bytes] = []
        trickling = asyncio.create_task(trickle(client, sent))
        await client.closed()
        trickling.cancel()
        assert len(sent) < 16384, "it was closed because a head is not that long, or a body is over"

    run(rest, limits, scenario)


def test_a_connection_that_has_had_an_answer_may_wait_longer(rest: Rest) -> None:
    async def scenario(server: Server) -> None:
        kept = await server.connect()
        assert (await kept.ask(PROBE))[0] == 200
        silent = await server.connect()
        await silent.closed()
        assert (await kept.ask(PROBE))[0] == 200
        kept.say(PROBE[:-1])
        assert await kept.closed() == b"", "a later request has to come as soon as the first one"

    run(rest, Limits(_SHORT, _LONG, _LONG), scenario)


def test_who_does_not_take_his_answers_is_not_waited_for(rest: Rest, monkeypatch: pytest.MonkeyPatch) -> None:
    more_than_buffers_hold = 400
    real, lost = Connection.connection_lost, asyncio.Event()

    def connection_lost(self: Connection, exc: Exception | None) -> None:
        real(self, exc)
        lost.set()

    monkeypatch.setattr(Connection, "connection_lost", connection_lost)

    async def scenario(server: Server) -> None:
        client = await server.connect()
        client.writer.transport.pause_reading()  # type: ignore[attr-defined]
        client.say(request("/openapi.json") * more_than_buffers_hold)
        await lost.wait()

    run(rest, Limits(_LONG, _LONG, _SHORT), scenario)


def test_for_one_too_many_the_oldest_silent_one_goes(rest: Rest) -> None:
    async def scenario(server: Server) -> None:
        silent = await server.connect_at_once(5)
        for each in silent[:2]:
            assert await each.closed() == b""
        for each in silent[2:]:
            assert (await each.ask(PROBE))[0] == 200

    run(rest, Limits(_LONG, _LONG, _LONG, connections=3), scenario)


def test_who_opens_too_many_closes_his_own(rest: Rest) -> None:
    async def scenario(server: Server) -> None:
        first = await server.connect("127.0.0.1")
        crowd = [await server.connect("127.0.0.2") for _ in range(9)]
        for each in crowd[:7]:
            assert await each.closed() == b""
        assert (await first.ask(PROBE))[0] == 200

    run(rest, Limits(_LONG, _LONG, _LONG, connections=3), scenario)


class Held:
    """Reads of sessions, which wait until they are let go."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        real = FakeKube.get
        self.waiting = asyncio.Semaphore(0)
        self.let_go = asyncio.Event()

        async def get(kube: FakeKube, resource: Any, namespace: str, name: str) -> Any:
            if resource == kind.SESSIONS:
                self.waiting.release()
                await self.let_go.wait()
            return await real(kube, resource, namespace, name)

        monkeypatch.setattr(FakeKube, "get", get)


def test_one_that_is_worked_for_never_goes_for_another(rest: Rest, monkeypatch: pytest.MonkeyPatch) -> None:
    rest.open()

    async def scenario(server: Server) -> None:
        held = Held(monkeypatch)
        asking = [await server.connect() for _ in range(3)]
        for each in asking:
            each.say(request(SESSION, rest.key))
            await held.waiting.acquire()
        silent = [await server.connect() for _ in range(3)]
        assert await silent[0].closed() == b""
        assert await silent[1].closed() == b""
        assert (await silent[2].ask(PROBE))[0] == 200, "there is always one more that may ask"
        held.let_go.set()
        assert [(await each.answer())[0] for each in asking] == [200] * 3

    run(rest, Limits(_SHORT, _SHORT, _SHORT, connections=3), scenario)


def test_where_too_many_requests_are_under_way_a_probe_is_answered_and_others_are_told(
    rest: Rest, monkeypatch: pytest.MonkeyPatch
) -> None:
    rest.open()
    monkeypatch.setattr(fairness, "_ALL", 2)

    async def scenario(server: Server) -> None:
        held = Held(monkeypatch)
        asking = [await server.connect() for _ in range(2)]
        for each in asking:
            each.say(request(SESSION, rest.key))
            await held.waiting.acquire()
        other = await server.connect()
        for path in ("/livez", "/readyz", "/metrics"):
            assert (await other.ask(request(path)))[0] == 200
        status, headers, body = await other.ask(request(SESSION, rest.key))
        assert (status, headers["content-type"], headers["retry-after"]) == (429, PROBLEM, "3")
        assert json.loads(body)["code"] == "too_many_requests"
        held.let_go.set()
        assert [(await each.answer())[0] for each in asking] == [200] * 2
        assert (await other.ask(request(SESSION, rest.key)))[0] == 200

    run(rest, Limits(), scenario)
