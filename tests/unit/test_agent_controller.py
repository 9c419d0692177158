"""What the agents' controller does, write by write: against an API server in memory that loses requests and replies."""

from datetime import datetime, timedelta, tzinfo
from typing import Any, Self

import pytest

from tests.support.aio import aio
from tests.support.builders import (
    AGENT_UID,
    JSON,
    KEYRING,
    NOW,
    NS,
    POD_NAME,
    SESSION_UID,
    agent_body,
    at,
    compute_body,
    metadata,
    owner,
    pod_body,
    running,
    sealed_text,
    secret_body,
    session_body,
    terminated,
    waiting,
)
from tests.support.fakekube import FakeKube, values_of
from theazo_operator.controllers import agents as module
from theazo_operator.controllers.agents import AgentController
from theazo_operator.controllers.world import Wake, World
from theazo_operator.kube import resource as kind
from theazo_operator.kube.errors import KubeError, Outdated, Refused, Unavailable
from theazo_operator.resources.conditions import find
from theazo_operator.resources.meta import Key
from theazo_operator.settings import parse
from theazo_operator.workqueue import BackOff

JOB = Key(NS, "job")
CANARY = "canary-5up3r-s3cr3t"
CLEAN, GET_POD = "DELETE* secrets", "GET pods"
CREATE = ["GET theazosecrets", "POST secrets", "POST pods", "PATCH theazoagents"]
HOT = {"A": CANARY}


class Clock(datetime):
    """Stands at NOW, or where a test puts it."""

    offset = 0.0

    @classmethod
    def now(cls, tz: tzinfo | None = None) -> Self:  # noqa: ARG003
        return cls.fromtimestamp((NOW + timedelta(seconds=cls.offset)).timestamp(), NOW.tzinfo)


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> type[Clock]:
    monkeypatch.setattr(module, "datetime", Clock)
    monkeypatch.setattr(Clock, "offset", 0.0)
    return Clock


def ignore(_: Key) -> None:
    """Nobody is woken: the test says when to look."""


class Rig:
    """A platform with a session, a compute, sealed values, and one agent."""

    def __init__(self, *, spec: Any = None, status: JSON | None = None, **meta: Any) -> None:
        self.kube = FakeKube()
        self.kube.put(kind.SESSIONS, session_body())
        self.kube.put(
            kind.THEAZO_SECRETS, secret_body({name: sealed_text(text.encode(), name) for name, text in HOT.items()})
        )
        self.body = self.kube.put(kind.AGENTS, agent_body(spec=spec, status=status, **meta))
        self.start()

    def start(self) -> None:
        """Begin with nothing but what the API server knows, as after a crash."""
        wake = Wake(agent=ignore, session=ignore, secret=ignore, platform=ignore)
        self.world = World(self.kube, parse([], {}), wake)
        self.world.platforms.put({"metadata": metadata(NS, "uid-ns", namespace="")})
        self.world.computes.put(compute_body())
        self.controller = AgentController(self.kube, self.world, KEYRING)
        self.see()

    def restart(self) -> None:
        self.start()
        self.controller.observe(self.stored(), listed=True)

    def see(self) -> None:
        """Let the caches catch up."""
        for cache, resource in ((self.world.pods, kind.PODS), (self.world.sessions, kind.SESSIONS)):
            there = self.kube.all(resource)
            for body in there:
                cache.put(body)
            for gone in {fact.meta.key for fact in cache.values()} - {
                Key(NS, body["metadata"]["name"]) for body in there
            }:
                cache._removed(gone)

    def stored(self) -> JSON:
        [body] = self.kube.all(kind.AGENTS)
        return body

    async def turn(self, *, listed: bool = False) -> object:
        """Show the agent as it is stored and reconcile it once; say how that ended."""
        if self.kube.all(kind.AGENTS):
            self.controller.observe(self.stored(), listed=listed)
        try:
            return await self.controller.reconcile(JOB)
        except (KubeError, BackOff) as error:
            return type(error)

    def pod(self, **change: Any) -> None:
        """Have the kubelet, or somebody, change the Pod, and see it."""
        [pod] = self.kube.all(kind.PODS)
        meta = {**pod["metadata"], **change.pop("metadata", {})}
        self.kube.put(kind.PODS, {**pod, "metadata": meta, **change})
        self.see()

    @property
    def status(self) -> JSON:
        return dict(self.stored().get("status") or {})

    def ready(self) -> tuple[str, str]:
        condition = find(self.status, "Ready") or {}
        return self.status["phase"], condition["reason"]

    def living(self) -> list[dict[str, str]]:
        return [values_of(each) for each in self.kube.all(kind.SECRETS)]

    def sound(self) -> None:
        """One Pod at most; and where it has not started, its own Secret and no other."""
        pods = self.kube.all(kind.PODS)
        assert len(pods) <= 1
        names = {each["metadata"]["name"] for each in self.kube.all(kind.SECRETS)}
        used = {
            source["secretRef"]["name"]
            for pod in pods
            for container in pod["spec"]["containers"]
            for source in container.get("envFrom", ())
        }
        assert names == used


