"""Requests and replies that are lost or refused: the next passes make whole what was begun."""

from datetime import timedelta
from typing import Any

import pytest

from tests.support.aio import aio
from tests.support.builders import (
    AGENT_UID,
    JSON,
    NS,
    POD_NAME,
    compute_body,
    owner,
    pod_body,
    running,
)
from tests.support.rig import CANARY, CLEAN, CREATE, GET_POD, HOT, Clock, Rig, stop_clock
from theazo_operator.controllers import agents as module
from theazo_operator.kube import resource as kind
from theazo_operator.kube.errors import Exists, Outdated, Unavailable
from theazo_operator.resources.conditions import find
from theazo_operator.resources.meta import Key
from theazo_operator.workqueue import BackOff


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> type[Clock]:
    return stop_clock(monkeypatch)


# Crashes and lost replies. Whatever is lost, and whether it landed: the next passes make it whole.


@pytest.mark.parametrize("restart", [False, True], ids=["same process", "new process"])
@pytest.mark.parametrize("landed", [False, True], ids=["lost before", "lost after"])
@pytest.mark.parametrize("call", CREATE)
def test_a_write_that_was_lost_is_made_whole(*, call: str, landed: bool, restart: bool) -> None:
    @aio
    async def scenario() -> None:
        rig = Rig()
        rig.kube.fail(call, landed=landed)
        assert await rig.turn() is Unavailable
        if restart:
            rig.restart()
        for _ in range(3):
            assert not isinstance(await rig.turn(), type)
        assert rig.ready() == ("Pending", "SandboxStarting")
        assert rig.living() == [HOT]
        rig.sound()
        rig.pod(status=running())
        await rig.turn()
        assert rig.ready() == ("Running", "SandboxRunning")
        assert rig.living() == []

    scenario()


@aio
async def test_after_a_broken_attempt_there_is_a_new_secret_of_another_name() -> None:
    rig = Rig()
    rig.kube.fail("POST pods")
    assert await rig.turn() is Unavailable
    [first] = rig.kube.all(kind.SECRETS)
    rig.kube.taken()
    await rig.turn()
    assert rig.kube.taken() == [GET_POD, CLEAN, *CREATE]
    [second] = rig.kube.all(kind.SECRETS)
    assert first["metadata"]["name"] != second["metadata"]["name"]


@aio
async def test_a_new_process_clears_up_for_agents_without_a_pod_only() -> None:
    rig = Rig()
    await rig.turn()
    rig.kube.taken()
    rig.restart()
    await rig.turn(listed=True)
    assert rig.kube.taken() == []
    fresh = Rig()
    await fresh.turn(listed=True)
    assert fresh.kube.taken() == [GET_POD, CLEAN, *CREATE]


@aio
async def test_a_pod_that_lands_after_its_secret_was_cleared_up_is_replaced() -> None:
    rig = Rig()
    rig.kube.delay("POST pods")
    assert await rig.turn() is Unavailable
    original = rig.kube.get

    async def get_and_land(resource: Any, namespace: str, name: str) -> JSON:
        if resource is kind.THEAZO_SECRETS:
            rig.kube.land()  # between the clean-up and the second POST
        return await original(resource, namespace, name)

    rig.kube.get = get_and_land  # type: ignore[method-assign]
    assert await rig.turn() is Outdated
    rig.see()
    for _ in range(3):
        assert not isinstance(await rig.turn(), type)
    assert rig.living() == [HOT]
    rig.sound()
    assert rig.ready() == ("Pending", "SandboxStarting")


@aio
async def test_a_pod_that_lands_still_later_is_replaced_too() -> None:
    rig = Rig()
    rig.kube.delay("POST pods")
    assert await rig.turn() is Unavailable
    rig.kube.fail("GET theazosecrets")
    assert await rig.turn() is Unavailable  # cleared up, and no further
    rig.kube.land()
    rig.see()
    assert await rig.turn() is Outdated
    rig.see()
    for _ in range(3):
        assert not isinstance(await rig.turn(), type)
    assert rig.living() == [HOT]
    rig.sound()


@aio
async def test_a_second_attempt_whose_answer_was_lost_keeps_its_pod() -> None:
    rig = Rig()
    rig.kube.fail("POST pods")
    assert await rig.turn() is Unavailable
    rig.kube.fail("POST pods", landed=True)
    assert await rig.turn() is Unavailable
    [pod] = rig.kube.all(kind.PODS)
    rig.see()
    await rig.turn()
    assert rig.status["podUID"] == pod["metadata"]["uid"]
    rig.sound()


@aio
async def test_a_pod_that_goes_between_the_refusal_of_its_name_and_our_look_is_no_namesake() -> None:
    rig = Rig()
    rig.kube.fail("POST pods", Exists("POST", "pods", 409, "AlreadyExists"))
    assert await rig.turn() is Outdated
    assert "status" not in rig.stored()
    assert rig.living() == []
    await rig.turn()
    assert rig.ready() == ("Pending", "SandboxStarting")
    rig.sound()


