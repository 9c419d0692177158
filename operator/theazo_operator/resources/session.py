"""TheazoSession and TheazoSecret, cut down to what decisions need: tens of thousands of them are held in memory."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from theazo_operator.resources.meta import Meta, seconds


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
        meta, spec = Meta.of(body), body.get("spec") or {}
        ttl = spec.get("ttlSeconds")
        return cls(
            meta=meta,
            sealing_id=spec.get("sealingId") or meta.key.name,
            expires=None if ttl is None else meta.created + seconds(ttl),
            status=body.get("status") or {},
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

    @classmethod
    def of(cls, body: Mapping[str, Any]) -> "SecretRecord":
        """Read an object of the API server."""
        status = body.get("status") or {}
        return cls(
            meta=Meta.of(body),
            observed_generation=status.get("observedGeneration", 0),
            session_uid=status.get("sessionUID"),
            key_ids=tuple(status.get("keyIds") or ()),
            failing=bool(status.get("failingCount")),
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
        sealed = (body.get("spec") or {}).get("encryptedData") or {}
        entries = {
            name: Entry(name, str(entry.get("ciphertext", "")), str(entry.get("updatedAt", "")))
            for name, entry in sealed.items()
        }
        return cls(meta=Meta.of(body), entries=entries, status=body.get("status") or {})
