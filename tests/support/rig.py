"""The agents' controller beside an API server in memory that loses requests and replies."""

from datetime import datetime, timedelta, tzinfo
from typing import Any, Self

import pytest

from tests.support.builders import (
    JSON,
    KEYRING,
    NOW,
    NS,
    agent_body,
    compute_body,
    metadata,
    sealed_text,
    secret_body,
    session_body,
)
from tests.support.fakekube import FakeKube, values_of
from theazo_operator.controllers import agents as module
from theazo_operator.controllers.agents import AgentController
from theazo_operator.controllers.world import Wake, World
from theazo_operator.kube import resource as kind
from theazo_operator.kube.errors import KubeError
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
        self.world.computes[0].put(compute_body())
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


def stop_clock(monkeypatch: pytest.MonkeyPatch) -> type[Clock]:
    """Have the controller take its time from `Clock`."""
    monkeypatch.setattr(module, "datetime", Clock)
    monkeypatch.setattr(Clock, "offset", 0.0)
    return Clock
