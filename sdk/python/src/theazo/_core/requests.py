"""The API's requests, one function each. What is sent is checked where a wrong text would be another path."""

import json
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

from theazo import rules
from theazo._core.wire import Request
from theazo.errors import InvalidName
from theazo.models import AgentOptions, SecretSpec

SEALED = "application/vnd.theazo.sealed+json"
_JSON = "application/json"
_PAGE = 100
_MAX_KEY = 255

_OPTIONS = {
    "command": "command",
    "args": "args",
    "resources": "resources",
    "restart_policy": "restartPolicy",
    "active_deadline_seconds": "activeDeadlineSeconds",
    "ttl_seconds_after_finished": "ttlSecondsAfterFinished",
    "secrets_deadline_seconds": "secretsDeadlineSeconds",
    "start_deadline_seconds": "startDeadlineSeconds",
}


def post_session(user: str, ttl_seconds: int | None) -> Request:
    """Get or create a user's session.

    Raises:
        InvalidName: if `user` can't be one.
    """
    rules.check_user(user)
    body = {"user": user} if ttl_seconds is None else {"user": user, "ttlSeconds": ttl_seconds}
    return _post("/v1/sessions", body)


def get_sessions(user: str | None, cursor: str | None) -> Request:
    """One page of sessions. Raises as `post_session` does."""
    if user is not None:
        rules.check_user(user)
    return Request("GET", "/v1/sessions", _query(cursor, user=user))


def get_session(session: str) -> Request:
    """One session."""
    return Request("GET", _session(session))


def delete_session(session: str, sealing_id: str) -> Request:
    """End of a session, if it still has this sealing id."""
    return Request("DELETE", _session(session), (("sealingId", sealing_id),))


def post_sealed(session: str, sealing_id: str, sealed: Mapping[str, str]) -> Request:
    """Values that were sealed here."""
    return _post(f"{_session(session)}/secrets", {"sealingId": sealing_id, "secrets": sealed}, {"content-type": SEALED})


def get_secrets(session: str) -> Request:
    """All names of a session."""
    return Request("GET", f"{_session(session)}/secrets")


def delete_secret(session: str, name: str) -> Request:
    """End of a secret."""
    rules.check_name(name)
    return Request("DELETE", f"{_session(session)}/secrets/{name}")


def get_sealing_key() -> Request:
    """The platform's public key."""
    return Request("GET", "/v1/sealing-key")


def post_agent(
    session: str,
    compute: str,
    secrets: Sequence[str | SecretSpec],
    options: AgentOptions,
    key: str,
) -> Request:
    """Create an agent.

    Raises:
        InvalidName: if a secret's name can't be one, or `key` isn't 1 to 255 printable ASCII characters.
        TypeError: if an option is unknown, or a text stands where a list of texts belongs.
    """
    if not (1 <= len(key) <= _MAX_KEY and key.isascii() and key.isprintable() and key == key.strip()):
        raise InvalidName(f"an idempotency key has 1 to {_MAX_KEY} printable ASCII characters, no space first or last")
    body: dict[str, Any] = {"compute": compute, "secrets": [_declared(each) for each in _listed("secrets", secrets)]}
    for name, value in options.items():
        if name not in _OPTIONS:
            raise TypeError(f"create() has no option {name}")  # the caller's own word, as Python itself says it
        if value is not None:
            body[_OPTIONS[name]] = _listed(name, value) if name in {"command", "args"} else value
    return _post(f"{_session(session)}/agents", body, {"idempotency-key": key})


def get_agents(session: str, phase: str | None, cursor: str | None) -> Request:
    """One page of a session's agents."""
    return Request("GET", f"{_session(session)}/agents", _query(cursor, phase=phase))


def get_agent(session: str, agent: str) -> Request:
    """One agent."""
    return Request("GET", _agent(session, agent))


def delete_agent(session: str, agent: str) -> Request:
    """End of an agent."""
    return Request("DELETE", _agent(session, agent))


def _session(session: str) -> str:
    rules.check_session(session)
    return f"/v1/sessions/{quote(session, safe='')}"


def _agent(session: str, agent: str) -> str:
    rules.check_agent(agent)
    return f"{_session(session)}/agents/{quote(agent, safe='')}"


def _query(cursor: str | None, **filters: str | None) -> tuple[tuple[str, str], ...]:
    given = {"limit": str(_PAGE), "cursor": cursor, **filters}
    return tuple((name, value) for name, value in given.items() if value is not None)


def _post(path: str, body: Mapping[str, Any], headers: Mapping[str, str] | None = None) -> Request:
    raw = json.dumps(body, separators=(",", ":")).encode()
    return Request("POST", path, headers={"content-type": _JSON, **(headers or {})}, body=raw)


def _listed(what: str, found: Any) -> list[Any]:  # noqa: ANN401 - said to be a sequence, which is what is checked
    # A text is a sequence of texts too: "AB" would declare A and B.
    if isinstance(found, str | bytes | Mapping):
        raise TypeError(f"{what} is a list, not one {type(found).__name__}")
    return list(found)


def _declared(secret: str | SecretSpec) -> str | SecretSpec:
    # What is no name may be a value: it doesn't leave the process.
    name, source = (secret, None) if isinstance(secret, str) else (secret["name"], secret.get("from"))
    rules.check_name(name)
    rules.check_name(name if source is None else source)
    return secret
