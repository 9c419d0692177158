"""Every request that the operator makes, as a server sees it; and what it makes of the answers."""

import json
from collections.abc import Awaitable, Callable
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from tests.support.aio import aio, soon
from tests.support.apiserver import (
    JSON,
    ApiServer,
    Asked,
    Reply,
    api_server,
    event,
    hang_up,
    page,
    refusal,
    reply,
    status_body,
    stream,
)
from theazo_operator.kube import errors
from theazo_operator.kube import resource as kind
from theazo_operator.kube.client import Kube
from theazo_operator.kube.errors import Exists, Expired, KubeError, NotFound, Outdated, Refused, Unavailable, classify
from theazo_operator.kube.resource import Resource

CANARY = "canary-5up3r-s3cr3t"
POD = {"metadata": {"name": "p"}}


def only(server: ApiServer) -> Asked:
    [asked] = server.asked
    return asked


@pytest.mark.parametrize(
    ("resource", "arguments", "path"),
    [
        (kind.PODS, (), "/api/v1/pods"),
        (kind.PODS, ("ns",), "/api/v1/namespaces/ns/pods"),
        (kind.PODS, ("ns", "p"), "/api/v1/namespaces/ns/pods/p"),
        (kind.AGENTS, ("ns", "a"), "/apis/theazo.dev/v1alpha1/namespaces/ns/theazoagents/a"),
        (kind.NAMESPACES, (), "/api/v1/namespaces"),
    ],
)
def test_paths(resource: Resource, arguments: tuple[str, ...], path: str) -> None:
    assert resource.path(*arguments) == path


@aio
async def test_get_is_consistent() -> None:
    async with api_server() as (server, kube):
        server.replies.append(reply(200, POD))
        assert await kube.get(kind.PODS, "ns", "p") == POD
        asked = only(server)
    assert (asked.verb, asked.path, asked.query) == ("GET", "/api/v1/namespaces/ns/pods/p", {})


@aio
async def test_create_sends_the_object() -> None:
    async with api_server() as (server, kube):
        server.replies.append(reply(201, POD))
        assert await kube.create(kind.PODS, "ns", {"spec": 1}) == POD
        asked = only(server)
    assert (asked.verb, asked.path, asked.json) == ("POST", "/api/v1/namespaces/ns/pods", {"spec": 1})
    assert asked.headers["Content-Type"] == asked.headers["Accept"] == "application/json"


@aio
async def test_the_reply_to_the_post_of_a_secret_is_metadata_only() -> None:
    async with api_server() as (server, kube):
        server.replies.append(reply(201, {}))
        await kube.create(kind.SECRETS, "ns", b'{"data":{}}')
        asked = only(server)
    assert asked.body == b'{"data":{}}'
    assert asked.headers["Accept"] == "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"


@aio
async def test_patch_status_replaces_the_status_of_the_very_object() -> None:
    async with api_server() as (server, kube):
        server.replies.append(reply(200, {"x": 1}))
        assert await kube.patch_status(kind.AGENTS, "ns", "a", "the-uid", {"phase": "Pending"}) == {"x": 1}
        asked = only(server)
    assert (asked.verb, asked.path) == ("PATCH", "/apis/theazo.dev/v1alpha1/namespaces/ns/theazoagents/a/status")
    assert asked.headers["Content-Type"] == "application/json-patch+json"
    assert asked.json == [
        {"op": "test", "path": "/metadata/uid", "value": "the-uid"},
        {"op": "add", "path": "/status", "value": {"phase": "Pending"}},
    ]


@aio
async def test_a_status_of_a_namesake_is_left_alone() -> None:
    async with api_server() as (server, kube):
        server.replies.append(refusal(422, "Invalid"))
        with pytest.raises(Outdated):
            await kube.patch_status(kind.AGENTS, "ns", "a", "u", {})


@aio
async def test_apply() -> None:
    async with api_server() as (server, kube):
        server.replies.append(reply(200, {}))
        await kube.apply(kind.CONFIG_MAPS, "ns", "c", {"data": {}})
        asked = only(server)
    assert (asked.verb, asked.path) == ("PATCH", "/api/v1/namespaces/ns/configmaps/c")
    assert asked.query == {"fieldManager": "theazo-operator", "force": "true"}
    assert asked.headers["Content-Type"] == "application/apply-patch+yaml"


@aio
async def test_delete_names_the_very_object() -> None:
    async with api_server() as (server, kube):
        server.replies.append(reply(200, {}))
        await kube.delete(kind.PODS, "ns", "p", "the-uid")
        asked = only(server)
    assert (asked.verb, asked.path) == ("DELETE", "/api/v1/namespaces/ns/pods/p")
    assert asked.json == {"preconditions": {"uid": "the-uid"}, "propagationPolicy": "Background"}


