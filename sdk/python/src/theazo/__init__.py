"""Each AI agent gets exactly the secrets that it declared: the SDK.

`Theazo` and `AsyncTheazo` speak to the REST API. `theazo.sealing` is the manual of the format that values are sealed
in, and `theazo.testing` has an API in memory for tests.
"""

from importlib import import_module
from typing import TYPE_CHECKING

from theazo.errors import (
    AgentCannotStart,
    AgentError,
    AgentFailed,
    AgentNotFound,
    APIError,
    ComputeNotFound,
    ConfigurationError,
    Conflict,
    ConnectionFailed,
    FieldProblem,
    InvalidName,
    InvalidPublicKey,
    InvalidRequest,
    InvalidValue,
    MalformedEnvelope,
    ManagedElsewhere,
    NotFound,
    OpeningError,
    PermissionDenied,
    RateLimited,
    RequestTimeout,
    SealingError,
    SecretNotFound,
    SecretsMissing,
    ServerError,
    SessionEnded,
    SessionNotFound,
    TheazoError,
    TooLarge,
    Unauthorized,
    Unprocessable,
    WaitTimeout,
)
from theazo.rules import session_name
from theazo.sealing import Binding, Envelope, PublicKey, seal
from theazo.secret_value import SecretValue

if TYPE_CHECKING:
    from theazo.aio import AsyncAgent, AsyncSession, AsyncTheazo
    from theazo.client import Agent, Session, Theazo
    from theazo.models import AgentOptions, AgentSecret, Phase, Resources, SecretInfo, SecretSpec, Until

# Imported when they are asked for: the operator uses this package too, and has no need of an HTTP client.
_LAZY = {
    "Agent": "theazo.client",
    "AgentOptions": "theazo.models",
    "AgentSecret": "theazo.models",
    "AsyncAgent": "theazo.aio",
    "AsyncSession": "theazo.aio",
    "AsyncTheazo": "theazo.aio",
    "Phase": "theazo.models",
    "Resources": "theazo.models",
    "SecretInfo": "theazo.models",
    "SecretSpec": "theazo.models",
    "Session": "theazo.client",
    "Theazo": "theazo.client",
    "Until": "theazo.models",
}

__all__ = [
    "APIError",
    "Agent",
    "AgentCannotStart",
    "AgentError",
    "AgentFailed",
    "AgentNotFound",
    "AgentOptions",
    "AgentSecret",
    "AsyncAgent",
    "AsyncSession",
    "AsyncTheazo",
    "Binding",
    "ComputeNotFound",
    "ConfigurationError",
    "Conflict",
    "ConnectionFailed",
    "Envelope",
    "FieldProblem",
    "InvalidName",
    "InvalidPublicKey",
    "InvalidRequest",
    "InvalidValue",
    "MalformedEnvelope",
    "ManagedElsewhere",
    "NotFound",
    "OpeningError",
    "PermissionDenied",
    "Phase",
    "PublicKey",
    "RateLimited",
    "RequestTimeout",
    "Resources",
    "SealingError",
    "SecretInfo",
    "SecretNotFound",
    "SecretSpec",
    "SecretValue",
    "SecretsMissing",
    "ServerError",
    "Session",
    "SessionEnded",
    "SessionNotFound",
    "Theazo",
    "TheazoError",
    "TooLarge",
    "Unauthorized",
    "Unprocessable",
    "Until",
    "WaitTimeout",
    "seal",
    "session_name",
]


def __getattr__(name: str) -> object:
    if name in _LAZY:
        found: object = getattr(import_module(_LAZY[name]), name)
        return found
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *_LAZY})
