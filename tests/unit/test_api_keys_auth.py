"""Who may call the REST API, and who has to wait."""

import base64
import hmac
import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.builders import NS, SYSTEM
from tests.support.restrig import Rest, log_lines, restored_logging
from theazo import api_key
from theazo_operator import logs, metrics
from theazo_operator.api import auth
from theazo_operator.kube import resource as kind
from theazo_operator.kube.errors import KubeError, Refused, Unavailable

WHERE = "/v1/sessions"
READ = "GET secrets"


@pytest.fixture
def _logging() -> Iterator[None]:
    restore = restored_logging()
    yield
    restore()


def stored_entry(entry: object) -> str:
    return base64.b64encode(json.dumps(entry).encode()).decode()


def failures(reason: str) -> float:
    name = "theazo_api_authentication_failures_total"
    return metrics.api_registry.get_sample_value(name, {"reason": reason}) or 0.0


def test_a_key_is_for_its_platform_only(rest: Rest) -> None:
    other = rest.new_key("other-platform")
    session = rest.open()
    assert rest.get(f"{WHERE}/{session['id']}", key=other).outcome == (404, "session_not_found")
    assert rest.get(WHERE, key=other).json["sessions"] == []
    theirs = rest.post(WHERE, {"user": session["user"]}, key=other).json
    assert (theirs["platform"], rest.get(WHERE).json["sessions"]) == ("other-platform", [session])
    assert theirs["id"] != session["id"]
    assert rest.get("/v1/sealing-key", key=other).outcome == (503, "sealing_key_unavailable")


@pytest.mark.parametrize("form", ["Bearer {}", "bearer {}", "BEARER {}", "Bearer   {}"])
def test_the_schemes_case_and_blanks_do_not_count(rest: Rest, form: str) -> None:
    assert rest.get(WHERE, key=None, headers=[("authorization", form.format(rest.key))]).status == 200


@pytest.mark.parametrize(
    ("form", "reason"),
    [
        *(
            (form, "malformed")
            for form in ("{}", "Basic {}", "Bearer", "Bearer ", "Bearer{}", "Bearer {}x", "Bearer x{}")
        ),
        *(
            (form, "malformed")
            for form in ("Bearer\t{}", "Bearer {}, Bearer {}", "Bearer {}\u00e9", "", "Bearer \u00b2")
        ),
        ("Bearer {}".replace("{}", "th_live_" + "a" * 12 + "_" + "a" * 52), "unknown"),
    ],
)
def test_what_is_no_key_lets_nobody_in(rest: Rest, form: str, reason: str) -> None:
    before = failures(reason)
    reply = rest.get(WHERE, key=None, headers=[("authorization", form.format(rest.key, rest.key))])
    assert reply.outcome == (401, "unauthorized")
    assert failures(reason) == before + 1
    assert rest.key.encode() not in reply.text


def test_no_header_lets_nobody_in_and_nothing_is_read_of_the_request(rest: Rest) -> None:
    before = failures("missing")
    assert rest.get(WHERE, key=None).outcome == (401, "unauthorized")
    assert rest.post(WHERE, b"x" * 3_000_000, key=None).outcome == (401, "unauthorized")
    assert failures("missing") == before + 2


def test_each_character_of_a_key_counts(rest: Rest) -> None:
    for place in (8, 19, 21, 40, len(rest.key) - 1):
        wrong = rest.key[:place] + ("a" if rest.key[place] != "a" else "b") + rest.key[place + 1 :]
        assert rest.get(WHERE, key=wrong).outcome == (401, "unauthorized")
    for wrong in (rest.key[:-1], rest.key + "a", rest.key.upper(), rest.key.replace("live", "test")):
        assert rest.get(WHERE, key=wrong).outcome == (401, "unauthorized")


