"""Seals a value so that only the operator opens it, and only as the secret that it was sealed as.

The format, which every later version of the operator can read:

    thz1.<suite>.<keyId>.<payload>        ASCII, at most MAX_ENVELOPE characters

- header: the three parts before the payload, with the dots between them.
- suite: always `xwing-sha256-aes256gcm` = HPKE (RFC 9180), base mode, single shot, KEM MLKEM768-X25519 (X-Wing:
  draft-connolly-cfrg-xwing-kem, draft-ietf-hpke-pq), KDF HKDF-SHA256, AEAD AES-256-GCM with an empty aad.
- keyId: 16 lower-case hex digits = the first 8 bytes of SHA-256(suite ‖ public key). It is the fingerprint that
  authors pin, and it chooses the private key: there is no trying of keys.
- payload: base64url (RFC 4648, 5) without padding of encapsulated key (1120 bytes) ‖ ciphertext ‖ tag (16). Only the
  canonical encoding is read, so a sealed value has exactly one text.
- public key: ML-KEM-768 (1184 bytes) ‖ X25519 (32), in standard base64 with padding where it is text.
- HPKE's info = header, platform, session name, sealingId, secret name; each as 2 bytes of length, big-endian, and
  that many bytes of UTF-8. What was sealed for one such list opens for no other.

Promised for ever: an envelope that any release wrote opens with its key and binding to the same bytes; `thz1` and the
suite's name never mean anything else; a key has one keyId. Another algorithm gets another suite, another layout
another version. Not promised: who sealed it (base mode has no sender key), and how long the value is (the envelope
shows it).
"""

import base64
import re
from dataclasses import dataclass
from typing import Self

from theazo import _primitives, rules
from theazo.errors import InvalidName, InvalidPublicKey, MalformedEnvelope
from theazo.secret_value import SecretValue

VERSION = "thz1"
SUITE = "xwing-sha256-aes256gcm"

_KEY_ID_BYTES = 8
_HEADER = re.compile(rf"{VERSION}\.{SUITE}\.([0-9a-f]{{{2 * _KEY_ID_BYTES}}})\.")
_HEADER_LENGTH = len(f"{VERSION}.{SUITE}..") + 2 * _KEY_ID_BYTES
_MIN_PAYLOAD = _primitives.OVERHEAD  # an empty value opens, and is then refused as a value
_MAX_PAYLOAD = _primitives.OVERHEAD + rules.MAX_VALUE
MAX_ENVELOPE = _HEADER_LENGTH + (_MAX_PAYLOAD * 4 + 2) // 3  # in characters: the longest value's envelope


@dataclass(frozen=True, slots=True)
class Binding:
    """What a value is sealed as: for which platform, session (its name and `sealingId`) and secret."""

    platform: str
    session: str
    sealing_id: str
    name: str


@dataclass(frozen=True, slots=True)
class PublicKey:
    """A platform's public key of 1216 bytes, as published by the operator.

    Raises:
        InvalidPublicKey: if `raw` isn't one.
    """

    raw: bytes

    def __post_init__(self) -> None:
        if len(self.raw) != _primitives.PUBLIC_KEY_LENGTH:
            raise InvalidPublicKey(f"a public key has {_primitives.PUBLIC_KEY_LENGTH} bytes; this has {len(self.raw)}")
        try:
            _primitives.load_public_key(self.raw)
        except ValueError:
            raise InvalidPublicKey("this is no ML-KEM-768 ‖ X25519 public key; take the published one again") from None

    @classmethod
    def from_base64(cls, text: str) -> Self:
        """The key from its standard base64 with padding; white space around it doesn't count.

        Raises:
            InvalidPublicKey: if it isn't the base64 of a public key.
        """
        try:
            raw = base64.b64decode(text.strip().encode("ascii"), validate=True)
        except ValueError:
            raise InvalidPublicKey("a public key is standard base64; take the published one again") from None
        return cls(raw)

    def to_base64(self) -> str:
        """Standard base64 with padding (RFC 4648, 4), in one line."""
        return base64.b64encode(self.raw).decode("ascii")

    @property
    def key_id(self) -> str:
        """The fingerprint, which is also the envelopes' keyId: 16 lower-case hex digits."""
        return _primitives.sha256(SUITE.encode() + self.raw)[:_KEY_ID_BYTES].hex()


