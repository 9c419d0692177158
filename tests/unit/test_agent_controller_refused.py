"""What the API server answers with an error: no Secret outlives the answer, and the status says what to do."""

from typing import Any

import pytest

from tests.support.aio import aio
from tests.support.builders import JSON, NS, SESSION_UID, running
from tests.support.manifests import condition
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


def said(rig: Rig, kind: str = "Stalled") -> str:
    """The one-line message of what stalls the agent, or holds it up."""
    row = find(rig.status, kind)
    assert row is not None
    message = str(row["message"])
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
        ("POST pods", 404, "NotFound"),
        ("POST secrets", 404, "NotFound"),
        ("GET theazosecrets", 403, "Forbidden"),
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


@pytest.mark.parametrize("call", ["POST pods", "POST secrets", "GET theazosecrets"])
@pytest.mark.parametrize(
    ("status", "reason"),
    [
        (429, "TooManyRequests"),
        (500, "InternalError"),
        (503, "ServiceUnavailable"),
        (504, "Timeout"),
        (409, "Conflict"),
    ],
)
def test_an_error_that_may_pass_leaves_no_secret_either(
    *, call: str, status: int, reason: str, clock: type[Clock]
) -> None:
    """It is told as what may pass, and is not waited for as what lasts is; after a while somebody must act."""

    @aio
    async def scenario() -> None:
        rig = Rig(spec={"secretsDeadlineSeconds": 5})
        for clock.offset, stalls in ((0.0, False), (4.0, False), (5.0, True)):
            rig.kube.fail(call, answer(call, status, reason, WEBHOOK))
            assert await rig.turn() is classify(status, reason)
            assert rig.living() == []
            assert rig.ready() == ("Pending", "SandboxRefused")
            assert bool(find(rig.status, "Stalled")) is stalls
            assert bool(find(rig.status, "Reconciling")) is not stalls
            assert f"{call}: {status} {reason}: {WEBHOOK}; " in said(rig, "Stalled" if stalls else "Reconciling")
        assert rig.kube.calls.count("PATCH theazoagents") == 2  # the same again is no news
        await rig.turn()
        assert rig.ready() == ("Pending", "SandboxStarting")
        rig.sound()

    scenario()


WAITED: list[JSON] = [
    {},
    {
        "conditions": [
            condition("SandboxCreated", "False", "ComputeNotFound", lastTransitionTime="2020-01-01T00:00:00Z")
        ]
    },
]


@pytest.mark.parametrize("waited", WAITED, ids=["for a secret", "for a compute"])
def test_an_agent_that_waited_long_is_not_stalled_by_what_may_pass(waited: JSON, clock: type[Clock]) -> None:
    @aio
    async def scenario() -> None:
        rig = Rig(status={"phase": "Pending", "firstObservedTime": "2020-01-01T00:00:00Z", **waited})
        for clock.offset, kind_of in ((0.0, "Reconciling"), (299.0, "Reconciling"), (300.0, "Stalled")):
            rig.kube.fail("POST pods", answer("POST pods", 500, "InternalError"))
            await rig.turn()
            assert said(rig, kind_of).startswith("the API server refused the sandbox")

    scenario()


@pytest.mark.parametrize("status", [500, 504])
@pytest.mark.parametrize("policy", ["Never", "OnFailure"])
@pytest.mark.parametrize("restarts", [False, True])
def test_a_pod_that_landed_behind_an_error_keeps_its_secret(*, status: int, policy: str, restarts: bool) -> None:
    """A time-out of etcd is answered so, and the write may be done."""

    @aio
    async def scenario() -> None:
        rig = Rig(spec={"restartPolicy": policy})
        rig.kube.fail("POST pods", answer("POST pods", status, "Because"), landed=True)
        await rig.turn()
        [pod] = rig.kube.all(kind.PODS)
        assert rig.ready() == ("Pending", "SandboxStarting")
        assert rig.status["podUID"] == pod["metadata"]["uid"]
        for turn in range(3):
            if restarts:
                rig.restart()
            rig.see()
            await rig.turn(listed=restarts and turn == 0)
        assert rig.kube.all(kind.PODS) == [pod]
        assert rig.living() == [HOT]
        rig.sound()

    scenario()


@aio
async def test_a_namesakes_pod_behind_an_error_is_nobodys_reason_to_keep_a_secret() -> None:
    rig = Rig()
    rig.kube.fail("POST pods", answer("POST pods", 500, "InternalError"), landed=True)
    await rig.turn()
    rig.pod(metadata={"labels": {}, "ownerReferences": []})
    other = rig.kube.all(kind.PODS)[0]
    rig = Rig()
    rig.kube.put(kind.PODS, other)
    rig.kube.fail("POST pods", answer("POST pods", 500, "InternalError"))
    assert await rig.turn() is Unavailable
    assert (rig.ready(), rig.living()) == (("Pending", "SandboxRefused"), [])


@aio
async def test_a_pod_found_behind_an_error_that_is_of_an_earlier_attempt_is_replaced() -> None:
    """Its Secret was cleared up since: kept, it would never start."""
    rig = Rig()
    rig.kube.delay("POST pods")
    assert await rig.turn() is Unavailable
    rig.kube.fail("POST secrets", Refused("POST", "secrets", 403, "Forbidden"))
    assert await rig.turn() is BackOff
    rig.kube.land()
    rig.kube.fail("POST pods", answer("POST pods", 500, "InternalError"))
    assert await rig.turn() is Outdated
    assert (rig.living(), rig.kube.all(kind.PODS)) == ([], [])
    assert "PodFromBrokenAttempt" not in str(rig.status)
    rig.see()
    await rig.turn()
    assert rig.ready() == ("Pending", "SandboxStarting")
    rig.sound()


@aio
async def test_a_secret_that_landed_behind_an_error_is_deleted() -> None:
    rig = Rig()
    rig.kube.fail("POST secrets", answer("POST secrets", 500, "InternalError"), landed=True)
    assert await rig.turn() is Unavailable
    assert rig.living() == []
    await rig.turn()
    assert rig.ready() == ("Pending", "SandboxStarting")
    rig.sound()


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
            assert await rig.turn() is (BackOff if clean == 403 else Unavailable)
            assert rig.kube.calls.count("POST secrets") == 1, turn
            assert f"{CLEAN}: {clean} Because; {REMEDY}" in said(rig, "Stalled" if clean == 403 else "Reconciling")
        await rig.turn()
        assert rig.ready() == ("Pending", "SandboxStarting")
        assert rig.living() == [HOT]
        rig.sound()

    scenario()


@pytest.mark.parametrize("status", [403, 500])
def test_of_a_sandbox_that_runs_a_failed_clean_up_says_nothing(status: int) -> None:
    @aio
    async def scenario() -> None:
        rig = Rig()
        await rig.turn()
        before = rig.status
        rig.pod(status=running())
        for _ in range(5):
            error = answer(CLEAN, status, "Because")
            rig.kube.fail(CLEAN, error)
            assert await rig.turn() is type(error)
        assert rig.status == before
        await rig.turn()
        assert rig.ready() == ("Running", "SandboxRunning")
        assert (rig.living(), find(rig.status, "Stalled")) == ([], None)

    scenario()


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
