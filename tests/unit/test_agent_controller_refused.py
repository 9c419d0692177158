"""What the API server answers with an error: no Secret outlives the answer, and the status says what to do."""

from typing import Any

import pytest

from tests.support.aio import aio
from tests.support.builders import NS, SESSION_UID, running
from tests.support.rig import CANARY, CLEAN, CREATE, GET_POD, HOT, Clock, Rig, stop_clock
from theazo_operator.kube import resource as kind
from theazo_operator.kube.errors import Exists, KubeError, NotFound, Outdated, Refused, Unavailable, classify
from theazo_operator.resources.conditions import find
from theazo_operator.workqueue import BackOff


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> type[Clock]:
    return stop_clock(monkeypatch)


def answer(call: str, status: int, reason: str, message: str = "") -> KubeError:
    """What `Kube` makes of an answer."""
    verb, _, plural = call.partition(" ")
    return classify(status, reason)(verb, plural, status, reason, message)


def said(rig: Rig) -> str:
    """The one-line message of what stalls the agent."""
    stalled = find(rig.status, "Stalled")
    assert stalled is not None
    message = str(stalled["message"])
    assert message == find(rig.status, "Ready")["message"]  # type: ignore[index]  # one that fails the test
    assert "\n" not in message
    return message


REFUSED = Refused("POST", "pods", 403, "Forbidden", 'exceeded quota "q"')
WEBHOOK = 'failed calling webhook "w.example.com"'
REMEDY = (
    "make room in the quota, change the policy, mend the webhook, "
    f"or run `theazo platforms add {NS}` for missing rights"
)


@aio
async def test_a_refused_pod_leaves_no_secret_and_is_tried_again_with_another() -> None:
    rig = Rig()
    rig.kube.fail("POST pods", REFUSED)
    assert await rig.turn() is BackOff
    assert rig.kube.taken() == [*CREATE[:3], CLEAN, "PATCH theazoagents"]
    assert rig.living() == []
    assert rig.ready() == ("Pending", "SandboxRefused")
    assert 'exceeded quota "q"' in said(rig)
    rig.kube.fail("POST pods", REFUSED)
    assert await rig.turn() is BackOff
    assert "PATCH theazoagents" not in rig.kube.taken()  # the same again is no news
    [first, second] = [each["metadata"]["name"] for each in rig.kube.deleted]
    assert first != second
    await rig.turn()
    assert rig.ready() == ("Pending", "SandboxStarting")
    rig.sound()
    assert not rig.controller._attempts._known  # of what went well in the end nothing is kept


@aio
async def test_a_secret_that_was_refused_leaves_nothing_to_delete() -> None:
    rig = Rig()
    rig.kube.fail("POST secrets", Refused("POST", "secrets", 403, "Forbidden"))
    assert await rig.turn() is BackOff
    assert rig.ready() == ("Pending", "SandboxRefused")
    assert rig.kube.taken() == ["GET theazosecrets", "POST secrets", "PATCH theazoagents"]
    assert said(rig).endswith(f"POST secrets: 403 Forbidden; {REMEDY}")


@pytest.mark.parametrize(
    ("call", "status", "reason"),
    [
        ("POST pods", 500, "InternalError"),
        ("POST pods", 404, "NotFound"),
        ("POST secrets", 500, "InternalError"),
        ("POST secrets", 404, "NotFound"),
        ("GET theazosecrets", 403, "Forbidden"),
        ("GET theazosecrets", 500, "InternalError"),
    ],
)
def test_an_error_that_lasts_is_told_and_leaves_no_secret(*, call: str, status: int, reason: str) -> None:
    @aio
    async def scenario() -> None:
        rig = Rig()
        for _ in range(5):
            rig.kube.fail(call, answer(call, status, reason, WEBHOOK))
            assert await rig.turn() is BackOff
            assert rig.living() == []
            assert rig.kube.all(kind.PODS) == []
            assert rig.ready() == ("Pending", "SandboxRefused")
            assert said(rig).endswith(f"it is tried again: {call}: {status} {reason}: {WEBHOOK}; {REMEDY}")
            assert "firstObservedTime" in rig.status
            assert rig.status["sessionUID"] == SESSION_UID
        assert rig.kube.calls.count("PATCH theazoagents") == 1  # the same again is no news
        await rig.turn()
        assert rig.ready() == ("Pending", "SandboxStarting")
        assert rig.living() == [HOT]
        rig.sound()

    scenario()


@pytest.mark.parametrize("call", ["POST pods", "POST secrets"])
@pytest.mark.parametrize(
    ("status", "reason"), [(429, "TooManyRequests"), (503, "ServiceUnavailable"), (504, "Timeout"), (409, "Conflict")]
)
def test_an_error_that_may_pass_leaves_no_secret_either(
    *, call: str, status: int, reason: str, clock: type[Clock]
) -> None:
    @aio
    async def scenario() -> None:
        rig = Rig(spec={"secretsDeadlineSeconds": 5})
        for clock.offset, stalls in ((0.0, False), (4.0, False), (5.0, True)):
            rig.kube.fail(call, answer(call, status, reason))
            assert await rig.turn() is BackOff
            assert rig.living() == []
            assert rig.ready() == ("Pending", "SandboxRefused")
            assert bool(find(rig.status, "Stalled")) is stalls
            assert bool(find(rig.status, "Reconciling")) is not stalls
        await rig.turn()
        assert rig.ready() == ("Pending", "SandboxStarting")
        rig.sound()

    scenario()


