"""API keys: what one looks like, how one is made, and what is stored of it.

    th_live_<id>_<secret>

The id is 60 random bits and no secret: it names the key in lists and logs. The secret is 256 random bits. Both are in
base32, lower case, without padding. Stored is a hash of the whole text. It needs no salt and no slow function: nobody
can guess a key of 256 bits, from its hash either.
"""

import base64
import hashlib
import re
import secrets

API_KEY_PATTERN = re.compile(r"th_live_([a-z2-7]{12})_[a-z2-7]{52}")
"""For `fullmatch`; the group is the id."""
API_KEY_ID_PATTERN = re.compile(r"[a-z2-7]{12}")
"""For `fullmatch`."""

_ID_BYTES, _ID_LENGTH = 8, 12
_SECRET_BYTES = 32


def generate() -> tuple[str, str]:
    """A new key: its id, and its whole text, which is shown once and never stored."""
    key_id = _base32(secrets.token_bytes(_ID_BYTES))[:_ID_LENGTH]
    return key_id, f"th_live_{key_id}_{_base32(secrets.token_bytes(_SECRET_BYTES))}"


def digest(key: str) -> str:
    """What is stored of a key, and compared in constant time: SHA-256 of its text, as 64 lower-case hex digits."""
    return hashlib.sha256(key.encode()).hexdigest()


def _base32(data: bytes) -> str:
    return base64.b32encode(data).decode("ascii").rstrip("=").lower()
