"""Makes the sandbox of an agent, and clears up after attempts that broke off.

create     GET TheazoSecret → open what is declared → POST Secret → POST Pod
meet       409: a Pod of ours whose creation we did not hear of, or somebody else's
give up    any other answer: deletecollection of the agent's Secrets; after a 5xx as in "clear up", since it may be done
clear up   GET Pod → deletecollection of the agent's Secrets, but for the one that its Pod uses
"""

import secrets
from dataclasses import replace

from theazo_operator.controllers.attempts import Attempts
from theazo_operator.controllers.openings import opener
from theazo_operator.controllers.world import World
from theazo_operator.kube import resource as kind
from theazo_operator.kube.client import Kube
from theazo_operator.kube.errors import Exists, KubeError, NotFound, Outdated, Refused, Unavailable
from theazo_operator.opening import Keyring
from theazo_operator.reasons import Reason
from theazo_operator.reconcile import progress
from theazo_operator.reconcile.agent import NOTHING, Observed, Plan, plan, wait
from theazo_operator.reconcile.sandbox import build
from theazo_operator.reconcile.secrets import Refusal, Resolved, resolve
from theazo_operator.resources.agent import Agent, AgentSpec
from theazo_operator.resources.meta import AGENT_UID_LABEL, short_name
from theazo_operator.resources.sandbox import SandboxPod
from theazo_operator.resources.session import Session, TheazoSecret

_SECRET_PREFIX = "thz-"  # noqa: S105 - a prefix of names
_NO_ANSWER = 0  # found out here: nothing that an agent's status should tell of
_RANDOM_BYTES = 17  # 130 bits: nobody can make the name first


