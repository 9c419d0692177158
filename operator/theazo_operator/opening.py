"""Opens what `theazo.sealing` sealed: the master keys, the platforms' key pairs, and nothing that asks a cluster.

A platform's X-Wing seed is HKDF-SHA256 of a master key without salt, 32 bytes long, with the info
"theazo platform key", "1" (the version of this derivation), the suite and the platform, length-prefixed as HPKE's info
is in `theazo.sealing`. So nothing but master keys has to be kept, and each opens one platform's values in one way.

Python can't wipe memory: master keys and opened values stay in the process's memory, and perhaps in copies, until it
reuses that memory. Whoever reads the operator's memory has the keys; isolation of its pod is what protects them.
"""

import functools
import secrets
from collections.abc import Mapping

from theazo import rules
from theazo.errors import InvalidName, InvalidValue, MalformedEnvelope, OpeningError, TheazoError
from theazo.sealing import SUITE, Binding, Envelope, PublicKey, hpke_info, length_prefixed
from theazo.secret_value import SecretValue
from theazo_operator import _primitives

__all__ = [
    "CannotOpen",
    "InvalidMasterKey",
    "InvalidValue",
    "Keyring",
    "MalformedEnvelope",
    "OpeningError",
    "UnknownKey",
    "generate_master_key",
]

MASTER_KEY_LENGTH = 32  # bytes
_DERIVATION = ("theazo platform key", "1", SUITE)
_CACHED_PLATFORMS = 1024  # a platform's pairs are derived again when more are in use at a time


class UnknownKey(OpeningError):
    """No key of the keyring has the envelope's key id for this platform."""

    reason = "UnknownKey"


class CannotOpen(OpeningError):
    """The envelope doesn't open as this secret. There is never more to say: detail would help who forges, alone."""

    reason = "CannotOpen"


class InvalidMasterKey(TheazoError):
    """The keyring isn't one or more keys of 32 bytes, numbered from 1. The message never shows a key."""


def generate_master_key() -> bytes:
    """32 bytes from the system's random generator."""
    return secrets.token_bytes(MASTER_KEY_LENGTH)


class Keyring:
    """The master keys by number. The highest number is active: the one that authors seal to. The others only open.

    Key pairs are derived when they are first needed, and kept. Safe to use from several threads.

    Raises:
        InvalidMasterKey: if `master_keys` is empty, a number isn't at least 1, or a key isn't 32 bytes long.
    """

    def __init__(self, master_keys: Mapping[int, bytes]) -> None:
        if not master_keys:
            raise InvalidMasterKey("there is no master key; restore the Secret that holds them")
        for number in sorted(master_keys):
            if number < 1:
                raise InvalidMasterKey(f"master keys are numbered from 1; there is one numbered {number}")
            if (length := len(master_keys[number])) != MASTER_KEY_LENGTH:
                raise InvalidMasterKey(f"master key {number} has {length} bytes instead of {MASTER_KEY_LENGTH}")
        self._master_keys = {number: SecretValue(master_keys[number]) for number in sorted(master_keys, reverse=True)}
        self._pair = functools.lru_cache(maxsize=_CACHED_PLATFORMS * len(self._master_keys))(self._derive)

    def __repr__(self) -> str:
        return f"<Keyring: numbers {sorted(self._master_keys)}>"

    @property
    def active(self) -> int:
        """The number of the key that values are sealed to."""
        return max(self._master_keys)

    def public_key(self, platform: str) -> PublicKey:
        """The platform's public key under the active master key: the one to publish.

        Raises:
            InvalidName: if `platform` can't be a platform's name.
        """
        return self._pair(self.active, platform)[0]

    def key_ids(self, platform: str) -> set[str]:
        """The key ids that open for the platform, of all master keys.

        Raises:
            InvalidName: if `platform` can't be a platform's name.
        """
        return {self._pair(number, platform)[0].key_id for number in self._master_keys}

    def open(self, ciphertext: str, binding: Binding) -> SecretValue:
        """Opens an envelope as the secret that `binding` says. Messages show neither envelope, key nor value.

        Raises:
            OpeningError: with the reason MalformedEnvelope, UnknownKey or CannotOpen.
            InvalidValue: it opens, and the rules refuse the value.
        """
        envelope = Envelope.parse(ciphertext)
        value = self._decrypt(envelope, binding)
        if value is None:
            raise CannotOpen(
                "the ciphertext doesn't open: it was changed, or sealed as another secret, session or platform;"
                " seal the value again for this session"
            )
        if rules.problem_with_value(value) is not None:
            raise InvalidValue(
                f"the value is empty, over {rules.MAX_VALUE} bytes, not UTF-8 or holds a NUL; seal one that isn't"
            )
        return value

    def _decrypt(self, envelope: Envelope, binding: Binding) -> SecretValue | None:
        try:
            info = hpke_info(envelope.header, binding)
            pairs = [self._pair(number, binding.platform) for number in self._master_keys]
        except InvalidName:  # what no sealer could have bound
            return None
        for public_key, pair in pairs:
            if public_key.key_id == envelope.key_id:
                return _primitives.hpke_open(envelope.payload, pair, info)
        raise UnknownKey(
            "no key of this platform has the ciphertext's key id; seal the value again with the published public key"
        )

    def _derive(self, number: int, platform: str) -> tuple[PublicKey, _primitives.KeyPair]:
        rules.check_platform(platform)
        info = length_prefixed(*_DERIVATION, platform)
        seed = _primitives.hkdf_sha256(self._master_keys[number], salt=b"", info=info, length=_primitives.SEED_LENGTH)
        pair = _primitives.xwing_key_pair(seed)
        return PublicKey(pair.public), pair
