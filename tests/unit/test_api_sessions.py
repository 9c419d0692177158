"""Sessions through the REST API."""

import re
from typing import Any

import pytest

from tests.support.builders import NS, metadata
from tests.support.fakekube import FakeKube
from tests.support.restrig import USER, Rest
from theazo import rules
from theazo_operator.api.paging import cursor_of
from theazo_operator.kube import resource as kind
from theazo_operator.kube.errors import Expired, KubeError, Refused, Unavailable

NAME = rules.session_name(NS, USER)
PATH = f"/v1/sessions/{NAME}"


def put(rest: Rest, name: str = NAME, namespace: str = NS, spec: Any = None, **meta: Any) -> None:
    """A session that somebody else made."""
    body = {"metadata": metadata(name, f"uid-of-{name}", namespace=namespace, **meta), "spec": spec or {"user": USER}}
    rest.kube.put(kind.SESSIONS, body)


def test_a_session_is_made_once_and_got_afterwards(rest: Rest) -> None:
    first = rest.post("/v1/sessions", {"user": USER, "ttlSeconds": 60})
    assert first.status == 201
    session = first.json
    assert re.fullmatch("[0-9a-f]{32}", session.pop("sealingId"))
    assert session == {
        "id": NAME,
        "user": USER,
        "platform": NS,
        "createdAt": "2025-05-01T10:00:00Z",
        "expiresAt": "2025-05-01T10:01:00Z",
    }
    again = rest.post("/v1/sessions", {"user": USER, "ttlSeconds": 7})
    assert (again.status, again.json) == (200, first.json)
    assert rest.get(PATH).json == first.json
    assert rest.kube.calls.count("POST theazosessions") == 2


def test_what_is_stored_is_what_the_reply_says_and_is_ours(rest: Rest) -> None:
    session = rest.open("ann")
    [body] = rest.kube.all(kind.SESSIONS)
    assert body["spec"] == {"user": "ann", "sealingId": session["sealingId"]}
    assert body["metadata"]["labels"] == {"app.kubernetes.io/managed-by": "theazo"}
    assert session["expiresAt"] is None


def test_a_session_that_is_made_anew_has_another_sealing_id(rest: Rest) -> None:
    first = rest.open()
    assert rest.delete(PATH).outcome == (204, None)
    second = rest.open()
    assert second["id"] == first["id"]
    assert second["sealingId"] != first["sealingId"]


def test_a_race_to_make_a_session_gives_all_the_same_one(rest: Rest) -> None:
    """Somebody else's POST lands between ours and our GET; or is gone again by then."""
    rest.kube.fail("POST theazosessions", landed=True)
    assert rest.post("/v1/sessions", {"user": USER}).outcome == (503, "unavailable")
    assert rest.post("/v1/sessions", {"user": USER}).status == 200


def test_a_session_that_goes_between_post_and_get_is_made_then(rest: Rest, monkeypatch: pytest.MonkeyPatch) -> None:
    put(rest)
    real = FakeKube.get

    async def get(self: FakeKube, resource: Any, namespace: str, name: str) -> Any:
        if resource == kind.SESSIONS:
            self.objects.pop((resource.plural, namespace, name), None)
        return await real(self, resource, namespace, name)

    monkeypatch.setattr(FakeKube, "get", get)
    assert rest.post("/v1/sessions", {"user": USER}).status == 201


def test_a_session_that_comes_and_goes_all_the_time_is_a_conflict(rest: Rest, monkeypatch: pytest.MonkeyPatch) -> None:
    put(rest)
    real = FakeKube.get

    async def get(self: FakeKube, resource: Any, namespace: str, name: str) -> Any:
        if resource != kind.SESSIONS:
            return await real(self, resource, namespace, name)
        body = self.objects.pop((resource.plural, namespace, name))
        try:
            return await real(self, resource, namespace, name)
        finally:
            self.objects[resource.plural, namespace, name] = body

    monkeypatch.setattr(FakeKube, "get", get)
    assert rest.post("/v1/sessions", {"user": USER}).outcome == (409, "conflict")


