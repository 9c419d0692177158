"""Values in wrong places: whatever is sent, and whatever is answered, nothing repeats them."""

import json
import traceback
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import pytest

from tests.support.builders import NS
from tests.support.canaries import forms
from tests.support.fakekube import FakeKube
from tests.support.restrig import SEALED, USER, Reply, Rest, restored_logging
from theazo import rules
from theazo_operator import logs
from theazo_operator.api import problems
from theazo_operator.api.operation import Call
from theazo_operator.api.problems import Problem
from theazo_operator.kube.errors import KubeError, Refused, Unavailable

CORE = "canary5up3rs3cr3t"
VALUE = f"sk_live_{CORE}"
ODD = f"p@ss/{CORE}?&=#%\n\u00e9"
SID = rules.session_name(NS, USER)
SECRETS, AGENTS = f"/v1/sessions/{SID}/secrets", f"/v1/sessions/{SID}/agents"
NEEDLES = [*forms(CORE.encode())]


@pytest.fixture
def _logging() -> Iterator[None]:
    restore = restored_logging()
    yield
    restore()


@pytest.fixture
def opened(rest: Rest, _logging: None) -> Rest:
    logs.configure("DEBUG")
    rest.open()
    return rest


def clean(rest: Rest, reply: Reply, capsys: pytest.CaptureFixture[str]) -> None:
    """Look for the value in everything that anybody sees."""
    printed = capsys.readouterr()
    metrics = rest.get("/metrics", key=None)
    for place, text in {
        "reply": reply.text,
        "log": (printed.out + printed.err).encode(),
        "metrics": metrics.body,
    }.items():
        assert not [needle for needle in NEEDLES if needle in text], (place, text)


def nested(value: object, depth: int) -> object:
    for _ in range(depth):
        value = [value]
    return value


def bodies() -> dict[str, bytes]:
    """Wrong bodies with the value in them, by where it is."""
    objects: dict[str, object] = {
        "a name": {VALUE: "x"},
        "a malformed name": {ODD: "x"},
        "a name with its value": {f"NAME={VALUE}": "x"},
        "a list": [VALUE],
        "a text": VALUE,
        "a number's place": {"A": {"B": VALUE}},
        "a list in a value": {"A": [VALUE]},
        "deep": {"A": nested(VALUE, 500)},
        "unknown field": {"user": "a", VALUE: 1},
        "unknown field's value": {"user": "a", "password": VALUE},
        "a number": {"user": "a", "ttlSeconds": VALUE},
        "a long user": {"user": VALUE * 20},
        "a user's place": {"user": {VALUE: VALUE}},
        "compute": {"compute": VALUE},
        "compute that is odd": {"compute": ODD},
        "a secret's value": {"compute": "python", "secrets": [{"name": "A", "value": VALUE}]},
        "a secret's name": {"compute": "python", "secrets": [VALUE]},
        "a secret's source": {"compute": "python", "secrets": [{"name": "A", "from": VALUE}]},
        "a secret's odd source": {"compute": "python", "secrets": [{"name": "A", "from": ODD}]},
        "secrets as an object": {"compute": "python", "secrets": {"A": VALUE}},
        "a policy": {"compute": "python", "restartPolicy": VALUE},
        "a quantity": {"compute": "python", "resources": {"limits": {"cpu": VALUE}}},
        "a resource": {"compute": "python", "resources": {"limits": {VALUE: "1"}}},
        "env": {"compute": "python", "env": {"A": VALUE}},
        "a command that is none": {"compute": "python", "command": VALUE},
        "args with a number": {"compute": "python", "args": [VALUE, 7]},
        "a NUL": {"A": f"{VALUE}\0"},
        "a reserved name": {"PATH": VALUE},
        "too long": {"A": VALUE * 5000},
        "too many": {f"A{number}": VALUE for number in range(300)},
        "unsealed": {"sealingId": "x", "secrets": {"A": VALUE}},
        "a sealed name": {"sealingId": "x", "secrets": {VALUE: "x"}},
        "a sealing id": {"sealingId": VALUE, "secrets": {"A": "x"}},
        "an odd sealing id": {"sealingId": ODD, "secrets": {"A": "x"}},
        "an envelope": {"sealingId": "x", "secrets": {"A": f"thz1.{VALUE}.0123456789abcdef.{VALUE}"}},
    }
    texts = {name: json.dumps(each).encode() for name, each in objects.items()}
    value = VALUE.encode()
    return texts | {
        "twice": b'{"A": "%s", "A": "%s"}' % (value, value),
        "a name twice": b'{"%s": "1", "%s": "2"}' % (value, value),
        "cut": b'{"A": "%s' % value,
        "no JSON": value,
        "form": b"A=%s&B=%s" % (value, value),
        "not UTF-8": b'{"A": "%s\xff"}' % value,
        "UTF-16": f'{{"A": "{VALUE}"}}'.encode("utf-16"),
        "a lone surrogate": b'{"A": "%s\\ud800"}' % value,
        "a number of digits": b'{"A": "%s", "B": %s}' % (value, b"9" * 5000),
        "huge": b'{"A": "%s"}' % (value * 200_000),
    }


@pytest.mark.parametrize("body", bodies().values(), ids=bodies())
def test_a_wrong_body_is_not_repeated(opened: Rest, body: bytes, capsys: pytest.CaptureFixture[str]) -> None:
    statuses = set()
    for path, kind in (
        *(("/v1/sessions", "application/json"), (SECRETS, "application/json"), (SECRETS, SEALED)),
        *((AGENTS, "application/json"), (SECRETS, f"text/{VALUE}"), ("/v1/sealing-key", "application/json")),
    ):
        reply = opened.post(path, body, kind)
        statuses.add(reply.status)
        clean(opened, reply, capsys)
    assert statuses <= {204, 400, 405, 409, 413, 415, 422}


