"""Agents through the REST API: made once, refused at once where they could never start, shown as their record says."""

import re
from typing import Any

import pytest

from tests.support.builders import NOW, NS, compute_body, metadata
from tests.support.fakekube import FakeKube
from tests.support.manifests import condition
from tests.support.restrig import USER, Rest
from theazo import rules
from theazo_operator.api.paging import cursor_of
from theazo_operator.kube import resource as kind
from theazo_operator.kube.errors import Expired, Refused, Unavailable

SID = rules.session_name(NS, USER)
PATH = f"/v1/sessions/{SID}/agents"
PYTHON = {"compute": "python"}
KEY = [("Idempotency-Key", "5ad9d1e6-0d4c-4c0b-9d2c-6b7e3b0e4f11")]


@pytest.fixture
def opened(rest: Rest) -> Rest:
    rest.open()
    return rest


def stored(rest: Rest) -> list[dict[str, Any]]:
    return rest.kube.all(kind.AGENTS)


def put(rest: Rest, name: str, session: str = SID, *, status: Any = None, **meta: Any) -> None:
    """An agent that somebody made with kubectl."""
    body = {
        "metadata": metadata(name, f"uid-{name}", **meta),
        "spec": {"sessionRef": {"name": session}, "compute": "python", "secrets": [{"name": "A"}]},
    }
    rest.kube.put(kind.AGENTS, body if status is None else {**body, "status": status})


def test_an_agent_is_stored_as_it_was_asked_for_and_dies_with_its_session(opened: Rest) -> None:
    opened.post(f"/v1/sessions/{SID}/secrets", {"A": "1", "B": "2"})
    wanted = {
        "compute": "python",
        "secrets": ["A", {"name": "C", "from": "B"}, {"name": "D", "optional": True}],
        "command": ["python3", "-c", "pass"],
        "args": [],
        "resources": {"limits": {"cpu": 1, "memory": "64Mi"}, "requests": {"example.com/gpu": "2"}},
        "restartPolicy": "OnFailure",
        "activeDeadlineSeconds": 60.0,
        "ttlSecondsAfterFinished": 0,
    }
    reply = opened.post(PATH, wanted)
    assert reply.status == 201
    [body] = stored(opened)
    assert body["spec"] == {
        "sessionRef": {"name": SID},
        "compute": "python",
        "secrets": [
            {"name": "A", "optional": False},
            {"name": "C", "from": "B", "optional": False},
            {"name": "D", "optional": True},
        ],
        "command": ["python3", "-c", "pass"],
        "args": [],
        "resources": {"limits": {"cpu": "1", "memory": "64Mi"}, "requests": {"example.com/gpu": "2"}},
        "restartPolicy": "OnFailure",
        "activeDeadlineSeconds": 60,
        "ttlSecondsAfterFinished": 0,
        "secretsDeadlineSeconds": 300,
        "startDeadlineSeconds": 300,
    }
    [session] = opened.kube.all(kind.SESSIONS)
    assert [each["uid"] for each in body["metadata"]["ownerReferences"]] == [session["metadata"]["uid"]]
    shown = reply.json
    assert re.fullmatch("a-[a-z2-7]{26}", shown["id"])
    assert opened.get(f"{PATH}/{shown['id']}").json == shown
    assert [(each["name"], each["from"], each["updatedAt"]) for each in shown["secrets"]] == [
        ("A", "A", None),
        ("C", "B", None),
        ("D", "D", None),
    ]


def test_a_compute_alone_is_enough_and_without_secrets_none_are_read(opened: Rest) -> None:
    opened.kube.taken()
    assert opened.post(PATH, PYTHON).status == 201
    assert "GET theazosecrets" not in opened.kube.taken()


STATUS = {
    "phase": "Failed",
    "podName": "job-0a1b2c3d",
    "exitCode": 3,
    "startTime": "2025-05-01T10:00:05Z",
    "finishTime": "2025-05-01T10:00:09Z",
    "secrets": [{"name": "A", "updatedAt": "2025-05-01T09:00:00.000001Z"}],
    "conditions": [
        condition("Ready", "False", "SandboxFailed", "m"),
        condition("Stalled", "True", "SandboxFailed", "m"),
    ],
}


