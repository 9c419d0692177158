"""An API server that does not answer, clients that go away, and what the cluster refuses: who is told what, when."""

import asyncio
import gc
import socket
import weakref
from collections.abc import Callable, Mapping
from typing import Any

import pytest
import uvicorn

from tests.support.aio import settle, soon
from tests.support.builders import NS
from tests.support.fakekube import FakeKube
from tests.support.restrig import USER, Reply, Rest
from theazo import api_key, rules
from theazo.secret_value import SecretValue
from theazo_operator.api import service, turns
from theazo_operator.api.secrets import Secrets
from theazo_operator.kube import resource as kind
from theazo_operator.kube.errors import Outdated, Refused, Unavailable

SID = rules.session_name(NS, USER)
SESSION = f"/v1/sessions/{SID}"
PATH = f"{SESSION}/secrets"
LOST = (503, "unavailable")
GONE = (0, None)


class Stuck:
    """Requests of one verb for one kind, which wait until they are let go, and then perhaps fail."""

    def __init__(
        self, monkeypatch: pytest.MonkeyPatch, verb: str, resource: Any, error: Exception | None = None
    ) -> None:
        real: Callable[..., Any] = getattr(FakeKube, verb)
        self.waiting = 0
        self.came = asyncio.Event()
        self.given_up = asyncio.Event()
        self.let_go = asyncio.Event()

        async def stuck(kube: FakeKube, of: Any, *args: Any, **more: Any) -> Any:
            if of == resource and not self.let_go.is_set():
                self.waiting += 1
                self.came.set()
                try:
                    await self.let_go.wait()
                except asyncio.CancelledError:
                    self.given_up.set()
                    raise
                if error is not None:
                    raise error
            return await real(kube, of, *args, **more)

        monkeypatch.setattr(FakeKube, verb, stuck)


def run(rest: Rest, scenario: Any) -> Any:
    return rest.runner.run(soon(scenario))


async def ask(rest: Rest, method: str, path: str, body: Any, gone: asyncio.Event | None = None, key: str = "") -> Reply:
    kind_of = "application/json" if body else None
    return await rest.send(method, path, body=body, kind=kind_of, gone=gone, key=key)


async def post(rest: Rest, body: dict[str, str], gone: asyncio.Event | None = None) -> Reply:
    return await ask(rest, "POST", PATH, body, gone)


async def the_first_goes_away(rest: Rest, stuck: Stuck) -> None:
    """Two set a value, and the first, who began what both wait for, leaves before the cluster answers."""
    gone = asyncio.Event()
    first = asyncio.create_task(post(rest, {"FIRST": "1"}, gone))
    await settle()
    second = asyncio.create_task(post(rest, {"SECOND": "1"}))
    await settle()
    gone.set()
    assert (await first).outcome == GONE
    stuck.let_go.set()
    assert (await second).outcome == (204, None)


def names(rest: Rest) -> list[str]:
    return [each["name"] for each in rest.get(PATH).json["secrets"]]


# Reads that many wait for.


def each_outcome(replies: list[Reply]) -> set[tuple[int, str | None]]:
    return {reply.outcome for reply in replies}


@pytest.mark.parametrize("error", [None, Unavailable("GET", "x", 0, "TimeoutError")], ids=["late", "never"])
@pytest.mark.parametrize(
    ("resource", "request_"),
    [(kind.SECRETS, ("GET", SESSION, None)), (kind.CONFIG_MAPS, ("POST", PATH, {"A": "1"}))],
    ids=["key hashes", "sealing key"],
)
def test_all_that_wait_for_a_read_share_it_and_its_outcome(
    rest: Rest,
    monkeypatch: pytest.MonkeyPatch,
    resource: Any,
    request_: tuple[str, str, Any],
    error: Exception | None,
) -> None:
    method, path, body = request_
    users = ("u0", "u1", "u2", "u3")
    for user in users:
        rest.open(user)
    rest.pass_seconds(60)
    stuck = Stuck(monkeypatch, "get", resource, error)
    # Of several sessions: writers of one would share the write as well.
    paths = [path.replace(SID, rules.session_name(NS, user)) for user in users]

    async def everybody() -> list[Reply]:
        asked = [asyncio.create_task(ask(rest, method, each, body)) for each in paths]
        await settle()
        assert stuck.waiting == 1
        stuck.let_go.set()
        return list(await asyncio.gather(*asked))

    good = (204, None) if body else (200, None)
    assert each_outcome(run(rest, everybody())) == {LOST if error else good}
    assert stuck.waiting == 1


