"""Secrets through the REST API: what is stored, what comes out, and who writes at the same time."""

import asyncio
from typing import Any

import pytest

from tests.support.builders import KEYRING, NS, metadata
from tests.support.fakekube import FakeKube
from tests.support.manifests import SHORTEST, ciphertext, entry
from tests.support.restrig import SEALED, USER, Clock, Rest
from theazo import rules, sealing
from theazo.sealing import Binding
from theazo.secret_value import SecretValue
from theazo_operator import metrics
from theazo_operator.api import secrets as stored
from theazo_operator.api.operation import Call
from theazo_operator.kube import resource as kind
from theazo_operator.kube.errors import Exists, Outdated, Refused, Unavailable
from theazo_operator.opening import Keyring

SID = rules.session_name(NS, USER)
PATH = f"/v1/sessions/{SID}/secrets"
PLACE = ("theazosecrets", NS, SID)


def opened(rest: Rest, session: Any) -> dict[str, str]:
    """The values that are stored, as the operator would read them."""
    binding = (NS, session["id"], session["sealingId"])
    return {
        name: KEYRING.open(each["ciphertext"], Binding(*binding, name)).reveal().decode()
        for name, each in rest.stored(session["id"]).items()
    }


def stale(rest: Rest, **meta: Any) -> None:
    """What a session that had the same name left behind."""
    body = {"metadata": metadata(SID, "uid-stale", **meta), "spec": {"encryptedData": {"OLD": entry()}}}
    rest.kube.put(kind.THEAZO_SECRETS, body)


def owned(uid: str) -> dict[str, Any]:
    return {"ownerReferences": [{"kind": "TheazoSession", "name": SID, "uid": uid}]}


def listed(rest: Rest) -> list[str]:
    return [each["name"] for each in rest.get(PATH).json["secrets"]]


def test_values_are_stored_sealed_to_the_session_and_only_names_come_out(rest: Rest) -> None:
    session = rest.open()
    values = {"B": "two\nlines", "A": "ü" * 10, "sk_test": "x"}
    assert rest.get(PATH).json == {"secrets": []}
    assert rest.post(PATH, values).outcome == (204, None)
    assert opened(rest, session) == values
    assert rest.get(PATH).json == {
        "secrets": [
            {"name": name, "createdAt": "2025-05-01T10:00:00Z", "updatedAt": "2025-05-01T10:00:00.000000Z"}
            for name in sorted(values)
        ]
    }


def test_the_first_write_makes_one_object_that_dies_with_its_session(rest: Rest) -> None:
    rest.open()
    rest.kube.taken()
    rest.post(PATH, {"A": "1", "B": "2"})
    assert [call for call in rest.kube.taken() if not call.startswith("GET")] == ["POST theazosecrets"]
    [body] = rest.kube.all(kind.THEAZO_SECRETS)
    [session] = rest.kube.all(kind.SESSIONS)
    [reference] = body["metadata"]["ownerReferences"]
    assert reference["uid"] == session["metadata"]["uid"]
    assert body["metadata"]["labels"] == {"app.kubernetes.io/managed-by": "theazo"}


def test_setting_again_keeps_the_other_names_and_when_a_name_was_made(rest: Rest) -> None:
    session = rest.open()
    rest.post(PATH, {"A": "1", "B": "2"})
    rest.pass_seconds(3600)
    rest.kube.taken()
    rest.post(PATH, {"B": "3", "C": "4"})
    assert [call for call in rest.kube.taken() if not call.startswith("GET")] == ["PATCH theazosecrets"]
    assert opened(rest, session) == {"A": "1", "B": "3", "C": "4"}
    times = {each.pop("name"): tuple(each.values()) for each in rest.get(PATH).json["secrets"]}
    assert times == {
        "A": ("2025-05-01T10:00:00Z", "2025-05-01T10:00:00.000000Z"),
        "B": ("2025-05-01T10:00:00Z", "2025-05-01T11:00:00.000000Z"),
        "C": ("2025-05-01T11:00:00Z", "2025-05-01T11:00:00.000000Z"),
    }


