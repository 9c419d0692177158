"""metav1.Condition lists, kept the way kstatus reads them.

Work under way is `Reconciling=True`. What a person must fix is `Ready=False` and `Stalled=True`. At rest both are gone.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import Any

from theazo_operator.reasons import Reason
from theazo_operator.resources.meta import format_time, mapping, rows, time

MAX_MESSAGE = 1024
_KNOWN_REASONS = frozenset(Reason)


class Health(Enum):
    """What kstatus shall conclude."""

    WELL = "Current"
    WORKING = "InProgress"
    STUCK = "Failed"


@dataclass(frozen=True, slots=True)
class Condition:
    """One condition as we want it; its transition time comes from what was recorded before."""

    type: str
    status: bool
    reason: Reason
    message: str


def verdict(health: Health, reason: Reason, message: str) -> list[Condition]:
    """Make the conditions that speak of the object as a whole: Ready, and Reconciling or Stalled."""
    ready = Condition("Ready", health is Health.WELL, reason, message)
    match health:
        case Health.WELL:
            return [ready]
        case Health.WORKING:
            return [ready, Condition("Reconciling", status=True, reason=reason, message=message)]
        case Health.STUCK:
            return [ready, Condition("Stalled", status=True, reason=reason, message=message)]


def merge(
    recorded: Iterable[Mapping[str, Any]], wanted: Iterable[Condition], *, generation: int, now: datetime
) -> list[dict[str, Any]]:
    """Write conditions; as metav1.Condition wants it, `lastTransitionTime` stays while the status does."""
    before = {row.get("type"): row for row in recorded}
    return [_write(condition, before.get(condition.type), generation, now) for condition in wanted]


def _write(condition: Condition, before: Mapping[str, Any] | None, generation: int, now: datetime) -> dict[str, Any]:
    status = "True" if condition.status else "False"
    unchanged = before is not None and before.get("status") == status
    since = before["lastTransitionTime"] if before is not None and unchanged else format_time(now)
    return {
        "type": condition.type,
        "status": status,
        "observedGeneration": generation,
        "lastTransitionTime": since,
        "reason": condition.reason.value,
        "message": condition.message[:MAX_MESSAGE],
    }


def read_status(body: Mapping[str, Any], **readers: Callable[[object], object]) -> dict[str, Any]:
    """Read a status that others may have written: a field or condition that can't be read counts as not there.

    Args:
        body: the object.
        readers: for each field that decisions are made from, what gives None where it can't be read.
    """
    status = {
        name: value
        for name, value in mapping(body.get("status")).items()
        if name not in readers or readers[name](value) is not None
    }
    if "conditions" in status:
        status["conditions"] = [row for row in rows(status["conditions"]) if _readable(row)]
    return status


def _readable(row: Mapping[str, Any]) -> bool:
    texts = (row.get(name) for name in ("type", "status", "reason", "message"))
    return all(isinstance(each, str) for each in texts) and time(row.get("lastTransitionTime")) is not None


def find(status: Mapping[str, Any], kind: str) -> Mapping[str, Any] | None:
    """Look up a recorded condition."""
    return next((row for row in status.get("conditions") or () if row.get("type") == kind), None)


def recall(status: Mapping[str, Any], *kinds: str) -> list[Condition]:
    """Read recorded conditions back, to keep them; but for reasons that only another version knows."""
    rows = (find(status, kind) for kind in kinds)
    return [
        Condition(row["type"], status=row["status"] == "True", reason=Reason(row["reason"]), message=row["message"])
        for row in rows
        if row is not None and row["reason"] in _KNOWN_REASONS
    ]
