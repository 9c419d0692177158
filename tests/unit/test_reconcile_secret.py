from datetime import timedelta
from typing import Any

import pytest

from tests.support.builders import JSON, NOW, SESSION_UID, at, secret, secret_body, session
from theazo_operator.reasons import Reason
from theazo_operator.reconcile.secret import SecretPlan, plan, verified, waiting
from theazo_operator.resources.conditions import find
from theazo_operator.resources.session import SecretRecord, Session

VERIFIED = {"observedGeneration": 1, "sessionUID": SESSION_UID, "keyIds": ["k"]}
UNSERVED: JSON = {
    "conditions": [
        {"type": "Ready", "status": "False", "reason": "PlatformNotFound", "message": "m", "lastTransitionTime": at(0)}
    ]
}
ARGO: JSON = {"annotations": {"argocd.argoproj.io/tracking-id": "apps"}}
TTL = {"ttlSeconds": 60}
NOTHING, VERIFY = SecretPlan(), SecretPlan(verify=True)


def planned(
    status: JSON | None,
    owner: Session | None,
    *,
    is_platform: bool = True,
    keys_changed: bool = False,
    after: float = 0,
    **meta: Any,
) -> SecretPlan:
    record = SecretRecord.of(secret_body({}, status=status, **meta))
    now = NOW + timedelta(seconds=after)
    return plan(record, owner, is_platform=is_platform, keys_changed=keys_changed, now=now)


@pytest.mark.parametrize(
    ("decided", "expected"),
    [
        (planned(None, session()), VERIFY),
        (planned(None, None), VERIFY),
        (planned(VERIFIED, session()), NOTHING),
        (planned(VERIFIED, session(), generation=2), VERIFY),
        (planned(VERIFIED, session(), keys_changed=True), VERIFY),
        (planned({"observedGeneration": 1}, None), NOTHING),
        (planned({"observedGeneration": 1}, session()), VERIFY),
        (planned(VERIFIED, None), SecretPlan(session_gone=True)),
        (planned(VERIFIED, session(uid="another")), SecretPlan(session_gone=True)),
        (planned(VERIFIED, None, **ARGO), SecretPlan(session_gone=True)),
        (planned(VERIFIED, session(spec=TTL), after=60), SecretPlan(delete=True)),
        (planned(VERIFIED, session(spec=TTL), after=59), NOTHING),
        (planned(VERIFIED, session(spec=TTL), after=60, **ARGO), NOTHING),
        (planned(VERIFIED, None, deletionTimestamp=at(0)), NOTHING),
        (planned(None, session(), deletionTimestamp=at(0)), NOTHING),
        (planned(VERIFIED, session(), is_platform=False), VERIFY),
        (planned(VERIFIED | UNSERVED, session(), is_platform=False), NOTHING),
        (planned({"observedGeneration": 1} | UNSERVED, session(), is_platform=False), NOTHING),
        (planned(VERIFIED | UNSERVED, session()), VERIFY),
    ],
    ids=[
        "new",
        "new, before its session",
        "verified",
        "changed since",
        "other keys since",
        "waits for its session",
        "its session has come",
        "its session is gone",
        "its session was made again",
        "its session is gone, tracked",
        "its session is over",
        "its session has a second left",
        "its session is over, tracked",
        "deleting, after its session",
        "deleting",
        "no platform any more",
        "no platform",
        "no platform, before its session",
        "a platform now",
    ],
)
def test_plan(decided: SecretPlan, expected: SecretPlan) -> None:
    assert decided == expected


def conditions_of(status: JSON) -> dict[str, tuple[str, str]]:
    return {row["type"]: (row["status"], row["reason"]) for row in status["conditions"]}


def test_all_entries_open() -> None:
    status = verified(secret({"A": "x", "B": "y"}), session(), {}, ["k2", "k1"], NOW)
    assert conditions_of(status) == {"Ready": ("True", "AllEntriesOpen")}
    assert {name: value for name, value in status.items() if name != "conditions"} == {
        "observedGeneration": 1,
        "sessionUID": SESSION_UID,
        "entries": 2,
        "keyIds": ["k1", "k2"],
        "failing": [],
        "failingCount": 0,
    }


def test_entries_that_do_not_open_are_named_with_the_reason() -> None:
    status = verified(secret({"A": "x", "B": "y"}), session(), {"B": Reason.CANNOT_OPEN}, [], NOW)
    assert conditions_of(status) == {
        "Ready": ("False", "EntriesDoNotOpen"),
        "Stalled": ("True", "EntriesDoNotOpen"),
    }
    assert (status["failing"], status["failingCount"]) == ([{"name": "B", "reason": "CannotOpen"}], 1)
    ready = find(status, "Ready")
    assert ready is not None
    assert ready["message"] == "these do not open, seal them again: B"


def test_lists_stay_within_the_schemas_bounds() -> None:
    names = [f"N{number:03}" for number in range(256)]
    subject = secret(dict.fromkeys(names, "x"))
    status = verified(
        subject, session(), dict.fromkeys(names, Reason.UNKNOWN_KEY), [f"{n:016x}" for n in range(99)], NOW
    )
    assert [each["name"] for each in status["failing"]] == names[:20]
    assert status["failingCount"] == 256
    assert len(status["keyIds"]) == 16
    assert all(len(row["message"]) <= 1024 for row in status["conditions"])


def test_before_its_session_nothing_is_said_about_entries() -> None:
    status = waiting(secret({"A": "x"}), NOW)
    assert conditions_of(status) == {
        "Ready": ("False", "SessionNotFound"),
        "Reconciling": ("True", "SessionNotFound"),
    }
    assert status["entries"] == 1
    assert {"sessionUID", "failing", "keyIds"}.isdisjoint(status)


def test_verifying_again_changes_nothing() -> None:
    first = verified(secret({"A": "x"}), session(), {}, [], NOW)
    later = NOW + timedelta(hours=1)
    assert verified(secret({"A": "x"}, status=first), session(), {}, [], later) == first