def test_updated_at_grows_whatever_the_clock_does(rest: Rest) -> None:
    rest.open()
    seen = []
    for step in (0, 0, -3600, -86400 * 365, 1):
        Clock.offset += step
        rest.post(PATH, {"A": "1"})
        seen.append(rest.stored(SID)["A"]["updatedAt"])
    assert sorted(set(seen)) == seen
    assert rest.stored(SID)["A"]["createdAt"] == seen[0]


@pytest.mark.parametrize("before", ["2999-01-01T00:00:00+14:00", "2025-05-01T12:00:00.5+02:00"])
def test_updated_at_is_later_than_what_another_writer_wrote(rest: Rest, before: str) -> None:
    rest.open()
    rest.post(PATH, {"A": "1"})
    rest.stored(SID)["A"]["updatedAt"] = before
    rest.post(PATH, {"A": "2"})
    assert Clock.fromisoformat(rest.stored(SID)["A"]["updatedAt"]) > Clock.fromisoformat(before)


@pytest.mark.parametrize("nonsense", ["yesterday", "0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z", 7, None])
def test_times_of_no_era_hinder_nobody(rest: Rest, nonsense: object) -> None:
    rest.open()
    rest.post(PATH, {"A": "1"})
    rest.stored(SID)["A"] |= {"updatedAt": nonsense, "createdAt": nonsense}
    [shown] = rest.get(PATH).json["secrets"]
    assert shown["createdAt"] == shown["updatedAt"] == "1970-01-01T00:00:00Z"
    rest.pass_seconds(60)
    assert rest.post(PATH, {"A": "2"}).status == 204
    assert rest.get(PATH).json["secrets"][0]["createdAt"] == "2025-05-01T10:01:00Z"


# Sealed by the client.


def test_sealed_values_are_stored_as_they_are(rest: Rest) -> None:
    session = rest.open()
    body = rest.sealed(session, {"A": "1", "B": "2"})
    assert rest.post(PATH, body, SEALED).outcome == (204, None)
    assert {name: each["ciphertext"] for name, each in rest.stored(SID).items()} == body["secrets"]
    assert opened(rest, session) == {"A": "1", "B": "2"}


def test_what_is_sealed_for_a_session_of_before_is_refused(rest: Rest) -> None:
    old = rest.sealed(rest.open(), {"A": "1"})
    rest.delete(f"/v1/sessions/{SID}")
    rest.open()
    assert rest.post(PATH, old, SEALED).outcome == (409, "session_changed")
    assert listed(rest) == []


def test_what_is_sealed_with_another_key_is_refused_and_a_new_key_is_seen_at_once(rest: Rest) -> None:
    session = rest.open()
    body = rest.sealed(session, {"A": "1"})
    new = Keyring({1: bytes(range(32)), 2: bytes(32)}).public_key(NS)
    rest.post(PATH, {"B": "1"})  # the old key is known now
    rest.publish(NS, publicKey=new.to_base64())
    sealed_anew = {**body, "secrets": {"A": ciphertext(len(body["secrets"]["A"]))}}
    sealed_anew["secrets"]["A"] = body["secrets"]["A"].replace(KEYRING.public_key(NS).key_id, new.key_id)
    assert rest.post(PATH, sealed_anew, SEALED).status == 204
    assert rest.post(PATH, body, SEALED).outcome == (409, "sealing_key_changed")
    mixed = {**body, "secrets": {"C": body["secrets"]["A"], **sealed_anew["secrets"]}}
    assert rest.post(PATH, mixed, SEALED).outcome == (409, "sealing_key_changed")
    assert listed(rest) == ["A", "B"]