@dataclass(frozen=True, slots=True)
class Envelope:
    """A parsed envelope: which key opens it, and the bytes that HPKE made."""

    key_id: str
    payload: bytes

    @classmethod
    def parse(cls, text: str) -> Self:
        """The envelope of a text.

        Raises:
            MalformedEnvelope: unless `text` is exactly what `str()` of an envelope gives. The message never shows it.
        """
        if len(text) <= MAX_ENVELOPE and (match := _HEADER.match(text)):
            payload = _decode_payload(text[match.end() :])
            if payload is not None and _MIN_PAYLOAD <= len(payload) <= _MAX_PAYLOAD:
                return cls(match[1], payload)
        raise MalformedEnvelope(
            f"the ciphertext is no whole envelope ({VERSION}.{SUITE}.<keyId>.<base64url>); seal the value again"
        )

    @property
    def header(self) -> str:
        """The text before the payload, which HPKE's info binds."""
        return f"{VERSION}.{SUITE}.{self.key_id}"

    def __str__(self) -> str:
        return f"{self.header}.{_encode_payload(self.payload)}"


def seal(value: SecretValue, binding: Binding, key: PublicKey) -> str:
    """Seals a value; gives the envelope's text, another one at each call.

    Raises:
        InvalidName: if a part of `binding` can't be what it says, or the secret's name is reserved.
        InvalidValue: if the rules refuse the value.
        InvalidPublicKey: if nothing can be sealed to `key`.
    """
    rules.check_platform(binding.platform)
    rules.check_session(binding.session)
    rules.check_sealing_id(binding.sealing_id)
    rules.check_name(binding.name)
    rules.check_value(value)
    info = hpke_info(f"{VERSION}.{SUITE}.{key.key_id}", binding)
    try:
        payload = _primitives.hpke_seal(value, key.raw, info)
    except ValueError:
        raise InvalidPublicKey("nothing can be sealed to this public key; take the published one again") from None
    return str(Envelope(key.key_id, payload))


def envelope_length(value: SecretValue) -> int:
    """How many characters `seal` makes of a value, whatever it is sealed as."""
    return _HEADER_LENGTH + ((_primitives.OVERHEAD + len(value)) * 4 + 2) // 3


def hpke_info(header: str, binding: Binding) -> bytes:
    """HPKE's info: what an envelope is bound to.

    Raises:
        InvalidName: if a part of `binding` can't be encoded.
    """
    return length_prefixed(header, binding.platform, binding.session, binding.sealing_id, binding.name)


def length_prefixed(*parts: str) -> bytes:
    """Each part as 2 bytes of length, big-endian, and UTF-8: two different lists never give the same bytes.

    Raises:
        InvalidName: if a part isn't valid Unicode or has more than 65535 bytes.
    """
    try:
        return b"".join(len(raw).to_bytes(2, "big") + raw for raw in (part.encode() for part in parts))
    except (UnicodeEncodeError, OverflowError):
        raise InvalidName("a name isn't valid Unicode, or has more than 65535 bytes") from None


def _encode_payload(payload: bytes) -> str:
    return base64.urlsafe_b64encode(payload).decode("ascii").rstrip("=")


def _decode_payload(text: str) -> bytes | None:
    """The bytes whose one encoding `text` is, or None."""
    try:
        payload = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except ValueError:  # not ASCII, or one character over a multiple of four
        return None
    # The decoder skips what isn't of its alphabet and ignores surplus bits: one ciphertext would have many texts.
    return payload if _encode_payload(payload) == text else None
