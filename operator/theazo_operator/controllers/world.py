"""All that the operator knows of the cluster: one cache for each kind, and who must look again after a change."""

import asyncio
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from theazo_operator import metrics
from theazo_operator.kube import resource as kind
from theazo_operator.kube.client import Kube
from theazo_operator.kube.informer import Informer
from theazo_operator.resources.agent import Agent
from theazo_operator.resources.meta import AGENT_UID_LABEL, PLATFORM_LABEL, Key, Meta
from theazo_operator.resources.sandbox import Compute, SandboxPod
from theazo_operator.resources.session import SecretRecord, Session
from theazo_operator.settings import NEVER_PLATFORMS, Settings


@dataclass(frozen=True, slots=True)
class Platform:
    """A namespace that carries the platform label."""

    meta: Meta

    @classmethod
    def of(cls, body: Mapping[str, Any]) -> "Platform":
        """Read an object of the API server."""
        return cls(Meta.of(body))


class Agents:
    """The agents as kopf last showed them, or as a reply to a write of ours did: whichever is newer."""

    def __init__(self) -> None:
        self._agents: dict[Key, Agent] = {}
        self._by_session: dict[Key, set[Key]] = {}

    def get(self, key: Key) -> Agent | None:
        """Look up an agent."""
        return self._agents.get(key)

    def put(self, body: Mapping[str, Any]) -> bool:
        """Take in an agent, unless what is known is as new: the echo of our own write is no news."""
        agent = Agent.of(body)
        known = self._agents.get(agent.meta.key)
        if known is not None and known.meta.resource_version >= agent.meta.resource_version:
            return False
        self.remove(agent.meta.key)  # a namesake may have been in another session
        over = agent.finished or "podUID" in agent.status
        self._agents[agent.meta.key] = agent.settled() if over else agent
        self._by_session.setdefault(_session_key(agent), set()).add(agent.meta.key)
        return True

    def remove(self, key: Key) -> None:
        """Forget an agent that is gone."""
        agent = self._agents.pop(key, None)
        if agent is None:
            return
        session = _session_key(agent)
        self._by_session[session].remove(key)
        if not self._by_session[session]:
            del self._by_session[session]

    def of_session(self, session: Key) -> Iterator[Key]:
        """List the agents of a session."""
        return iter(tuple(self._by_session.get(session, ())))

    def __iter__(self) -> Iterator[Agent]:
        return iter(tuple(self._agents.values()))


@dataclass(frozen=True, slots=True)
class Wake:
    """Whom to tell that there is something to look at."""

    agent: Callable[[Key], None]
    session: Callable[[Key], None]
    secret: Callable[[Key], None]
    platform: Callable[[Key], None]