def test_an_agent_is_shown_as_its_status_says(opened: Rest) -> None:
    put(opened, "job", status=STATUS)
    assert opened.get(f"{PATH}/job").json == {
        "id": "job",
        "sessionId": SID,
        "compute": "python",
        "phase": "Failed",
        "reason": "SandboxFailed",
        "message": "m",
        "stalled": True,
        "secrets": [{"name": "A", "from": "A", "updatedAt": "2025-05-01T09:00:00.000001Z"}],
        "podName": "job-0a1b2c3d",
        "exitCode": 3,
        "createdAt": NOW.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "startedAt": "2025-05-01T10:00:05Z",
        "finishedAt": "2025-05-01T10:00:09Z",
    }


NO_PHASES: list[Any] = ["Unheard", 7, None, [], ""]
NO_CONDITIONS: list[Any] = [None, "x", [None], [{"type": "Ready", "reason": 7, "message": []}]]
NO_SECRETS: list[Any] = [None, [{"name": []}], [{"name": "A", "updatedAt": 7}], 7]


@pytest.mark.parametrize(
    "status",
    [
        *({"phase": each} for each in NO_PHASES),
        *({"conditions": each} for each in NO_CONDITIONS),
        *({"secrets": each} for each in NO_SECRETS),
        *({each: [{}]} for each in ("podName", "exitCode", "startTime", "finishTime")),
        {"exitCode": "3", "startTime": 3, "finishTime": "yesterday", "podName": 1},
        [],
        "x",
    ],
)
def test_a_status_that_makes_no_sense_is_no_fault(opened: Rest, status: object) -> None:
    put(opened, "job", status=status)
    assert opened.get(f"{PATH}/job").status == 200
    assert opened.get(PATH).status == 200


# Refused at once.


def test_secrets_that_are_missing_are_named(opened: Rest) -> None:
    opened.post(f"/v1/sessions/{SID}/secrets", {"A": "1"})
    wanted = {"compute": "python", "secrets": ["Z", "A", {"name": "B", "from": "Y"}, {"name": "C", "optional": True}]}
    reply = opened.post(PATH, wanted)
    assert reply.outcome == (422, "secret_not_found")
    assert reply.json["missing"] == ["Y", "Z"]
    assert "Y, Z" in reply.json["detail"]
    assert stored(opened) == []


def test_many_missing_names_are_all_in_the_list_and_ten_in_the_sentence(opened: Rest) -> None:
    reply = opened.post(PATH, {"compute": "python", "secrets": [f"N{number:03}" for number in range(256)]})
    assert len(reply.json["missing"]) == 256
    assert "N009 and more" in reply.json["detail"]


def test_a_compute_that_is_not_there(opened: Rest) -> None:
    assert opened.post(PATH, {"compute": "cobol"}).outcome == (422, "compute_not_found")
    opened.kube.put(kind.POD_TEMPLATES, compute_body(name="own", namespace=NS))
    assert opened.post(PATH, {"compute": "own"}).outcome == (422, "compute_not_found")


def test_a_platforms_own_compute_where_that_is_allowed(monkeypatch: pytest.MonkeyPatch) -> None:
    with Rest(monkeypatch, "--allow-platform-computes", "true") as rest:
        rest.open()
        rest.kube.put(kind.POD_TEMPLATES, compute_body(name="own", namespace=NS))
        rest.kube.put(kind.POD_TEMPLATES, compute_body(name="foreign", namespace="other-platform"))
        assert rest.post(PATH, {"compute": "own"}).status == 201
        assert rest.post(PATH, {"compute": "foreign"}).outcome == (422, "compute_not_found")
        assert rest.post(PATH, {"compute": "python"}).status == 201


def test_a_variable_that_is_declared_twice(opened: Rest) -> None:
    wanted = {"compute": "python", "secrets": ["A", {"name": "A", "from": "B"}]}
    assert opened.post(PATH, wanted).outcome == (422, "invalid_agent")


