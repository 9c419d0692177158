import base64
import contextlib
import dataclasses
import string
import traceback

import pytest
from hypothesis import given
from hypothesis import strategies as st

import theazo
from tests.vectors import ENVELOPES, KEYS
from theazo import _primitives, errors, sealing
from theazo.errors import InvalidName, InvalidPublicKey, InvalidValue, MalformedEnvelope
from theazo.sealing import Binding, Envelope, PublicKey, hpke_info, length_prefixed, seal
from theazo.secret_value import SecretValue

CANARY = "canary-5up3r-s3cr3t"
KEY = PublicKey.from_base64(KEYS["acme-a"]["publicKey"])
BINDING = Binding("acme", "checkout", "checkout", "OPENAI_API_KEY")
ALPHABET = string.ascii_uppercase + string.ascii_lowercase + string.digits + "-_"


def envelope_of(payload: bytes) -> Envelope:
    return Envelope(KEY.key_id, payload)


@pytest.mark.parametrize("size", [1, 2, 3, 1000, 65536])
def test_an_envelope_looks_as_documented(size: int) -> None:
    text = seal(SecretValue(b"x" * size), BINDING, KEY)
    version, suite, key_id, payload = text.split(".")
    assert (version, suite, key_id) == ("thz1", "xwing-sha256-aes256gcm", KEY.key_id)
    assert len(base64.urlsafe_b64decode(payload + "==")) == 1120 + size + 16
    assert set(payload) <= set(ALPHABET)
    assert len(text) <= sealing.MAX_ENVELOPE


@pytest.mark.parametrize("size", [1, 2, 3, 4, 1000, 65536])
def test_how_long_an_envelope_is_can_be_told_before(size: int) -> None:
    value = SecretValue(b"x" * size)
    assert sealing.envelope_length(value) == len(seal(value, BINDING, KEY))


def test_the_longest_value_has_the_longest_envelope() -> None:
    assert len(seal(SecretValue(b"x" * 65536), BINDING, KEY)) == sealing.MAX_ENVELOPE == 88941


def test_sealing_twice_gives_two_texts() -> None:
    assert seal(SecretValue(b"x"), BINDING, KEY) != seal(SecretValue(b"x"), BINDING, KEY)


def test_info_is_length_prefixed() -> None:
    assert hpke_info("head", Binding("p", "sé", "", "N")) == (
        b"\x00\x04head" + b"\x00\x01p" + b"\x00\x03s\xc3\xa9" + b"\x00\x00" + b"\x00\x01N"
    )


@given(st.lists(st.text(st.characters(codec="utf-8"))), st.lists(st.text(st.characters(codec="utf-8"))))
def test_other_parts_give_other_bytes(parts: list[str], others: list[str]) -> None:
    assert (length_prefixed(*parts) == length_prefixed(*others)) == (parts == others)


@pytest.mark.parametrize(("left", "right"), [(("ab", "c"), ("a", "bc")), (("", "a"), ("a", "")), (("a",), ("a", ""))])
def test_no_border_between_parts_moves(left: tuple[str, ...], right: tuple[str, ...]) -> None:
    assert length_prefixed(*left) != length_prefixed(*right)


@pytest.mark.parametrize("part", ["x" * 65536, "\ud800"])
def test_a_part_without_an_encoding_is_refused(part: str) -> None:
    with pytest.raises(InvalidName) as caught:
        length_prefixed("a", part)
    assert caught.value.__suppress_context__


@pytest.mark.parametrize(
    "change",
    [
        {"platform": "Acme"},
        {"platform": ""},
        {"session": "s" * 53},
        {"sealing_id": ""},
        {"sealing_id": "a/b"},
        {"name": "PATH"},
        {"name": "A-B"},
        {"name": "\ud800"},
    ],
    ids=str,
)
def test_nothing_is_sealed_for_what_cannot_exist(change: dict[str, str]) -> None:
    with pytest.raises(InvalidName):
        seal(SecretValue(b"x"), dataclasses.replace(BINDING, **change), KEY)


@pytest.mark.parametrize("value", [b"", b"x" * 65537, CANARY.encode() + b"\0", CANARY.encode() + b"\xff"])
def test_a_value_that_no_sandbox_could_have_is_not_sealed(value: bytes) -> None:
    secret = SecretValue(value)
    del value
    with pytest.raises(InvalidValue) as caught:
        seal(secret, BINDING, KEY)
    frames = traceback.TracebackException.from_exception(caught.value, capture_locals=True)
    assert "hidden" in "".join(frames.format()), "local variables are shown"
    assert CANARY not in "".join(frames.format())


