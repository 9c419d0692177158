"""A cache that has no ghosts: lists, watches, cuts and expiries, over HTTP."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import pytest

from tests.support.aio import aio, soon
from tests.support.apiserver import JSON, ApiServer, Reply, api_server, event, hang_up, page, refusal, reply, stream
from tests.support.builders import at
from theazo_operator.health import MAX_WATCH_IDLE
from theazo_operator.kube import informer as module
from theazo_operator.kube import resource as kind
from theazo_operator.kube.client import Kube
from theazo_operator.kube.informer import Informer
from theazo_operator.resources.meta import Key
from theazo_operator.resources.session import Session

BACKOFFS = module._BACKOFFS


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_BACKOFFS", (0.0,))


def key(name: str) -> Key:
    return Key("ns", name)


def body(name: str, version: int, **spec: Any) -> JSON:
    meta = {"name": name, "namespace": "ns", "uid": f"uid-{name}", "creationTimestamp": at(0)}
    return {"metadata": {**meta, "resourceVersion": str(version)}, "spec": spec}


class Watcher:
    """An informer of sessions that runs, and what it told."""

    def __init__(self, kube: Kube, server: ApiServer) -> None:
        self.server = server
        self.told: asyncio.Queue[str] = asyncio.Queue()
        self.informer = Informer(
            kube, kind.SESSIONS, Session.of, lambda each: self.told.put_nowait(each.name), namespace="ns", selector="l"
        )

    async def tells(self, *names: str) -> None:
        assert [await soon(self.told.get()) for _ in names] == list(names)

    async def asks_to_watch_from(self, *versions: str) -> None:
        """Wait until so many watches were asked for, and look at what versions they began at."""
        await soon(self.server.until(lambda: len(self.server.watched) >= len(versions)))
        assert [each.query["resourceVersion"] for each in self.server.watched] == list(versions)

    def versions(self) -> dict[str, int]:
        return {fact.meta.key.name: fact.meta.resource_version for fact in self.informer.values()}


@contextlib.asynccontextmanager
async def watching(*replies: Reply, watches: tuple[Reply, ...] = ()) -> AsyncIterator[Watcher]:
    async with api_server() as (server, kube):
        server.replies += replies
        server.watches += watches
        watcher = Watcher(kube, server)
        task = asyncio.create_task(watcher.informer.run())
        try:
            yield watcher
        finally:
            if task.done():
                task.result()
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task


@aio
async def test_a_list_fills_the_cache_and_tells_of_each() -> None:
    pages = page(body("a", 1), version=9, more="next"), page(body("b", 2), version=9)
    async with watching(*pages) as watcher:
        assert not watcher.informer.synced.is_set()
        await watcher.tells("a", "b")
        await soon(watcher.informer.synced.wait())
        assert watcher.versions() == {"a": 1, "b": 2}
        assert watcher.informer.get(key("c")) is None
        await watcher.asks_to_watch_from("9")
    first = watcher.server.asked[0]
    assert (first.path, first.query) == (
        "/apis/theazo.dev/v1alpha1/namespaces/ns/theazosessions",
        {"limit": "250", "labelSelector": "l"},
    )


@aio
async def test_an_empty_list_is_a_filled_cache() -> None:
    async with watching(page(version=9)) as watcher:
        await soon(watcher.informer.synced.wait())
        assert watcher.versions() == {}


@aio
async def test_events() -> None:
    events = stream(
        event("ADDED", body("a", 11)),
        event("MODIFIED", body("a", 12)),
        event("ADDED", body("big", 13, user="x" * 200_000)),
        event("DELETED", body("a", 14)),
        then="silence",
    )
    async with watching(page(version=9), watches=(events,)) as watcher:
        await watcher.tells("a", "a", "big", "a")
        assert watcher.versions() == {"big": 13}


@aio
async def test_what_is_gone_is_told_after_the_cache_forgot_it() -> None:
    seen = []
    async with api_server() as (server, kube):
        server.replies.append(page(body("a", 1), version=9))
        server.watches.append(stream(event("DELETED", body("a", 12)), then="silence"))
        done = asyncio.Event()

        def look(each: Key) -> None:
            seen.append(informer.get(each) is not None)
            if len(seen) == 2:
                done.set()

        informer = Informer(kube, kind.SESSIONS, Session.of, look)
        task = asyncio.create_task(informer.run())
        await soon(done.wait())
        task.cancel()
    assert seen == [True, False]


@aio
async def test_a_watch_that_ends_or_is_cut_goes_on_where_it_was() -> None:
    bookmark = event("BOOKMARK", {"metadata": {"resourceVersion": "20"}})
    watches = (
        stream(event("ADDED", body("a", 11))),
        stream(bookmark),
        hang_up,
        hang_up,  # aiohttp tries once more by itself
        refusal(503, "ServiceUnavailable"),
    )
    async with watching(page(version=9), watches=watches) as watcher:
        await watcher.tells("a")
        await soon(watcher.server.until(lambda: not watcher.server.watches and len(watcher.server.watched) > 5))
        asked = [each.query["resourceVersion"] for each in watcher.server.watched]
        assert asked[:3] == ["9", "11", "20"]
        assert set(asked[3:]) == {"20"}
        assert len(watcher.server.asked) == len(asked) + 1


@aio
async def test_what_came_before_a_cut_is_not_lost() -> None:
    watches = (stream(event("ADDED", body("a", 11)), then="cut"), stream(event("ADDED", body("a", 11)), then="silence"))
    async with watching(page(version=9), watches=watches) as watcher:
        await watcher.tells("a")
        assert watcher.versions() == {"a": 11}


EXPIRY = {"kind": "Status", "code": 410, "reason": "Expired", "message": "too old resource version"}


@pytest.mark.parametrize(
    "expiry", [stream(event("ERROR", EXPIRY)), refusal(410, "Expired")], ids=["as an event", "as a status"]
)
def test_after_an_expiry_it_lists_again_and_tells_what_is_gone(expiry: Reply) -> None:
    @aio
    async def scenario() -> None:
        before = page(body("ghost", 1), body("stays", 2), body("changes", 3), version=9)
        after = page(body("stays", 2), body("changes", 30), body("new", 31), version=40)
        async with watching(before, after, watches=(expiry,)) as watcher:
            await watcher.tells("ghost", "stays", "changes")
            await watcher.tells("changes", "new", "ghost")
            await watcher.asks_to_watch_from("9", "40")
            assert watcher.versions() == {"stays": 2, "changes": 30, "new": 31}
            assert watcher.told.empty()

    scenario()


@aio
async def test_what_was_put_in_after_the_list_is_no_ghost() -> None:
    first, second = page(body("old", 1), version=9), page(version=40)
    gate = asyncio.Event()

    async def held(request: Any) -> Any:
        await gate.wait()
        return await second(request)

    async with watching(first, held, watches=(refusal(410, "Expired"),)) as watcher:
        await watcher.tells("old")
        await soon(watcher.server.until(lambda: not watcher.server.replies))
        watcher.informer.put(body("of our own", 50))
        gate.set()
        await watcher.tells("old")
        assert watcher.versions() == {"of our own": 50}


@pytest.mark.parametrize(
    "failure",
    [
        refusal(403, "Forbidden"),
        refusal(500, "InternalError"),
        refusal(410, "Expired"),
        hang_up,
        reply(200, raw=b"<html>", kind="text/html"),
    ],
    ids=["403", "500", "410", "cut", "HTML"],
)
def test_a_list_that_fails_is_tried_again(failure: Reply) -> None:
    @aio
    async def scenario() -> None:
        async with watching(failure, failure, page(body("a", 1), version=9)) as watcher:
            await watcher.tells("a")
            await soon(watcher.informer.synced.wait())

    scenario()


@pytest.mark.parametrize("code", [403, 404])
def test_a_watch_that_is_refused_lists_again(code: int) -> None:
    @aio
    async def scenario() -> None:
        lists = page(body("a", 1), version=9), page(body("b", 11), version=20)
        async with watching(*lists, watches=(refusal(code, "X"),)) as watcher:
            await watcher.tells("a", "b", "a")
            await watcher.asks_to_watch_from("9", "20")

    scenario()


@pytest.mark.parametrize("trouble", [{"code": 500, "reason": "InternalError"}, {"code": 403}, {}])
def test_after_an_error_event_of_any_kind_it_lists_again(trouble: JSON) -> None:
    """The same version would be answered in the same way for ever, over a cache that grows old."""

    @aio
    async def scenario() -> None:
        lists = page(body("a", 1), version=9), page(version=20)
        async with watching(*lists, watches=(stream(event("ERROR", trouble)),)) as watcher:
            await watcher.tells("a", "a")
            await watcher.asks_to_watch_from("9", "20")

    scenario()


@aio
async def test_pages_do_not_hold_up_others() -> None:
    turns = 0

    async def count() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    async with watching(*(page(version=9, more="x") for _ in range(5)), page(body("a", 1), version=9)) as watcher:
        task = asyncio.create_task(count())
        await watcher.tells("a")
        task.cancel()
    assert turns > 5


@pytest.mark.parametrize("line", [b"<html>\n", b"null\n", b"{}\n", b'{"type":"ADDED","object":null}\n'])
def test_what_is_no_event_is_a_cut(line: bytes) -> None:
    @aio
    async def scenario() -> None:
        watches = (stream(line), stream(event("ADDED", body("a", 11)), then="silence"))
        async with watching(page(version=9), watches=watches) as watcher:
            await watcher.tells("a")
            await watcher.asks_to_watch_from("9", "9")

    scenario()


@aio
async def test_the_deletion_of_a_namesake_from_before_is_no_news() -> None:
    gate = asyncio.Event()
    events = stream(event("DELETED", body("a", 12)), event("ADDED", body("b", 14)), then="silence")

    async def held(request: Any) -> Any:
        await gate.wait()
        return await events(request)

    async with watching(page(body("a", 1), version=9), watches=(held,)) as watcher:
        await watcher.tells("a")
        watcher.informer.put(body("a", 13))
        gate.set()
        await watcher.tells("b")
        assert watcher.versions() == {"a": 13, "b": 14}


# put(): objects that come another way.


@aio
async def test_put_takes_what_is_newer_and_tells_nobody() -> None:
    async with api_server() as (server, kube):
        watcher = Watcher(kube, server)
        assert watcher.informer.put(body("a", 5)).meta.resource_version == 5
        assert watcher.informer.put(body("a", 4)).meta.resource_version == 5
        assert watcher.informer.put(body("a", 5)).meta.resource_version == 5
        assert watcher.informer.put(body("a", 10)).meta.resource_version == 10  # as a number, not as text
        assert watcher.versions() == {"a": 10}
        assert watcher.told.empty()


@aio
async def test_the_echo_of_what_was_put_in_is_no_news_and_an_older_event_changes_nothing() -> None:
    gate = asyncio.Event()
    events = stream(event("MODIFIED", body("a", 12)), event("MODIFIED", body("a", 13)), event("ADDED", body("b", 14)))

    async def held(request: Any) -> Any:
        await gate.wait()
        return await events(request)

    async with watching(page(body("a", 1), version=9), watches=(held,)) as watcher:
        await watcher.tells("a")
        watcher.informer.put(body("a", 13))
        gate.set()
        await watcher.tells("b")
        assert watcher.versions() == {"a": 13, "b": 14}


@aio
async def test_values_can_be_looked_through_while_they_change() -> None:
    async with api_server() as (server, kube):
        informer = Watcher(kube, server).informer
        for name in "abc":
            informer.put(body(name, 1))
        for fact in informer.values():
            informer.put(body(f"more-{fact.meta.key.name}", 1))
        assert len(list(informer.values())) == 6


# Calm: whatever is amiss for long, and what the probes and the alert then go by.


@dataclass(frozen=True, kw_only=True)
class Trouble:
    """What each of eight watches is answered after so many seconds, and what shall come of it."""

    watch: Reply
    lasts: float = 0
    lists: int
    pauses: tuple[float, ...]
    age: float
    """Seconds since the cache was last known to be true."""


EIGHT = (0.1, 0.5, 1.0, 2.0, 5.0, 5.0, 5.0, 5.0)
NO_PAUSES = (0.1,) * 8
BOOKMARK = event("BOOKMARK", {"metadata": {"resourceVersion": "9"}})
SERVER_ERROR = event("ERROR", {"code": 500, "reason": "InternalError"})
TROUBLES = {
    "the API server is away": Trouble(watch=refusal(503, "X"), lists=1, pauses=EIGHT, age=sum(EIGHT)),
    "it answers nothing": Trouble(watch=refusal(504, "X"), lasts=30, lists=1, pauses=NO_PAUSES, age=8 * 30 + 0.8),
    "every watch is too old": Trouble(watch=refusal(410, "Expired"), lists=9, pauses=EIGHT, age=0),
    "and says so in an event": Trouble(watch=stream(event("ERROR", EXPIRY)), lists=9, pauses=EIGHT, age=0),
    "every watch gives an error": Trouble(watch=stream(SERVER_ERROR), lists=9, pauses=EIGHT, age=0),
    "after a bookmark": Trouble(watch=stream(BOOKMARK, SERVER_ERROR), lists=9, pauses=EIGHT, age=0),
    "it may list and not watch": Trouble(watch=refusal(403, "Forbidden"), lists=9, pauses=EIGHT, age=0),
    "every watch ends at once": Trouble(watch=stream(), lists=1, pauses=EIGHT, age=sum(EIGHT)),
    "every watch is cut at once": Trouble(watch=stream(BOOKMARK, then="cut"), lists=1, pauses=EIGHT, age=5),
    "nothing: the server ends each": Trouble(watch=stream(), lasts=300, lists=1, pauses=NO_PAUSES, age=2400.8),
    "nothing: a proxy cuts each": Trouble(watch=stream(then="cut"), lasts=35, lists=1, pauses=NO_PAUSES, age=280.8),
    "nothing: there are bookmarks only": Trouble(watch=stream(BOOKMARK), lasts=60, lists=1, pauses=NO_PAUSES, age=0.1),
}


@pytest.mark.parametrize("trouble", TROUBLES.values(), ids=TROUBLES)
def test_it_stays_calm(trouble: Trouble, monkeypatch: pytest.MonkeyPatch) -> None:
    """A pause that grows where watches fail at once, and no list where none is needed; it is never taken for stuck."""
    clock, pauses, idle = [1000.0], [], []

    async def pause(seconds: float) -> None:
        await asyncio.sleep(0)
        if seconds:
            pauses.append(seconds)
            clock[0] += seconds

    async def answer(request: Any) -> Any:
        clock[0] += trouble.lasts
        return await trouble.watch(request)

    @aio
    async def scenario() -> None:
        lists = (page(version=9) for _ in range(trouble.lists))
        async with watching(*lists, watches=(answer,) * 8) as watcher:
            until = watcher.server.until

            def watches_nine_times() -> bool:
                idle.append(watcher.informer.idle)
                return len(watcher.server.watched) == 9

            await soon(until(watches_nine_times))
            assert len(watcher.server.asked) - 9 == trouble.lists
            assert {each.query["resourceVersion"] for each in watcher.server.watched} == {"9"}
            assert watcher.informer.age == pytest.approx(trouble.age)
            assert watcher.informer.synced.is_set()

    monkeypatch.setattr(module, "_BACKOFFS", BACKOFFS)
    monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=lambda: clock[0]))
    monkeypatch.setattr(module, "asyncio", SimpleNamespace(Event=asyncio.Event, sleep=pause))
    scenario()
    assert pauses == list(trouble.pauses)
    assert max(idle) < MAX_WATCH_IDLE


@aio
async def test_a_watch_that_lasts_makes_the_pauses_short_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lists and watches count together until then."""
    clock, pauses = [1000.0], []

    async def pause(seconds: float) -> None:
        await asyncio.sleep(0)
        if seconds:
            pauses.append(seconds)

    async def lasting(request: Any) -> Any:
        clock[0] += 60
        return await stream(BOOKMARK)(request)

    monkeypatch.setattr(module, "_BACKOFFS", BACKOFFS)
    monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=lambda: clock[0]))
    monkeypatch.setattr(module, "asyncio", SimpleNamespace(Event=asyncio.Event, sleep=pause))
    away, good = refusal(503, "X"), page(version=9)
    async with watching(away, good, away, good, watches=(refusal(403, "X"), away, lasting, away)) as watcher:
        await watcher.asks_to_watch_from(*"99999")
    assert pauses == [0.1, 0.5, 1.0, 2.0, 0.1, 0.5]


# How long the API server has been silent.


@aio
async def test_contact_is_counted_from_the_last_word(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [1000.0]
    monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=lambda: clock[0]))
    async with watching(page(version=9)) as watcher:
        await watcher.asks_to_watch_from("9")
        clock[0] += 77
        assert (watcher.informer.age, watcher.informer.idle) == (77, 77)


@aio
async def test_an_object_that_nobody_can_read_stops_no_other() -> None:
    """Nor does it count as gone: what was known of it stays."""
    spoilt = body("a", 12)
    spoilt["metadata"]["resourceVersion"] = "?"
    events = stream(event("MODIFIED", spoilt), event("ADDED", body("b", 14)), then="silence")
    async with watching(page(body("a", 1), version=9), watches=(events,)) as watcher:
        await watcher.tells("a")
        await watcher.tells("b")
        assert watcher.versions() == {"a": 1, "b": 14}