def test_resources_that_the_cluster_refuses(opened: Rest) -> None:
    message = "spec.resources: requests over limits"
    opened.kube.fail("POST theazoagents", Refused("POST", "theazoagents", 422, "Invalid", message))
    reply = opened.post(PATH, {"compute": "python", "resources": {"limits": {"cpu": "1"}, "requests": {"cpu": "2"}}})
    assert reply.outcome == (422, "invalid_agent")
    assert message not in reply.body.decode()


@pytest.mark.parametrize(
    ("message", "code"), [("u cannot create theazoagents", "platform_not_served"), ("quota", "refused_by_cluster")]
)
def test_what_the_cluster_forbids(opened: Rest, message: str, code: str) -> None:
    opened.kube.fail("POST theazoagents", Refused("POST", "theazoagents", 403, "Forbidden", message))
    assert opened.post(PATH, PYTHON).outcome == (403, code)


@pytest.mark.parametrize(("status", "perhaps"), [(0, True), (500, True), (504, True), (429, False)])
def test_what_may_be_done_is_not_simply_asked_for_again(opened: Rest, *, status: int, perhaps: bool) -> None:
    """Without a key, another POST would make another agent."""
    opened.kube.fail("POST theazoagents", Unavailable("POST", "theazoagents", status, "x"), landed=perhaps)
    reply = opened.post(PATH, PYTHON)
    assert reply.outcome == (503, "unavailable")
    assert ("Idempotency-Key: look at the session's agents first" in reply.json["detail"]) == perhaps
    assert ("nothing was done" in reply.json["detail"]) != perhaps


LONG = 2**31 - 1
NO_DECLARATIONS: list[Any] = [7, None, [], "PATH", "1A", "sk_live_1", ""]
WRONG: list[tuple[dict[str, Any], str]] = [
    ({"compute": None}, "/compute"),
    *(({"compute": each}, "/compute") for each in ("", "A", "a_b", "a" * 64, "../x", "a/b", "a\n", 7, ["python"])),
    ({"secrets": "A"}, "/secrets"),
    ({"secrets": {"A": "B"}}, "/secrets"),
    ({"secrets": [f"N{number}" for number in range(257)]}, "/secrets"),
    *(({"secrets": ["A", each]}, "/secrets/1") for each in NO_DECLARATIONS),
    ({"secrets": ["A", "A" * 129]}, "/secrets/1/name"),
    ({"secrets": [{"name": "A", "from": "sk_live_abc"}]}, "/secrets/0"),
    ({"secrets": [{"name": "A", "from": "PATH"}]}, "/secrets/0"),
    ({"secrets": [{"name": "A", "from": ""}]}, "/secrets/0"),
    ({"secrets": [{"name": "A", "from": "é"}]}, "/secrets/0"),
    ({"secrets": [{"from": "A"}]}, "/secrets/0/name"),
    ({"secrets": [{"name": "A", "source": "B"}]}, "/secrets/0"),
    ({"secrets": [{"name": "A", "optional": "yes"}]}, "/secrets/0/optional"),
    ({"secrets": [{"name": "A", "value": "B"}]}, "/secrets/0"),
    ({"command": []}, "/command"),
    ({"command": "ls"}, "/command"),
    ({"command": ["a\0b"]}, "/command/0"),
    ({"args": ["a", 1]}, "/args/1"),
    ({"args": ["a"] * 257}, "/args"),
    ({"args": ["a" * 32_769]}, "/args/0"),
    ({"restartPolicy": "Sometimes"}, "/restartPolicy"),
    *(({"activeDeadlineSeconds": each}, "/activeDeadlineSeconds") for each in (0, LONG + 1, 1.5, "1", True)),
    *(({"ttlSecondsAfterFinished": each}, "/ttlSecondsAfterFinished") for each in (-1, LONG + 1)),
    *(({"secretsDeadlineSeconds": each}, "/secretsDeadlineSeconds") for each in (0, 86_401, None)),
    *(({"startDeadlineSeconds": each}, "/startDeadlineSeconds") for each in (0, 86_401, None)),
    ({"resources": []}, "/resources"),
    ({"resources": {"claims": []}}, "/resources"),
    *(
        ({"resources": {"limits": {"cpu": each}}}, "/resources/limits")
        for each in ("", "1.0001", "-1", "1 Gi", True, 1.5, None, -1, 10**32)
    ),
    *(({"resources": {"requests": {each: "1"}}}, "/resources/requests") for each in ("pods", "", "CPU", "a b/c")),
    ({"resources": {"limits": {f"example.com/{n}": 1 for n in range(17)}}}, "/resources/limits"),
    ({"sessionRef": {"name": "other"}}, ""),
    ({"env": {"A": "b"}}, ""),
]


