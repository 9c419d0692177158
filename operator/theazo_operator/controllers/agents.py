"""Carries out what `reconcile.agent` decides.

observe   the caches, and after a broken attempt what it left behind
act       make the sandbox (controllers/sandboxes.py), or delete what the plan says
record    one PATCH of the status, and none where nothing changed; also of what the API server refuses
"""

import logging
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from theazo_operator.controllers.sandboxes import Sandboxes
from theazo_operator.controllers.sessions import session_lives
from theazo_operator.controllers.world import World
from theazo_operator.kube import resource as kind
from theazo_operator.kube.client import JSON, Kube
from theazo_operator.kube.errors import KubeError, NotFound
from theazo_operator.opening import Keyring
from theazo_operator.reasons import Reason
from theazo_operator.reconcile import progress
from theazo_operator.reconcile.agent import NOTHING, POD_DELETED, Observed, Plan, plan, refused, remember_session
from theazo_operator.resources.agent import FINISHED_PHASES, Agent
from theazo_operator.resources.conditions import find
from theazo_operator.resources.meta import Key, Meta
from theazo_operator.workqueue import BackOff

log = logging.getLogger(__name__)


class AgentController:
    """Reconciles one agent at a time; the work queue sees to that no agent is reconciled twice at once."""

    def __init__(self, kube: Kube, world: World, keyring: Keyring) -> None:
        self._kube = kube
        self._world = world
        self._sandboxes = Sandboxes(kube, world, keyring)
        self._attempts = self._sandboxes.attempts

    def observe(self, body: JSON, *, listed: bool) -> bool:
        """Take in an agent that kopf shows; say whether that is news.

        An agent that was there before this process, and has no Pod on record, may be one whose creation broke off.
        """
        if not self._world.agents.put(body):
            return False
        agent = self._world.agents.get(Meta.of(body).key)
        if listed and agent is not None and not agent.finished and "podUID" not in agent.status:
            self._attempts.suspect(agent.meta.uid)
        return True

    def forget(self, body: JSON) -> None:
        """Drop an agent that is gone; a namesake made since stays, since kopf may tell of the two in any order."""
        meta = Meta.of(body)
        known = self._world.agents.get(meta.key)
        if known is not None and known.meta.uid == meta.uid:
            self._world.agents.remove(meta.key)
        self._attempts.forget(meta.uid)

    async def reconcile(self, key: Key) -> timedelta | None:
        """Bring one agent a step on, and say when to look again.

        Raises:
            BackOff: the API server refuses what the sandbox needs; the status says so.
            KubeError: a request failed; nothing is lost by trying again. The status says so where there is no sandbox.
        """
        agent = self._world.agents.get(key)
        if agent is None:
            return None
        seen = Observed(
            agent=agent,
            is_platform=self._world.is_platform(key.namespace),
            session=self._world.session_of(agent),
            compute=self._world.compute_of(agent),
            pod=self._world.pod_of(agent),
            now=datetime.now(UTC),
        )
        try:
            seen = await self._clear_up(seen)
            decided = await self._decide(seen)
            await self._delete(agent, decided)
        except KubeError as error:
            if not error.answered or agent.finished or "podUID" in agent.status:
                raise  # a sandbox is as well as it was, whatever was to be done about it
            decided = refused(seen, str(error), lasting=error.lasting)
            await self._record_plan(seen, decided)
            if not decided.back_off:
                raise  # what may pass by itself is not waited for, nor is an event ignored
        else:
            await self._record_plan(seen, decided)
        if decided.back_off:
            raise BackOff
        if decided.status is not None and decided.status["phase"] in FINISHED_PHASES and not agent.finished:
            return timedelta(0)  # its time to live begins, and the echo of our own write is no news
        landing = self._attempts.landing(agent.meta.uid) if seen.is_platform else None
        return _sooner(decided.wake_after, landing)

    async def _clear_up(self, seen: Observed) -> Observed:
        """See to what broken attempts left behind, before anything is decided."""
        agent, uid = seen.agent, seen.agent.meta.uid
        if not seen.is_platform:
            return seen  # there is no right to delete anything; what was noted keeps
        if self._attempts.broke_off(uid):
            seen = replace(seen, pod=await self._sandboxes.clear_up(agent))
        elif self._attempts.landing(uid) == timedelta(0):
            await self._sandboxes.clear_up(agent)
            self._attempts.landed(uid)
        if seen.pod is not None:
            await self._sandboxes.remove_starving(agent, seen.pod)
        return seen

    async def _decide(self, seen: Observed) -> Plan:
        """Plan; and where the plan depends on what only the API server knows, ask it."""
        decided = plan(seen)
        if decided.session_gone:
            return await self._after_session(seen.agent)
        if decided.pod_lost:
            return await self._confirm_lost(seen)
        return await self._sandboxes.create(seen) if decided.create else decided

    async def _delete(self, agent: Agent, decided: Plan) -> None:
        """Do what has to be done before the status says so."""
        key = agent.meta.key
        if decided.delete_secrets:
            await self._sandboxes.delete_secrets(agent, keep=None)
        if decided.delete_agent:
            await self._kube.delete(kind.AGENTS, key.namespace, key.name, agent.meta.uid)

    async def _record_plan(self, seen: Observed, decided: Plan) -> None:
        agent = seen.agent
        if decided.status is not None:
            remember_session(decided.status, seen.session)
            if decided.status != agent.status:
                await self._record(agent, decided.status)
        # After the record: a Pod that is gone before would be taken for one that somebody else deleted.
        if decided.delete_pod and seen.pod is not None and seen.pod.agent_uid == agent.meta.uid:
            await self._sandboxes.delete_pod(seen.pod)

    async def _record(self, agent: Agent, status: JSON) -> None:
        """Write the status, unless it is newer than what was looked at: it is the record of the agent's one run."""
        key, meta = agent.meta.key, agent.meta
        try:
            reply = await self._kube.patch_status(
                kind.AGENTS, key.namespace, key.name, meta.uid, status, version=meta.resource_version
            )
        except NotFound:
            self._world.agents.remove(key)  # its deletion was missed; Secret and Pod go with their owner
            self._attempts.forget(meta.uid)
            return
        self._world.agents.put(reply)
        _log_transition(agent, status)

    async def _confirm_lost(self, seen: Observed) -> Plan:
        """Our cache may be behind the record, and what is said here is said for good."""
        pod = await self._sandboxes.get_pod(seen.agent)
        ours = pod is not None and pod.agent_uid == seen.agent.meta.uid
        if pod is not None and ours and pod.meta.uid == seen.agent.status.get("podUID"):
            return plan(replace(seen, pod=pod))
        status = progress.failed(seen.agent, seen.now, Reason.SANDBOX_LOST, POD_DELETED)
        return Plan(delete_secrets=seen.agent.holds_pod_secret, status=status)

    async def _after_session(self, agent: Agent) -> Plan:
        """The session that the agent was first seen with is gone: so is the agent, once the API server confirms it."""
        if agent.spec is None:
            return NOTHING  # nobody knows its session, and what can't be known deletes nothing
        session = Key(agent.meta.key.namespace, agent.spec.session_ref.name)
        if await session_lives(self._kube, session, agent.status.get("sessionUID")):
            return Plan(wake_after=timedelta(seconds=1))
        return Plan(delete_agent=True)


def _sooner(one: timedelta | None, other: timedelta | None) -> timedelta | None:
    given = [each for each in (one, other) if each is not None]
    return min(given, default=None)


def _log_transition(agent: Agent, status: JSON) -> None:
    before, after = (find(each, "Ready") or {} for each in (agent.status, status))
    if before.get("reason") != after.get("reason"):
        log.info(
            "agent",
            extra={
                "agent": str(agent.meta.key),
                "session": agent.spec.session_ref.name if agent.spec else None,
                "phase": status["phase"],
                "reason": after.get("reason"),
            },
        )