class Sandboxes:
    """The pod-scoped Secrets and the Pods of agents: all requests about them are made here."""

    def __init__(self, kube: Kube, world: World, keyring: Keyring) -> None:
        self._kube = kube
        self._world = world
        self._open = opener("agent", keyring)
        self.attempts = Attempts()

    async def create(self, seen: Observed) -> Plan:
        """Make Secret and Pod, or find out why there are none; the plan says what to record.

        Raises:
            KubeError: a request failed. Without an answer it may have landed: the attempt counts as broken off.
                After an answer no Secret is left.
        """
        agent, spec, session, compute = seen.agent, seen.agent.spec, seen.session, seen.compute
        if spec is None or session is None or compute is None:
            return NOTHING  # what decided to create has seen to that; the type checker can't know
        try:
            resolved = await self._resolve(agent, spec, session)
            name = short_name(_SECRET_PREFIX, secrets.token_bytes(_RANDOM_BYTES))
            sandbox = build(agent, spec, session, compute, resolved, name)
        except Refusal as refusal:
            if refusal.waits:
                return wait(agent, seen.now, refusal.reason, refusal.message)
            return Plan(status=progress.stuck(agent, seen.now, refusal.reason, refusal.message))
        namespace = agent.meta.key.namespace
        self.attempts.begin(agent.meta.uid, sandbox.secret.name if sandbox.secret else None)
        try:
            if sandbox.secret is not None:
                await self._kube.create(kind.SECRETS, namespace, sandbox.secret.to_json())
        except Refused:
            self.attempts.cleared_up(agent.meta.uid, landing=False)  # there is nothing to delete, nor a right perhaps
            raise
        except KubeError as error:
            return await self._give_up(seen, error)
        try:
            body = await self._kube.create(kind.PODS, namespace, sandbox.pod, explain=True)
        except Exists:
            return await self._meet_existing_pod(seen)
        except KubeError as error:
            return await self._give_up(seen, error)
        self.attempts.settled(agent.meta.uid)
        return plan(replace(seen, pod=self._world.pods.put(body)))

    async def clear_up(self, agent: Agent) -> SandboxPod | None:
        """Delete the Secrets of attempts that broke off. A Pod that one of them did create keeps its own."""
        pod = await self.get_pod(agent)
        ours = pod is not None and pod.agent_uid == agent.meta.uid
        await self.delete_secrets(agent, keep=pod.secret_name if pod is not None and ours else None)
        self.attempts.cleared_up(agent.meta.uid, found_pod=ours, landing=True)
        return pod

    async def remove_starving(self, agent: Agent, pod: SandboxPod) -> None:
        """Delete a Pod that landed too late to find its Secret, so that there can be another.

        Raises:
            Outdated: there was one, so what was observed is true no longer.
        """
        if self.attempts.starves(agent, pod):
            await self.delete_pod(pod)
            raise Outdated("POST", kind.PODS.plural, _NO_ANSWER, "PodFromBrokenAttempt")

    async def delete_secrets(self, agent: Agent, *, keep: str | None) -> None:
        """Delete the agent's Secrets by their label, unseen, all but one."""
        label = f"{AGENT_UID_LABEL}={agent.meta.uid}"
        await self._kube.delete_collection(kind.SECRETS, agent.meta.key.namespace, label, keep)

    async def delete_pod(self, pod: SandboxPod) -> None:
        """Delete that very Pod."""
        await self._kube.delete(kind.PODS, pod.meta.key.namespace, pod.meta.key.name, pod.meta.uid)

    async def get_pod(self, agent: Agent) -> SandboxPod | None:
        """Ask the API server for the agent's Pod, where our cache may be behind."""
        try:
            body = await self._kube.get(kind.PODS, agent.meta.key.namespace, agent.pod_name)
        except NotFound:
            return None
        return self._world.pods.put(body)

    async def _resolve(self, agent: Agent, spec: AgentSpec, session: Session) -> list[Resolved]:
        """Read the sealed values where they are true now: one that was deleted a moment ago must not be used."""
        if not spec.secrets:
            return []
        try:
            body = await self._kube.get(kind.THEAZO_SECRETS, agent.meta.key.namespace, session.meta.key.name)
            sealed = TheazoSecret.of(body)
        except NotFound:
            sealed = None
        return resolve(spec, session, sealed, self._open)

    async def _meet_existing_pod(self, seen: Observed) -> Plan:
        """The name is taken: by our own Pod, whose creation we did not hear of, or by somebody else's."""
        agent = seen.agent
        pod = await self.get_pod(agent)
        if pod is None or pod.agent_uid != agent.meta.uid:
            await self._delete_all(agent)
        if pod is None:
            raise Outdated("POST", kind.PODS.plural, _NO_ANSWER, "PodGoneMeanwhile")
        if pod.agent_uid != agent.meta.uid:
            message = f"a Pod {agent.pod_name} that is not this agent's has its Pod's name: delete that Pod"
            return Plan(status=progress.stuck(agent, seen.now, Reason.NAME_TAKEN, message), back_off=True)
        await self.remove_starving(agent, pod)
        await self.delete_secrets(agent, keep=pod.secret_name)
        self.attempts.settled(agent.meta.uid)
        return plan(replace(seen, pod=pod))

    async def _give_up(self, seen: Observed, error: KubeError) -> Plan:
        """Leave no Secret of an attempt that the API server answered with an error, but that of a Pod that is there."""
        agent = seen.agent
        if isinstance(error, Unavailable) and error.answered:
            # It may have been done all the same, or be done yet: etcd's time-outs are answered so.
            pod = await self.clear_up(agent)
            if pod is not None and pod.agent_uid == agent.meta.uid:
                await self.remove_starving(agent, pod)
                return plan(replace(seen, pod=pod))
        elif error.answered:
            await self._delete_all(agent)
        raise error

    async def _delete_all(self, agent: Agent) -> None:
        """Delete what the attempt made; nothing of it is under way."""
        await self.delete_secrets(agent, keep=None)
        self.attempts.cleared_up(agent.meta.uid, landing=False)