@pytest.mark.parametrize(("code", "reason"), [(404, "NotFound"), (409, "Conflict")])
def test_what_is_gone_or_a_namesake_is_deleted_enough(code: int, reason: str) -> None:
    @aio
    async def scenario() -> None:
        async with api_server() as (server, kube):
            server.replies.append(refusal(code, reason))
            await kube.delete(kind.PODS, "ns", "p", "u")
            assert only(server).verb == "DELETE"

    scenario()


@pytest.mark.parametrize("code", [403, 500])
def test_a_delete_that_failed_is_an_error(code: int) -> None:
    @aio
    async def scenario() -> None:
        async with api_server() as (server, kube):
            server.replies.append(refusal(code, "X"))
            with pytest.raises(KubeError):
                await kube.delete(kind.PODS, "ns", "p", "u")

    scenario()


@pytest.mark.parametrize(
    ("keep", "query"),
    [(None, {"labelSelector": "l=1"}), ("thz-a", {"labelSelector": "l=1", "fieldSelector": "metadata.name!=thz-a"})],
)
def test_deleting_by_label(keep: str | None, query: JSON) -> None:
    @aio
    async def scenario() -> None:
        async with api_server() as (server, kube):
            server.replies.append(reply(200, raw=b"\xff" + CANARY.encode() * 100_000))  # never parsed
            assert await kube.delete_collection(kind.SECRETS, "ns", "l=1", keep) is None  # type: ignore[func-returns-value]
            asked = only(server)
        assert (asked.verb, asked.path, asked.query) == ("DELETE", "/api/v1/namespaces/ns/secrets", query)
        assert asked.headers["Accept"] == "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"

    scenario()


@aio
async def test_pages() -> None:
    async with api_server() as (server, kube):
        server.replies += [page({"a": 1}, version=7, more="next"), page({"b": 2}, version=7)]
        pages = [each async for each in kube.pages(kind.PODS, "ns", "l")]
    assert [each["items"] for each in pages] == [[{"a": 1}], [{"b": 2}]]
    assert [asked.query for asked in server.asked] == [
        {"limit": "250", "labelSelector": "l"},
        {"limit": "250", "labelSelector": "l", "continue": "next"},
    ]


def large(number: int, size: int) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    """A list of so many objects of so many bytes, a page at a time."""

    async def respond(request: web.Request) -> web.StreamResponse:
        first, limit = int(request.query.get("continue", "0")), int(request.query["limit"])
        items = [{"at": at, "of": "x" * size} for at in range(first, min(first + limit, number))]
        more = str(first + limit) if first + limit < number else ""
        return await page(*items, version=7, more=more)(request)

    return respond


@aio
@pytest.mark.parametrize(("size", "most"), [(900_000, 9), (10_000, 250), (9_000_000, 1)])
async def test_a_page_of_large_objects_is_a_short_one(size: int, most: int) -> None:
    async with api_server() as (server, kube):
        server.replies += [large(20, size)] * 60
        pages = [each["items"] async for each in kube.pages(kind.PODS, "ns", "")]
    assert [each["at"] for items in pages for each in items] == list(range(20))
    assert max(len(items) for items in pages) <= most
    assert len(server.asked) <= len(pages) + 4, "what fits is found out once"


@aio
async def test_after_large_objects_pages_become_long_again() -> None:
    async def respond(request: web.Request) -> web.StreamResponse:
        first, limit = int(request.query.get("continue", "0")), int(request.query["limit"])
        items = [{"at": at, "of": "x" * (900_000 if at < 20 else 10)} for at in range(first, first + limit)]
        return await page(*items, version=7, more=str(first + limit) if first + limit < 3000 else "")(request)

    async with api_server() as (server, kube):
        server.replies += [respond] * 60
        pages = [each["items"] async for each in kube.pages(kind.PODS, "ns", "")]
    assert (len(pages[0]), len(pages[-1])) == (3, 250)
    assert max(sum(len(each["of"]) for each in items) for items in pages) < 8 << 20


@aio
async def test_a_page_for_the_api_is_a_short_one_too() -> None:
    async with api_server() as (server, kube):
        server.replies += [large(20, 500_000)] * 20
        first = await kube.page(kind.AGENTS, "ns", limit=500)
        rest = await kube.page(kind.AGENTS, "ns", limit=500, token=first["metadata"]["continue"])
    assert 1 <= len(first["items"]) <= 4
    assert rest["items"][0]["at"] == len(first["items"])