@pytest.mark.parametrize("call", [CLEAN, "PATCH theazoagents", "DELETE pods"])
@pytest.mark.parametrize("landed", [False, True], ids=["lost before", "lost after"])
def test_why_it_did_not_start_is_said_also_when_a_write_is_lost(*, call: str, landed: bool, clock: type[Clock]) -> None:
    @aio
    async def scenario() -> None:
        rig = Rig(spec={"startDeadlineSeconds": 5})
        await rig.turn()
        clock.offset = 5
        rig.kube.fail(call, landed=landed)
        assert await rig.turn() is Unavailable
        rig.see()
        for _ in range(2):
            await rig.turn()
            rig.see()
        assert rig.ready() == ("Failed", "SandboxNotStarted")
        assert (rig.living(), rig.kube.all(kind.PODS)) == ([], [])

    scenario()


@aio
async def test_a_pod_of_a_broken_attempt_that_runs_already_is_kept() -> None:
    rig = Rig()
    rig.kube.put(kind.PODS, pod_body(status=running()))
    rig.see()
    await rig.turn()
    assert rig.ready() == ("Running", "SandboxRunning")
    assert "POST pods" not in rig.kube.calls


@aio
async def test_our_own_pod_that_the_cache_has_not_seen_yet_is_taken_over() -> None:
    rig = Rig()
    rig.kube.put(kind.PODS, pod_body())
    await rig.turn()
    assert rig.kube.taken() == ["GET theazosecrets", "POST secrets", "POST pods", GET_POD, CLEAN, "PATCH theazoagents"]
    assert rig.living() == []  # the one that this attempt made; the Pod's own was never there in this test
    assert rig.ready() == ("Pending", "SandboxStarting")


@pytest.mark.parametrize("owners", [[], [owner("another-uid")], [{"kind": "Job", "name": "j", "uid": AGENT_UID}]])
def test_somebody_elses_pod_has_the_name(owners: list[JSON]) -> None:
    @aio
    async def scenario() -> None:
        rig = Rig()
        rig.kube.put(kind.PODS, pod_body(ownerReferences=owners))
        assert await rig.turn() is BackOff
        assert rig.ready() == ("Pending", "NameTaken")
        assert find(rig.status, "Stalled") is not None
        assert rig.living() == []
        assert "podUID" not in rig.status
        assert len(rig.kube.all(kind.PODS)) == 1
        rig.kube.objects.pop(("pods", NS, POD_NAME))
        rig.see()
        await rig.turn()
        assert rig.ready() == ("Pending", "SandboxStarting")
        rig.sound()

    scenario()


@aio
async def test_a_compute_that_is_refused_makes_no_request() -> None:
    rig = Rig()
    bad = compute_body(spec={"hostNetwork": True, "containers": [{"name": "sandbox"}]})
    rig.world.computes[0].put(bad)
    await rig.turn()
    assert rig.ready() == ("Pending", "ComputeRefused")
    assert rig.kube.taken() == ["GET theazosecrets", "PATCH theazoagents"]


def test_nothing_that_is_logged_or_raised_holds_a_value(caplog: pytest.LogCaptureFixture) -> None:
    @aio
    async def scenario() -> None:
        for call in CREATE:
            for landed in (False, True):
                rig = Rig()
                rig.kube.fail(call, landed=landed)
                for _ in range(3):
                    await rig.turn()
                assert CANARY not in str([rig.stored(), *rig.kube.all(kind.PODS)])

    with caplog.at_level("DEBUG"):
        scenario()
    assert caplog.records
    assert not [record for record in caplog.records if CANARY in str(record.__dict__)]


@aio
async def test_a_transition_is_logged_with_agent_session_phase_and_reason(caplog: pytest.LogCaptureFixture) -> None:
    rig = Rig()
    with caplog.at_level("INFO"):
        await rig.turn()
        await rig.turn()
    [record] = [each for each in caplog.records if each.name == module.__name__]
    chosen = {name: record.__dict__[name] for name in ("agent", "session", "phase", "reason")}
    assert chosen == {"agent": "acme/job", "session": "demo", "phase": "Pending", "reason": "SandboxStarting"}


@aio
async def test_a_second_clean_up_that_there_is_no_right_to_is_not_asked_for_over_and_over() -> None:
    rig = Rig()
    rig.kube.fail("POST pods")
    assert await rig.turn() is Unavailable
    await rig.turn()
    [attempt] = rig.controller._attempts._known.values()
    attempt.landing_until = 0.0
    rig.world.platforms._removed(Key("", NS))
    assert await rig.turn() != timedelta(0)