@pytest.mark.parametrize(("field", "pointer"), WRONG, ids=range(len(WRONG)))
def test_a_wrong_body_is_refused_with_a_pointer(opened: Rest, field: dict[str, Any], pointer: str) -> None:
    reply = opened.post(PATH, {**PYTHON, **field})
    assert reply.outcome == (400, "invalid_request")
    assert [each["pointer"] for each in reply.json["errors"]] == [pointer]
    assert stored(opened) == []


# Again.


def test_a_repeated_key_gives_the_agent_that_is_there(opened: Rest) -> None:
    opened.post(f"/v1/sessions/{SID}/secrets", {"A": "1"})
    wanted = {"compute": "python", "secrets": ["A"]}
    first = opened.post(PATH, wanted, headers=KEY)
    assert first.status == 201
    again = opened.post(PATH, {"compute": "python", "secrets": [{"name": "A", "optional": False}]}, headers=KEY)
    assert (again.status, again.json) == (200, first.json)
    assert opened.post(PATH, {**wanted, "args": ["x"]}, headers=KEY).outcome == (409, "idempotency_mismatch")
    assert opened.post(PATH, wanted, headers=[("Idempotency-Key", "another")]).status == 201
    assert opened.post(PATH, wanted).status == 201
    assert len(stored(opened)) == 3


def test_a_repeated_key_has_the_same_answer_when_its_secrets_or_its_compute_are_gone(opened: Rest) -> None:
    opened.post(f"/v1/sessions/{SID}/secrets", {"A": "1"})
    wanted = {"compute": "python", "secrets": ["A"]}
    first = opened.post(PATH, wanted, headers=KEY)
    opened.delete(f"/v1/sessions/{SID}/secrets/A")
    again = opened.post(PATH, wanted, headers=KEY)
    assert (again.status, again.json) == (200, first.json)
    assert opened.post(PATH, {**wanted, "args": ["x"]}, headers=KEY).outcome == (409, "idempotency_mismatch")
    assert opened.post(PATH, wanted, headers=[("Idempotency-Key", "new")]).outcome == (422, "secret_not_found")
    assert opened.post(PATH, wanted).outcome == (422, "secret_not_found")
    opened.kube.objects = {place: each for place, each in opened.kube.objects.items() if place[0] != "podtemplates"}
    assert opened.post(PATH, wanted, headers=KEY).status == 200


def test_an_answer_that_was_lost_is_got_with_the_key(opened: Rest) -> None:
    opened.kube.fail("POST theazoagents", landed=True)
    assert opened.post(PATH, PYTHON, headers=KEY).outcome == (503, "unavailable")
    assert opened.post(PATH, PYTHON, headers=KEY).status == 200
    assert len(stored(opened)) == 1


def test_a_key_counts_in_its_session_only_and_not_in_one_made_anew(opened: Rest) -> None:
    names = {opened.post(PATH, PYTHON, headers=KEY).json["id"]}
    other = opened.open("another")
    names.add(opened.post(f"/v1/sessions/{other['id']}/agents", PYTHON, headers=KEY).json["id"])
    opened.delete(f"/v1/sessions/{SID}")
    opened.open()
    reply = opened.post(PATH, {**PYTHON, "args": ["x"]}, headers=KEY)
    assert reply.status == 201
    assert len(names | {reply.json["id"]}) == 3


