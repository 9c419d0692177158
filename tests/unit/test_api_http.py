"""What is the same for all routes of the REST API: methods, media types, JSON, faults, probes, what is counted."""

import json
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.support.builders import NS
from tests.support.fakekube import FakeKube
from tests.support.restrig import DOCUMENT, SEALED, USER, Rest
from theazo import rules
from theazo_operator.api.openapi import document
from theazo_operator.api.operations import OPERATIONS
from theazo_operator.kube.errors import Unavailable

SID = rules.session_name(NS, USER)
ROUTES = sorted({each.route for each in OPERATIONS})
PUBLIC = ("/openapi.json", "/livez", "/readyz", "/metrics")


def filled(route: str) -> str:
    return route.replace("{sid}", SID).replace("{aid}", "job").replace("{name}", "A")


@pytest.mark.parametrize("route", ROUTES)
def test_methods_that_a_route_does_not_have(rest: Rest, route: str) -> None:
    has = {each.method for each in OPERATIONS if each.route == route}
    others = {"HEAD", "OPTIONS", "TRACE", "PUT", "PATCH", "CONNECT", "BREW", "get", "QUERY"}
    for method in ({"GET", "POST", "DELETE"} | others) - has:
        reply = rest.call(method, filled(route))
        assert reply.outcome == (405, "method_not_allowed")
        assert set(reply.headers["allow"].split(", ")) == has


@pytest.mark.parametrize("path", PUBLIC)
def test_what_needs_no_key(rest: Rest, path: str) -> None:
    assert rest.get(path, key=None).status == 200
    for method in ("POST", "DELETE", "PUT", "OPTIONS", "TRACE"):
        reply = rest.call(method, path)
        assert reply.outcome == (405, "method_not_allowed")
        assert "GET" in reply.headers["allow"]


@pytest.mark.parametrize(
    "path",
    [
        *("/", "/v1", "/v1/", "/v2/sessions", "/v1/sessions/", f"/v1/sessions/{SID}/", "//v1/sessions", "/V1/sessions"),
        *("/v1/sealing-key/", "/livez/", "/docs", "/v1/sessions%2f", "/%00", "/%ff", "/v1//sessions", "/v1/./sessions"),
    ],
)
def test_what_is_no_route(rest: Rest, path: str) -> None:
    """A redirect to the path with or without a slash would repeat the query in a header."""
    for method in ("GET", "POST", "HEAD"):
        reply = rest.call(method, f"{path}?a=b")
        assert reply.outcome == (404, "route_not_found")
        assert "location" not in reply.headers


def test_readiness_says_what_is_missing(rest: Rest) -> None:
    rest.not_ready = "Starting: the API server does not answer as it should"
    reply = rest.get("/readyz", key=None)
    assert (reply.status, reply.body) == (503, rest.not_ready.encode() + b"\n")
    assert rest.get("/livez", key=None).status == 200


def test_the_document_is_served_as_it_is_committed(rest: Rest) -> None:
    assert rest.get("/openapi.json", key=None).json == DOCUMENT == json.loads(json.dumps(document()))


# Media types.

TAKE_BODIES = {
    "/v1/sessions": ({"user": USER}, 201),
    f"/v1/sessions/{SID}/secrets": ({"A": "b"}, 204),
    f"/v1/sessions/{SID}/agents": ({"compute": "python"}, 201),
}


@pytest.mark.parametrize(
    "kind",
    [
        *(None, "", "text/plain", "application/jsonx", "application/json; charset=latin-1", "application/json;x=y"),
        *(
            "application/x-www-form-urlencoded",
            "multipart/form-data; boundary=x",
            "*/*",
            "application/json, text/plain",
        ),
        *("application/json; charset=utf-8; charset=utf-16", "application/problem+json", "é", "application / json"),
    ],
)
@pytest.mark.parametrize("path", TAKE_BODIES)
def test_other_media_types_are_refused(rest: Rest, path: str, kind: str | None) -> None:
    rest.open("another")
    assert rest.post(path, TAKE_BODIES[path][0], kind).outcome == (415, "unsupported_media_type")


