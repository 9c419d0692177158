"""The bare client: the four requests to a sandbox, and nothing else.

It decides nothing, opens nothing and caches nothing, so what it reaches is what this API server gives on this machine.
"""

import asyncio
import json
import resource
import time
from collections.abc import Callable, Coroutine, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from hack.bench.bodies import Bodies
from hack.bench.connection import connect
from hack.bench.sizes import NotMeasured
from theazo_operator.kube import resource as kind
from theazo_operator.kube.client import Kube

_JSON = "application/json"
#: The operator asks for no more of a Secret that it made, nor the REST API of what it has patched.
METADATA = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"
_WARM_UP = 5  # agents whose time does not count: connections come up, the API server's caches fill
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Serial:
    """One agent at a time: seconds for each."""

    whole: tuple[float, ...]
    """All four requests."""
    to_pod: tuple[float, ...]
    """Until the Pod was there: all but the PATCH."""


@dataclass(frozen=True, slots=True)
class Throughput:
    """Many agents at once."""

    concurrency: int
    agents: int
    seconds: float
    cpu_seconds: float

    @property
    def rate(self) -> float:
        """Agents a second."""
        return self.agents / self.seconds


@dataclass(frozen=True, slots=True)
class BareClient:
    """The bare client in one platform, with the operator's own rights; agents are made with the administrator's."""

    operator: Path
    admin: Path
    platform: str
    session: str
    bodies: Bodies

    def serial(self, agents: int) -> Serial:
        """Serve agents one after the other. They are all there before the first is served."""
        return asyncio.run(self._connected(lambda mine, admin: self._serial(mine, admin, agents)))

    def parallel(self, name: str, concurrency: int, agents: int) -> Throughput:
        """Serve many agents, so many at once. They are all there before."""

        async def work(mine: Kube, admin: Kube) -> Throughput:
            made = await create_agents(admin, self.platform, self.bodies, name, agents)

            async def serve(index: int) -> None:
                await self._serve(mine, *made[index])

            return await self._timed(mine, concurrency, agents, serve)

        return asyncio.run(self._connected(work))

    def creating(self, name: str, concurrency: int, agents: int) -> Throughput:
        """Serve many agents, and create each of them before: all requests of a burst, from one client."""

        async def work(mine: Kube, admin: Kube) -> Throughput:
            async def serve(index: int) -> None:
                await self._serve(mine, *await _create(admin, self.platform, self.bodies, f"{name}-{index:04}"))

            return await self._timed(mine, concurrency, agents, serve)

        return asyncio.run(self._connected(work))

    async def _connected(self, work: Callable[[Kube, Kube], Coroutine[Any, Any, T]]) -> T:
        async with connect(self.operator) as mine, connect(self.admin) as admin:
            return await work(mine, admin)

    async def _serial(self, mine: Kube, admin: Kube, agents: int) -> Serial:
        made = await create_agents(admin, self.platform, self.bodies, "serial", agents + _WARM_UP)
        times = [await self._serve(mine, name, uid) for name, uid in made][_WARM_UP:]
        return Serial(tuple(whole for whole, _ in times), tuple(to_pod for _, to_pod in times))

    async def _timed(
        self, mine: Kube, concurrency: int, agents: int, serve: Callable[[int], Coroutine[Any, Any, None]]
    ) -> Throughput:
        # Connections come up, by requests that no count of the platform's includes.
        await asyncio.gather(*(send(mine, "GET", "/version") for _ in range(concurrency)))
        cpu, started = _cpu_seconds(), time.perf_counter()
        await in_parallel(iter(range(agents)), concurrency, serve)
        return Throughput(concurrency, agents, time.perf_counter() - started, _cpu_seconds() - cpu)

    async def _serve(self, mine: Kube, name: str, uid: str) -> tuple[float, float]:
        sent = self.bodies.of(name, uid)
        started = time.perf_counter()
        await send(mine, "GET", kind.THEAZO_SECRETS.path(self.platform, self.session))
        await send(mine, "POST", kind.SECRETS.path(self.platform), sent.secret, accept=METADATA)
        pod = json.loads(await send(mine, "POST", kind.PODS.path(self.platform), sent.pod))
        to_pod = time.perf_counter() - started
        where = f"{kind.AGENTS.path(self.platform, name)}/status"
        body = sent.status_of(pod["metadata"]["uid"])
        await send(mine, "PATCH", where, body, content="application/json-patch+json")
        return time.perf_counter() - started, to_pod


async def create_agents(admin: Kube, platform: str, bodies: Bodies, name: str, agents: int) -> list[tuple[str, str]]:
    """Create agents, 32 at once, and return their names and UIDs, in order."""
    made: dict[int, tuple[str, str]] = {}

    async def create(index: int) -> None:
        made[index] = await _create(admin, platform, bodies, f"{name}-{index:04}")

    await in_parallel(iter(range(agents)), 32, create)
    return [made[index] for index in range(agents)]


async def in_parallel(
    indices: Iterator[int], concurrency: int, work: Callable[[int], Coroutine[Any, Any, None]]
) -> None:
    """Work on all, so many at once. The first error ends it."""

    async def worker() -> None:
        for index in indices:
            await work(index)

    try:
        async with asyncio.TaskGroup() as group:
            for _ in range(concurrency):
                group.create_task(worker())
    except ExceptionGroup as errors:
        raise errors.exceptions[0] from None


async def _create(admin: Kube, platform: str, bodies: Bodies, name: str) -> tuple[str, str]:
    body = await admin.create(kind.AGENTS, platform, bodies.create(name))
    return name, body["metadata"]["uid"]


async def send(
    client: Kube, method: str, path: str, body: bytes | None = None, *, content: str = _JSON, accept: str = _JSON
) -> bytes:
    """Make one request, and return the reply's body. Raises NotMeasured if it is refused."""
    headers = {"Accept": accept, **({"Content-Type": content} if body is not None else {})}
    async with client.session.request(method, client.server + path, data=body, headers=headers) as response:
        reply = await response.read()
    if response.status >= 400:  # noqa: PLR2004 - HTTP
        said = json.loads(reply).get("message", "")
        raise NotMeasured(f"the bare client's {method} {path} was answered {response.status}: {said}")
    return reply


def _cpu_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime
