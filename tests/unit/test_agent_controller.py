"""What the agents' controller does, write by write: against an API server in memory that loses requests and replies."""

import re
from datetime import timedelta

import pytest

from tests.support.aio import aio
from tests.support.builders import (
    AGENT_UID,
    NS,
    POD_NAME,
    SESSION_UID,
    agent_body,
    at,
    pod_body,
    running,
    secret_body,
    session_body,
    terminated,
    waiting,
)
from tests.support.rig import CANARY, CLEAN, CREATE, GET_POD, HOT, JOB, Clock, Rig, stop_clock
from theazo_operator.controllers import agents as module
from theazo_operator.kube import resource as kind
from theazo_operator.kube.errors import Outdated, Unavailable
from theazo_operator.reconcile.agent import Plan
from theazo_operator.resources.conditions import find
from theazo_operator.resources.meta import Key, Meta


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> type[Clock]:
    return stop_clock(monkeypatch)


# From agent to sandbox.


@aio
async def test_a_sandbox_is_four_requests_away() -> None:
    rig = Rig()
    assert await rig.turn() == timedelta(seconds=300)  # nothing else may ever happen to a Pod that nobody schedules
    assert rig.kube.taken() == CREATE
    rig.sound()
    assert rig.living() == [HOT]
    assert rig.ready() == ("Pending", "SandboxStarting")
    [pod] = rig.kube.all(kind.PODS)
    assert rig.status["podUID"] == pod["metadata"]["uid"]
    assert rig.status["sessionUID"] == SESSION_UID


@aio
async def test_a_secrets_name_is_never_used_twice_and_cannot_be_guessed() -> None:
    rigs = [Rig() for _ in range(20)]
    for rig in rigs:
        await rig.turn()
    names = {secret["metadata"]["name"] for rig in rigs for secret in rig.kube.all(kind.SECRETS)}
    assert len(names) == 20
    assert all(re.fullmatch(r"thz-[a-z2-7]{26}", name) for name in names)


@aio
async def test_without_declared_secrets_there_is_no_get_and_no_secret() -> None:
    rig = Rig(spec={"secrets": []})
    await rig.turn()
    assert rig.kube.taken() == ["POST pods", "PATCH theazoagents"]


@aio
async def test_until_the_end_there_are_seven_requests_and_one_more_with_a_ttl(clock: type[Clock]) -> None:
    rig = Rig(spec={"ttlSecondsAfterFinished": 60})
    await rig.turn()
    rig.pod(status=running())
    await rig.turn()
    assert rig.ready() == ("Running", "SandboxRunning")
    assert rig.living() == []
    rig.pod(status=terminated())
    await rig.turn()
    assert rig.kube.taken() == [*CREATE, CLEAN, "PATCH theazoagents", "PATCH theazoagents"]
    clock.offset = 90
    await rig.turn()
    assert rig.kube.taken() == ["DELETE theazoagents"]


@aio
async def test_when_nothing_changed_there_is_no_request() -> None:
    rig = Rig()
    await rig.turn()
    rig.kube.taken()
    for labels in ({}, {"x": "y"}):
        rig.kube.put(kind.AGENTS, {**rig.stored(), "metadata": {**rig.stored()["metadata"], "labels": labels}})
        rig.pod(metadata={"labels": {"theazo.dev/agent-uid": AGENT_UID, **labels}})
        await rig.turn()
    rig.pod(status=waiting("ContainerCreating"))
    await rig.turn()
    assert rig.kube.taken() == []


@aio
async def test_the_echo_of_our_own_write_is_no_news() -> None:
    rig = Rig()
    assert rig.controller.observe(rig.body, listed=False)
    assert not rig.controller.observe(rig.body, listed=False)
    await rig.turn()
    assert not rig.controller.observe(rig.stored(), listed=False)
    assert not rig.controller.observe(rig.body, listed=False)  # nor is what is older
    changed = rig.kube.put(kind.AGENTS, rig.stored())
    assert rig.controller.observe(changed, listed=False)


@aio
async def test_a_value_deleted_a_moment_ago_is_not_used() -> None:
    rig = Rig()
    rig.kube.put(kind.THEAZO_SECRETS, secret_body({}))
    assert await rig.turn() == timedelta(seconds=300)
    assert rig.kube.taken() == ["GET theazosecrets", "PATCH theazoagents"]
    assert rig.ready() == ("Pending", "SecretNotFound")
    assert rig.status["sessionUID"] == SESSION_UID


@aio
async def test_without_any_theazo_secret_the_name_is_missing() -> None:
    rig = Rig()
    rig.kube.objects.pop(("theazosecrets", NS, "demo"))
    await rig.turn()
    assert rig.ready() == ("Pending", "SecretNotFound")
    assert rig.kube.all(kind.PODS) == []


@aio
async def test_what_was_missing_and_comes_is_used_also_after_the_deadline(clock: type[Clock]) -> None:
    rig = Rig(spec={"secretsDeadlineSeconds": 5})
    sealed = rig.kube.objects.pop(("theazosecrets", NS, "demo"))
    await rig.turn()
    assert find(rig.status, "Stalled") is None
    clock.offset = 5
    assert await rig.turn() is None
    assert find(rig.status, "Stalled") is not None
    rig.kube.put(kind.THEAZO_SECRETS, sealed)
    await rig.turn()
    assert rig.ready() == ("Pending", "SandboxStarting")
    assert rig.living() == [HOT]


@aio
async def test_what_does_not_open_stalls_and_nothing_is_made() -> None:
    rig = Rig()
    rig.kube.put(kind.THEAZO_SECRETS, secret_body({"A": CANARY}))
    await rig.turn()
    assert rig.ready() == ("Pending", "MalformedEnvelope")
    assert rig.kube.taken() == ["GET theazosecrets", "PATCH theazoagents"]
    assert CANARY not in str(rig.stored())


@aio
async def test_an_agent_that_nobody_knows_is_left_alone() -> None:
    rig = Rig()
    assert await rig.controller.reconcile(Key(NS, "nobody")) is None
    assert rig.kube.taken() == []


# The session's end.


@aio
async def test_an_agent_goes_with_its_session_once_the_api_server_confirms() -> None:
    rig = Rig()
    await rig.turn()
    rig.kube.taken()
    rig.kube.objects.pop(("theazosessions", NS, "demo"))
    rig.see()
    await rig.turn()
    assert rig.kube.taken() == ["GET theazosessions", "DELETE theazoagents"]


@aio
async def test_a_session_made_again_takes_the_agents_of_the_old_one() -> None:
    rig = Rig()
    await rig.turn()
    rig.kube.put(kind.SESSIONS, session_body(uid="another-uid"))
    rig.see()
    await rig.turn()
    assert rig.kube.all(kind.AGENTS) == []


@aio
async def test_a_session_that_only_our_cache_misses_costs_nothing() -> None:
    rig = Rig()
    await rig.turn()
    rig.world.sessions._removed(Key(NS, "demo"))
    assert await rig.turn() == timedelta(seconds=1)
    assert len(rig.kube.all(kind.AGENTS)) == 1


@aio
async def test_a_session_that_can_not_be_asked_for_deletes_nothing() -> None:
    rig = Rig()
    await rig.turn()
    rig.world.sessions._removed(Key(NS, "demo"))
    rig.kube.fail("GET theazosessions")
    assert await rig.turn() is Unavailable
    assert len(rig.kube.all(kind.AGENTS)) == 1


@aio
async def test_an_agent_that_can_not_be_read_is_never_deleted_with_a_session() -> None:
    rig = Rig(spec="?", status={"sessionUID": SESSION_UID})
    rig.kube.objects.pop(("theazosessions", NS, "demo"))
    rig.see()
    await rig.turn()
    assert rig.ready() == ("Pending", "InvalidSpec")


@aio
async def test_what_came_before_its_session_waits_and_is_not_swept() -> None:
    rig = Rig()
    session = rig.kube.objects.pop(("theazosessions", NS, "demo"))
    rig.see()
    await rig.turn()
    assert rig.ready() == ("Pending", "SessionNotFound")
    assert "sessionUID" not in rig.status
    rig.kube.put(kind.SESSIONS, session)
    rig.see()
    await rig.turn()
    assert rig.ready() == ("Pending", "SandboxStarting")


@aio
async def test_a_tracked_agent_stays_when_its_sessions_time_is_over(clock: type[Clock]) -> None:
    rig = Rig(labels={"kustomize.toolkit.fluxcd.io/name": "apps"})
    rig.kube.put(kind.SESSIONS, session_body(spec={"ttlSeconds": 60}))
    rig.see()
    await rig.turn()
    clock.offset = 60
    await rig.turn()
    assert rig.ready() == ("Failed", "SessionExpired")
    assert rig.living() == []
    assert rig.kube.all(kind.PODS) == []


# The Pod's end.


@aio
async def test_a_pod_that_is_gone_is_lost_once_the_api_server_confirms() -> None:
    rig = Rig()
    await rig.turn()
    rig.kube.objects.pop(("pods", NS, POD_NAME))
    rig.see()
    rig.kube.taken()
    await rig.turn()
    assert rig.kube.taken() == [GET_POD, CLEAN, "PATCH theazoagents"]
    assert rig.ready() == ("Failed", "SandboxLost")
    assert rig.living() == []
    await rig.turn()
    assert rig.kube.taken() == []


@aio
async def test_a_pod_that_only_our_cache_misses_is_not_lost() -> None:
    rig = Rig()
    await rig.turn()
    rig.pod(status=running())
    rig.world.pods._removed(Key(NS, POD_NAME))
    await rig.turn()
    assert rig.ready() == ("Running", "SandboxRunning")


@aio
async def test_a_pod_that_can_not_be_asked_for_is_not_lost() -> None:
    rig = Rig()
    await rig.turn()
    rig.world.pods._removed(Key(NS, POD_NAME))
    rig.kube.fail(GET_POD)
    assert await rig.turn() is Unavailable
    assert rig.ready() == ("Pending", "SandboxStarting")