@pytest.mark.parametrize(
    "kind",
    ["application/json", "Application/JSON", "application/json;charset=UTF-8", 'application/json ; charset="utf-8"'],
)
@pytest.mark.parametrize("path", TAKE_BODIES)
def test_ways_to_write_the_media_type(rest: Rest, path: str, kind: str) -> None:
    if path != "/v1/sessions":
        rest.open()
    body, status = TAKE_BODIES[path]
    assert rest.post(path, body, kind).status == status


def test_only_secrets_can_be_sealed_and_nothing_is_decompressed(rest: Rest) -> None:
    rest.open()
    for path in ("/v1/sessions", f"/v1/sessions/{SID}/agents"):
        assert rest.post(path, {}, SEALED).outcome == (415, "unsupported_media_type")
    for encoding, status in (("gzip", 415), ("br", 415), ("", 415), ("identity", 204), ("Identity", 204)):
        headers = [("content-encoding", encoding)]
        assert rest.post(f"/v1/sessions/{SID}/secrets", {"A": "b"}, headers=headers).status == status


def test_a_body_where_there_is_none_to_be_is_not_read(rest: Rest) -> None:
    rest.open()
    for method, path in (("GET", "/v1/sessions"), ("GET", f"/v1/sessions/{SID}"), ("DELETE", f"/v1/sessions/{SID}")):
        assert rest.call(method, path, body=b"\xff" * 3_000_000).status in {200, 204}


# JSON.