def test_the_key_id_is_of_suite_and_key() -> None:
    assert KEY.key_id == KEYS["acme-a"]["keyId"]
    assert _primitives.sha256(b"abc").hex().startswith("ba7816bf8f01cfea")  # FIPS 180-4's example


@pytest.mark.parametrize("raw", [b"", b"x" * 1215, b"x" * 1217, KEY.raw + b"\n", b"\xff" * 1216], ids=len)
def test_what_is_no_public_key(raw: bytes) -> None:
    with pytest.raises(InvalidPublicKey):
        PublicKey(raw)


@pytest.mark.parametrize(
    "text", ["", "not base64!", KEY.to_base64()[:-1], KEY.to_base64() + "A", "é", CANARY, "ssh-rsa A"]
)
def test_what_is_no_public_key_in_base64(text: str) -> None:
    with pytest.raises(InvalidPublicKey) as caught:
        PublicKey.from_base64(text)
    assert CANARY not in str(caught.value)


def test_white_space_around_a_public_key_does_not_count() -> None:
    assert PublicKey.from_base64(f"\n {KEY.to_base64()}\r\n") == KEY


def test_nothing_is_sealed_to_a_public_key_of_low_order() -> None:
    weak = PublicKey(KEY.raw[:1184] + bytes(32))
    with pytest.raises(InvalidPublicKey) as caught:
        seal(SecretValue(CANARY.encode()), BINDING, weak)
    assert CANARY not in "".join(traceback.format_exception(caught.value))


@given(st.binary(max_size=200), st.integers(0, 2**64 - 1))
def test_an_envelope_survives_its_text(tail: bytes, key_id: int) -> None:
    envelope = Envelope(f"{key_id:016x}", bytes(1136) + tail)
    assert Envelope.parse(str(envelope)) == envelope


NEAR = st.text(ALPHABET + "=.", max_size=8).map(lambda end: str(envelope_of(bytes(1136))) + end)


@given(st.text() | NEAR)
def test_a_text_is_an_envelope_only_if_it_is_the_one_text_of_it(text: str) -> None:
    with contextlib.suppress(MalformedEnvelope):
        assert str(Envelope.parse(text)) == text


@pytest.mark.parametrize("size", [1136, 1137, 1138])  # all three lengths of a last group
def test_one_ciphertext_has_one_text(size: int) -> None:
    text = str(envelope_of(b"\xfb" * size))
    same_bytes = [text[:-1] + character for character in ALPHABET if character != text[-1]]
    variants = [text.replace("-", "+"), text + "=", text + "==", text + "===", text + "\n", " " + text, text + "é"]
    for variant in [*variants, *(text[:n] + " " + text[n:] for n in range(0, len(text), 50))]:
        with pytest.raises(MalformedEnvelope):
            Envelope.parse(variant)
    for variant in same_bytes:
        try:
            assert Envelope.parse(variant).payload != b"\xfb" * size
        except MalformedEnvelope:
            continue


def test_a_payload_has_the_length_of_a_sealed_value() -> None:
    for size in (1136, 1136 + 65536):
        assert len(Envelope.parse(str(envelope_of(bytes(size)))).payload) == size
    for size in (0, 1, 1120, 1135, 1136 + 65537, 10**6):
        with pytest.raises(MalformedEnvelope):
            Envelope.parse(str(envelope_of(bytes(size))))


def test_a_text_that_is_too_long_is_not_even_decoded(monkeypatch: pytest.MonkeyPatch) -> None:
    def never(_text: str) -> bytes:
        pytest.fail("decoded")

    monkeypatch.setattr(base64, "urlsafe_b64decode", never)
    with pytest.raises(MalformedEnvelope):
        Envelope.parse(str(envelope_of(bytes(1136 + 65536 + 1))))


@pytest.mark.parametrize("text", [CANARY, f"thz1.{CANARY}", f"{ENVELOPES[0]['envelope']}.{CANARY}"])
def test_what_stands_in_an_envelopes_place_is_not_shown(text: str) -> None:
    with pytest.raises(MalformedEnvelope) as caught:
        Envelope.parse(text)
    assert CANARY not in str(caught.value)
    assert "seal the value again" in str(caught.value)


def test_the_package_exports_what_it_says() -> None:
    assert sorted(theazo.__all__) == theazo.__all__
    assert all(hasattr(theazo, name) for name in theazo.__all__)
    leaves = {name for name, item in vars(errors).items() if isinstance(item, type) and issubclass(item, Exception)}
    assert leaves <= set(theazo.__all__)
    assert all(name in (errors.__doc__ or "") for name in leaves), "the drawn tree is whole"