@aio
async def test_a_namesake_of_the_pod_is_not_the_pod() -> None:
    rig = Rig()
    await rig.turn()
    rig.kube.put(kind.PODS, pod_body(uid="another-uid"))
    rig.see()
    await rig.turn()
    assert rig.ready() == ("Failed", "SandboxLost")


@aio
async def test_a_sandbox_that_does_not_start_goes_with_its_secret(clock: type[Clock]) -> None:
    rig = Rig(spec={"startDeadlineSeconds": 5})
    await rig.turn()
    rig.pod(status=waiting("ImagePullBackOff"))
    clock.offset = 5
    await rig.turn()
    assert rig.ready() == ("Failed", "SandboxNotStarted")
    assert rig.living() == []
    assert rig.kube.all(kind.PODS) == []


@aio
async def test_with_a_restart_policy_the_secret_stays_until_the_end() -> None:
    rig = Rig(spec={"restartPolicy": "OnFailure"})
    await rig.turn()
    rig.pod(status=running())
    await rig.turn()
    assert rig.living() == [HOT]
    rig.pod(status=terminated(1))
    await rig.turn()
    assert rig.ready() == ("Failed", "SandboxFailed")
    assert rig.living() == []


@pytest.mark.parametrize("call", [CLEAN, "PATCH theazoagents"])
@pytest.mark.parametrize("landed", [False, True], ids=["lost before", "lost after"])
def test_the_secret_goes_also_when_a_write_of_the_clean_up_is_lost(*, call: str, landed: bool) -> None:
    @aio
    async def scenario() -> None:
        rig = Rig()
        await rig.turn()
        rig.pod(status=running())
        rig.kube.fail(call, landed=landed)
        assert await rig.turn() is Unavailable
        rig.restart()
        await rig.turn()
        assert rig.ready() == ("Running", "SandboxRunning")
        assert rig.living() == []

    scenario()


# The agent's end.


@aio
async def test_an_agent_whose_deletion_was_missed_is_forgotten() -> None:
    rig = Rig()
    await rig.turn()
    rig.pod(status=running())
    rig.kube.objects.pop(("theazoagents", NS, "job"))
    rig.controller._attempts.suspect(AGENT_UID)
    assert await rig.turn() is None
    assert rig.world.agents.get(JOB) is None
    assert not rig.controller._attempts._known


@aio
async def test_where_nobody_knows_the_session_nothing_counts_as_gone_with_it(monkeypatch: pytest.MonkeyPatch) -> None:
    rig = Rig(spec="unreadable", status={"sessionUID": SESSION_UID})
    monkeypatch.setattr(module, "plan", lambda _: Plan(session_gone=True))
    assert await rig.turn() is None
    assert rig.kube.taken() == []


@aio
async def test_a_deleted_agent_is_forgotten_and_its_namesake_is_not() -> None:
    rig = Rig()
    rig.controller.observe(rig.body, listed=True)
    newer = rig.kube.put(kind.AGENTS, agent_body(uid="another-uid"))
    rig.controller.observe(newer, listed=False)
    rig.controller.forget(rig.body)
    known = rig.world.agents.get(JOB)
    assert known is not None
    assert known.meta.uid == "another-uid"
    rig.controller.forget(newer)
    assert rig.world.agents.get(JOB) is None
    assert not any(rig.controller._attempts.broke_off(Meta.of(each).uid) for each in (rig.body, newer))


@aio
async def test_a_status_of_a_namesake_is_not_written() -> None:
    rig = Rig()
    rig.controller.observe(rig.body, listed=False)
    rig.kube.put(kind.AGENTS, agent_body(uid="another-uid"))
    with pytest.raises(Outdated):
        await rig.controller.reconcile(JOB)
    assert "status" not in rig.stored()


@aio
async def test_an_agent_whose_deletion_a_finalizer_holds_up_keeps_neither_secret_nor_pod() -> None:
    rig = Rig()
    await rig.turn()
    assert rig.living() == [HOT]
    stored = rig.stored()
    rig.kube.put(kind.AGENTS, {**stored, "metadata": {**stored["metadata"], "deletionTimestamp": at(5)}})
    rig.see()
    assert await rig.turn() is None
    assert (rig.living(), rig.kube.all(kind.PODS)) == ([], [])


@aio
async def test_a_pod_that_was_robbed_of_its_owner_is_lost() -> None:
    rig = Rig()
    await rig.turn()
    rig.pod(metadata={"ownerReferences": []})
    await rig.turn()
    assert rig.ready() == ("Failed", "SandboxLost")
    assert rig.living() == []


@aio
async def test_without_the_right_to_delete_an_agent_is_still_told_why_it_waits() -> None:
    rig = Rig()
    rig.world.platforms._removed(Key("", NS))
    await rig.turn(listed=True)
    assert rig.ready() == ("Pending", "PlatformNotFound")
    assert "DELETE* secrets" not in rig.kube.taken()