def test_an_expired_session_is_replaced_when_it_is_opened_again(rest: Rest) -> None:
    old = rest.open(ttlSeconds=60)
    rest.pass_seconds(59.9)
    assert rest.open()["sealingId"] == old["sealingId"]
    rest.pass_seconds(0.1)
    assert rest.get(PATH).json == old
    for body in ({"A": "b"}, None):
        where = f"{PATH}/secrets" if body else f"{PATH}/agents"
        assert rest.post(where, body or {"compute": "python"}).outcome == (409, "session_ended")
    rest.kube.now = "2025-05-01T10:01:00Z"
    new = rest.post("/v1/sessions", {"user": USER})
    assert new.status == 201
    assert new.json["sealingId"] != old["sealingId"]


def test_an_expired_session_that_gitops_keeps_is_left_alone(rest: Rest) -> None:
    put(rest, spec={"user": USER, "ttlSeconds": 1}, annotations={"argocd.argoproj.io/tracking-id": "app"})
    rest.pass_seconds(10)
    assert rest.post("/v1/sessions", {"user": USER}).status == 200
    assert rest.delete(PATH).outcome == (409, "managed_elsewhere")
    assert rest.kube.deleted == []


def test_an_expired_session_that_is_not_gone_yet_has_ended(rest: Rest) -> None:
    put(rest, spec={"user": USER, "ttlSeconds": 1}, deletionTimestamp="2025-05-01T10:00:01Z")
    rest.pass_seconds(10)
    assert rest.post("/v1/sessions", {"user": USER}).outcome == (409, "session_ended")
    assert rest.kube.calls.count("GET theazosessions") == 1
    assert rest.kube.deleted == []


def test_a_session_on_its_way_out_takes_nothing_more(rest: Rest) -> None:
    put(rest, deletionTimestamp="2025-05-01T10:00:01Z")
    assert rest.post("/v1/sessions", {"user": USER}).outcome == (409, "session_ended")
    assert rest.post(f"{PATH}/secrets", {"A": "b"}).outcome == (409, "session_ended")
    assert rest.post(f"{PATH}/agents", {"compute": "python"}).outcome == (409, "session_ended")
    assert rest.get(PATH).status == 200


def test_deleting_a_session_never_deletes_a_namesake_made_since(rest: Rest, monkeypatch: pytest.MonkeyPatch) -> None:
    rest.open()
    real = FakeKube.delete

    async def delete(self: FakeKube, resource: Any, namespace: str, name: str, uid: str) -> None:
        put(rest)
        await real(self, resource, namespace, name, uid)

    monkeypatch.setattr(FakeKube, "delete", delete)
    assert rest.delete(PATH).status == 204
    assert [body["metadata"]["uid"] for body in rest.kube.all(kind.SESSIONS)] == [f"uid-of-{NAME}"]


def test_who_did_not_hear_of_a_deletion_and_asks_again_does_not_delete_the_next_session(rest: Rest) -> None:
    old = f"{PATH}?sealingId={rest.open()['sealingId']}"
    rest.kube.fail("DELETE theazosessions", landed=True)
    assert rest.delete(old).outcome == (503, "unavailable")
    assert rest.delete(old).outcome == (404, "session_not_found")
    new = rest.open()
    assert rest.delete(old).outcome == (409, "session_changed")
    assert rest.get(PATH).json == new
    assert rest.delete(f"{PATH}?sealingId={new['sealingId']}").outcome == (204, None)


def test_a_session_that_was_made_without_a_sealing_id_has_its_name_as_one(rest: Rest) -> None:
    put(rest)
    assert rest.delete(f"{PATH}?sealingId=other").outcome == (409, "session_changed")
    assert rest.delete(f"{PATH}?sealingId={NAME}").outcome == (204, None)


