import json
from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from theazo import errors
from theazo._core import requests
from theazo._core.exchange import Policy, exchange
from theazo._core.problems import error_of
from theazo._core.wire import Lost, Now, Pause, Reply, Request, Steps

GET = requests.get_sessions(None, None)
DELETE = requests.delete_session("demo", "first")
PLAIN = Policy(timeout=30.0, max_retries=4, jitter=lambda: 1.0)
OK = Reply(200, {}, b"{}")
MEMBERS = ["code", "detail", "missing", "errors", "title", "requestId"]


def reply(status: int, code: str = "", headers: Mapping[str, str] | None = None, **more: Any) -> Reply:
    body = {"code": code, "detail": "do this", "requestId": "req_9"} | more
    return Reply(
        status,
        {"content-type": "application/problem+json; charset=utf-8", **(headers or {})},
        json.dumps(body).encode(),
    )


def carry(steps: Steps[Any], answers: Sequence[object], clock: list[float] | None = None) -> tuple[Any, list[Any]]:
    """What came out, and the steps that were asked for, but for the time."""
    asked: list[Any] = []
    answer: Any = None
    left = list(answers)
    while True:
        try:
            step = steps.send(answer)
        except StopIteration as end:
            return end.value, asked
        except errors.TheazoError as error:
            return error, asked
        match step:
            case Now():
                answer = clock.pop(0) if clock else 0.0
                continue
            case Request():
                answer = left.pop(0)
            case Pause():
                answer = None
        asked.append(step)


def pauses(asked: list[Any]) -> list[float]:
    return [step.seconds for step in asked if isinstance(step, Pause)]


TREE = {
    (400, "invalid_request"): errors.InvalidRequest,
    (400, "invalid_secret"): errors.InvalidRequest,
    (400, "cursor_expired"): errors.InvalidRequest,
    (401, "unauthorized"): errors.Unauthorized,
    (403, "platform_not_served"): errors.PermissionDenied,
    (404, "route_not_found"): errors.NotFound,
    (404, "session_not_found"): errors.SessionNotFound,
    (404, "secret_not_found"): errors.SecretNotFound,
    (404, "agent_not_found"): errors.AgentNotFound,
    (405, "method_not_allowed"): errors.APIError,
    (409, "managed_elsewhere"): errors.ManagedElsewhere,
    (409, "session_changed"): errors.Conflict,
    (409, "sealing_key_changed"): errors.Conflict,
    (409, "session_ended"): errors.SessionEnded,
    (409, "idempotency_mismatch"): errors.Conflict,
    (413, "body_too_large"): errors.TooLarge,
    (413, "secrets_too_large"): errors.TooLarge,
    (415, "unsupported_media_type"): errors.APIError,
    (422, "secret_not_found"): errors.SecretsMissing,
    (422, "compute_not_found"): errors.ComputeNotFound,
    (422, "anything_new"): errors.Unprocessable,
    (499, "anything_new"): errors.APIError,
}
TRANSIENT = {
    (409, "conflict"): errors.Conflict,
    (429, "too_many_failures"): errors.RateLimited,
    (500, "internal_error"): errors.ServerError,
    (502, ""): errors.ServerError,
    (503, "unavailable"): errors.ServerError,
    (503, "sealing_key_unavailable"): errors.ServerError,
    (504, ""): errors.ServerError,
}


@pytest.mark.parametrize(("status", "code"), TREE)
def test_a_final_answer_is_an_error_at_once(status: int, code: str) -> None:
    found, asked = carry(exchange(PLAIN, GET), [reply(status, code)])
    assert type(found) is TREE[status, code]
    assert asked == [GET]
    assert (found.status, found.code, found.detail, found.request_id) == (status, code, "do this", "req_9")
    assert str(found) == f"do this ({status} {code}, req_9)"


@pytest.mark.parametrize(("status", "code"), TRANSIENT)
def test_a_transient_answer_is_asked_again_and_then_an_error(status: int, code: str) -> None:
    found, asked = carry(exchange(PLAIN, GET), [reply(status, code)] * 5)
    assert type(found) is TRANSIENT[status, code]
    assert [step for step in asked if isinstance(step, Request)] == [GET] * 5
    assert pauses(asked) == [0.25, 0.5, 1.0, 2.0]


@pytest.mark.parametrize(
    ("lost", "kind"), [(Lost("reset"), errors.ConnectionFailed), (Lost("slow", timed_out=True), errors.RequestTimeout)]
)
def test_a_lost_answer_is_asked_for_again_and_then_an_error(lost: Lost, kind: type[Exception]) -> None:
    found, asked = carry(exchange(PLAIN, GET), [lost] * 5)
    assert type(found) is kind
    assert pauses(asked) == [0.25, 0.5, 1.0, 2.0]
    assert "THEAZO_BASE_URL" in str(found)
    assert carry(exchange(PLAIN, GET), [lost, OK])[0] is OK


def test_without_retries_the_first_answer_counts() -> None:
    found, asked = carry(exchange(Policy(max_retries=0), GET), [reply(503)])
    assert type(found) is errors.ServerError
    assert asked == [GET]


@given(st.integers(0, 3000), st.floats(0, 1))
def test_pauses_are_a_random_part_of_a_capped_doubling(retries: int, share: float) -> None:
    _, asked = carry(exchange(Policy(max_retries=retries, jitter=lambda: share), GET), [Lost("x")] * (retries + 1))
    found = pauses(asked)
    assert len(found) == retries
    assert found == [share * min(8.0, 0.25 * 2 ** min(n, 10)) for n in range(retries)]