class World:
    """The caches. Agents come from kopf; the rest from informers, which know what is gone."""

    def __init__(self, kube: Kube, settings: Settings, wake: Wake) -> None:
        self._settings = settings
        self._wake = wake
        self.agents = Agents()
        self.platforms = Informer(kube, kind.NAMESPACES, Platform.of, self._platform_changed, selector=PLATFORM_LABEL)
        only = settings.platform
        self.sessions = Informer(kube, kind.SESSIONS, Session.of, self._session_changed, namespace=only)
        self.secrets = Informer(kube, kind.THEAZO_SECRETS, SecretRecord.of, self._secret_changed, namespace=only)
        self.pods = Informer(
            kube, kind.PODS, SandboxPod.of, self._pod_changed, namespace=only, selector=AGENT_UID_LABEL
        )
        self.computes = tuple(
            Informer(kube, kind.POD_TEMPLATES, Compute.of, self._compute_changed, namespace=namespace)
            for namespace in _compute_namespaces(settings)
        )

    @property
    def informers(self) -> tuple[Informer[Any], ...]:
        """Every informer, those first that the others' decisions need. For one platform no namespace is watched."""
        platforms = () if self._settings.platform else (self.platforms,)
        return (*platforms, self.sessions, *self.computes, self.pods, self.secrets)

    async def run(self) -> None:
        """Keep all caches up to date."""
        async with asyncio.TaskGroup() as group:
            for informer in self.informers:
                group.create_task(informer.run())

    async def synced(self) -> None:
        """Wait until every cache has been filled once: before that, absence means nothing."""
        for informer in self.informers:
            await informer.synced.wait()

    def is_platform(self, namespace: str) -> bool:
        """Whether agents are served there."""
        if self._settings.platform is not None:
            return namespace == self._settings.platform
        if namespace in NEVER_PLATFORMS or namespace == self._settings.namespace:
            return False
        return self.platforms.get(Key("", namespace)) is not None

    def session_of(self, agent: Agent) -> Session | None:
        """Find the agent's session."""
        return self.sessions.get(Key(agent.meta.key.namespace, agent.spec.session_ref.name)) if agent.spec else None

    def compute_of(self, agent: Agent) -> Compute | None:
        """Find the agent's compute: the operator's own first, so that no platform can replace one of those."""
        if agent.spec is None:
            return None
        namespaces = [self._settings.namespace]
        if self._settings.allow_platform_computes:
            namespaces.append(agent.meta.key.namespace)
        keys = [Key(namespace, agent.spec.compute) for namespace in namespaces]
        found = (informer.get(key) for key in keys for informer in self.computes)
        return next((compute for compute in found if compute is not None), None)

    def pod_of(self, agent: Agent) -> SandboxPod | None:
        """Find the agent's Pod, under the one name that it can have."""
        return self.pods.get(Key(agent.meta.key.namespace, agent.pod_name))

    def observe_gauges(self) -> None:
        """Bring the gauges up to date, when somebody asks."""
        metrics.POD_SECRETS.set(sum(agent.holds_pod_secret for agent in self.agents))
        ages: dict[str, float] = {}
        for informer in self.informers:  # two of one kind, where computes are in two namespaces
            ages[informer.name] = max(informer.age, ages.get(informer.name, 0.0))
        for name, age in ages.items():
            metrics.WATCH_AGE.labels(name).set(age)

    def _platform_changed(self, key: Key) -> None:
        self._wake.platform(key)
        for session in self.sessions.values():
            if session.meta.key.namespace == key.name:
                self._wake.session(session.meta.key)
        for secret in self.secrets.values():
            if secret.meta.key.namespace == key.name:
                self._wake.secret(secret.meta.key)
        for agent in self.agents:
            if agent.meta.key.namespace == key.name:
                self._wake.agent(agent.meta.key)

    def _session_changed(self, key: Key) -> None:
        self._wake.session(key)
        self._wake.secret(key)
        for agent in self.agents.of_session(key):
            self._wake.agent(agent)

    def session_ended(self, key: Key) -> None:
        """Have everything in a session looked at, because its time is over."""
        self._wake.secret(key)
        for agent in self.agents.of_session(key):
            self._wake.agent(agent)

    def _secret_changed(self, key: Key) -> None:
        self._wake.secret(key)
        for agent in self.agents.of_session(key):
            self._wake.agent(agent)

    def _pod_changed(self, key: Key) -> None:
        name, _, _ = key.name.rpartition("-")
        self._wake.agent(Key(key.namespace, name))

    def _compute_changed(self, key: Key) -> None:
        for agent in self.agents:
            if agent.spec is not None and agent.spec.compute == key.name and "podUID" not in agent.status:
                self._wake.agent(agent.meta.key)


def _session_key(agent: Agent) -> Key:
    return Key(agent.meta.key.namespace, agent.spec.session_ref.name if agent.spec else "")


def _compute_namespaces(settings: Settings) -> tuple[str | None, ...]:
    """Where computes are; None for everywhere."""
    if not settings.allow_platform_computes:
        return (settings.namespace,)
    return (settings.namespace, settings.platform) if settings.platform is not None else (None,)