@aio
async def test_listing_everywhere_and_without_a_selector() -> None:
    async with api_server() as (server, kube):
        server.replies.append(page(version=7))
        assert len([each async for each in kube.pages(kind.SESSIONS, None, "")]) == 1
        asked = only(server)
    assert (asked.path, asked.query) == ("/apis/theazo.dev/v1alpha1/theazosessions", {"limit": "250"})


async def watched(watch: Reply) -> tuple[list[JSON], KubeError | None]:
    """The events of one watch, and how it ended."""
    events: list[JSON] = []
    async with api_server() as (server, kube):
        server.watches.append(watch)
        try:
            async for each in kube.watch(kind.PODS, "ns", "l", "7"):
                events.append(each)  # noqa: PERF401 - what came before an error counts
        except KubeError as error:
            return events, error
        finally:
            expected = {"watch": "1", "resourceVersion": "7", "allowWatchBookmarks": "true", "timeoutSeconds": "300"}
            assert only(server).query == {**expected, "labelSelector": "l"}
    return events, None


def added(text: str) -> JSON:
    return {"type": "ADDED", "object": {"text": text}}


BIG = json.dumps(added("x" * 3_000_000)).encode() + b"\n"


@pytest.mark.parametrize(
    ("chunks", "texts"),
    [
        ([event("ADDED", {"text": "a"}), event("ADDED", {"text": "b"})], ["a", "b"]),
        ([event("ADDED", {"text": "a"}) + event("ADDED", {"text": "b"})], ["a", "b"]),
        ([event("ADDED", {"text": "a"})[:9], event("ADDED", {"text": "a"})[9:]], ["a"]),
        ([b"\n", event("ADDED", {"text": "ü"}), b"\n\n"], ["ü"]),
        ([BIG[:100_000], BIG[100_000:], event("ADDED", {"text": "b"})], ["x" * 3_000_000, "b"]),
        ([event("ADDED", {"text": "a"}), b'{"type":"ADD'], ["a"]),
        ([], []),
    ],
    ids=["two chunks", "one chunk", "half a line", "empty lines", "a line of 3 MB", "an unfinished line", "nothing"],
)
def test_watch_events(chunks: list[bytes], texts: list[str]) -> None:
    @aio
    async def scenario() -> None:
        events, error = await soon(watched(stream(*chunks)))
        assert [each["object"]["text"] for each in events] == texts
        assert error is None

    scenario()


@aio
async def test_a_watch_that_is_cut_is_unavailable_after_what_came_before() -> None:
    events, error = await watched(stream(event("ADDED", {"text": "a"}), then="cut"))
    assert isinstance(error, Unavailable)
    assert (error.status, str(error).startswith("WATCH pods: 0 Client")) == (0, True)
    assert events in ([], [added("a")])  # the cut may overtake what was not yet read


@pytest.mark.parametrize(
    ("code", "error"), [(410, Expired), (403, Refused), (500, Unavailable), (429, Unavailable), (404, NotFound)]
)
def test_a_watch_that_is_refused(code: int, error: type[KubeError]) -> None:
    @aio
    async def scenario() -> None:
        assert isinstance((await watched(refusal(code, "X")))[1], error)

    scenario()


@pytest.mark.parametrize(
    ("code", "reason", "error"),
    [
        (400, "BadRequest", Refused),
        (401, "Unauthorized", Unavailable),
        (403, "Forbidden", Refused),
        (404, "NotFound", NotFound),
        (405, "MethodNotAllowed", Unavailable),
        (409, "AlreadyExists", Exists),
        (409, "Conflict", Outdated),
        (410, "Expired", Expired),
        (410, "Gone", Expired),
        (413, "RequestEntityTooLarge", Refused),
        (422, "Invalid", Refused),
        (429, "TooManyRequests", Unavailable),
        (500, "InternalError", Unavailable),
        (503, "ServiceUnavailable", Unavailable),
        (504, "Timeout", Unavailable),
    ],
)
def test_errors_are_told_apart_by_what_is_to_be_done(code: int, reason: str, error: type[KubeError]) -> None:
    @aio
    async def scenario() -> None:
        async with api_server() as (server, kube):
            server.replies.append(refusal(code, reason, CANARY))
            with pytest.raises(KubeError) as caught:
                await kube.create(kind.SECRETS, "ns", b"{}")
        assert type(caught.value) is error is classify(code, reason)
        assert (caught.value.status, caught.value.reason, caught.value.message) == (code, reason, "")
        assert str(caught.value) == f"POST secrets: {code} {reason}"
        assert CANARY not in repr(caught.value)

    scenario()


def test_every_error_says_what_the_caller_does_about_it() -> None:
    leaves = {each for each in vars(errors).values() if isinstance(each, type) and issubclass(each, KubeError)}
    assert leaves == {KubeError, NotFound, Exists, Outdated, Refused, Expired, Unavailable}


