"""Reads the API's answers. Fields that this version doesn't know are passed over; what it needs must be there."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, TypeVar

from theazo._core.problems import unexpected
from theazo._core.wire import Reply
from theazo.errors import InvalidPublicKey, TheazoError
from theazo.models import AgentFields, AgentSecret, SecretInfo, SessionFields
from theazo.sealing import SUITE, PublicKey

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """Some of a list, and what to ask the next page with."""

    items: tuple[T, ...]
    cursor: str | None


@dataclass(frozen=True, slots=True)
class SealingKey:
    """A public key, and whose it is."""

    platform: str
    key: PublicKey


def read(reply: Reply, parse: Callable[[dict[str, Any]], T]) -> T:
    """The body of a success, as `parse` reads it.

    Raises:
        APIError: if that isn't what the API promises. The body isn't shown: anything may have answered.
        InvalidPublicKey: if it has a key that nothing can be sealed to.
    """
    try:
        return parse(json.loads(reply.body))
    except InvalidPublicKey as wrong:
        error: TheazoError = InvalidPublicKey(str(wrong))
    except (KeyError, TypeError, ValueError, RecursionError, AttributeError):
        error = unexpected(reply)
    raise error  # where nothing that was read is part of the traceback


def session(found: dict[str, Any]) -> SessionFields:
    """A Session of the API."""
    return SessionFields(
        id=_is(str, found["id"]),
        user=_is(str, found["user"]),
        platform=_is(str, found["platform"]),
        sealing_id=_is(str, found["sealingId"]),
        created_at=_time(found["createdAt"]),
        expires_at=_or_none(_time, found.get("expiresAt")),
    )


def agent(found: dict[str, Any]) -> AgentFields:
    """An Agent of the API."""
    return AgentFields(
        id=_is(str, found["id"]),
        session_id=_is(str, found["sessionId"]),
        compute=_is(str, found["compute"]),
        phase=found["phase"],
        reason=_or_none(_text, found.get("reason")),
        message=_or_none(_text, found.get("message")),
        stalled=_is(bool, found["stalled"]),
        secrets=tuple(
            AgentSecret(_is(str, each["name"]), _is(str, each["from"]), _or_none(_time, each.get("updatedAt")))
            for each in found["secrets"]
        ),
        pod_name=_or_none(_text, found.get("podName")),
        exit_code=_or_none(_number, found.get("exitCode")),
        created_at=_time(found["createdAt"]),
        started_at=_or_none(_time, found.get("startedAt")),
        finished_at=_or_none(_time, found.get("finishedAt")),
    )


def secret_infos(found: dict[str, Any]) -> list[SecretInfo]:
    """The secrets of a session."""
    return [
        SecretInfo(_is(str, each["name"]), _time(each["createdAt"]), _time(each["updatedAt"]))
        for each in found["secrets"]
    ]


def sealing_key(found: dict[str, Any]) -> SealingKey:
    """The platform's key, if it is of the suite that this version seals with and what it says it is."""
    if _is(str, found["suite"]) != SUITE:
        raise InvalidPublicKey("the sealing key is of a suite that this version does not know; update the SDK")
    key = PublicKey.from_base64(found["publicKey"])
    if key.key_id != _is(str, found["keyId"]):
        raise InvalidPublicKey("the sealing key does not have the key id that the API gives it")
    return SealingKey(_is(str, found["platform"]), key)


def page(of: str, parse: Callable[[dict[str, Any]], T]) -> Callable[[dict[str, Any]], Page[T]]:
    """A page of a list whose items are in the field `of`."""

    def parse_page(found: dict[str, Any]) -> Page[T]:
        return Page(tuple(map(parse, found[of])), _or_none(_text, found.get("nextCursor")))

    return parse_page


def _is(kind: type[T], found: object) -> T:
    if not isinstance(found, kind):
        raise TypeError
    return found


def _text(found: object) -> str:
    return _is(str, found)


def _number(found: object) -> int:
    return _is(int, found)


def _time(found: object) -> datetime:
    time = datetime.fromisoformat(_is(str, found))
    if time.tzinfo is None:
        raise ValueError
    return time


def _or_none(parse: Callable[[object], T], found: object) -> T | None:
    return None if found is None else parse(found)
