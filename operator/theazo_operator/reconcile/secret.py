"""What shall happen to a TheazoSecret next: tell its author whether every entry opens, before an agent needs it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from theazo_operator.reasons import Reason
from theazo_operator.reconcile.remedies import no_platform, no_session
from theazo_operator.reconcile.secrets import enumerate_names
from theazo_operator.resources.conditions import Condition, Health, merge, verdict
from theazo_operator.resources.session import SecretRecord, Session, TheazoSecret

MAX_FAILING = 20
MAX_KEY_IDS = 16


@dataclass(frozen=True, slots=True)
class SecretPlan:
    """Delete it, read and verify it, or leave it."""

    session_gone: bool = False
    delete: bool = False
    verify: bool = False


def plan(
    record: SecretRecord, session: Session | None, *, is_platform: bool, keys_changed: bool, now: datetime
) -> SecretPlan:
    """Decide the next step of a TheazoSecret from its record alone: its entries are read only to verify them.

    Args:
        record: what its status says.
        session: the session of the same name, if there is one.
        is_platform: whether its namespace has keys at all.
        keys_changed: whether this process may hold other keys than the one that wrote the record.
        now: the time.
    """
    if record.meta.deleting:
        return SecretPlan()
    if record.session_uid is not None and (session is None or session.meta.uid != record.session_uid):
        return SecretPlan(session_gone=True)
    if session is not None and session.expired(now) and not record.meta.tracked:
        return SecretPlan(delete=True)
    current = record.observed_generation == record.meta.generation and record.unserved != is_platform
    session_known = (session is None) == (record.session_uid is None)
    return SecretPlan(verify=not current or (is_platform and (keys_changed or not session_known)))


def waiting(secret: TheazoSecret, now: datetime) -> dict[str, Any]:
    """Its session is not there yet, so nothing can be said about its entries."""
    message = no_session(secret.meta.key)
    return _status(secret, verdict(Health.WORKING, Reason.SESSION_NOT_FOUND, message), now, {})


def unserved(secret: TheazoSecret, now: datetime) -> dict[str, Any]:
    """Its namespace is no platform, so nothing there has a key. What session it belongs to stays on record."""
    message = no_platform(secret.meta.key.namespace)
    record = {name: secret.status[name] for name in ("sessionUID",) if name in secret.status}
    return _status(secret, verdict(Health.STUCK, Reason.PLATFORM_NOT_FOUND, message), now, record)


def verified(
    secret: TheazoSecret,
    session: Session,
    failing: Mapping[str, Reason],
    key_ids: Sequence[str],
    now: datetime,
) -> dict[str, Any]:
    """Every entry was tried."""
    record = {
        "sessionUID": session.meta.uid,
        "keyIds": sorted(key_ids)[:MAX_KEY_IDS],
        "failingCount": len(failing),
        "failing": [{"name": name, "reason": failing[name].value} for name in sorted(failing)[:MAX_FAILING]],
    }
    if failing:
        message = f"these do not open, seal them again: {enumerate_names(sorted(failing))}"
        return _status(secret, verdict(Health.STUCK, Reason.ENTRIES_DO_NOT_OPEN, message), now, record)
    message = f"every entry opens: {len(secret.entries)}"
    return _status(secret, verdict(Health.WELL, Reason.ALL_ENTRIES_OPEN, message), now, record)


def _status(
    secret: TheazoSecret, conditions: list[Condition], now: datetime, record: Mapping[str, Any]
) -> dict[str, Any]:
    return {
        **record,
        "observedGeneration": secret.meta.generation,
        "entries": len(secret.entries),
        "conditions": merge(
            secret.status.get("conditions") or (), conditions, generation=secret.meta.generation, now=now
        ),
    }