# From agent to sandbox.


@aio
async def test_a_sandbox_is_four_requests_away() -> None:
    rig = Rig()
    await rig.turn()
    assert rig.kube.taken() == CREATE
    rig.sound()
    assert rig.living() == [HOT]
    assert rig.ready() == ("Pending", "SandboxStarting")
    [pod] = rig.kube.all(kind.PODS)
    assert rig.status["podUID"] == pod["metadata"]["uid"]
    assert rig.status["sessionUID"] == SESSION_UID


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


# Refusals.

REFUSED = Refused("POST", "pods", 403, "Forbidden", 'exceeded quota "q"')


@aio
async def test_a_refused_pod_leaves_no_secret_and_is_tried_again_with_another() -> None:
    rig = Rig()
    rig.kube.fail("POST pods", REFUSED)
    assert await rig.turn() is BackOff
    assert rig.kube.taken() == [*CREATE[:3], CLEAN, "PATCH theazoagents"]
    assert rig.living() == []
    assert rig.ready() == ("Pending", "SandboxRefused")
    stalled = find(rig.status, "Stalled")
    assert stalled is not None
    assert 'exceeded quota "q"' in stalled["message"]
    rig.kube.fail("POST pods", REFUSED)
    assert await rig.turn() is BackOff
    assert "PATCH theazoagents" not in rig.kube.taken()  # the same again is no news
    [first, second] = [each["metadata"]["name"] for each in rig.kube.deleted]
    assert first != second
    await rig.turn()
    assert rig.ready() == ("Pending", "SandboxStarting")
    rig.sound()


@aio
async def test_a_refused_secret_makes_no_pod() -> None:
    rig = Rig()
    rig.kube.fail("POST secrets", Refused("POST", "secrets", 403, "Forbidden"))
    assert await rig.turn() is BackOff
    assert "POST pods" not in rig.kube.calls
    assert rig.ready() == ("Pending", "SandboxRefused")


@aio
async def test_a_compute_that_is_refused_makes_no_request() -> None:
    rig = Rig()
    bad = compute_body(spec={"hostNetwork": True, "containers": [{"name": "sandbox"}]})
    rig.world.computes.put(bad)
    await rig.turn()
    assert rig.ready() == ("Pending", "ComputeRefused")
    assert rig.kube.taken() == ["GET theazosecrets", "PATCH theazoagents"]


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
    assert await rig.turn() is None
    assert rig.world.agents.get(JOB) is None


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
    assert rig.controller._unfinished_attempts == set()


@aio
async def test_a_status_of_a_namesake_is_not_written() -> None:
    rig = Rig()
    rig.controller.observe(rig.body, listed=False)
    rig.kube.put(kind.AGENTS, agent_body(uid="another-uid"))
    with pytest.raises(Outdated):
        await rig.controller.reconcile(JOB)
    assert "status" not in rig.stored()


@aio
async def test_an_agent_that_is_being_deleted_is_left_to_garbage_collection() -> None:
    rig = Rig(deletionTimestamp=at(5))
    assert await rig.turn() is None
    assert rig.kube.taken() == []


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
