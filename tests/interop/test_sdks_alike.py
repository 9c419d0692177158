"""Both SDKs and both APIs in memory behave alike: what each table says, Python and TypeScript are held to.

Needs Node.js 20 or later with npm; the TypeScript SDK is installed and built when that wasn't done yet.
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.support.builders import compute_body
from tests.support.node import ask, build_sdk
from tests.support.restrig import Rest
from tests.support.sdk import API_KEY, BASE_URL, SECOND, SID, Script, agent_body, key_body, session_body, sync_client
from theazo import APIError, Theazo, TheazoError, errors
from theazo.testing import FakeTheazo
from theazo_operator.kube import resource as kind
from theazo_operator.reasons import Reason

MODULE = Path(__file__).with_name("alike.mjs")
SESSION = f"/v1/sessions/{SID}"
# Of what never leaves the process the words are the same too.
SAME_WORDS = {"InvalidName", "InvalidPublicKey", "InvalidValue"}


@pytest.fixture(scope="module")
def built() -> None:
    build_sdk()


# One call, and what becomes of it.


def answer(status: int, body: Any, **headers: str) -> list[Any]:
    """What a request is answered with, in JSON; names of headers have _ for -."""
    kind_of = "application/json" if status < 400 else "application/problem+json"
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return [status, {"content-type": kind_of, **named}, json.dumps(body)]


def problem(status: int, code: str, **headers: str) -> list[Any]:
    return answer(status, {"status": status, "code": code, "title": "T", "detail": "what to do"}, **headers)


FOUND = answer(200, session_body())
BUSY = problem(503, "unavailable")
GET = f"GET {SESSION}"
NOTHING_SENT: dict[str, Any] = {"asked": [], "slept": []}


def created(**options: Any) -> dict[str, Any]:
    return {"call": "create", "session": SID, "options": {"compute": "python", **options}, "answers": [FOUND]}


def keyed(**changes: str) -> dict[str, Any]:
    given = {"call": "set", "session": SID, "values": {"A": "x"}}
    return {**given, "answers": [FOUND, answer(200, key_body() | changes)]}


def pinned(*, changed: bool = False) -> dict[str, Any]:
    own, other = key_body(), key_body(SECOND.public_key("acme"))
    after = [problem(409, "sealing_key_changed"), answer(200, other)] if changed else [answer(204, None)]
    given = {"call": "set", "session": SID, "values": {"A": "x"}, "fingerprint": own["keyId"]}
    return {**given, "answers": [FOUND, answer(200, own), *after]}


def retried(*retry_after: str) -> dict[str, Any]:
    waits = [problem(503, "unavailable", retry_after=each) for each in retry_after]
    return {"call": "session", "session": SID, "answers": [*waits, FOUND]}


def told(status: int, code: str) -> dict[str, Any]:
    return {"call": "session", "session": SID, "answers": [problem(status, code)]}


def refused(error: str, *asked: str) -> dict[str, Any]:
    return {"error": error, "asked": list(asked), "slept": []}


UNTAKEN = refused("InvalidName", GET)
OTHERS_KEY = refused("InvalidPublicKey", GET, "GET /v1/sealing-key")
RESEALED = (GET, "GET /v1/sealing-key", f"POST {SESSION}/secrets", "GET /v1/sealing-key")
QUANTITIES = {"limits": {"cpu": 1, "memory": "256Mi"}}
CALLS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "no user": ({"call": "forUser", "user": ""}, refused("InvalidName")),
    "a long user": ({"call": "forUser", "user": "ü" * 257}, refused("InvalidName")),
    "half a character": ({"call": "forUser", "user": "x\ud800"}, refused("InvalidName")),
    "a list of no user": ({"call": "listUser", "user": ""}, refused("InvalidName")),
    "a list of half a user": ({"call": "listUser", "user": "\ud800"}, refused("InvalidName")),
    "a session that is none": ({"call": "session", "session": "../x"}, refused("InvalidName")),
    "a value as a name": (created(secrets=["sk_live_abc"]), UNTAKEN),
    "a value as a source": (created(secrets=[{"name": "KEY", "from": "sk_live_abc"}]), UNTAKEN),
    "no source": (created(secrets=[{"name": "KEY", "from": ""}]), UNTAKEN),
    "no idempotency key": (created(idempotencyKey=""), UNTAKEN),
    "an idempotency key with a space": (created(idempotencyKey=" x"), UNTAKEN),
    "an empty value": (
        {"call": "set", "session": SID, "values": {"A": ""}, "answers": [FOUND]},
        {"error": "InvalidValue"},
    ),
    "another platform's key": (keyed(platform="initech"), OTHERS_KEY),
    "a key of another suite": (keyed(suite="other"), OTHERS_KEY),
    "a key with another's id": (keyed(keyId="0" * 16), OTHERS_KEY),
    "another key than the pinned": ({**keyed(), "fingerprint": "0" * 16}, OTHERS_KEY),
    "the pinned key": (pinned(), {"error": None, "asked": [GET, "GET /v1/sealing-key", f"POST {SESSION}/secrets"]}),
    "a new key is not the pinned": (pinned(changed=True), refused("InvalidPublicKey", *RESEALED)),
    "no key": (keyed(publicKey="%"), OTHERS_KEY),
    "quantities": (
        {**created(resources=QUANTITIES), "answers": [FOUND, answer(201, agent_body())]},
        {"error": None, "body": {"compute": "python", "resources": QUANTITIES}},
    ),
    "a redirect": (
        {"call": "session", "session": SID, "answers": [answer(307, None, location="https://evil.test")]},
        {**refused("APIError", GET), "code": "unexpected_reply"},
    ),
    "not served": (
        told(403, "platform_not_served"),
        {**refused("PermissionDenied", GET), "code": "platform_not_served"},
    ),
    "a quota": (told(403, "refused_by_cluster"), {**refused("PermissionDenied", GET), "code": "refused_by_cluster"}),
    "Retry-After 0": (retried("0"), {"error": None, "slept": [0.25]}),
    "a long Retry-After": (retried("7", "61"), {"error": None, "slept": [7, 60]}),
    "an endless Retry-After": (retried("9" * 400), {"error": None, "slept": [60]}),
    "a Retry-After shorter than the pause": (retried("1", "1", "1", "1"), {"error": None, "slept": [1, 1, 1, 2]}),
    "a Retry-After that is a date": (retried("Wed, 21 Oct 2099 07:28:00 GMT"), {"error": None, "slept": [0.25]}),
    "a Retry-After that is no number": (retried("soon"), {"error": None, "slept": [0.25]}),
}


def python_call(given: dict[str, Any]) -> dict[str, Any]:
    answers = [
        httpx2.Response(status, headers=headers, content=body) for status, headers, body in given.get("answers", ())
    ]
    script = Script(list(answers))
    error: TheazoError | None = None
    with sync_client(script, fingerprint=given.get("fingerprint")) as client:
        try:
            _CALLS[given["call"]](client, given)
        except TheazoError as raised:
            error = raised
    bodies = [json.loads(each.content) for each in script.requests if each.content]
    return {
        "error": type(error).__name__ if error else None,
        "code": error.code if isinstance(error, APIError) else None,
        "message": str(error) if error else None,
        "asked": script.asked(),
        "slept": script.pauses,
        "body": bodies[-1] if bodies else None,
    }


def _create(client: Theazo, given: dict[str, Any]) -> None:
    options = dict(given["options"])
    key = options.pop("idempotencyKey", None)
    client.sessions.get(given["session"]).agents.create(
        options.pop("compute"), options.pop("secrets", ()), idempotency_key=key, **options
    )


_CALLS: dict[str, Callable[[Theazo, dict[str, Any]], object]] = {
    "forUser": lambda client, given: client.sessions.for_user(given["user"]),
    "listUser": lambda client, given: list(client.sessions.list(given["user"])),
    "session": lambda client, given: client.sessions.get(given["session"]),
    "set": lambda client, given: client.sessions.get(given["session"]).secrets.set(given["values"]),
    "create": _create,
}


@pytest.fixture(scope="module")
def typescript_calls(built: None) -> dict[str, Any]:  # noqa: ARG001 - it has to be built
    common = {"op": "call", "apiKey": API_KEY, "baseUrl": BASE_URL, "answers": []}
    return dict(zip(CALLS, ask(MODULE, *({**common, **given} for given, _ in CALLS.values())), strict=True))


@pytest.mark.parametrize("case", CALLS)
def test_a_call_ends_alike(case: str, typescript_calls: dict[str, Any]) -> None:
    given, expected = CALLS[case]
    python, typescript = python_call(given), typescript_calls[case]
    for found in (python, typescript):
        body = found["body"] or {}
        expected_body = expected.get("body", body)
        assert {**found, "body": {name: body.get(name) for name in expected_body}} == {
            **found,
            **expected,
            "body": expected_body,
        }
    if expected["error"] in SAME_WORDS:
        assert python["message"] == typescript["message"]


@pytest.mark.usefixtures("built")
def test_the_errors_are_one_tree() -> None:
    [found] = ask(MODULE, {"op": "tree"})
    kinds = [each for each in vars(errors).values() if isinstance(each, type) and issubclass(each, TheazoError)]
    ours = {each.__name__: each.__bases__[0].__name__ for each in kinds if each is not TheazoError}
    opening = {"OpeningError", "MalformedEnvelope"}  # which only the operator does
    assert found == {name: parent for name, parent in ours.items() if name not in opening}


# A story on the APIs in memory; and its part that is not the operator's, on the REST API itself.


def seen(number: int, phase: str = "Pending", reason: str | None = None, **more: Any) -> dict[str, Any]:
    plain = {"number": number, "compute": "python", "phase": phase, "reason": reason, "message": None}
    plain |= {"stalled": False, "declared": [], "pod": False, "exitCode": None, "started": False, "finished": False}
    return plain | more


def running(number: int, **more: Any) -> dict[str, Any]:
    return seen(number, "Running", "SandboxRunning", pod=True, started=True, **more)


def failure(error: str, code: str, *missing: str) -> dict[str, Any]:
    return {"error": error, "code": code, "missing": list(missing)}


PYTHON = {"compute": "python"}
MISMATCH = failure("Conflict", "idempotency_mismatch")
# By whether agents start at once: steps, each with what is seen after it.
OF_THE_API: list[tuple[str, Any, Any]] = [
    ("create", {"compute": "perl"}, failure("ComputeNotFound", "compute_not_found")),
    ("create", {"compute": "perl", "secrets": ["B", "A"]}, failure("SecretsMissing", "secret_not_found", "A", "B")),
    ("create", {**PYTHON, "secrets": [{"name": "X", "optional": True}]}, seen(0, declared=[["X", "X", False]])),
    ("create", {**PYTHON, "key": "k"}, seen(1)),
    ("create", {**PYTHON, "key": "k"}, seen(1)),
    ("create", {**PYTHON, "args": ["x"], "key": "k"}, MISMATCH),
    ("delete", None, None),
    ("create", {**PYTHON, "args": ["x"], "key": "k"}, seen(1)),  # a new one: the name is a hash of the key
    ("set", {"A": "1"}, seen(1)),
    ("create", {**PYTHON, "secrets": [{"name": "N", "from": "A"}]}, seen(2, declared=[["N", "A", False]])),
    ("create", {"compute": "node"}, seen(3, compute="node")),
]
DECLARED = [{"name": "N", "from": "A"}, {"name": "X", "optional": True}]
NOT_YET, GIVEN = [["N", "A", False], ["X", "X", False]], [["N", "A", True], ["X", "X", False]]
ENDED: dict[str, Any] = {"pod": True, "started": True, "finished": True}
FAILED: dict[str, Any] = {"message": "the sandbox ended with exit code 3", "stalled": True, "exitCode": 3}
STALLED: dict[str, Any] = {"message": "the quota is used up", "stalled": True}
STORIES: dict[str, tuple[bool, list[tuple[str, Any, Any]]]] = {
    "what the API does": (False, OF_THE_API),
    "it starts at once": (
        True,
        [
            ("set", {"A": "1"}, None),
            ("create", {**PYTHON, "secrets": DECLARED}, running(0, declared=GIVEN)),
            ("stall", None, seen(0, reason="SandboxRefused", declared=NOT_YET, **STALLED)),
            ("start", None, running(0, declared=GIVEN)),
            ("end", 3, seen(0, "Failed", "SandboxFailed", declared=GIVEN, **ENDED, **FAILED)),
        ],
    ),
    "it is started": (
        False,
        [
            ("set", {"A": "1"}, None),
            ("create", {**PYTHON, "secrets": DECLARED}, seen(0, declared=NOT_YET)),
            ("start", None, running(0, declared=GIVEN)),
            ("end", 0, seen(0, "Succeeded", "Completed", declared=GIVEN, exitCode=0, **ENDED)),
        ],
    ),
    "it ends at once": (
        False,
        [
            ("create", PYTHON, seen(0)),
            ("end", 3, seen(0, "Failed", "SandboxFailed", **ENDED, **FAILED)),
        ],
    ),
}


def python_story(client: Theazo, steps: list[tuple[str, Any, Any]], fake: FakeTheazo | None = None) -> list[Any]:
    session = client.sessions.for_user("user_123")
    found: list[Any] = []
    ids: list[str] = []
    agent: Any = None
    for verb, given, _ in steps:
        try:
            match verb:
                case "set":
                    session.secrets.set(given)
                case "create":
                    options = {name: each for name, each in given.items() if name not in {"compute", "secrets", "key"}}
                    key = given.get("key")
                    agent = session.agents.create(
                        given["compute"], given.get("secrets", ()), idempotency_key=key, **options
                    )
                case "delete":
                    agent = agent.delete()
                case "end":
                    assert fake is not None
                    fake.end(agent.id, given)
                case _:
                    getattr(fake, verb)(agent.id)
            found.append(shown(agent.refresh(), ids) if agent else None)
        except APIError as error:
            found.append({"error": type(error).__name__, "code": error.code, "missing": list(error.missing)})
    return found


def shown(agent: Any, ids: list[str]) -> dict[str, Any]:
    if agent.id not in ids:
        ids.append(agent.id)
    return {
        "number": ids.index(agent.id),
        **{name: getattr(agent, name) for name in ("compute", "phase", "reason", "message", "stalled")},
        "declared": [[each.name, each.source, each.updated_at is not None] for each in agent.secrets],
        "pod": agent.pod_name is not None,
        "exitCode": agent.exit_code,
        "started": agent.started_at is not None,
        "finished": agent.finished_at is not None,
    }


@pytest.mark.usefixtures("built")
@pytest.mark.parametrize("name", STORIES)
def test_the_apis_in_memory_tell_one_story(name: str) -> None:
    starts, steps = STORIES[name]
    expected = [after for _, _, after in steps]
    fake = FakeTheazo(starts=starts)
    assert python_story(fake.client(), steps, fake) == expected
    [typescript] = ask(MODULE, {"op": "story", "starts": starts, "steps": [[verb, given] for verb, given, _ in steps]})
    assert typescript == expected


def test_it_is_the_rest_apis_own_story(monkeypatch: pytest.MonkeyPatch) -> None:
    with Rest(monkeypatch) as rest:
        rest.kube.put(kind.POD_TEMPLATES, compute_body(name="node"))

        def handle(request: httpx2.Request) -> httpx2.Response:
            headers = [("idempotency-key", value)] if (value := request.headers.get("idempotency-key")) else []
            kind_of = request.headers.get("content-type")
            reply = rest.call(
                request.method, request.url.raw_path, body=request.content or None, kind=kind_of, headers=headers
            )
            return httpx2.Response(reply.status, headers=reply.headers, content=reply.body)

        client = Theazo(API_KEY, "http://api.test", max_retries=0, transport=httpx2.MockTransport(handle))
        assert python_story(client, OF_THE_API) == [after for _, _, after in OF_THE_API]


def test_every_reason_in_the_stories_is_one() -> None:
    found = {after["reason"] for _, steps in STORIES.values() for _, _, after in steps if after and "reason" in after}
    assert found - {None} <= set(Reason)
    assert len(found) > 4
