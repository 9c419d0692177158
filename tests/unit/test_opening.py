import dataclasses
import traceback
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from theazo import _primitives as public_half
from theazo.errors import TheazoError
from theazo.sealing import SUITE, Binding, Envelope, hpke_info, seal
from theazo.secret_value import SecretValue
from theazo_operator.opening import (
    CannotOpen,
    InvalidValue,
    Keyring,
    MalformedEnvelope,
    OpeningError,
    UnknownKey,
)

CANARY = "canary-5up3r-s3cr3t"
KEYRING = Keyring({1: bytes(range(32)), 3: b"\x03" * 32})
BINDING = Binding("acme", "checkout", "Q7x", "OPENAI_API_KEY")
KEY = KEYRING.public_key("acme")
SEALED = seal(SecretValue(CANARY.encode()), BINDING, KEY)
HEADER = SEALED.rpartition(".")[0]
PAYLOAD = Envelope.parse(SEALED).payload
# The first message of each kind of error, which all later ones have to equal.
ALIKE: dict[type[OpeningError | InvalidValue], tuple[object, ...]] = {}


def with_payload(payload: bytes) -> str:
    return str(Envelope(KEY.key_id, payload))


def seal_unchecked(value: bytes) -> str:
    """What an author who doesn't use our client can make."""
    return with_payload(public_half.hpke_seal(SecretValue(value), KEY.raw, hpke_info(HEADER, BINDING)))


def refusal(text: str, binding: Binding = BINDING, *, decrypted: bool = False) -> OpeningError | InvalidValue:
    """The error; fails if it opens, and if the error shows more than it may. InvalidValue tells that it was opened."""
    with pytest.raises((OpeningError, InvalidValue)) as caught:
        KEYRING.open(text, binding)
    error = caught.value
    assert isinstance(error, OpeningError | InvalidValue)
    assert type(error) in ({InvalidValue} if decrypted else {MalformedEnvelope, UnknownKey, CannotOpen})
    assert error.args == ALIKE.setdefault(type(error), error.args), "each kind has one message, whatever the cause"
    assert error.__cause__ is None
    assert error.__context__ is None
    assert CANARY not in "".join(traceback.format_exception(error))
    return error


def test_what_was_sealed_opens() -> None:
    assert KEYRING.open(SEALED, BINDING) == SecretValue(CANARY.encode())


@settings(max_examples=50)
@given(st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=16000))
def test_any_text_comes_back(text: str) -> None:
    value = SecretValue(text.encode())
    assert KEYRING.open(seal(value, BINDING, KEY), BINDING) == value


def test_the_longest_value_comes_back() -> None:
    value = SecretValue(b"x" * 65536)
    assert KEYRING.open(seal(value, BINDING, KEY), BINDING) == value


def flipped_payloads() -> Iterator[bytes]:
    for position in range(len(PAYLOAD)):
        for bit in range(8):
            changed = bytearray(PAYLOAD)
            changed[position] ^= 1 << bit
            yield bytes(changed)


def test_no_flipped_bit_opens_and_all_fail_alike() -> None:
    kinds = [type(refusal(with_payload(payload))) for payload in flipped_payloads()]
    assert kinds == [CannotOpen] * 8 * len(PAYLOAD)


def test_no_changed_character_opens() -> None:
    for position, character in enumerate(SEALED):
        for other in {"A", "_", "=", ".", "0", "\n", "é", "\0", character.swapcase()} - {character}:
            refusal(SEALED[:position] + other + SEALED[position + 1 :])


def test_no_cut_opens() -> None:
    for length in range(len(SEALED)):
        refusal(SEALED[:length])
        refusal(SEALED[length + 1 :])
    for length in range(len(PAYLOAD)):
        refusal(with_payload(PAYLOAD[:length]))
        refusal(with_payload(PAYLOAD[length + 1 :]))


@given(st.binary(min_size=1, max_size=100), st.text(min_size=1))
def test_nothing_appended_opens(data: bytes, text: str) -> None:
    refusal(with_payload(PAYLOAD + data))
    refusal(with_payload(data + PAYLOAD))
    refusal(SEALED + text)
    refusal(text + SEALED)


@given(st.integers(0, len(PAYLOAD)), st.integers(0, len(PAYLOAD)), st.binary(max_size=40))
def test_no_replaced_part_opens(start: int, end: int, data: bytes) -> None:
    changed = PAYLOAD[:start] + data + PAYLOAD[end:]
    if changed != PAYLOAD:
        refusal(with_payload(changed))


