"""Carries out what `reconcile.agent` decides.

act     GET TheazoSecret → open what is declared → POST Secret → POST Pod       (only to create)
clean   deletecollection of the agent's Secrets, DELETE of its Pod              (only when the plan says so)
record  one PATCH of the status, and none where nothing changed
"""

import logging
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from theazo_operator import metrics
from theazo_operator.controllers.sessions import session_lives
from theazo_operator.controllers.stragglers import Stragglers
from theazo_operator.controllers.world import World
from theazo_operator.kube import resource as kind
from theazo_operator.kube.client import JSON, Kube
from theazo_operator.kube.errors import Exists, NotFound, Outdated, Refused
from theazo_operator.opening import Keyring
from theazo_operator.reasons import Reason
from theazo_operator.reconcile import progress
from theazo_operator.reconcile.agent import NOTHING, POD_DELETED, Observed, Plan, plan, remember_session, wait
from theazo_operator.reconcile.sandbox import PodSecret, build
from theazo_operator.reconcile.secrets import Refusal, Resolved, resolve
from theazo_operator.resources.agent import FINISHED_PHASES, Agent, AgentSpec
from theazo_operator.resources.conditions import find
from theazo_operator.resources.meta import AGENT_UID_LABEL, Key, Meta
from theazo_operator.resources.sandbox import SandboxPod
from theazo_operator.resources.session import Session, TheazoSecret
from theazo_operator.workqueue import BackOff

log = logging.getLogger(__name__)


