"""Seal secrets for Theazo sessions: `theazo.sealing` is the manual of the format."""

from theazo.errors import (
    InvalidName,
    InvalidPublicKey,
    InvalidValue,
    MalformedEnvelope,
    OpeningError,
    SealingError,
    TheazoError,
)
from theazo.rules import session_name
from theazo.sealing import Binding, Envelope, PublicKey, seal
from theazo.secret_value import SecretValue

__all__ = [
    "Binding",
    "Envelope",
    "InvalidName",
    "InvalidPublicKey",
    "InvalidValue",
    "MalformedEnvelope",
    "OpeningError",
    "PublicKey",
    "SealingError",
    "SecretValue",
    "TheazoError",
    "seal",
    "session_name",
]
