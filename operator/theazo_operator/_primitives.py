"""The raw primitives of the private half, and the only file of this package that imports `cryptography`."""

import hashlib
from dataclasses import dataclass

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes, hpke
from cryptography.hazmat.primitives.asymmetric import mlkem, x25519
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from theazo._primitives import SUITE
from theazo.secret_value import SecretValue

SEED_LENGTH = 32  # bytes of an X-Wing decapsulation key
MLKEM_SEED_LENGTH = 64  # bytes: d ‖ z of FIPS 203


@dataclass(frozen=True, slots=True)
class KeyPair:
    """A private key, which stays inside the library, and its public half in X-Wing's encoding (1216 bytes)."""

    private: hpke.MLKEM768X25519PrivateKey
    public: bytes


def hkdf_sha256(key: SecretValue, *, salt: bytes, info: bytes, length: int) -> SecretValue:
    """HKDF with SHA-256 (RFC 5869): `length` bytes. An empty salt is that RFC's "not provided"."""
    return SecretValue(HKDF(hashes.SHA256(), length, salt, info).derive(key.reveal()))


def xwing_key_pair(seed: SecretValue) -> KeyPair:
    """The key pair of an X-Wing seed of 32 bytes (draft-connolly-cfrg-xwing-kem, expandDecapsulationKey).

    SHAKE-256 makes 96 bytes of it: the ML-KEM-768 seed, then the X25519 private key.
    """
    expanded = SecretValue(hashlib.shake_256(seed.reveal()).digest(MLKEM_SEED_LENGTH + 32))
    post_quantum = mlkem.MLKEM768PrivateKey.from_seed_bytes(expanded.reveal()[:MLKEM_SEED_LENGTH])
    classical = x25519.X25519PrivateKey.from_private_bytes(expanded.reveal()[MLKEM_SEED_LENGTH:])
    return KeyPair(
        hpke.MLKEM768X25519PrivateKey(post_quantum, classical),
        post_quantum.public_key().public_bytes_raw() + classical.public_key().public_bytes_raw(),
    )


def hpke_open(payload: bytes, pair: KeyPair, info: bytes) -> SecretValue | None:
    """HPKE OpenBase (RFC 9180, 6.1) with an empty aad; None for whatever doesn't open.

    None, not an exception: there is one way to fail and nothing that a context or a traceback could add to it.
    """
    try:
        return SecretValue(SUITE.decrypt(payload, pair.private, info))
    except InvalidTag:
        return None