Send = Callable[[Kube], Awaitable[Any]]
SILENT: dict[str, Send] = {
    "get": lambda kube: kube.get(kind.PODS, "ns", "p"),
    "post of bytes": lambda kube: kube.create(kind.SECRETS, "ns", b"{}", explain=True),
    "post": lambda kube: kube.create(kind.PODS, "ns", {}),
    "delete by label": lambda kube: kube.delete_collection(kind.SECRETS, "ns", "l", None),
}


@pytest.mark.parametrize("send", SILENT.values(), ids=SILENT.keys())
def test_a_servers_message_is_dropped(send: Send) -> None:
    @aio
    async def scenario() -> None:
        async with api_server() as (server, kube):
            server.replies.append(refusal(422, "Invalid", CANARY))
            with pytest.raises(Refused) as caught:
                await send(kube)
        assert CANARY not in f"{caught.value!r} {caught.value} {caught.value.__dict__}"

    scenario()


@aio
async def test_a_servers_message_is_kept_where_nothing_secret_was_sent() -> None:
    async with api_server() as (server, kube):
        server.replies.append(refusal(403, "Forbidden", 'exceeded quota "q"' + "x" * 1000))
        with pytest.raises(Refused) as caught:
            await kube.create(kind.PODS, "ns", {}, explain=True)
    assert caught.value.message.startswith('exceeded quota "q"')
    assert len(caught.value.message) == 400
    assert str(caught.value) == f"POST pods: 403 Forbidden: {caught.value.message}"


@pytest.mark.parametrize(
    "answer",
    [
        reply(503, raw=b"<html>" + CANARY.encode(), kind="text/html"),
        reply(503, raw=b"{" + CANARY.encode()),
        reply(503, raw=b"\xff\xfe"),
        hang_up,
        reply(503, raw=b"null"),
        reply(503, raw=b"[]"),
        reply(200, raw=b"<html>" + CANARY.encode(), kind="text/html"),
        reply(200, raw=b"{" + CANARY.encode()),
        reply(200, raw=b"\xff"),
        reply(200, raw=b"[]"),
    ],
    ids=["HTML", "no JSON", "no text", "cut", "null", "list", "200 HTML", "200 no JSON", "200 no text", "200 list"],
)
def test_whatever_stands_before_the_api_server_may_answer(answer: Reply) -> None:
    @aio
    async def scenario() -> None:
        async with api_server() as (server, kube):
            server.replies += [answer, answer]  # aiohttp tries an idempotent request again where a connection was cut
            with pytest.raises(Unavailable) as caught:
                await kube.get(kind.PODS, "ns", "p")
        assert CANARY not in f"{caught.value!r}"
        assert caught.value.__cause__ is None

    scenario()


@aio
async def test_a_server_that_is_not_there_is_unavailable() -> None:
    async with Kube(aiohttp.ClientSession(), "http://127.0.0.1:1") as kube:
        with pytest.raises(Unavailable, match="GET pods: 0 ClientConnectorError"):
            await kube.get(kind.PODS, "ns", "p")
        with pytest.raises(Unavailable, match="WATCH pods: 0 ClientConnectorError"):
            await anext(kube.watch(kind.PODS, "ns", "", "1"))


def test_the_test_servers_own_errors_look_like_the_real_ones() -> None:
    assert status_body(404, "NotFound")["kind"] == "Status"


@pytest.mark.parametrize("code", [301, 307, 308])
def test_a_redirect_is_followed_nowhere(code: int) -> None:
    """It would be followed with the body, a Secret's too, and with the token."""

    async def redirect(request: web.Request) -> web.StreamResponse:
        if request.path == "/elsewhere":
            raise AssertionError("it was followed")
        return web.Response(status=code, headers={"Location": "/elsewhere"})

    @aio
    async def scenario() -> None:
        async with api_server() as (server, kube):
            server.replies.extend((redirect, redirect))
            with pytest.raises(Unavailable):
                await kube.create(kind.SECRETS, "acme", CANARY.encode())
            with pytest.raises(Unavailable):
                await kube.delete_collection(kind.SECRETS, "acme", "a=b", None)
            assert [each.path for each in server.asked] == ["/api/v1/namespaces/acme/secrets"] * 2

    scenario()


@aio
async def test_a_reason_that_is_no_word_is_left_out() -> None:
    async with api_server() as (server, kube):
        server.replies.append(refusal(403, f"denied: {CANARY}"))
        with pytest.raises(Refused) as caught:
            await kube.create(kind.SECRETS, "acme", b"{}")
    assert CANARY not in str(caught.value)