def test_values_that_are_set_come_out_nowhere(opened: Rest, capsys: pytest.CaptureFixture[str]) -> None:
    for value in (VALUE, ODD):
        clean(opened, opened.post(SECRETS, {"A": value, "B": value}), capsys)
        for path in (SECRETS, AGENTS, f"/v1/sessions/{SID}"):
            clean(opened, opened.get(path), capsys)
        clean(opened, opened.post(AGENTS, {"compute": "python", "secrets": ["A", "B"]}), capsys)
    clean(opened, opened.delete(f"{SECRETS}/A"), capsys)
    stored = json.dumps([body for place, body in opened.kube.objects.items() if place[0] == "theazosecrets"])
    assert not [needle for needle in NEEDLES if needle in stored.encode()]


PLACES = [quote(VALUE), quote(ODD, safe=""), f"a%00{CORE}", f"{CORE}%ff", f"..%2f{CORE}"]


@pytest.mark.parametrize("value", PLACES)
def test_a_path_or_a_query_is_not_repeated(opened: Rest, value: str, capsys: pytest.CaptureFixture[str]) -> None:
    for path in (
        *(f"/{value}", f"/v1/{value}", f"/v1/sessions/{value}", f"/v1/sessions/{value}/", f"{SECRETS}/{value}"),
        *(f"{AGENTS}/{value}", f"/v1/sessions/{value}/secrets", f"/v1/sessions?{value}", f"/v1/sessions?a={value}"),
        *(f"/v1/sessions?limit={value}", f"/v1/sessions?cursor={value}", f"{AGENTS}?phase={value}"),
        *(f"/v1/sessions/?user={value}", f"/livez/?{value}", f"/readyz?{value}", f"/metrics?{value}"),
        *(f"/v1/sealing-key?{value}=1", f"/v1/sessions?user={value}", f"/openapi.json?{value}"),
    ):
        for method in ("GET", "POST", "DELETE", "OPTIONS"):
            body = {"A": "x"} if method == "POST" else None
            reply = opened.call(method, path, body=body, kind="application/json" if body else None)
            clean(opened, reply, capsys)


@pytest.mark.parametrize(
    "value", [VALUE, f"Bearer {VALUE}", f"{CORE}\u00e9", f"a {CORE}", f"th_live_{'a' * 12}_{CORE}"]
)
@pytest.mark.parametrize(
    "header",
    [
        *(
            "idempotency-key",
            "authorization",
            "content-type",
            "accept",
            "cookie",
            "user-agent",
            "x-request-id",
            "origin",
        ),
        *("content-encoding", "x-forwarded-for", "referer", "range", "expect", "host"),
    ],
)
def test_a_header_is_not_repeated(opened: Rest, header: str, value: str, capsys: pytest.CaptureFixture[str]) -> None:
    key = None if header == "authorization" else ""
    for path in (AGENTS, "/v1/sessions/", "/nowhere"):
        reply = opened.post(path, {"compute": "python"}, headers=[(header, value)], key=key)
        clean(opened, reply, capsys)


def test_a_method_is_not_repeated(opened: Rest, capsys: pytest.CaptureFixture[str]) -> None:
    for path in ("/v1/sessions", "/nowhere", "/livez"):
        clean(opened, opened.call(VALUE, path), capsys)


def errors() -> list[BaseException]:
    said = f"Secret {VALUE} is invalid"
    return [
        RuntimeError(VALUE),
        KeyError(VALUE),
        UnicodeDecodeError("utf-8", VALUE.encode(), 0, 1, VALUE),
        *(Refused("POST", "theazosecrets", code, "Invalid", said) for code in (400, 403, 413, 422)),
        Unavailable("POST", "theazosecrets", 500, "InternalError", said),
    ]


@pytest.mark.parametrize("number", range(len(errors())))
def test_what_an_error_says_is_not_repeated(
    opened: Rest, number: int, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    error = errors()[number]

    async def fail(*_: object, **__: object) -> Any:
        raise error

    for verb in ("create", "patch"):
        monkeypatch.setattr(FakeKube, verb, fail)
    for path, body in ((SECRETS, {"A": VALUE}), (AGENTS, {"compute": "python"}), ("/v1/sessions", {"user": "b"})):
        reply = opened.post(path, body)
        assert reply.status >= 400
        clean(opened, reply, capsys)
    clean(opened, opened.delete(f"{SECRETS}/A"), capsys)


def test_nothing_that_holds_a_request_shows_it() -> None:
    call = Call(NS, {"sid": VALUE}, None, VALUE, VALUE.encode(), VALUE)
    problem = Problem(problems.INVALID_REQUEST, "detail", errors=[{"pointer": "/0", "detail": VALUE}])
    for shown in (repr(call), str(call), f"{call}", repr(problem), str(problem), repr([call, problem])):
        assert CORE not in shown


def test_a_problem_carries_no_error_that_would_show_what_was_read(
    opened: Rest, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A debugger or a tracer that prints causes and contexts finds none."""
    seen: list[Problem] = []
    real = Problem.body

    def body(self: Problem, request_id: str) -> dict[str, Any]:
        seen.append(self)
        return real(self, request_id)

    monkeypatch.setattr(Problem, "body", body)
    for each in bodies().values():
        for path, kind in ((SECRETS, "application/json"), (SECRETS, SEALED), (AGENTS, "application/json")):
            opened.post(path, each, kind)
    opened.kube.fail("POST theazosecrets", KubeError("POST", "x", 422, "Invalid", VALUE))
    opened.post(SECRETS, {"A": VALUE})
    assert seen
    for problem in seen:
        assert CORE not in "".join(traceback.format_exception(problem))
