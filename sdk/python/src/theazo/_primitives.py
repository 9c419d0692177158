"""The raw primitives of the public half, and the only file of this package that imports `cryptography`."""

import hashlib

from cryptography.hazmat.primitives import hpke
from cryptography.hazmat.primitives.asymmetric import mlkem, x25519

from theazo.secret_value import SecretValue

# One suite (IANA HPKE registry: KEM 0x647a, KDF 0x0001, AEAD 0x0002), so an envelope has nothing to negotiate.
SUITE = hpke.Suite(hpke.KEM.MLKEM768_X25519, hpke.KDF.HKDF_SHA256, hpke.AEAD.AES_256_GCM)

# Lengths in bytes: ML-KEM-768 (FIPS 203), then X25519 (RFC 7748).
MLKEM_PUBLIC_KEY_LENGTH = 1184
PUBLIC_KEY_LENGTH = MLKEM_PUBLIC_KEY_LENGTH + 32
# What HPKE adds to a plaintext: the encapsulated key (ML-KEM ciphertext, X25519 key) in front, the GCM tag behind.
OVERHEAD = 1088 + 32 + 16


def sha256(data: bytes) -> bytes:
    """SHA-256 (FIPS 180-4)."""
    return hashlib.sha256(data).digest()


def load_public_key(raw: bytes) -> hpke.MLKEM768X25519PublicKey:
    """The public key of X-Wing's encoding.

    Raises:
        ValueError: if the length is wrong or the ML-KEM part isn't reduced (FIPS 203, 7.2).
    """
    return hpke.MLKEM768X25519PublicKey(
        mlkem.MLKEM768PublicKey.from_public_bytes(raw[:MLKEM_PUBLIC_KEY_LENGTH]),
        x25519.X25519PublicKey.from_public_bytes(raw[MLKEM_PUBLIC_KEY_LENGTH:]),
    )


def hpke_seal(value: SecretValue, public_key: bytes, info: bytes) -> bytes:
    """HPKE SealBase (RFC 9180, 6.1) with an empty aad: encapsulated key, ciphertext and tag, one after the other.

    Raises:
        ValueError: if `public_key` isn't one, or its X25519 part is of low order (RFC 7748, 6.1).
    """
    return SUITE.encrypt(value.reveal(), load_public_key(public_key), info)


def orphan_public_key() -> bytes:
    """A public key whose private half is gone: what is sealed to it nobody opens."""
    ml_kem = mlkem.MLKEM768PrivateKey.generate().public_key().public_bytes_raw()
    return ml_kem + x25519.X25519PrivateKey.generate().public_key().public_bytes_raw()
