"""TheazoSession and TheazoSecret, cut down to what decisions need: tens of thousands of them are held in memory."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from theazo_operator.reasons import Reason
from theazo_operator.resources.conditions import find, read_status
from theazo_operator.resources.meta import Meta, mapping, number, seconds, word

_LONGEST_TTL = 31_536_000  # seconds; the schema's bounds are 1 and this


@dataclass(frozen=True, slots=True)
class Session:
    """One end user's scope."""

    meta: Meta
    sealing_id: str
    expires: datetime | None
    status: Mapping[str, Any]

    @classmethod
    def of(cls, body: Mapping[str, Any]) -> "Session":
        """Read an object of the API server. The sealing id defaults to the session's own name."""
        meta, spec = Meta.of(body), mapping(body.get("spec"))
        ttl = number(spec.get("ttlSeconds"))
        return cls(
            meta=meta,
            sealing_id=word(spec.get("sealingId")) or meta.key.name,
            expires=None if ttl is None else meta.created + seconds(max(1, min(ttl, _LONGEST_TTL))),
            status=read_status(body),
        )

    def expired(self, now: datetime) -> bool:
        """Whether its time to live is over."""
        return self.expires is not None and now >= self.expires


@dataclass(frozen=True, slots=True)
class SecretRecord:
    """What the status of a TheazoSecret says about its last verification; never the entries."""

    meta: Meta
    observed_generation: int
    session_uid: str | None
    key_ids: tuple[str, ...]
    failing: bool
    unserved: bool
    """Whether its namespace was no platform then."""

    @classmethod
    def of(cls, body: Mapping[str, Any]) -> "SecretRecord":
        """Read an object of the API server."""
        status = mapping(body.get("status"))
        key_ids = status.get("keyIds")
        return cls(
            meta=Meta.of(body),
            observed_generation=number(status.get("observedGeneration")) or 0,
            session_uid=word(status.get("sessionUID")),
            key_ids=tuple(each for each in key_ids if isinstance(each, str)) if isinstance(key_ids, list) else (),
            failing=bool(status.get("failingCount")),
            unserved=(find(read_status(body), "Ready") or {}).get("reason") == Reason.PLATFORM_NOT_FOUND,
        )


@dataclass(frozen=True, slots=True)
class Entry:
    """One sealed value of a TheazoSecret."""

    name: str
    ciphertext: str
    updated_at: str


@dataclass(frozen=True, slots=True)
class TheazoSecret:
    """All sealed values of one session, as one consistent read gave them."""

    meta: Meta
    entries: Mapping[str, Entry]
    status: Mapping[str, Any]

    @classmethod
    def of(cls, body: Mapping[str, Any]) -> "TheazoSecret":
        """Read an object of the API server."""
        sealed = mapping(mapping(body.get("spec")).get("encryptedData"))
        return cls(
            meta=Meta.of(body),
            entries={name: _entry(name, mapping(entry)) for name, entry in sealed.items()},
            status=read_status(body, sessionUID=word),
        )

    def may_serve(self, session: Session) -> bool:
        """Whether it is this session's, and not what an ended one of the same name left behind, to be swept."""
        return self.status.get("sessionUID") in {None, session.meta.uid}


def _entry(name: str, entry: Mapping[str, Any]) -> Entry:
    return Entry(name, word(entry.get("ciphertext")) or "", word(entry.get("updatedAt")) or "")