@pytest.mark.parametrize("query", ["sealingId=", "sealingId=a%20b", f"sealingId={'a' * 500}", "sealingid=a", "limit=1"])
def test_a_wrong_sealing_id_deletes_nothing(rest: Rest, query: str) -> None:
    rest.open()
    assert rest.delete(f"{PATH}?{query}").outcome == (400, "invalid_request")
    assert rest.get(PATH).status == 200


def test_a_deleted_session_is_gone(rest: Rest) -> None:
    rest.open()
    assert rest.delete(PATH).outcome == (204, None)
    assert rest.get(PATH).outcome == rest.delete(PATH).outcome == (404, "session_not_found")


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", "", None),
        ("DELETE", "", None),
        ("GET", "/secrets", None),
        ("POST", "/secrets", {"A": "b"}),
        ("DELETE", "/secrets/A", None),
        ("GET", "/agents", None),
        ("POST", "/agents", {"compute": "python"}),
        ("GET", "/agents/job", None),
        ("DELETE", "/agents/job", None),
    ],
)
@pytest.mark.parametrize("there", ["here", "s-nobody", "S-UPPER", "a" * 53, "..", "%2e%2e", "a%0a", "%00", "%ff", "é"])
def test_another_platforms_session_is_as_good_as_none(
    rest: Rest, method: str, path: str, body: object, there: str
) -> None:
    put(rest, "here", "other-platform")
    route = f"/v1/sessions/{there}{path}".encode()
    kind_of = "application/json" if body else None
    reply = rest.call(method, route, body=body, kind=kind_of)
    assert reply.outcome == (404, "session_not_found")
    assert rest.kube.all(kind.SESSIONS)[0]["metadata"]["namespace"] == "other-platform"


@pytest.mark.parametrize("there", ["a%2Fb", "a/b", "", "a/secrets/b/c"])
def test_what_is_no_single_step_of_a_path_is_no_route(rest: Rest, there: str) -> None:
    assert rest.get(f"/v1/sessions/{there}").outcome == (404, "route_not_found")


def test_a_list_has_the_platforms_sessions_only_and_comes_in_pages(rest: Rest) -> None:
    put(rest, "foreign", "other-platform")
    ids = sorted(rest.open(f"user-{number}")["id"] for number in range(5))
    found: list[str] = []
    cursor = ""
    for size in (2, 2, 1):
        page = rest.get(f"/v1/sessions?limit=2{cursor}").json
        assert len(page["sessions"]) == size
        found += [session["id"] for session in page["sessions"]]
        cursor = f"&cursor={page['nextCursor']}"
    assert page["nextCursor"] is None
    assert found == ids


def test_a_list_can_be_of_one_user(rest: Rest) -> None:
    session = rest.open("ann & bob/é")
    assert rest.get("/v1/sessions?user=ann+%26+bob%2F%C3%A9").json == {"sessions": [session], "nextCursor": None}
    assert rest.get("/v1/sessions?user=carl").json == {"sessions": [], "nextCursor": None}


def test_an_old_cursor_and_a_wrong_one_are_told_apart(rest: Rest) -> None:
    rest.kube.fail("LIST theazosessions", Expired("GET", "theazosessions", 410, "Expired"))
    assert rest.get(f"/v1/sessions?cursor={cursor_of('7')}").outcome == (400, "cursor_expired")
    reply = rest.get("/v1/sessions?cursor=invented")
    assert reply.outcome == (400, "invalid_request")
    assert [each["pointer"] for each in reply.json["errors"]] == ["/cursor"]