BAD_JSON: dict[str, bytes] = {
    "nothing": b"",
    "blanks": b"  \n",
    "cut": b'{"user": "a"',
    "cut in a text": b'{"user": "a',
    "cut in a character": b'{"user": "\xc3',
    "after it": b'{"user": "a"} x',
    "two of them": b'{"user": "a"}{"user": "a"}',
    "an array": b'[{"user": "a"}]',
    "a text": b'"user"',
    "null": b"null",
    "a number": b"7",
    "the same name twice": b'{"user": "a", "user": "a"}',
    "the same name twice, escaped": b'{"user": "a", "\\u0075ser": "a"}',
    "the same name twice below": b'{"user": "a", "x": {"y": 1, "y": 1}}',
    "NaN": b'{"user": NaN}',
    "Infinity": b'{"user": "a", "ttlSeconds": Infinity}',
    "minus Infinity": b'{"user": "a", "ttlSeconds": -Infinity}',
    "a lone surrogate": b'{"user": "\\ud800"}',
    "a lone surrogate in a name": b'{"\\udc00": "a"}',
    "an encoded surrogate": b'{"user": "\xed\xa0\x80"}',
    "a byte order mark": b'\xef\xbb\xbf{"user": "a"}',
    "UTF-16": '{"user": "a"}'.encode("utf-16"),
    "UTF-16 without a mark": '{"user": "a"}'.encode("utf-16-le"),
    "UTF-32": '{"user": "a"}'.encode("utf-32-be"),
    "Latin-1": '{"user": "é"}'.encode("latin-1"),
    "overlong": b'{"user": "\xc0\xaf"}',
    "a NUL": b'{"user": "a"}\0',
    "a control character in a text": b'{"user": "a\nb"}',
    "single quotes": b"{'user': 'a'}",
    "a comment": b'{"user": "a"} // x',
    "a trailing comma": b'{"user": "a",}',
    "deep arrays": b'{"user": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    "deep objects": b'{"a":' * 50_000 + b"1" + b"}" * 50_000,
    "a number of many digits": b'{"user": ' + b"9" * 10_000 + b"}",
    "a leading zero": b'{"user": "a", "ttlSeconds": 01}',
}


@pytest.mark.parametrize("body", BAD_JSON.values(), ids=BAD_JSON)
@pytest.mark.parametrize("path", TAKE_BODIES)
def test_what_is_no_json_object_is_refused(rest: Rest, path: str, body: bytes) -> None:
    for chunk in (1 << 20, 7):
        if chunk == 1 << 20 or len(body) < 100:
            assert rest.post(path, body, chunk=chunk).outcome == (400, "invalid_request")


def test_a_body_may_come_in_pieces_that_cut_characters(rest: Rest) -> None:
    user = "é🙂" * 10
    body = json.dumps({"user": user}, ensure_ascii=False).encode()
    for chunk in (1, 2, 3, 5):
        assert rest.post("/v1/sessions", body, chunk=chunk, length=False).json["user"] == user


# Faults.


def test_a_fault_is_told_by_its_request_id_only(
    rest: Rest, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def get(*_: object) -> Any:
        raise RuntimeError("canary")

    rest.get("/v1/sessions")
    monkeypatch.setattr(FakeKube, "get", get)
    reply = rest.get(f"/v1/sessions/{SID}")
    assert reply.outcome == (500, "internal_error")
    assert b"canary" not in reply.text
    [record] = [each for each in caplog.records if each.levelname == "ERROR"]
    assert (record.__dict__["error"], record.__dict__["request"]) == ("RuntimeError", reply.headers["x-request-id"])


@pytest.mark.parametrize("each", OPERATIONS, ids=lambda each: each.name)
def test_an_api_server_that_is_away_is_told_by_every_operation(
    rest: Rest, each: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    rest.get("/v1/sessions")

    async def away(*_: object, **__: object) -> Any:
        raise Unavailable("GET", "x", 0, "TimeoutError")

    for verb in ("get", "create", "patch", "page", "delete"):
        monkeypatch.setattr(FakeKube, verb, away)
    body = TAKE_BODIES.get(filled(each.route), ({}, 0))[0] if each.bodies else None
    reply = rest.call(each.method, filled(each.route), body=body, kind="application/json" if body else None)
    assert reply.outcome == (503, "unavailable")
    assert reply.headers["retry-after"] == "1"


def test_a_client_that_goes_away_while_it_sends_is_no_fault(rest: Rest, caplog: pytest.LogCaptureFixture) -> None:
    sent: list[Any] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        sent.append(message)

    headers = [(b"authorization", f"Bearer {rest.key}".encode()), (b"content-type", b"application/json")]
    scope = {"type": "http", "method": "POST", "path": "/v1/sessions", "query_string": b"", "headers": headers}
    rest.runner.run(rest.app({**scope, "client": None}, receive, send))
    assert sent == []
    assert [record for record in caplog.records if record.levelname == "ERROR"] == []


# What is counted.


def test_requests_are_counted_by_the_routes_template(rest: Rest) -> None:
    rest.open()
    rest.get(f"/v1/sessions/{SID}")
    rest.call("BREW", f"/v1/sessions/{SID}")
    rest.get("/canary-path")
    text = rest.get("/metrics", key=None).body.decode()
    samples = [each for family in text_string_to_metric_families(text) for each in family.samples]
    routes = {each.labels["route"] for each in samples if "route" in each.labels}
    assert routes <= {*ROUTES, "other"}
    assert {each.labels["method"] for each in samples if "method" in each.labels} <= {
        *("GET", "POST", "DELETE", "PUT", "PATCH", "HEAD", "OPTIONS", "other"),
    }
    assert {name for each in samples for name in each.labels} <= {"method", "route", "status", "reason", "le"}
    counts = {tuple(each.labels.values()): each.value for each in samples if each.name == "theazo_api_requests_total"}
    assert counts["GET", "/v1/sessions/{sid}", "200"] >= 1
    assert counts["other", "/v1/sessions/{sid}", "405"] >= 1
    assert counts["GET", "other", "404"] >= 1