@pytest.mark.parametrize(
    ("secrets", "pointers"),
    [
        ({"A": "plain-text"}, ["/secrets/0"]),
        ({"A": SHORTEST.replace(".", ":")}, ["/secrets/0"]),
        ({"A": SHORTEST + "="}, ["/secrets/0"]),
        ({"A": SHORTEST.replace("thz1", "thz2")}, ["/secrets/0"]),
        ({"A": SHORTEST, "PATH": SHORTEST}, ["/secrets/1"]),
        ({"not a name": SHORTEST, "A": "x"}, ["/secrets/0", "/secrets/1"]),
    ],
)
def test_what_is_no_envelope_is_refused(rest: Rest, secrets: dict[str, str], pointers: list[str]) -> None:
    session = rest.open()
    reply = rest.post(PATH, {"sealingId": session["sealingId"], "secrets": secrets}, SEALED)
    assert reply.outcome == (400, "invalid_secret")
    assert [each["pointer"] for each in reply.json["errors"]] == pointers
    assert rest.kube.all(kind.THEAZO_SECRETS) == []


@pytest.mark.parametrize(
    ("fields", "outcome"),
    [
        ({"platform": "other"}, (503, "sealing_key_unavailable")),
        ({"suite": "none"}, (503, "sealing_key_unavailable")),
        ({"publicKey": ""}, (503, "sealing_key_unavailable")),
        ({"publicKey": "AAAA"}, (503, "sealing_key_unavailable")),
        ({}, (204, None)),
    ],
)
def test_nothing_is_sealed_to_a_key_that_is_not_the_platforms(
    rest: Rest, fields: dict[str, str], outcome: tuple[int, str | None]
) -> None:
    rest.open()
    rest.publish(NS, **fields)
    assert rest.post(PATH, {"A": "1"}).outcome == outcome
    assert rest.get("/v1/sealing-key").outcome == (outcome if fields else (200, None))


def test_the_sealing_key_is_what_the_operator_publishes(rest: Rest) -> None:
    key = KEYRING.public_key(NS)
    assert rest.get("/v1/sealing-key").json == {
        "platform": NS,
        "suite": "xwing-sha256-aes256gcm",
        "keyId": key.key_id,
        "publicKey": key.to_base64(),
    }


# Limits.


def test_as_many_names_as_a_session_holds_and_not_one_more(rest: Rest) -> None:
    rest.open()
    assert rest.post(PATH, {f"N{number}": "x" for number in range(257)}).outcome == (413, "secrets_too_large")
    assert rest.post(PATH, {f"N{number}": "x" for number in range(256)}).status == 204
    assert rest.post(PATH, {"N0": "y"}).status == 204
    assert rest.post(PATH, {"ONE_MORE": "x"}).outcome == (413, "secrets_too_large")
    assert len(rest.stored(SID)) == 256


def test_too_many_sealed_names_are_as_wrong_as_too_many_values(rest: Rest) -> None:
    session = rest.open()
    body = {"sealingId": session["sealingId"], "secrets": {f"N{number}": "x" for number in range(257)}}
    assert rest.post(PATH, body, SEALED).outcome == (413, "secrets_too_large")
    assert rest.post(PATH, {**body, "secrets": {}}, SEALED).outcome == (400, "invalid_request")


def test_as_much_ciphertext_as_a_session_holds_and_not_a_byte_more(rest: Rest) -> None:
    session = rest.open()
    key_id = KEYRING.public_key(NS).key_id

    def sized(length: int) -> str:
        return ciphertext(length).replace("0123456789abcdef", key_id)

    body = {"sealingId": session["sealingId"], "secrets": {f"N{number}": sized(88_000) for number in range(10)}}
    assert rest.post(PATH, body, SEALED).status == 204
    left = 900 * 1024 - 880_000
    for size, status in ((left + 1, 413), (left, 204), (left - 4, 204)):
        one = {"sealingId": session["sealingId"], "secrets": {"LAST": sized(size)}}
        assert rest.post(PATH, one, SEALED).status == status


def test_what_no_session_can_hold_is_refused_before_anything_is_asked_or_sealed(
    rest: Rest, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By its length, to the byte: what just fits is set."""
    session = rest.open()
    values = {f"N{number}": "x" * rules.MAX_VALUE for number in range(10)}
    left = rules.MAX_CIPHERTEXT_TOTAL - 10 * sealing.MAX_ENVELOPE
    fits = max(size for size in range(1, left) if sealing.envelope_length(SecretValue(bytes(size))) <= left)
    assert rest.post(PATH, values | {"LAST": "x" * fits}).status == 204
    assert set(opened(rest, session)) == {*values, "LAST"}
    monkeypatch.delattr(stored, "seal")
    rest.kube.calls.clear()
    assert rest.post(PATH, values | {"LAST": "x" * (fits + 1)}).outcome == (413, "secrets_too_large")
    assert rest.kube.calls == []


def test_sealed_values_that_no_session_can_hold_are_refused_before_anything_is_asked(rest: Rest) -> None:
    session = rest.open()
    rest.kube.calls.clear()
    body = {"sealingId": session["sealingId"], "secrets": {f"N{number}": ciphertext(88_000) for number in range(11)}}
    assert rest.post(PATH, body, SEALED).outcome == (413, "secrets_too_large")
    assert rest.kube.calls == []


def test_a_body_is_let_go_when_it_is_read() -> None:
    call = Call(NS, {}, None, "application/json", b"{}", None)
    assert (call.take_body(), call.take_body()) == (b"{}", b"")


@pytest.mark.parametrize("length", [True, False])
def test_a_body_of_two_mebibytes_is_read_and_one_byte_more_is_not(rest: Rest, *, length: bool) -> None:
    rest.open()
    head, tail = b'{"A": "', b'"}'
    for size, outcome in ((2 * 1024 * 1024, (400, "invalid_secret")), (2 * 1024 * 1024 + 1, (413, "body_too_large"))):
        body = head + b"x" * (size - len(head) - len(tail)) + tail
        assert rest.post(PATH, body, length=length, chunk=65_536).outcome == outcome


@pytest.mark.parametrize("declared", ["9" * 5000, str(2 * 1024 * 1024 + 1)])
def test_a_body_that_says_that_it_is_too_large_is_not_waited_for(rest: Rest, declared: str) -> None:
    reply = rest.post(PATH, b"{}", length=False, headers=[("content-length", declared)])
    assert reply.outcome == (413, "body_too_large")


@pytest.mark.parametrize("value", ["x" * 65_536, "ü" * 32_768, "x"])
def test_a_value_may_have_64_kibibytes_of_utf_8(rest: Rest, value: str) -> None:
    session = rest.open()
    assert rest.post(PATH, {"A": value}).status == 204
    assert opened(rest, session) == {"A": value}


@pytest.mark.parametrize("value", ["", "x" * 65_537, "ü" * 32_769, "a\0b"])
def test_a_value_against_the_rules_is_named_and_nothing_is_set(rest: Rest, value: str) -> None:
    rest.open()
    reply = rest.post(PATH, {"A": "good", "B_NAME": value})
    assert reply.outcome == (400, "invalid_secret")
    assert [each["pointer"] for each in reply.json["errors"]] == ["/B_NAME"]
    assert rest.kube.all(kind.THEAZO_SECRETS) == []


@pytest.mark.parametrize("name", ["PATH", "LD_PRELOAD", "THEAZO_X", "1A", "A-B", "", "A" * 129, "é", "A\n", "A=b"])
def test_a_name_against_the_rules_is_told_by_its_position(rest: Rest, name: str) -> None:
    rest.open()
    reply = rest.post(PATH, {"GOOD": "x", name: "y"})
    assert reply.outcome == (400, "invalid_secret")
    assert [each["pointer"] for each in reply.json["errors"]] == ["/1"]


@pytest.mark.parametrize(
    "name",
    ["sk_live_51HxYz", "rk_test_a", "whsec_abcdef", "ghp_" + "a" * 20, "github_pat_1", "th_live_a", "AKIA" + "A" * 16],
)
def test_what_looks_like_a_credential_is_no_name_and_is_not_repeated(rest: Rest, name: str) -> None:
    session = rest.open()
    replies = [
        rest.post(PATH, {name: "y"}),
        rest.post(PATH, {"sealingId": session["sealingId"], "secrets": {name: SHORTEST}}, SEALED),
    ]
    for reply in replies:
        assert reply.outcome == (400, "invalid_secret")
        assert name.encode() not in reply.text


@pytest.mark.parametrize("value", [1, 1.5, None, True, [], {}, ["x"], {"A": "x"}])
def test_a_value_that_is_no_text_is_told_by_its_position(rest: Rest, value: object) -> None:
    rest.open()
    reply = rest.post(PATH, {"A": "x", "B": value})
    assert reply.outcome == (400, "invalid_request")
    assert [each["pointer"] for each in reply.json["errors"]] == ["/1"]


def test_no_more_than_twenty_errors_are_told(rest: Rest) -> None:
    rest.open()
    assert len(rest.post(PATH, {f"{number}": "x" for number in range(50)}).json["errors"]) == 20
    assert rest.post(PATH, {}).outcome == (400, "invalid_request")


# Deleting.


def test_a_deleted_secret_is_gone_for_good(rest: Rest) -> None:
    rest.open()
    rest.post(PATH, {"A": "1", "B": "2"})
    assert rest.delete(f"{PATH}/A").outcome == (204, None)
    assert listed(rest) == ["B"]
    assert set(rest.stored(SID)) == {"B"}
    assert rest.delete(f"{PATH}/A").outcome == (404, "secret_not_found")


@pytest.mark.parametrize("name", ["A", "a", "PATH", "..", "%2e", "A%0a", "sk_live_1", "~1", "%00", "%ff"])
def test_deleting_what_is_not_there(rest: Rest, name: str) -> None:
    rest.open()
    assert rest.delete(f"{PATH}/{name}").outcome == (404, "secret_not_found")
    rest.post(PATH, {"B": "1"})
    assert rest.delete(f"{PATH}/{name}").outcome == (404, "secret_not_found")


# Others write, too.


def others_write(rest: Rest) -> None:
    """Have the object written by somebody else."""
    rest.kube.put(kind.THEAZO_SECRETS, rest.kube.objects[PLACE])


def test_a_write_that_others_come_before_is_tried_again_on_what_they_wrote(
    rest: Rest, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = rest.open()
    rest.post(PATH, {"A": "1"})
    before = counted("theazo_api_conflicts_total")
    real, times = FakeKube.patch, iter(range(2))

    async def patch(self: FakeKube, *args: Any) -> None:
        if next(times, None) is not None:
            others_write(rest)  # the patch's own `test` fails, which is 422
        await real(self, *args)

    monkeypatch.setattr(FakeKube, "patch", patch)
    rest.kube.fail("PATCH theazosecrets", Outdated("PATCH", "theazosecrets", 409, "Conflict"))
    assert rest.post(PATH, {"B": "2"}).status == 204
    assert opened(rest, session) == {"A": "1", "B": "2"}
    assert counted("theazo_api_conflicts_total") == before + 2


def counted(name: str) -> float:
    return metrics.api_registry.get_sample_value(name) or 0.0


def test_a_first_write_that_another_comes_before_becomes_a_patch(rest: Rest, monkeypatch: pytest.MonkeyPatch) -> None:
    session = rest.open()
    real = FakeKube.create
    others, first = [], iter([True])

    async def create(self: FakeKube, resource: Any, namespace: str, body: Any, **more: Any) -> Any:
        if resource == kind.THEAZO_SECRETS and next(first, False):
            others.append(await rest.send("POST", PATH, body={"OTHER": "1"}, kind="application/json"))
        return await real(self, resource, namespace, body, **more)

    # Another replica: it does not take turns with this one.
    monkeypatch.setattr(rest.services.secrets._turns, "_locks", NoTurns())
    monkeypatch.setattr(FakeKube, "create", create)
    assert rest.post(PATH, {"A": "1"}).status == 204
    assert others[0].status == 204
    assert opened(rest, session) == {"A": "1", "OTHER": "1"}


class NoTurns:
    @staticmethod
    def setdefault(_: object, lock: asyncio.Lock) -> asyncio.Lock:
        return lock


@pytest.mark.parametrize("turns", [True, False], ids=["one replica", "many replicas"])
def test_nothing_is_lost_when_many_write_at_once(rest: Rest, monkeypatch: pytest.MonkeyPatch, *, turns: bool) -> None:
    session = rest.open()
    real = FakeKube.patch

    async def patch(self: FakeKube, *args: Any) -> None:
        await asyncio.sleep(0)
        await real(self, *args)

    monkeypatch.setattr(FakeKube, "patch", patch)
    if not turns:
        monkeypatch.setattr(rest.services.secrets._turns, "_locks", NoTurns())

    async def everybody() -> list[Any]:
        writes = [
            rest.send("POST", PATH, body={f"N{n}": str(n), "SAME": str(n)}, kind="application/json") for n in range(20)
        ]
        return list(await asyncio.gather(*writes, rest.send("GET", PATH)))

    assert {reply.status for reply in rest.runner.run(everybody())} == {204, 200}
    found = opened(rest, session)
    assert found.pop("SAME") in {str(n) for n in range(20)}
    assert found == {f"N{n}": str(n) for n in range(20)}


def test_writers_of_one_instance_do_not_hinder_each_other(rest: Rest) -> None:
    rest.open()
    rest.post(PATH, {"A": "1"})
    before = counted("theazo_api_conflicts_total")

    async def everybody() -> None:
        await asyncio.gather(*(rest.send("POST", PATH, body={"A": "x"}, kind="application/json") for _ in range(10)))

    rest.runner.run(everybody())
    assert counted("theazo_api_conflicts_total") == before


def test_patience_with_others_has_an_end(rest: Rest, monkeypatch: pytest.MonkeyPatch) -> None:
    rest.open()
    rest.post(PATH, {"A": "1"})

    async def patch(_: FakeKube, *__: Any) -> None:
        rest.seconds += 5
        others_write(rest)
        raise Outdated("PATCH", "theazosecrets", 422, "Invalid")

    monkeypatch.setattr(FakeKube, "patch", patch)
    assert rest.post(PATH, {"A": "2"}).outcome == (409, "conflict")
    assert rest.delete(f"{PATH}/A").outcome == (409, "conflict")


def test_an_answer_that_is_lost_is_told_and_setting_again_is_safe(rest: Rest) -> None:
    session = rest.open()
    rest.kube.fail("POST theazosecrets", landed=True)
    assert rest.post(PATH, {"A": "1"}).outcome == (503, "unavailable")
    assert rest.post(PATH, {"A": "2"}).status == 204
    rest.kube.fail("PATCH theazosecrets", landed=True)
    assert rest.post(PATH, {"A": "3"}).outcome == (503, "unavailable")
    assert opened(rest, session) == {"A": "3"}


@pytest.mark.parametrize(
    ("call", "error", "outcome"),
    [
        ("GET configmaps", Unavailable("GET", "configmaps", 0, "x"), (503, "unavailable")),
        ("POST theazosecrets", Exists("POST", "theazosecrets", 409, "AlreadyExists"), (204, None)),
        (
            "POST theazosecrets",
            Refused("POST", "theazosecrets", 403, "Forbidden", "u cannot create theazosecrets"),
            (403, "platform_not_served"),
        ),
        (
            "POST theazosecrets",
            Refused("POST", "theazosecrets", 403, "Forbidden", "exceeded quota"),
            (403, "refused_by_cluster"),
        ),
        (
            "POST theazosecrets",
            Refused("POST", "theazosecrets", 413, "RequestEntityTooLarge"),
            (413, "secrets_too_large"),
        ),
    ],
)
def test_what_the_cluster_answers(rest: Rest, call: str, error: Any, outcome: tuple[int, str | None]) -> None:
    rest.open()
    rest.kube.fail(call, error)
    assert rest.post(PATH, {"A": "1"}).outcome == outcome


def test_what_an_ended_session_left_behind_is_neither_shown_nor_kept(rest: Rest) -> None:
    session = rest.open()
    for more in (owned("uid-of-before"), {}):
        stale(rest, **more)
        if not more:
            rest.kube.objects[PLACE]["status"] = {"sessionUID": "uid-of-before"}
        assert listed(rest) == []
        agent = {"compute": "python", "secrets": ["OLD"]}
        assert rest.post(f"/v1/sessions/{SID}/agents", agent).outcome == (422, "secret_not_found")
        assert rest.delete(f"{PATH}/OLD").outcome == (404, "secret_not_found")
        stale(rest, **owned("uid-of-before"))
        assert rest.post(PATH, {"NEW": "1"}).status == 204
        assert opened(rest, session) == {"NEW": "1"}


def test_a_session_ends_while_its_secrets_are_set(rest: Rest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Deleted and made anew in between: what was sealed for the old one is not put into the new one's object."""
    rest.open()
    real = FakeKube.get
    done: list[int] = []

    async def get(self: FakeKube, resource: Any, namespace: str, name: str) -> Any:
        if resource == kind.THEAZO_SECRETS and not done:
            done.append(1)
            await rest.send("DELETE", f"/v1/sessions/{SID}")
            await rest.send("POST", "/v1/sessions", body={"user": USER}, kind="application/json")
        return await real(self, resource, namespace, name)

    monkeypatch.setattr(FakeKube, "get", get)
    rest.post(PATH, {"A": "old"})
    monkeypatch.undo()
    assert "A" not in listed(rest)


# What a GitOps tool keeps.


def managed(rest: Rest, manager: str, operation: str, **meta: Any) -> None:
    rest.open()
    rest.post(PATH, {"A": "1", "B": "2"})
    body = rest.kube.objects[PLACE]
    fields: dict[str, Any] = {"f:spec": {"f:encryptedData": {".": {}, "f:A": {"f:ciphertext": {}}}}}
    body["metadata"] |= {"managedFields": [{"manager": manager, "operation": operation, "fieldsV1": fields}], **meta}


TRACKED = {"labels": {"kustomize.toolkit.fluxcd.io/name": "apps"}}


@pytest.mark.parametrize(
    ("manager", "operation", "meta"),
    [
        ("argocd-controller", "Apply", {}),
        ("argocd-controller", "Update", {}),
        ("kustomize-controller", "Apply", {}),
        ("helm-controller", "Update", {}),
        ("my-own-flux", "Apply", TRACKED),
        ("kubectl", "Apply", {"annotations": {"argocd.argoproj.io/tracking-id": "app"}}),
    ],
)
def test_a_name_that_a_gitops_tool_keeps_is_not_written(
    rest: Rest, manager: str, operation: str, meta: dict[str, Any]
) -> None:
    managed(rest, manager, operation, **meta)
    for reply in (rest.post(PATH, {"A": "x", "C": "y"}), rest.delete(f"{PATH}/A")):
        assert reply.outcome == (409, "managed_elsewhere")
        assert "A" in reply.json["detail"]
    assert set(rest.stored(SID)) == {"A", "B"}
    assert rest.post(PATH, {"B": "x", "C": "y"}).status == 204
    assert rest.delete(f"{PATH}/B").status == 204


@pytest.mark.parametrize(
    ("manager", "operation", "meta"),
    [
        ("kubectl", "Apply", {}),
        ("kubectl-edit", "Update", {}),
        ("theazo-api", "Apply", TRACKED),
        ("theazo-api", "Update", TRACKED),
        ("kubectl-patch", "Update", TRACKED),
    ],
)
def test_what_people_wrote_is_written_over(rest: Rest, manager: str, operation: str, meta: dict[str, Any]) -> None:
    managed(rest, manager, operation, **meta)
    assert rest.post(PATH, {"A": "x"}).status == 204
    assert rest.delete(f"{PATH}/A").status == 204


@pytest.mark.parametrize("fields", [None, [], {"f:spec": None}, {"f:spec": {"f:encryptedData": None}}])
def test_records_that_say_nothing_keep_nothing(rest: Rest, fields: object) -> None:
    managed(rest, "argocd-controller", "Apply")
    rest.kube.objects[PLACE]["metadata"]["managedFields"] = [
        {"manager": "argocd-controller", "fieldsV1": fields},
        None,
    ]
    assert rest.post(PATH, {"A": "x"}).status == 204
