"""What shall happen to a TheazoSession next."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from theazo_operator.reasons import Reason
from theazo_operator.reconcile.remedies import no_platform
from theazo_operator.resources.conditions import Condition, Health, merge, verdict
from theazo_operator.resources.meta import format_time
from theazo_operator.resources.session import Session


@dataclass(frozen=True, slots=True)
class SessionPlan:
    """Delete it, or write its status."""

    delete: bool = False
    status: dict[str, Any] | None = None
    wake_after: timedelta | None = None


def plan(session: Session, *, is_platform: bool, now: datetime) -> SessionPlan:
    """Decide the next step of a session."""
    if session.meta.deleting:
        return SessionPlan()
    if session.expired(now):
        return _end(session, now)
    left = None if session.expires is None else session.expires - now
    if not is_platform:
        message = no_platform(session.meta.key.namespace)
        return SessionPlan(
            status=_status(session, verdict(Health.STUCK, Reason.PLATFORM_NOT_FOUND, message), now), wake_after=left
        )
    message = "secrets and agents of this session are served"
    return SessionPlan(status=_status(session, verdict(Health.WELL, Reason.ACTIVE, message), now), wake_after=left)


def _end(session: Session, now: datetime) -> SessionPlan:
    """One that GitOps tracks stays, as Expired: deleted, it would be applied again and live a second life."""
    if not session.meta.tracked:
        return SessionPlan(delete=True)
    message = "ttlSeconds are over: remove it from Git, or raise ttlSeconds"
    return SessionPlan(status=_status(session, verdict(Health.STUCK, Reason.EXPIRED, message), now))


def _status(session: Session, conditions: list[Condition], now: datetime) -> dict[str, Any]:
    status: dict[str, Any] = {
        "observedGeneration": session.meta.generation,
        "sealingId": session.sealing_id,
        "conditions": merge(
            session.status.get("conditions") or (), conditions, generation=session.meta.generation, now=now
        ),
    }
    if session.expires is not None:
        status["expirationTime"] = format_time(session.expires)
    return status