def test_platforms_do_not_wait_for_each_others_sealing_key(rest: Rest, monkeypatch: pytest.MonkeyPatch) -> None:
    other = rest.new_key("other")
    rest.publish("other")
    rest.open()
    theirs = rest.post("/v1/sessions", {"user": USER}, key=other).json["id"]
    stuck = Stuck(monkeypatch, "get", kind.CONFIG_MAPS)

    async def both() -> None:
        one = asyncio.create_task(post(rest, {"A": "1"}))
        await settle()
        two = asyncio.create_task(ask(rest, "POST", f"/v1/sessions/{theirs}/secrets", {"A": "1"}, key=other))
        await settle()
        assert stuck.waiting == 2
        stuck.let_go.set()
        assert each_outcome(list(await asyncio.gather(one, two))) == {(204, None)}

    run(rest, both())


def test_a_read_outlives_the_one_who_began_it(rest: Rest, monkeypatch: pytest.MonkeyPatch) -> None:
    rest.open()
    stuck = Stuck(monkeypatch, "get", kind.CONFIG_MAPS)

    run(rest, the_first_goes_away(rest, stuck))


def test_a_key_of_this_moment_is_not_looked_for_in_a_read_of_before(
    rest: Rest, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The read that is under way may have been answered before the key was stored."""
    rest.open()
    rest.pass_seconds(0.5)
    real, began = FakeKube.get, asyncio.Event()
    answered = asyncio.Event()

    async def get(self: FakeKube, resource: Any, namespace: str, name: str) -> Any:
        found = await real(self, resource, namespace, name)
        if resource == kind.SECRETS and not began.is_set():
            began.set()
            await answered.wait()
        return found

    monkeypatch.setattr(FakeKube, "get", get)

    async def scenario() -> Reply:
        first = asyncio.create_task(rest.send("GET", SESSION, key=api_key.generate()[1]))
        await began.wait()
        rest.pass_seconds(0.4)
        second = asyncio.create_task(rest.send("GET", SESSION, key=rest.new_key(NS)))
        await settle()
        answered.set()
        assert (await first).status == 401
        return await second

    assert run(rest, scenario()).status == 200


# How long a request is worked on.


AGENT = {"compute": "python"}


@pytest.mark.parametrize(
    ("stuck", "request_"),
    [
        (("get", kind.SECRETS), ("GET", SESSION, None)),
        (("get", kind.SESSIONS), ("GET", SESSION, None)),
        (("get", kind.CONFIG_MAPS), ("POST", PATH, {"A": "1"})),
        (("create", kind.THEAZO_SECRETS), ("POST", PATH, {"A": "1"})),
        (("create", kind.AGENTS), ("POST", f"{SESSION}/agents", AGENT)),
        (("page", kind.SESSIONS), ("GET", "/v1/sessions", None)),
        (("delete", kind.SESSIONS), ("DELETE", SESSION, None)),
    ],
)
def test_a_request_ends_though_the_cluster_does_not_answer(
    rest: Rest, monkeypatch: pytest.MonkeyPatch, stuck: tuple[str, Any], request_: tuple[str, str, Any]
) -> None:
    rest.open()
    rest.pass_seconds(60)
    waiting = Stuck(monkeypatch, *stuck)
    deadlines: list[asyncio.Timeout] = []
    real = asyncio.timeout

    def timeout(delay: float | None) -> asyncio.Timeout:
        made = real(delay)
        if delay == service._SECONDS:
            deadlines.append(made)
        return made

    monkeypatch.setattr(asyncio, "timeout", timeout)

    async def scenario() -> Reply:
        asked = asyncio.create_task(ask(rest, *request_))
        await waiting.came.wait()
        [deadline] = deadlines
        deadline.reschedule(asyncio.get_running_loop().time())
        return await asked

    reply = run(rest, scenario())
    assert reply.outcome == LOST
    assert reply.headers["retry-after"] == "1"


# Clients that go away.


@pytest.mark.parametrize(
    ("stuck", "request_"),
    [
        (("get", kind.SESSIONS), ("GET", SESSION, None)),
        (("create", kind.AGENTS), ("POST", f"{SESSION}/agents", AGENT)),
    ],
)
def test_what_nobody_waits_for_is_given_up(
    rest: Rest,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    stuck: tuple[str, Any],
    request_: tuple[str, str, Any],
) -> None:
    rest.open()
    waiting = Stuck(monkeypatch, *stuck)
    caplog.set_level("INFO")

    async def scenario() -> Reply:
        gone = asyncio.Event()
        asked = asyncio.create_task(ask(rest, *request_, gone=gone))
        await settle()
        gone.set()
        return await asked

    assert run(rest, scenario()).outcome == GONE
    assert waiting.given_up.is_set()
    assert [each.__dict__["status"] for each in caplog.records if each.message == "request"] == [499]


def test_the_server_tells_when_a_client_goes_away(rest: Rest, monkeypatch: pytest.MonkeyPatch) -> None:
    """And the answer to one that stays is not cut off, though it has closed nothing and sends nothing more."""
    rest.open()
    server = uvicorn.Server(uvicorn.Config(rest.app, log_config=None, lifespan="off"))
    request = f"GET {SESSION} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {rest.key}\r\n\r\n".encode()

    async def scenario() -> bytes:
        stuck = Stuck(monkeypatch, "get", kind.SESSIONS)
        listening = socket.create_server(("127.0.0.1", 0))
        address = listening.getsockname()
        serving = asyncio.create_task(server.serve([listening]))
        _, goes = await asyncio.open_connection(*address)
        goes.write(request)
        await stuck.came.wait()
        stays, writer = await asyncio.open_connection(*address)
        writer.write(request)
        goes.close()
        await stuck.given_up.wait()
        stuck.let_go.set()
        said = await stays.readuntil(b"\r\n")
        writer.close()
        server.should_exit = True
        await serving
        return said

    assert run(rest, scenario()) == b"HTTP/1.1 200 OK\r\n"


def test_a_client_that_goes_away_leaves_the_write_to_those_it_shares_it_with(
    rest: Rest, monkeypatch: pytest.MonkeyPatch
) -> None:
    rest.open()
    rest.post(PATH, {"BEFORE": "1"})
    stuck = Stuck(monkeypatch, "patch", kind.THEAZO_SECRETS)
    run(rest, the_first_goes_away(rest, stuck))
    # What was sent has landed: that is as good as a lost answer.
    assert names(rest) == ["BEFORE", "FIRST", "SECOND"]


def test_what_was_not_sent_when_its_client_went_away_is_never_sent(rest: Rest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither at its turn nor, much later, with the next write of somebody else."""
    rest.open()
    rest.post(PATH, {"BEFORE": "1"})
    stuck = Stuck(monkeypatch, "patch", kind.THEAZO_SECRETS)

    async def scenario() -> None:
        gone = asyncio.Event()
        first = asyncio.create_task(post(rest, {"FIRST": "1"}))
        await settle()
        second = asyncio.create_task(post(rest, {"SECOND": "1"}, gone))
        await settle()
        gone.set()
        assert (await second).outcome == GONE
        stuck.let_go.set()
        assert (await first).outcome == (204, None)

    run(rest, scenario())
    assert rest.post(PATH, {"LATER": "1"}).status == 204
    assert names(rest) == ["BEFORE", "FIRST", "LATER"]


class Values(dict[str, SecretValue]):
    """Values that can be watched for being given up."""


def test_nothing_of_a_request_is_kept_while_a_write_hangs_that_it_waited_for(
    rest: Rest, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else clients that come and go fill the memory with values, though few are there at once."""
    rest.open()
    rest.post(PATH, {"BEFORE": "1"})
    stuck = Stuck(monkeypatch, "patch", kind.THEAZO_SECRETS)
    kept: list[weakref.ref[Values]] = []
    real = Secrets.set_values

    async def set_values(self: Secrets, platform: str, session_id: str, values: Mapping[str, SecretValue]) -> None:
        mine = Values(values)
        kept.append(weakref.ref(mine))
        await real(self, platform, session_id, mine)

    monkeypatch.setattr(Secrets, "set_values", set_values)

    async def scenario() -> None:
        first = asyncio.create_task(post(rest, {"FIRST": "1"}))
        await settle()
        gone = asyncio.Event()
        later = [asyncio.create_task(post(rest, {"LATER": "1"}, gone)) for _ in range(3)]
        await settle()
        gone.set()
        assert [reply.outcome for reply in await asyncio.gather(*later)] == [GONE] * 3
        later.clear()
        gc.collect()
        assert [ref() is None for ref in kept] == [False, True, True, True]
        stuck.let_go.set()
        await first

    run(rest, scenario())


def test_writes_of_requests_that_are_gone_leave_room_for_others(rest: Rest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(turns, "_AT_ONCE", 2)
    ids = [rest.open(f"user-{number}")["id"] for number in range(6)]
    stuck = Stuck(monkeypatch, "create", kind.THEAZO_SECRETS)

    async def scenario() -> None:
        for two in (ids[:2], ids[2:4], ids[4:]):
            gone = asyncio.Event()
            paths = [f"/v1/sessions/{each}/secrets" for each in two]
            asked = [asyncio.create_task(ask(rest, "POST", path, {"A": "1"}, gone)) for path in paths]
            await settle()
            gone.set()
            assert [reply.outcome for reply in await asyncio.gather(*asked)] == [GONE] * 2
        assert stuck.waiting == 2
        stuck.let_go.set()
        await settle()

    run(rest, scenario())


def test_a_write_that_is_tried_again_leaves_out_who_went_away(rest: Rest, monkeypatch: pytest.MonkeyPatch) -> None:
    rest.open()
    rest.post(PATH, {"BEFORE": "1"})
    stuck = Stuck(monkeypatch, "patch", kind.THEAZO_SECRETS, Outdated("PATCH", "theazosecrets", 409, "Conflict"))

    async def scenario() -> None:
        gone = asyncio.Event()
        first = asyncio.create_task(post(rest, {"FIRST": "1"}, gone))
        second = asyncio.create_task(post(rest, {"SECOND": "1"}))
        await settle()
        gone.set()
        assert (await first).outcome == GONE
        stuck.let_go.set()
        assert (await second).outcome == (204, None)

    run(rest, scenario())
    assert names(rest) == ["BEFORE", "SECOND"]


# What the cluster refuses.


def refusing(monkeypatch: pytest.MonkeyPatch, verb: str, status: int, name: str) -> list[int]:
    """Have a policy refuse each write of an entry of a name; the list has an item for each write."""
    real: Callable[..., Any] = getattr(FakeKube, verb)
    writes: list[int] = []

    async def write(self: FakeKube, resource: Any, *args: Any, **more: Any) -> Any:
        if resource == kind.THEAZO_SECRETS:
            writes.append(1)
            if name in str(args):
                error = Outdated if (verb, status) == ("patch", 422) else Refused
                raise error("PATCH", resource.plural, status, "Invalid", "the policy says: canary")
        return await real(self, resource, *args, **more)

    monkeypatch.setattr(FakeKube, verb, write)
    return writes


@pytest.mark.parametrize("status", [422, 403])
@pytest.mark.parametrize("verb", ["create", "patch"])
def test_what_a_policy_refuses_is_told_at_once(
    rest: Rest, monkeypatch: pytest.MonkeyPatch, verb: str, status: int
) -> None:
    """The API server answers a JSON Patch whose `test` fails, and one that a policy refuses, with the same 422."""
    rest.open()
    if verb == "patch":
        rest.post(PATH, {"BEFORE": "1"})
    writes = refusing(monkeypatch, verb, status, "FORBIDDEN")
    reply = rest.post(PATH, {"FORBIDDEN": "1"})
    assert reply.outcome == (403, "refused_by_cluster")
    assert b"canary" not in reply.text
    assert len(writes) == 1
    assert rest.post(PATH, {"ALLOWED": "1"}).status == 204


def test_a_deletion_that_a_policy_refuses_is_told_as_well(rest: Rest, monkeypatch: pytest.MonkeyPatch) -> None:
    rest.open()
    rest.post(PATH, {"FORBIDDEN": "1"})
    refusing(monkeypatch, "patch", 422, "FORBIDDEN")
    assert rest.delete(f"{PATH}/FORBIDDEN").outcome == (403, "refused_by_cluster")


def test_what_is_refused_to_one_is_done_for_those_who_share_the_write(
    rest: Rest, monkeypatch: pytest.MonkeyPatch
) -> None:
    rest.open()
    rest.post(PATH, {"BEFORE": "1"})
    refusing(monkeypatch, "patch", 422, "FORBIDDEN")

    async def scenario() -> list[Reply]:
        bodies = ({"ONE": "1"}, {"FORBIDDEN": "1"}, {"TWO": "1"})
        return list(await asyncio.gather(*(post(rest, body) for body in bodies)))

    good = (204, None)
    assert [reply.outcome for reply in run(rest, scenario())] == [good, (403, "refused_by_cluster"), good]
    assert names(rest) == ["BEFORE", "ONE", "TWO"]