@pytest.mark.parametrize("field", [field.name for field in dataclasses.fields(Binding)])
@given(text=st.text())
def test_no_other_binding_opens(field: str, text: str) -> None:
    original = getattr(BINDING, field)
    for other in {text, original + text, text + original, original[:-1], original.upper(), original.lower()} - {
        original
    }:
        refusal(SEALED, dataclasses.replace(BINDING, **{field: other}))


@pytest.mark.parametrize(
    "other",
    [
        Binding("acme", "Q7x", "checkout", "OPENAI_API_KEY"),  # exchanged
        Binding("acme", "checkoutQ7", "x", "OPENAI_API_KEY"),  # the border moved
        Binding("acme", "checkout", "Q7", "xOPENAI_API_KEY"),
    ],
)
def test_no_reading_of_the_same_characters_opens(other: Binding) -> None:
    assert refusal(SEALED, other).reason == "CannotOpen"


def test_the_platform_is_bound_even_if_the_key_were_the_same() -> None:
    other = dataclasses.replace(BINDING, platform="globex")
    payload = public_half.hpke_seal(SecretValue(b"x"), KEY.raw, hpke_info(HEADER, other))
    assert refusal(with_payload(payload)).reason == "CannotOpen"


def test_the_header_is_bound_even_if_a_key_id_led_to_the_same_key() -> None:
    other_header = HEADER.replace("thz1", "thz0")
    payload = public_half.hpke_seal(SecretValue(b"x"), KEY.raw, hpke_info(other_header, BINDING))
    assert refusal(with_payload(payload)).reason == "CannotOpen"


@pytest.mark.parametrize("old", ["thz1", SUITE, KEY.key_id])
def test_no_other_header_opens(old: str) -> None:
    for new in ("", old.upper(), old[:-1], old + "0", "0" * 16, "thz2", "xwing-sha256-aes128gcm"):
        if new != old:
            refusal(SEALED.replace(old, new))


@pytest.mark.parametrize("part", ["\ud800", "x" * 65536], ids=["a lone surrogate", "too long"])
@pytest.mark.parametrize("field", [field.name for field in dataclasses.fields(Binding)])
def test_a_binding_that_nobody_can_seal_for_does_not_open(field: str, part: str) -> None:
    assert refusal(SEALED, dataclasses.replace(BINDING, **{field: part})).reason == "CannotOpen"


@pytest.mark.parametrize(
    "value",
    [b"", CANARY.encode() + b"\0", b"\0", CANARY.encode() + b"\xff", b"\xed\xa0\x80", b"\xc0\x80"],
)
def test_a_value_that_breaks_the_rules_is_refused_without_detail(value: bytes) -> None:
    assert refusal(seal_unchecked(value), decrypted=True).reason == "InvalidValue"


def test_a_refused_value_is_in_no_local_variable_of_the_traceback() -> None:
    text = seal_unchecked(CANARY.encode() + b"\0")
    with pytest.raises(InvalidValue) as caught:
        KEYRING.open(text, BINDING)
    shown = "".join(traceback.TracebackException.from_exception(caught.value, capture_locals=True).format())
    assert "SecretValue: hidden" in shown, "local variables are shown"
    assert CANARY not in shown


def test_a_value_that_is_too_long_is_refused() -> None:
    assert refusal(seal_unchecked(b"x" * 65537)).reason == "MalformedEnvelope"


def test_a_name_that_became_reserved_later_still_opens() -> None:
    # Else a new release would stop reading what an older one wrote; what may be declared is the schema's to say.
    binding = dataclasses.replace(BINDING, name="PATH")
    payload = public_half.hpke_seal(SecretValue(b"x"), KEY.raw, hpke_info(HEADER, binding))
    assert KEYRING.open(with_payload(payload), binding) == SecretValue(b"x")


def test_reasons_are_the_words_of_the_design() -> None:
    kinds: set[type[OpeningError | InvalidValue]] = {*OpeningError.__subclasses__(), InvalidValue}
    assert {error.reason for error in kinds} == {"MalformedEnvelope", "UnknownKey", "CannotOpen", "InvalidValue"}
    assert all(error.__name__ == error.reason for error in kinds)
    assert issubclass(OpeningError, TheazoError)
