"""From declared names to values: only what was declared, and all of it or nothing."""

from collections.abc import Mapping
from typing import Any

import pytest

from tests.support.builders import (
    JSON,
    KEYRING,
    NS,
    SESSION_UID,
    sealed_text,
    secret,
    session,
)
from tests.unit.test_reconcile_sandbox import CANARY, UPDATED, opened, spec_of, stored
from theazo import _primitives
from theazo.sealing import Binding, Envelope, hpke_info
from theazo.secret_value import SecretValue
from theazo_operator.opening import Keyring
from theazo_operator.reasons import Reason
from theazo_operator.reconcile.secrets import MAX_TOTAL, Refusal, enumerate_names, open_entry


def test_only_declared_names_come_in() -> None:
    resolved = opened(spec_of("A", "C"), stored(A="1", B="2", C="3"))
    assert [(each.record.name, each.value.reveal()) for each in resolved] == [("A", b"1"), ("C", b"3")]


def test_from_names_the_secret_and_name_the_variable() -> None:
    [each] = opened(spec_of({"name": "KEY", "from": "A"}), stored(A="1", KEY="wrong"))
    assert (each.record.name, each.record.source, each.record.updated_at) == ("KEY", "A", UPDATED)
    assert each.value.reveal() == b"1"


def test_one_secret_can_be_two_variables() -> None:
    resolved = opened(spec_of("A", {"name": "B", "from": "A"}), stored(A="1"))
    assert [(each.record.name, each.value.reveal()) for each in resolved] == [("A", b"1"), ("B", b"1")]


@pytest.mark.parametrize(
    ("declared", "entries", "names"),
    [
        (["A"], {}, "secret A is"),
        (["A", "B", "C"], {"B": "2"}, "secrets A, C are"),
        ([{"name": "X", "from": "A"}], {"X": "1"}, "secret A is"),
        ([{"name": "A", "optional": False}], {}, "secret A is"),
    ],
    ids=["one", "two", "the one of `from`", "not optional"],
)
def test_a_missing_name_is_waited_for_and_named(declared: list[Any], entries: dict[str, str], names: str) -> None:
    with pytest.raises(Refusal) as caught:
        opened(spec_of(*declared), stored(**entries))
    assert (caught.value.reason, caught.value.waits) == (Reason.SECRET_NOT_FOUND, True)
    assert f"{names} not in session demo" in caught.value.message


def test_without_a_theazo_secret_every_name_is_missing() -> None:
    with pytest.raises(Refusal, match="secret A is not in session"):
        opened(spec_of("A"), None)
    assert opened(spec_of({"name": "A", "optional": True}), None) == []


@pytest.mark.parametrize(
    ("status", "serves"),
    [(None, True), ({}, True), ({"sessionUID": SESSION_UID}, True), ({"sessionUID": "an-ended-one"}, False)],
    ids=["new", "waiting", "this session's", "an ended one's"],
)
def test_what_an_ended_session_of_the_same_name_left_behind_is_not_used(status: JSON | None, serves: bool) -> None:  # noqa: FBT001
    sealed = secret({"A": sealed_text(b"1", "A")}, status=status)
    if serves:
        assert len(opened(spec_of("A"), sealed)) == 1
        return
    with pytest.raises(Refusal) as caught:
        opened(spec_of("A"), sealed)
    assert (caught.value.reason, caught.value.waits) == (Reason.SECRET_NOT_FOUND, True)


def test_an_optional_secret_that_is_missing_is_left_out() -> None:
    resolved = opened(spec_of("A", {"name": "B", "optional": True}), stored(A="1"))
    assert [each.record.name for each in resolved] == ["A"]


def sealed_unchecked(value: bytes, name: str) -> str:
    """What an author who doesn't use our client can make."""
    key, binding = KEYRING.public_key(NS), Binding(platform=NS, session="demo", sealing_id="demo", name=name)
    info = hpke_info(Envelope(key.key_id, b"").header, binding)
    return str(Envelope(key.key_id, _primitives.hpke_seal(SecretValue(value), key.raw, info)))


BROKEN = {
    "a value with a NUL": (sealed_unchecked(CANARY.encode() + b"\0", "A"), Reason.INVALID_VALUE),
    "plaintext": (CANARY, Reason.MALFORMED_ENVELOPE),
    "empty": ("", Reason.MALFORMED_ENVELOPE),
    "of another name": (sealed_text(CANARY.encode(), "B"), Reason.CANNOT_OPEN),
    "of another session": (sealed_text(CANARY.encode(), "A", session_name="other"), Reason.CANNOT_OPEN),
    "of an older session": (sealed_text(CANARY.encode(), "A", sealing_id="before"), Reason.CANNOT_OPEN),
}


@pytest.mark.parametrize("optional", [False, True], ids=["required", "optional"])
@pytest.mark.parametrize(("text", "reason"), BROKEN.values(), ids=BROKEN.keys())
def test_what_does_not_open_fails_closed_also_when_optional(*, text: str, reason: Reason, optional: bool) -> None:
    with pytest.raises(Refusal) as caught:
        opened(spec_of({"name": "A", "optional": optional}), secret({"A": text}))
    assert (caught.value.reason, caught.value.waits) == (reason, False)
    assert caught.value.message.startswith("secret A: ")
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None
    assert CANARY not in f"{caught.value!r} {caught.value}"


def test_a_key_that_nobody_has_any_more() -> None:
    with pytest.raises(Refusal) as caught:
        opened(spec_of("A"), stored(A="1"), Keyring({1: b"\x09" * 32}))
    assert caught.value.reason == Reason.UNKNOWN_KEY


def test_the_sealing_id_of_the_session_counts() -> None:
    text = sealed_text(b"1", "A", sealing_id="x7")
    with pytest.raises(Refusal):
        opened(spec_of("A"), secret({"A": text}))
    entry = secret({"A": text}).entries["A"]
    assert open_entry(entry, session(spec={"sealingId": "x7"}), KEYRING) == SecretValue(b"1")


class FixedKeyring(Keyring):
    """Opens everything as a value of a given length: 1 MiB of real envelopes would take seconds."""

    def __init__(self, lengths: Mapping[str, int]) -> None:
        super().__init__({1: bytes(32)})
        self._lengths = lengths

    def open(self, ciphertext: str, binding: Any) -> SecretValue:  # noqa: ARG002
        return SecretValue(b"x" * self._lengths[binding.name])


@pytest.mark.parametrize("extra", [0, 1])
def test_the_limit_of_a_secret_is_exact(extra: int) -> None:
    lengths = {f"S{number}": 65536 for number in range(15)} | {"LAST": 65536 + extra}
    spec, sealed = spec_of(*lengths), secret(dict.fromkeys(lengths, ""))
    assert sum(lengths.values()) == MAX_TOTAL + extra == 2**20 + extra
    if not extra:
        assert len(opened(spec, sealed, FixedKeyring(lengths))) == 16
        return
    with pytest.raises(Refusal) as caught:
        opened(spec, sealed, FixedKeyring(lengths))
    assert caught.value.reason == Reason.SECRETS_TOO_LARGE
    assert str(2**20 + 1) in caught.value.message


def test_many_names_are_cut_short() -> None:
    assert (
        enumerate_names([f"N{number}" for number in range(12)]) == "N0, N1, N2, N3, N4, N5, N6, N7, N8, N9 and 2 more"
    )
    assert enumerate_names(["A", "B"]) == "A, B"
