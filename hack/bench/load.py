"""Load for the operator, and the time until its Pods are there."""

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from hack.bench.bare import create_agents
from hack.bench.bodies import Bodies
from hack.bench.connection import connect
from hack.bench.sizes import NotMeasured
from theazo_operator.kube import resource as kind
from theazo_operator.kube.client import Kube
from theazo_operator.kube.errors import KubeError

_STALL = 60.0  # seconds without any new Pod, after which none will come
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Light:
    """Agents at a fixed rate, whatever becomes of them meanwhile."""

    seconds: tuple[float, ...]
    """For each agent, from the reply to its creation until its Pod was seen."""
    pods: int


@dataclass(frozen=True, slots=True)
class Burst:
    """Agents as fast as they can be created."""

    agents: int
    pods: int
    creation_seconds: float
    """From the first create to the last reply."""
    seconds: float
    """Until the last Pod was seen: from the first create, or from when the operator was let go on."""

    @property
    def rate(self) -> float:
        """Agents a second."""
        return self.agents / self.seconds


@dataclass(slots=True)
class _Pods:
    """When each agent's Pod was first seen."""

    seen: dict[str, float] = field(default_factory=dict)
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    async def follow(self, admin: Kube, platform: str, since: str) -> None:
        async for event in admin.watch(kind.PODS, platform, "", since):
            if event["type"] == "ADDED":
                self.seen[event["object"]["metadata"]["name"].rpartition("-")[0]] = time.perf_counter()
                self.changed.set()

    async def wait(self, number: int) -> None:
        while len(self.seen) < number:
            self.changed.clear()
            try:
                async with asyncio.timeout(_STALL):
                    await self.changed.wait()
            except TimeoutError:
                raise NotMeasured(f"{len(self.seen)} of {number} Pods, and no more in {_STALL:g} s") from None


@dataclass(frozen=True, slots=True)
class Load:
    """Makes agents in one platform, with the administrator's rights, and watches its Pods."""

    admin: Path
    platform: str
    bodies: Bodies

    def light(self, agents: int, rate: float) -> Light:
        """Create agents at a rate per second. A slow reply delays no other agent."""

        async def work(admin: Kube, pods: _Pods) -> Light:
            created: dict[str, float] = {}

            async def create(name: str) -> None:
                await admin.create(kind.AGENTS, self.platform, self.bodies.create(name))
                created[name] = time.perf_counter()

            started = time.perf_counter()
            async with asyncio.TaskGroup() as group:
                for index in range(agents):
                    await asyncio.sleep(max(0.0, started + index / rate - time.perf_counter()))
                    group.create_task(create(f"light-{index:04}"))
            await pods.wait(agents)
            return Light(tuple(pods.seen[name] - created[name] for name in created), len(pods.seen))

        return asyncio.run(self._watched(work))

    def backlog(self, agents: int, pid: int) -> Burst:
        """Create agents while the operator is stopped (SIGSTOP), and let it go on once all of them are there.

        So nothing but the operator uses the machine while it is measured, as nothing did beside the bare client. It
        gets all events at once, by the watch that it has.
        """

        async def work(admin: Kube, pods: _Pods) -> Burst:
            started = time.perf_counter()
            os.kill(pid, signal.SIGSTOP)
            try:
                await create_agents(admin, self.platform, self.bodies, "backlog", agents)
            finally:
                going = time.perf_counter()
                os.kill(pid, signal.SIGCONT)
            await pods.wait(agents)
            return Burst(agents, len(pods.seen), going - started, max(pods.seen.values()) - going)

        return asyncio.run(self._watched(work))

    def burst(self, agents: int) -> Burst:
        """Create agents, 32 at once, while the operator serves those that are there."""

        async def work(admin: Kube, pods: _Pods) -> Burst:
            started = time.perf_counter()
            await create_agents(admin, self.platform, self.bodies, "burst", agents)
            created = time.perf_counter()
            await pods.wait(agents)
            return Burst(agents, len(pods.seen), created - started, max(pods.seen.values()) - started)

        return asyncio.run(self._watched(work))

    async def _watched(self, work: Callable[[Kube, _Pods], Coroutine[Any, Any, T]]) -> T:
        async with connect(self.admin) as admin, _watching(admin, self.platform) as pods:
            return await work(admin, pods)


@asynccontextmanager
async def _watching(admin: Kube, platform: str) -> AsyncIterator[_Pods]:
    pods = _Pods()
    since = [page["metadata"]["resourceVersion"] async for page in admin.pages(kind.PODS, platform, "")][-1]
    follower = asyncio.create_task(pods.follow(admin, platform, since))
    try:
        yield pods
    finally:
        follower.cancel()
        try:
            await follower
        except asyncio.CancelledError:
            pass
        except KubeError as error:
            raise NotMeasured(f"the watch of the Pods broke: {error}") from error
