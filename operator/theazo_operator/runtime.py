"""One running operator: the caches, the controllers and their queues, put together and taken apart."""

import asyncio
import contextlib
import logging
from collections.abc import Coroutine
from typing import Any

from aiohttp import web

from theazo_operator.controllers.agents import AgentController
from theazo_operator.controllers.keys import MasterKeyMissing, PlatformController, load_keyring
from theazo_operator.controllers.secrets import SecretController
from theazo_operator.controllers.sessions import SessionController
from theazo_operator.controllers.world import Wake, World
from theazo_operator.health import Health, serve
from theazo_operator.kube import resource as kind
from theazo_operator.kube.client import JSON, Kube
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
    """Everything that lives as long as the process."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.health = Health()
        self.over = asyncio.Event()
        self.broken = False
        self._agent_watch = WatchClock(kind.AGENTS, settings.platform)
        self._tasks: list[asyncio.Task[None]] = []
        self._kube: Kube | None = None
        self._web: web.AppRunner | None = None
        self._agents: AgentController | None = None
        self._queue: Workqueue[Key] | None = None

    @property
    def kube(self) -> Kube:
        """The one client, which kopf uses too."""
        if self._kube is None:
            self._kube = connect(self.settings.kubeconfig, "theazo-operator", self._agent_watch)
        return self._kube

    async def start(self) -> None:
        """Come up: probes first, then the keys, then the caches, then the work."""
        self._web = await serve(self.health, self.settings.listen_host, self.settings.listen_port)
        keyring, published = await self._wait_for_keyring()
        world = self._build(keyring, published)
        self._spawn("caches", world.run())
        await world.synced()
        self.health.watch_idle = lambda: max(self._agent_watch.idle, *(each.idle for each in world.informers))
        self.health.observe_gauges = world.observe_gauges
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
        if self._kube is not None:
            await self._kube.session.close()

    def observe_agent(self, kind_of_event: str | None, body: JSON) -> None:
        """Take in what kopf saw of an agent. Listed ones come without a kind."""
        if self._agents is None or self._queue is None:
            return
        if kind_of_event == "DELETED":
            self._agents.forget(body)
            self._queue.restart(Meta.of(body).key)
        elif self._agents.observe(body, listed=kind_of_event is None):
            self._queue.add(Meta.of(body).key)

    def _build(self, keyring: Keyring, published: dict[str, str]) -> World:
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
        publisher = PlatformController(self.kube, self.settings, keyring, published)

        async def publish(key: Key) -> None:
            if world.is_platform(key.name):
                await publisher.publish(key)

        # Secrets are verified for authors' sake, two at a time: a restart with thousands must not hold up an agent.
        agents = Workqueue("theazoagent", self._agents.reconcile, workers=32)
        sessions = Workqueue("theazosession", SessionController(self.kube, world).reconcile, workers=4)
        secrets = Workqueue("theazosecret", SecretController(self.kube, world, keyring).reconcile, workers=2)
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

    async def _wait_for_keyring(self) -> tuple[Keyring, dict[str, str]]:
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
            error = task.exception()
            kind = type(error).__name__ if error else "nothing"
            place = where(error) if error else "?"
            log.critical("a part of the operator ended", extra={"part": task.get_name(), "error": kind, "at": place})
            self.broken = True
            self.over.set()
