"""kopf's side: adapters only.

kopf runs the process and watches TheazoAgents. There are event handlers and no others, so kopf writes nothing: no
finalizer, no annotation, no status, no Kubernetes Event.
"""

import asyncio
import signal
from typing import Any

import kopf

from theazo_operator.resources.meta import GROUP, VERSION
from theazo_operator.runtime import Runtime


class _NoDiffBase(kopf.DiffBaseStorage):
    """There is nothing to compare with: kopf's own storage copies each object for each event."""

    def build(self, *, body: kopf.Body, extra_fields: Any = None) -> kopf.BodyEssence:  # noqa: ARG002
        return kopf.BodyEssence({})

    def fetch(self, *, body: kopf.Body) -> kopf.BodyEssence | None:  # noqa: ARG002
        return None

    def store(self, *, body: kopf.Body, patch: kopf.Patch, essence: kopf.BodyEssence) -> None:
        """Store nothing."""


def settings() -> kopf.OperatorSettings:
    """Configure kopf to be fast and silent."""
    chosen = kopf.OperatorSettings()
    chosen.persistence.diffbase_storage = _NoDiffBase()
    chosen.posting.enabled = False
    chosen.scanning.disabled = True
    chosen.peering.standalone = True
    chosen.queueing.idle_timeout = 0.05  # a longer one keeps a task for each agent that was seen
    chosen.queueing.exit_timeout = 10
    # kopf reads a chunk as a whole, and with labels and annotations an agent may have 1.5 MB.
    chosen.watching.chunk_size = 25
    chosen.watching.server_timeout = 300
    chosen.watching.client_timeout = 330
    chosen.watching.connect_timeout = 10
    chosen.networking.request_timeout = 30
    chosen.networking.error_backoffs = (0.2, 0.5, 1, 2, 4)
    return chosen


def register(registry: kopf.OperatorRegistry, runtime: Runtime) -> None:
    """Attach the operator to kopf."""

    @kopf.on.login(registry=registry)
    async def login(**_: Any) -> kopf.AiohttpSession:
        return kopf.AiohttpSession(server=runtime.kube.server, aiohttp_session=runtime.kube.session)

    @kopf.on.startup(registry=registry)
    async def start(**_: Any) -> None:
        # In kopf's place: it would wait for our tasks before it tells us to end them.
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, runtime.halt)
        await runtime.start()

    @kopf.on.cleanup(registry=registry)
    async def stop(**_: Any) -> None:
        await runtime.stop()

    @kopf.on.event(GROUP, VERSION, "theazoagents", registry=registry)
    async def observe(event: kopf.RawEvent, **_: Any) -> None:
        runtime.observe_agent(event["type"], dict(event["object"]))