@pytest.mark.parametrize("call", ["POST pods", "POST secrets"])
def test_what_was_answered_with_an_error_and_landed_all_the_same_is_replaced(call: str) -> None:
    """A time-out of etcd is a 500, and the write may be done."""

    @aio
    async def scenario() -> None:
        rig = Rig()
        rig.kube.fail(call, answer(call, 500, "InternalError"), landed=True)
        assert await rig.turn() is BackOff
        assert rig.living() == []
        for _ in range(3):
            rig.see()
            await rig.turn()
        assert rig.ready() == ("Pending", "SandboxStarting")
        assert rig.living() == [HOT]
        rig.sound()

    scenario()


@pytest.mark.parametrize("then", [REFUSED, Refused("POST", "secrets", 403, "Forbidden")], ids=["Pod", "Secret"])
def test_a_pod_that_lands_after_a_refusal_is_replaced_too(then: Refused) -> None:
    """Its Secret is gone, and a refusal of the next attempt makes nobody forget that."""

    @aio
    async def scenario() -> None:
        rig = Rig()
        rig.kube.delay("POST pods")
        assert await rig.turn() is Unavailable
        rig.kube.fail(str(then).partition(":")[0], then)
        assert await rig.turn() is BackOff
        rig.kube.land()
        for _ in range(3):
            rig.see()
            await rig.turn()
        assert rig.living() == [HOT]
        rig.sound()

    scenario()


@pytest.mark.parametrize("error", [REFUSED, answer("POST pods", 500, "InternalError")], ids=["403", "500"])
@pytest.mark.parametrize("clean", [403, 500])
def test_a_clean_up_that_is_refused_too_is_told_and_no_further_secret_is_made(*, error: KubeError, clean: int) -> None:
    @aio
    async def scenario() -> None:
        rig = Rig()
        rig.kube.fail("POST pods", error)
        for turn in range(5):
            rig.kube.fail(CLEAN, answer(CLEAN, clean, "Because"))
            assert await rig.turn() is BackOff
            assert rig.kube.calls.count("POST secrets") == 1, turn
            assert f"{CLEAN}: {clean} Because; {REMEDY}" in said(rig)
        await rig.turn()
        assert rig.ready() == ("Pending", "SandboxStarting")
        assert rig.living() == [HOT]
        rig.sound()

    scenario()


@aio
async def test_of_a_sandbox_that_runs_what_was_reached_stays_on_record() -> None:
    rig = Rig()
    await rig.turn()
    before = rig.status
    rig.pod(status=running())
    for _ in range(5):
        rig.kube.fail(CLEAN, Refused("DELETE*", "secrets", 403, "Forbidden"))
        assert await rig.turn() is BackOff
    assert f"{CLEAN}: 403 Forbidden; {REMEDY}" in said(rig)
    assert rig.ready() == ("Pending", "SandboxRefused")
    for name in ("podUID", "podName", "secrets", "compute", "sessionUID"):
        assert rig.status[name] == before[name]
    for name in ("SecretsResolved", "SandboxCreated"):
        assert find(rig.status, name) == find(before, name)
    await rig.turn()
    assert rig.ready() == ("Running", "SandboxRunning")
    assert (rig.living(), find(rig.status, "Stalled")) == ([], None)


@aio
async def test_a_pod_that_can_not_be_asked_for_is_told_and_makes_no_other() -> None:
    rig = Rig()
    rig.kube.fail("POST pods")
    assert await rig.turn() is Unavailable
    for _ in range(5):
        rig.kube.fail(GET_POD, Refused("GET", "pods", 403, "Forbidden"))
        assert await rig.turn() is BackOff
    assert rig.kube.calls.count("POST secrets") == 1
    assert "GET pods: 403 Forbidden" in said(rig)


@aio
async def test_what_has_finished_stays_as_it_is(clock: type[Clock]) -> None:
    rig = Rig(spec={"ttlSecondsAfterFinished": 60, "secrets": []}, status={"phase": "Succeeded"})
    rig.kube.put(kind.AGENTS, {**rig.stored(), "status": {"phase": "Succeeded", "finishTime": "2025-05-01T00:00:00Z"}})
    clock.offset = 86_400
    rig.kube.fail("DELETE theazoagents", Refused("DELETE", "theazoagents", 403, "Forbidden"))
    assert await rig.turn() is Refused
    assert rig.status == {"phase": "Succeeded", "finishTime": "2025-05-01T00:00:00Z"}


@pytest.mark.parametrize("error", [Exists, NotFound, Outdated, Refused, Unavailable])
def test_a_status_that_is_refused_is_not_written_twice(error: Any) -> None:
    @aio
    async def scenario() -> None:
        rig = Rig()
        for status in (403, 500):
            rig.kube.fail("PATCH theazoagents", error("PATCH", "theazoagents", status, "Forbidden"))
            await rig.turn()
        assert rig.kube.calls.count("PATCH theazoagents") == 2
        assert CANARY not in str(rig.stored())

    scenario()
