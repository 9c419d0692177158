"""One running operator: the caches, the controllers and their queues, put together and taken apart."""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Coroutine
from datetime import timedelta
from typing import Any

from aiohttp import web

from theazo_operator import metrics
from theazo_operator.controllers.agents import AgentController
from theazo_operator.controllers.keys import MasterKeyMissing, PlatformController, load_keyring
from theazo_operator.controllers.secrets import SecretController
from theazo_operator.controllers.sessions import SessionController
from theazo_operator.controllers.world import Wake, World
from theazo_operator.health import Health, serve
from theazo_operator.kube import resource as kind
from theazo_operator.kube.client import JSON
from theazo_operator.kube.errors import KubeError
from theazo_operator.kube.login import WatchClock, connect
from theazo_operator.logs import where
from theazo_operator.opening import InvalidMasterKey, Keyring
from theazo_operator.resources.meta import Key, Meta
from theazo_operator.settings import Settings
from theazo_operator.workqueue import Workqueue

log = logging.getLogger(__name__)
_KEYRING_RETRY = 5.0  # seconds; a person restores a Secret at this pace


class Runtime:
    """Everything that lives as long as the process. Must be made inside the event loop.

    Raises:
        LoginError: nothing says how to reach the API server.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.health = Health()
        self.over = asyncio.Event()
        self.broken = False
        self._agent_watch = WatchClock(kind.AGENTS, settings.platform)
        #: The one client, which kopf uses too.
        self.kube = connect(settings.kubeconfig, "theazo-operator", self._agent_watch)
        self._tasks: list[asyncio.Task[None]] = []
        self._web: web.AppRunner | None = None
        self._agents: AgentController | None = None
        self._queue: Workqueue[Key] | None = None

    async def listen(self) -> None:
        """Answer probes.

        Raises:
            OSError: the address can't be listened on.
        """
        self._web = await serve(self.health, self.settings.listen_host, self.settings.listen_port)

    async def start(self) -> None:
        """Come up: the keys, then the caches, then the work. What goes wrong ends the process."""
        try:
            await self._come_up()
        except Exception as error:  # noqa: BLE001 - kopf would try again a minute later, half alive
            self._break("start", error)
            await asyncio.Event().wait()  # until kopf, which has been told to end, does: it would go on and watch

    async def _come_up(self) -> None:
        keyring = await self._wait_for_keyring()
        world = self._build(keyring)
        self._spawn("caches", world.run())
        await world.synced()
        self.health.watch_idle = lambda: max(self._agent_watch.idle, *(each.idle for each in world.informers))
        self.health.observe_gauges = lambda: self._observe_gauges(world)
        self.health.not_ready = None
        log.info("ready", extra={"namespace": self.settings.namespace, "active_master_key": keyring.active})

    def halt(self) -> None:
        """Begin to go down: no new work. What breaks off here is cleared up by the next process, as after a crash."""
        self.health.not_ready = "Stopping"
        for task in self._tasks:
            task.cancel()
        self.over.set()

    async def stop(self) -> None:
        """Go down."""
        self.halt()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._web is not None:
            await self._web.cleanup()
        await self.kube.session.close()

    def observe_agent(self, kind_of_event: str | None, body: JSON) -> None:
        """Take in what kopf saw of an agent. Listed ones come without a kind."""
        if self._agents is None or self._queue is None:
            return
        if kind_of_event == "DELETED":
            self._agents.forget(body)
            self._queue.restart(Meta.of(body).key)
        elif self._agents.observe(body, listed=kind_of_event is None):
            self._queue.add(Meta.of(body).key)

    def _build(self, keyring: Keyring) -> World:
        world = World(
            self.kube,
            self.settings,
            # Looked up late: the queues' work needs this world.
            Wake(
                agent=lambda key: agents.add(key),  # noqa: PLW0108
                session=lambda key: sessions.add(key),  # noqa: PLW0108
                secret=lambda key: secrets.add(key),  # noqa: PLW0108
                platform=lambda key: platforms.add(key),  # noqa: PLW0108
            ),
        )
        self._agents = AgentController(self.kube, world, keyring)
        publisher = PlatformController(self.kube, self.settings, keyring)

        async def publish(key: Key) -> timedelta | None:
            return await publisher.publish(key) if world.is_platform(key.name) else None

        # Secrets are verified for authors' sake, few at a time: a restart with thousands must not hold up an agent.
        agents = _fair("theazoagent", self._agents.reconcile, share=32)
        sessions = _fair("theazosession", SessionController(self.kube, world).reconcile, share=4)
        secrets = _fair("theazosecret", SecretController(self.kube, world, keyring).reconcile, share=2)
        platforms = Workqueue("platform", publish, workers=1)
        self._queue = agents
        if self.settings.platform is not None:
            platforms.add(Key("", self.settings.platform))  # no watch tells of it
        for queue in (agents, sessions, secrets, platforms):
            self._spawn(queue.name, self._run_when_synced(world, queue))
        return world

    @staticmethod
    async def _run_when_synced(world: World, queue: Workqueue[Key]) -> None:
        """Absence means nothing before every cache has been filled once."""
        await world.synced()
        await queue.run()

    async def _wait_for_keyring(self) -> Keyring:
        said = None
        while True:
            try:
                return await load_keyring(self.kube, self.settings)
            except (MasterKeyMissing, InvalidMasterKey) as error:
                self.health.not_ready = f"{type(error).__name__}: {error}"
            except KubeError as error:
                self.health.not_ready = f"Starting: the API server does not answer as it should ({error})"
            if said != self.health.not_ready:
                said = self.health.not_ready
                log.error("not ready", extra={"error": said})
            await asyncio.sleep(_KEYRING_RETRY)

    def _spawn(self, name: str, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work, name=name)
        task.add_done_callback(self._ended)
        self._tasks.append(task)

    def _ended(self, task: asyncio.Task[None]) -> None:
        """Nothing here ends by itself. A part that did would leave the rest half alive, so the process ends."""
        with contextlib.suppress(asyncio.CancelledError):
            self._break(task.get_name(), task.exception())

    def _break(self, part: str, error: BaseException | None) -> None:
        kind = type(error).__name__ if error else "nothing"
        place = where(error) if error else "?"
        log.critical("a part of the operator ended", extra={"part": part, "error": kind, "at": place})
        self.broken = True
        self.over.set()

    def _observe_gauges(self, world: World) -> None:
        world.observe_gauges()
        metrics.WATCH_AGE.labels(kind.AGENTS.plural).set(self._agent_watch.idle)


def _fair(name: str, work: Callable[[Key], Awaitable[timedelta | None]], *, share: int) -> Workqueue[Key]:
    """Make a queue in which no platform holds every worker: its webhooks and quotas may make each request long."""
    return Workqueue(name, work, workers=share + share // 2, share=share, group=lambda key: key.namespace)