def test_a_comparison_in_constant_time_is_made_whether_there_is_such_an_id_or_not(
    rest: Rest, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[tuple[str, str]] = []

    def compare(one: str, other: str) -> bool:
        seen.append((one, other))
        return hmac.compare_digest(one, other)

    class Spy:
        compare_digest = staticmethod(compare)

    monkeypatch.setattr(auth, "hmac", Spy)
    unknown = api_key.generate()[1]
    wrong = rest.key[:-1] + ("a" if rest.key[-1] != "a" else "b")
    counts = []
    for key in (unknown, wrong):
        seen.clear()
        rest.kube.taken()
        assert rest.get(WHERE, key=key).status == 401
        counts.append((len(seen), rest.kube.taken().count(READ)))
        assert all(one == api_key.digest(key) and len(one) == len(other) for one, other in seen)
    assert counts[0][0] == counts[1][0] > 0
    seen.clear()
    assert rest.get(WHERE, key="x").status == 401
    assert len(seen) == 1


def test_a_revoked_key_is_refused_a_second_later(rest: Rest) -> None:
    assert rest.get(WHERE).status == 200
    rest.store_keys({})
    rest.pass_seconds(0.999)
    assert rest.get(WHERE).status == 200
    rest.pass_seconds(0.002)
    assert rest.get(WHERE).outcome == (401, "unauthorized")


def test_hashes_are_read_once_a_second_however_many_ask(rest: Rest) -> None:
    rest.kube.taken()
    for _ in range(10):
        rest.get(WHERE)
        rest.pass_seconds(0.09)
    assert rest.kube.taken().count(READ) == 1


def test_a_key_that_was_made_a_moment_ago_is_good_at_once(rest: Rest) -> None:
    assert rest.get(WHERE).status == 200
    rest.seconds += 1e-6
    assert rest.get(WHERE, key=rest.new_key(NS)).status == 200


def test_who_fails_all_the_time_does_not_have_the_hashes_read_each_time(rest: Rest) -> None:
    rest.get(WHERE)
    rest.kube.taken()
    for _ in range(100):
        rest.seconds += 1e-6
        rest.get(WHERE, key=api_key.generate()[1])
    assert rest.kube.taken().count(READ) == 20


@pytest.mark.parametrize(
    "error",
    [
        Unavailable("GET", "secrets", 0, "TimeoutError"),
        Unavailable("GET", "secrets", 500, "InternalError"),
        Refused("GET", "secrets", 403, "Forbidden"),
    ],
)
def test_nobody_is_let_in_by_hashes_that_can_not_be_read(rest: Rest, error: KubeError) -> None:
    assert rest.get(WHERE).status == 200
    rest.pass_seconds(1.001)
    rest.kube.fail(READ, error)
    assert rest.get(WHERE).outcome == (503, "unavailable")
    assert rest.get(WHERE).status == 200


def test_without_the_secret_there_is_no_key(rest: Rest) -> None:
    del rest.kube.objects["secrets", SYSTEM, "theazo-api-keys"]
    assert rest.get(WHERE).outcome == (401, "unauthorized")
    rest.kube.put(kind.SECRETS, {"metadata": {"name": "theazo-api-keys", "namespace": SYSTEM}})
    rest.pass_seconds(1.001)
    assert rest.get(WHERE).outcome == (401, "unauthorized")


def entries(key: str) -> list[Any]:
    good = {"platform": NS, "hash": api_key.digest(key)}
    broken: list[Any] = [[], "x", None, 7, {}, {**good, "hash": None}, {**good, "hash": ""}, {**good, "hash": "é" * 64}]
    broken += [{**good, "hash": good["hash"].upper()}, {**good, "hash": good["hash"][:-1]}, {"hash": good["hash"]}]
    broken += [{**good, "platform": each} for each in (None, "", 7, "a/../b", "..", "UPPER", "a" * 64, "a b", "é")]
    return [*map(stored_entry, broken), "", "%", "=", "é", "eyJ", None, 7, [], base64.b64encode(b"\xff").decode()]


@pytest.mark.parametrize("number", range(len(entries("x"))))
def test_an_entry_that_can_not_be_read_lets_nobody_in_and_hinders_nobody(rest: Rest, number: int) -> None:
    key_id, key = api_key.generate()
    rest.store_keys({**rest.keys, key_id: entries(key)[number]})
    assert rest.get(WHERE, key=key).outcome == (401, "unauthorized")
    assert rest.get(WHERE).status == 200


def test_a_deeply_nested_entry_hinders_nobody(rest: Rest) -> None:
    rest.store_keys({**rest.keys, "a" * 12: base64.b64encode(b"[" * 100_000).decode()})
    assert rest.get(WHERE).status == 200


@pytest.mark.usefixtures("_logging")
def test_a_whole_key_in_the_place_of_an_id_is_not_logged_and_told_once(
    rest: Rest, capsys: pytest.CaptureFixture[str]
) -> None:
    logs.configure("DEBUG")
    key = api_key.generate()[1]
    rest.store_keys({**rest.keys, key: rest.keys[rest.key.split("_")[2]], "b" * 12: "x"})
    for _ in range(3):
        assert rest.get(WHERE).status == 200
        rest.pass_seconds(1.001)
    told = [line for line in log_lines(capsys) if line["level"] == "ERROR"]
    assert [line["key_id"] for line in told] == [None, "b" * 12]
    assert key not in str(told)


# Those who fail all the time.


def test_who_fails_all_the_time_has_to_wait_and_nobody_else(rest: Rest) -> None:
    wrong = api_key.generate()[1]
    outcomes = [rest.get(WHERE, key=wrong).outcome for _ in range(22)]
    assert outcomes == [(401, "unauthorized")] * 20 + [(429, "too_many_failures")] * 2
    assert rest.get(WHERE).status == 200
    assert rest.get(WHERE, key=wrong, client="10.0.0.2").outcome == (401, "unauthorized")
    assert rest.get(WHERE, key=None).outcome == (429, "too_many_failures")


def test_after_the_wait_that_it_was_told_a_client_may_fail_once_more(rest: Rest) -> None:
    reply = [rest.get(WHERE, key=None) for _ in range(21)][-1]
    seconds = int(reply.headers["retry-after"])
    assert 1 <= seconds <= 6
    rest.pass_seconds(seconds)
    assert [rest.get(WHERE, key=None).status for _ in range(2)] == [401, 429]
    rest.pass_seconds(3600)
    assert [rest.get(WHERE, key=None).status for _ in range(21)] == [401] * 20 + [429]


def test_a_limited_number_of_clients_is_remembered(rest: Rest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(auth, "_CLIENTS", 3)
    for number in range(21):
        rest.get(WHERE, key=None, client="first")
        assert number < 20 or rest.get(WHERE, key=None, client="first").status == 429
    for number in range(3):
        rest.get(WHERE, key=None, client=f"other-{number}")
    assert rest.get(WHERE, key=None, client="first").status == 401


def test_a_client_without_an_address_is_one_as_well(rest: Rest) -> None:
    assert [rest.get(WHERE, key=None, client="").status for _ in range(21)][-1] == 429