@pytest.mark.parametrize(
    ("header", "seconds"), [("7", 7.0), ("0", 0.25), ("61", 60.0), ("9" * 400, 60.0), ("-1", 0.25), ("1.5", 0.25)]
)
def test_retry_after_in_seconds_is_obeyed_if_it_is_longer_and_capped(header: str, seconds: float) -> None:
    _, asked = carry(exchange(PLAIN, GET), [reply(503, headers={"retry-after": header}), OK])
    assert pauses(asked) == [seconds]


@pytest.mark.parametrize("header", ["", "Wed, 21 Oct 2099 07:28:00 GMT", "٣", "²"])
def test_any_other_retry_after_is_as_none(header: str) -> None:
    _, asked = carry(exchange(PLAIN, GET), [reply(429, headers={"retry-after": header}), OK])
    assert pauses(asked) == [0.25]


@pytest.mark.parametrize("first", [Lost("x"), Lost("x", timed_out=True), reply(500), reply(502), reply(504)])
def test_a_deletion_that_finds_nothing_after_an_answer_was_lost_is_done(first: Reply | Lost) -> None:
    found, _ = carry(exchange(PLAIN, DELETE), [first, reply(404, "session_not_found")])
    assert found.status == 204


@pytest.mark.parametrize("first", [Lost("x"), Lost("x", timed_out=True), reply(500), reply(502), reply(504)])
def test_a_deletion_that_finds_another_session_after_an_answer_was_lost_is_done(first: Reply | Lost) -> None:
    found, asked = carry(exchange(PLAIN, DELETE), [first, reply(409, "session_changed")])
    assert found.status == 204
    assert [step for step in asked if isinstance(step, Request)] == [DELETE] * 2
    assert DELETE.query == (("sealingId", "first"),)


@pytest.mark.parametrize("answers", [[], [reply(429)], [reply(409, "conflict")]])
def test_another_session_in_the_place_of_the_one_to_delete_is_an_error_otherwise(answers: list[Reply]) -> None:
    found, _ = carry(exchange(PLAIN, DELETE), [*answers, reply(409, "session_changed")])
    assert (type(found), found.code) == (errors.Conflict, "session_changed")


def test_it_is_done_however_many_attempts_lie_between() -> None:
    answers = [Lost("x"), reply(429), reply(409, "conflict"), reply(404, "session_not_found")]
    assert carry(exchange(PLAIN, DELETE), answers)[0].status == 204


@pytest.mark.parametrize("answers", [[], [reply(429)], [reply(409, "conflict")]])
def test_a_deletion_that_surely_was_not_done_before_finds_nothing(answers: list[Reply]) -> None:
    found, _ = carry(exchange(PLAIN, DELETE), [*answers, reply(404, "session_not_found")])
    assert type(found) is errors.SessionNotFound


@pytest.mark.parametrize("last", [reply(404, "route_not_found"), Reply(404, {}, b"<html>")])
def test_a_404_of_something_else_is_no_deletion(last: Reply) -> None:
    assert isinstance(carry(exchange(PLAIN, DELETE), [Lost("x"), last])[0], errors.NotFound)


def test_only_deletions_count_as_done() -> None:
    found, _ = carry(exchange(PLAIN, GET), [Lost("x"), reply(404, "session_not_found")])
    assert type(found) is errors.SessionNotFound


def test_a_deadline_shortens_the_attempt_and_ends_the_retries() -> None:
    clock = [4.0, 9.0, 9.25, 9.6, 9.9, 10.1]  # before and after each attempt
    found, asked = carry(exchange(PLAIN, GET, deadline=10.0), [Lost("x", timed_out=True)] * 3, clock)
    assert type(found) is errors.RequestTimeout
    assert [step.timeout for step in asked if isinstance(step, Request)] == [6.0, 0.75, 0.25]
    assert pauses(asked) == [0.25, pytest.approx(0.4)]


@pytest.mark.parametrize("status", [301, 302, 304, 307, 308])
def test_a_redirect_is_an_error_that_says_so(status: int) -> None:
    found, asked = carry(exchange(PLAIN, GET), [Reply(status, {"location": "https://evil.test"}, b"")])
    assert (type(found), found.code) == (errors.APIError, "unexpected_reply")
    assert "redirects" in str(found)
    assert "evil" not in str(found)
    assert asked == [GET]


JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(),
    lambda deeper: st.lists(deeper) | st.dictionaries(st.sampled_from(MEMBERS) | st.text(), deeper),
)


@given(
    st.integers(300, 599),
    st.sampled_from(["application/problem+json", "application/json", "text/html", ""]),
    st.binary() | JSON.map(json.dumps).map(str.encode),
)
def test_whatever_answers_an_error_comes_of_it(status: int, content_type: str, body: bytes) -> None:
    found = error_of(Reply(status, {"content-type": content_type}, body))
    assert found.status == status
    assert isinstance(found.detail, str)
    assert "\n" not in str(found)


def test_what_is_no_problem_is_not_repeated() -> None:
    for kind, body in {"text/html": b"<p>s3cret</p>", "application/json": b'{"detail": "s3cret"}'}.items():
        found = error_of(Reply(502, {"content-type": kind}, body))
        assert "s3cret" not in str(found) + repr(found)
        assert found.code == "unexpected_reply"


def test_missing_names_and_places_are_told() -> None:
    found = error_of(reply(422, "secret_not_found", missing=["A", "B"]))
    assert found.missing == ("A", "B")
    found = error_of(reply(400, "invalid_request", errors=[{"pointer": "/secrets/2", "detail": "too long"}]))
    assert found.errors == (errors.FieldProblem("/secrets/2", "too long"),)
    assert str(found) == "do this; /secrets/2: too long (400 invalid_request, req_9)"