@pytest.mark.parametrize(
    "query",
    [
        *("limit=0", "limit=501", "limit=", "limit=1.0", "limit=1e1", "limit=%201", "limit=1_0", "limit=-1", "limit=x"),
        *("limit=%D9%A1", "limit=99999999999999999999", "limit=1&limit=1", "limit", "&", "=", "a=b", "Limit=1"),
        *("cursor=", "user=", f"user={'u' * 257}", "user=%ff", "user=%ED%A0%80", "phase=Pending"),
        f"cursor={'c' * 4097}",
    ],
)
def test_a_wrong_query_is_refused(rest: Rest, query: str) -> None:
    assert rest.get(f"/v1/sessions?{query}").outcome == (400, "invalid_request")


def test_a_query_in_bytes_that_are_no_ascii_is_refused(rest: Rest) -> None:
    assert rest.call("GET", b"/v1/sessions?user=\xc3\xa9").outcome == (400, "invalid_request")


@pytest.mark.parametrize("path", ["/v1/sealing-key?a=b", PATH + "?a=b", f"{PATH}/secrets?limit=1"])
def test_a_route_without_parameters_takes_none(rest: Rest, path: str) -> None:
    rest.open()
    assert rest.get(path).outcome == (400, "invalid_request")
    assert rest.post("/v1/sessions?a=b", {"user": USER}).outcome == (400, "invalid_request")


WRONG_TTLS: list[Any] = [0, -1, 31_536_001, 1.5, "1", True, 1e300, [], {}]


@pytest.mark.parametrize(
    "body",
    [
        *(
            {},
            {"user": ""},
            {"user": "u" * 257},
            {"user": 7},
            {"user": None},
            {"user": ["a"]},
            {"user": "a", "zzz": "b"},
        ),
        *({"user": "a", "ttlSeconds": each} for each in WRONG_TTLS),
        *({"user": "a", "ttl_seconds": 1}, {"User": "a"}),
    ],
)
def test_a_wrong_body_is_refused_with_a_pointer_to_what_is_ours(rest: Rest, body: object) -> None:
    reply = rest.post("/v1/sessions", body)
    assert reply.outcome == (400, "invalid_request")
    assert {each["pointer"] for each in reply.json["errors"]} <= {"", "/user", "/ttlSeconds"}
    assert rest.kube.all(kind.SESSIONS) == []


@pytest.mark.parametrize("ttl", [1, 31_536_000, 60.0, None])
def test_bounds_of_a_ttl(rest: Rest, ttl: float | None) -> None:
    assert rest.post("/v1/sessions", {"user": "u" * 256, "ttlSeconds": ttl}).status == 201


@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        (Unavailable("POST", "theazosessions", 0, "ServerDisconnectedError"), (503, "unavailable")),
        (Unavailable("POST", "theazosessions", 429, "TooManyRequests"), (503, "unavailable")),
        (Refused("POST", "theazosessions", 400, "BadRequest", "unknown field"), (500, "internal_error")),
        (Refused("POST", "theazosessions", 403, "Forbidden", "user x cannot create y"), (403, "platform_not_served")),
        (Refused("POST", "theazosessions", 403, "Forbidden", "exceeded quota: q"), (403, "refused_by_cluster")),
    ],
)
def test_what_the_cluster_refuses_is_told_without_its_words(
    rest: Rest, error: KubeError, outcome: tuple[int, str]
) -> None:
    rest.kube.fail("POST theazosessions", error)
    reply = rest.post("/v1/sessions", {"user": USER})
    assert reply.outcome == outcome
    assert not error.message or error.message not in reply.body.decode()
    assert ("retry-after" in reply.headers) == (reply.status == 503)


def test_reading_on_a_platform_that_is_not_served_any_more(rest: Rest) -> None:
    """A read is refused for want of rights only, and its error carries no words of the API server."""
    for path in ("/v1/sessions", PATH):
        verb = "LIST" if path == "/v1/sessions" else "GET"
        rest.kube.fail(f"{verb} theazosessions", Refused("GET", "theazosessions", 403, "Forbidden"))
        assert rest.get(path).outcome == (403, "platform_not_served")
