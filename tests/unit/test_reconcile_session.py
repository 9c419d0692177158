from datetime import timedelta
from typing import Any

import pytest

from tests.support.builders import JSON, NOW, at, session
from theazo_operator.reconcile.session import SessionPlan, plan
from theazo_operator.resources.conditions import find
from theazo_operator.resources.session import Session

ARGO: JSON = {"annotations": {"argocd.argoproj.io/tracking-id": "apps"}}
FLUX: JSON = {"labels": {"kustomize.toolkit.fluxcd.io/name": "apps"}}
TTL = {"ttlSeconds": 60}


def planned(subject: Session, *, after: float = 0, is_platform: bool = True) -> SessionPlan:
    return plan(subject, is_platform=is_platform, now=NOW + timedelta(seconds=after))


def summary(decided: SessionPlan) -> tuple[Any, ...]:
    status = decided.status
    conditions = {row["type"]: (row["status"], row["reason"]) for row in status["conditions"]} if status else None
    return decided.delete, conditions, decided.wake_after and decided.wake_after.total_seconds()


ACTIVE = {"Ready": ("True", "Active")}
NO_PLATFORM = {"Ready": ("False", "PlatformNotFound"), "Stalled": ("True", "PlatformNotFound")}
EXPIRED = {"Ready": ("False", "Expired"), "Stalled": ("True", "Expired")}


@pytest.mark.parametrize(
    ("decided", "expected"),
    [
        (planned(session()), (False, ACTIVE, None)),
        (planned(session(spec=TTL), after=20), (False, ACTIVE, 40.0)),
        (planned(session(spec=TTL), after=20, is_platform=False), (False, NO_PLATFORM, 40.0)),
        (planned(session(), is_platform=False), (False, NO_PLATFORM, None)),
        (planned(session(spec=TTL), after=60), (True, None, None)),
        (planned(session(spec=TTL), after=60, is_platform=False), (True, None, None)),
        (planned(session(spec=TTL, **ARGO), after=60), (False, EXPIRED, None)),
        (planned(session(spec=TTL, **FLUX), after=60), (False, EXPIRED, None)),
        (planned(session(spec=TTL, deletionTimestamp=at(1)), after=60), (False, None, None)),
        (planned(session(deletionTimestamp=at(1))), (False, None, None)),
    ],
    ids=[
        "active",
        "time left",
        "no platform, time left",
        "no platform",
        "over",
        "over, no platform",
        "over, Argo CD",
        "over, Flux",
        "over and deleting",
        "deleting",
    ],
)
def test_plan(decided: SessionPlan, expected: tuple[Any, ...]) -> None:
    assert summary(decided) == expected


@pytest.mark.parametrize(("spec", "sealing_id"), [({}, "demo"), ({"sealingId": "x7"}, "x7")], ids=["name", "its own"])
def test_the_effective_sealing_id_is_shown(spec: JSON, sealing_id: str) -> None:
    status = planned(session(spec=spec)).status
    assert status is not None
    assert status["sealingId"] == sealing_id
    assert status["observedGeneration"] == 1


@pytest.mark.parametrize(("spec", "shown"), [({}, None), (TTL, at(60))], ids=["never", "in a minute"])
def test_the_end_is_shown(spec: JSON, shown: str | None) -> None:
    status = planned(session(spec=spec)).status
    assert status is not None
    assert status.get("expirationTime") == shown


def test_planning_again_changes_nothing_and_a_change_has_its_time() -> None:
    first = planned(session()).status
    assert first is not None
    body = session()
    seen = Session(body.meta, body.sealing_id, body.expires, first)
    assert planned(seen, after=500).status == first
    later = planned(seen, after=500, is_platform=False).status
    assert later is not None
    ready = find(later, "Ready")
    assert ready is not None
    assert ready["lastTransitionTime"] == at(500)