class AgentController:
    """Reconciles one agent at a time; the work queue sees to that no agent is reconciled twice at once."""

    def __init__(self, kube: Kube, world: World, keyring: Keyring) -> None:
        self._kube = kube
        self._world = world
        self._keyring = keyring
        # Agents, by UID, of which a Secret may live that no Pod uses: an attempt may have broken off in between.
        self._unfinished_attempts: set[str] = set()
        self._stragglers = Stragglers()
        # Whose Secrets were all deleted, and the one that was made since: no other Pod than that one's can ever start.
        self._cleared: set[str] = set()
        self._made: dict[str, str] = {}

    def observe(self, body: JSON, *, listed: bool) -> bool:
        """Take in an agent that kopf shows; say whether that is news.

        An agent that was there before this process, and has no Pod on record, may be one whose creation broke off.
        """
        if not self._world.agents.put(body):
            return False
        agent = self._world.agents.get(Meta.of(body).key)
        if listed and agent is not None and not agent.finished and "podUID" not in agent.status:
            self._unfinished_attempts.add(agent.meta.uid)
        return True

    def forget(self, body: JSON) -> None:
        """Drop an agent that is gone; a namesake made since stays, since kopf may tell of the two in any order."""
        meta = Meta.of(body)
        known = self._world.agents.get(meta.key)
        if known is not None and known.meta.uid == meta.uid:
            self._world.agents.remove(meta.key)
        self._unfinished_attempts.discard(meta.uid)
        self._stragglers.forget(meta.uid)
        self._cleared.discard(meta.uid)
        self._made.pop(meta.uid, None)

    async def reconcile(self, key: Key) -> timedelta | None:
        """Bring one agent a step on, and say when to look again.

        Raises:
            BackOff: its sandbox was refused; the status says why.
            KubeError: a request failed; nothing is lost by trying again.
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
        broke_off = agent.meta.uid in self._unfinished_attempts
        if broke_off:
            self._stragglers.expect(agent.meta.uid)
            seen = replace(seen, pod=await self._clear_up(agent))
        elif self._stragglers.left(agent.meta.uid) == timedelta(0):
            await self._clear_up(agent)
            self._stragglers.forget(agent.meta.uid)
        if seen.pod is not None and self._starves(agent, seen.pod):
            await self._remove_starving(seen.pod)
        decided = plan(seen)
        if decided.session_gone:
            return await self._delete_after_session(agent)
        if decided.pod_lost:
            decided = await self._confirm_lost(seen)
        if decided.create:
            decided = await self._create(seen)
        return _sooner(await self._carry_out(seen, decided), self._stragglers.left(agent.meta.uid))

    async def _carry_out(self, seen: Observed, decided: Plan) -> timedelta | None:
        agent, key = seen.agent, seen.agent.meta.key
        if decided.delete_secrets:
            await self._delete_secrets(agent, keep=None)
        if decided.delete_agent:
            await self._kube.delete(kind.AGENTS, key.namespace, key.name, agent.meta.uid)
            return None
        if decided.status is not None:
            remember_session(decided.status, seen.session)
            if decided.status != agent.status:
                await self._record(agent, decided.status)
        # After the record: a Pod that is gone before would be taken for one that somebody else deleted.
        if decided.delete_pod and seen.pod is not None and seen.pod.agent_uid == agent.meta.uid:
            await self._kube.delete(kind.PODS, key.namespace, seen.pod.meta.key.name, seen.pod.meta.uid)
        if decided.back_off:
            raise BackOff
        if decided.status is not None and decided.status["phase"] in FINISHED_PHASES and not agent.finished:
            return timedelta(0)  # its time to live begins, and the echo of our own write is no news
        return decided.wake_after

    async def _record(self, agent: Agent, status: JSON) -> None:
        """Write the status, unless it is newer than what was looked at: it is the record of the agent's one run."""
        key, meta = agent.meta.key, agent.meta
        try:
            reply = await self._kube.patch_status(
                kind.AGENTS, key.namespace, key.name, meta.uid, status, version=meta.resource_version
            )
        except NotFound:
            self._world.agents.remove(key)  # its deletion was missed; Secret and Pod go with their owner
            return
        self._world.agents.put(reply)
        _log_transition(agent, status)

    async def _create(self, seen: Observed) -> Plan:
        agent, spec, session, compute = seen.agent, seen.agent.spec, seen.session, seen.compute
        if spec is None or session is None or compute is None:
            return NOTHING  # what decided to create has seen to that; the type checker can't know
        try:
            resolved = await self._resolve(agent, spec, session)
            sandbox = build(agent, spec, session, compute, resolved)
        except Refusal as refusal:
            if refusal.waits:
                return wait(agent, seen.now, refusal.reason, refusal.message)
            return Plan(status=progress.stuck(agent, seen.now, refusal.reason, refusal.message))
        self._unfinished_attempts.add(agent.meta.uid)
        try:
            if sandbox.secret is not None:
                await self._create_secret(agent, sandbox.secret)
            body = await self._kube.create(kind.PODS, agent.meta.key.namespace, sandbox.pod, explain=True)
        except Exists:
            return await self._meet_existing_pod(seen)
        except Refused as error:
            return await self._refused(seen, error)
        self._unfinished_attempts.discard(agent.meta.uid)
        self._cleared.discard(agent.meta.uid)
        return plan(replace(seen, pod=self._world.pods.put(body)))

    async def _resolve(self, agent: Agent, spec: AgentSpec, session: Session) -> list[Resolved]:
        """Read the sealed values where they are true now: one that was deleted a moment ago must not be used."""
        if not spec.secrets:
            return []
        try:
            body = await self._kube.get(kind.THEAZO_SECRETS, agent.meta.key.namespace, session.meta.key.name)
            sealed = TheazoSecret.of(body)
        except NotFound:
            sealed = None
        try:
            resolved = resolve(spec, session, sealed, self._keyring)
        except Refusal as refusal:
            metrics.count_opening("agent", refusal.reason.value)
            raise
        for _ in resolved:
            metrics.count_opening("agent", "Opened")
        return resolved

    async def _create_secret(self, agent: Agent, secret: PodSecret) -> None:
        self._made[agent.meta.uid] = secret.name
        await self._kube.create(kind.SECRETS, agent.meta.key.namespace, secret.to_json())

    async def _meet_existing_pod(self, seen: Observed) -> Plan:
        """The name is taken: by our own Pod, whose creation we did not hear of, or by somebody else's."""
        agent = seen.agent
        pod = await self._get_pod(agent)
        if pod is None:
            raise Outdated("POST", kind.PODS.plural, 409, "PodGoneMeanwhile")
        if pod.agent_uid != agent.meta.uid:
            await self._delete_secrets(agent, keep=None)
            message = f"a Pod {agent.pod_name} that is not this agent's has its Pod's name: delete that Pod"
            return Plan(status=progress.stuck(agent, seen.now, Reason.NAME_TAKEN, message), back_off=True)
        if self._starves(agent, pod):
            await self._remove_starving(pod)
        await self._delete_secrets(agent, keep=pod.secret_name)
        return plan(replace(seen, pod=pod))

    async def _refused(self, seen: Observed, error: Refused) -> Plan:
        await self._delete_secrets(seen.agent, keep=None)
        message = f"the API server refused the sandbox, it is tried again: {error}"
        return Plan(status=progress.stuck(seen.agent, seen.now, Reason.SANDBOX_REFUSED, message), back_off=True)

    async def _clear_up(self, agent: Agent) -> SandboxPod | None:
        """Delete the Secrets of attempts that broke off. A Pod that one of them did create keeps its own."""
        pod = await self._get_pod(agent)
        ours = pod is not None and pod.agent_uid == agent.meta.uid
        if not ours:
            self._cleared.add(agent.meta.uid)
            self._made.pop(agent.meta.uid, None)
        await self._delete_secrets(agent, keep=pod.secret_name if pod is not None and ours else None)
        return pod

    def _starves(self, agent: Agent, pod: SandboxPod) -> bool:
        """Whether a Pod landed after its Secret was cleared up: it can never start, and it is on no record."""
        late = agent.meta.uid in self._cleared and pod.secret_name not in {None, self._made.get(agent.meta.uid)}
        ours = pod.agent_uid == agent.meta.uid and "podUID" not in agent.status
        return late and ours and not pod.started and not pod.meta.deleting

    async def _remove_starving(self, pod: SandboxPod) -> None:
        await self._kube.delete(kind.PODS, pod.meta.key.namespace, pod.meta.key.name, pod.meta.uid)
        raise Outdated("POST", kind.PODS.plural, 409, "PodFromBrokenAttempt")

    async def _delete_secrets(self, agent: Agent, *, keep: str | None) -> None:
        label = f"{AGENT_UID_LABEL}={agent.meta.uid}"
        await self._kube.delete_collection(kind.SECRETS, agent.meta.key.namespace, label, keep)
        self._unfinished_attempts.discard(agent.meta.uid)

    async def _get_pod(self, agent: Agent) -> SandboxPod | None:
        try:
            body = await self._kube.get(kind.PODS, agent.meta.key.namespace, agent.pod_name)
        except NotFound:
            return None
        return self._world.pods.put(body)

    async def _confirm_lost(self, seen: Observed) -> Plan:
        """Our cache may be behind the record, and what is said here is said for good."""
        pod = await self._get_pod(seen.agent)
        if pod is not None and pod.meta.uid == seen.agent.status.get("podUID"):
            return plan(replace(seen, pod=pod))
        status = progress.failed(seen.agent, seen.now, Reason.SANDBOX_LOST, POD_DELETED)
        return Plan(delete_secrets=seen.agent.holds_pod_secret, status=status)

    async def _delete_after_session(self, agent: Agent) -> timedelta | None:
        """The session that the agent was first seen with is gone: so is the agent, once the API server confirms it."""
        if agent.spec is not None and await session_lives(
            self._kube, agent.meta.key, agent.spec.session_ref.name, agent.status
        ):
            return timedelta(seconds=1)
        await self._kube.delete(kind.AGENTS, agent.meta.key.namespace, agent.meta.key.name, agent.meta.uid)
        return None


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