def test_an_agent_that_goes_between_post_and_get_is_a_conflict(opened: Rest, monkeypatch: pytest.MonkeyPatch) -> None:
    opened.post(PATH, PYTHON, headers=KEY)
    real = FakeKube.get

    async def get(self: FakeKube, resource: Any, namespace: str, name: str) -> Any:
        if resource == kind.AGENTS:
            self.objects.pop((resource.plural, namespace, name), None)
        return await real(self, resource, namespace, name)

    monkeypatch.setattr(FakeKube, "get", get)
    assert opened.post(PATH, PYTHON, headers=KEY).outcome == (409, "conflict")


@pytest.mark.parametrize("key", ["", " ", "é", "\t", "k" * 256, "a\x7f", b"\xff"])
def test_a_key_that_is_none(opened: Rest, key: str | bytes) -> None:
    assert opened.post(PATH, PYTHON, headers=[("Idempotency-Key", key)]).outcome == (400, "invalid_request")


@pytest.mark.parametrize("key", ["!", "~", "k" * 255, "a b"])
def test_a_key_at_its_bounds(opened: Rest, key: str) -> None:
    assert opened.post(PATH, PYTHON, headers=[("Idempotency-Key", key)]).status == 201


# Which agents there are.


def test_only_the_sessions_own_agents_are_there(opened: Rest) -> None:
    put(opened, "mine")
    put(opened, "of-another-session", "another")
    put(opened, "left-behind", ownerReferences=[{"kind": "TheazoSession", "uid": "uid-of-before"}])
    put(opened, "left-behind-too", status={"sessionUID": "uid-of-before"})
    put(opened, "foreign", namespace="other-platform")
    assert [each["id"] for each in opened.get(PATH).json["agents"]] == ["mine"]
    for name in (
        "of-another-session",
        "left-behind",
        "left-behind-too",
        "foreign",
        "none",
        "UPPER",
        "a" * 53,
        "..",
        "%00",
    ):
        for method in ("GET", "DELETE"):
            assert opened.call(method, f"{PATH}/{name}").outcome == (404, "agent_not_found")
    assert len(stored(opened)) == 5


def test_an_agent_is_deleted_unless_gitops_keeps_it(opened: Rest) -> None:
    put(opened, "mine")
    put(opened, "kept", labels={"argocd.argoproj.io/instance": "app"})
    assert opened.delete(f"{PATH}/mine").outcome == (204, None)
    assert opened.delete(f"{PATH}/mine").outcome == (404, "agent_not_found")
    assert opened.delete(f"{PATH}/kept").outcome == (409, "managed_elsewhere")


def test_agents_come_in_pages(opened: Rest) -> None:
    for number in range(5):
        put(opened, f"job-{number}")
    first = opened.get(f"{PATH}?limit=3").json
    rest = opened.get(f"{PATH}?limit=3&cursor={first['nextCursor']}").json
    found = [each["id"] for page in (first, rest) for each in page["agents"]]
    assert found == [f"job-{number}" for number in range(5)]
    assert rest["nextCursor"] is None


def test_agents_of_a_phase_are_those_that_are_shown_with_it(opened: Rest) -> None:
    """The field of an agent that no operator has seen yet is empty, and it is shown as Pending."""
    put(opened, "unseen")
    for phase in ("Pending", "Running", "Succeeded", "Failed"):
        put(opened, f"is-{phase.lower()}", status={"phase": phase})
    for phase in ("Pending", "Running", "Succeeded", "Failed"):
        agents = opened.get(f"{PATH}?phase={phase}").json["agents"]
        assert {each["phase"] for each in agents} == {phase}
        assert len(agents) == (2 if phase == "Pending" else 1)


@pytest.mark.parametrize("query", ["phase=pending", "phase=", "phase=Pending,status.phase!=x", "user=a", "limit=0"])
def test_a_wrong_query_is_refused(opened: Rest, query: str) -> None:
    assert opened.get(f"{PATH}?{query}").outcome == (400, "invalid_request")


def test_cursors(opened: Rest) -> None:
    assert opened.get(f"{PATH}?cursor=invented").outcome == (400, "invalid_request")
    opened.kube.fail("LIST theazoagents", Expired("GET", "theazoagents", 410, "Expired"))
    assert opened.get(f"{PATH}?cursor={cursor_of('7')}").outcome == (400, "cursor_expired")
