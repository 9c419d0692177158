"""Waits a moment until the operator has looked at a new agent.

So that "running agents keep the old value" is true from the answer on: what is set after an answer with `podName` never
reaches that agent. It costs the request some ten milliseconds and one watch, and no operator delays it for long.
"""

import asyncio
from contextlib import aclosing

from theazo_operator.kube import resource as kind
from theazo_operator.kube.client import JSON, Kube
from theazo_operator.kube.errors import KubeError
from theazo_operator.resources.meta import mapping

# Watches at once; in a burst the rest is answered at once. Each holds one of the 64 connections to the API server, and
# all other requests need some too.
_MOST = 32


class Settling:
    """Follows new agents, each for some seconds at most."""

    def __init__(self, kube: Kube, patience: float) -> None:
        self._kube = kube
        self._patience = patience
        self._following = 0

    async def settled(self, made: JSON) -> JSON:
        """The agent with what the operator says of it, or as it was made if nothing comes in time. Never raises."""
        if self._patience <= 0 or self._following >= _MOST:
            return made
        self._following += 1
        try:
            async with asyncio.timeout(self._patience):
                return await self._follow(made)
        except (TimeoutError, KubeError):
            return made
        finally:
            self._following -= 1

    async def _follow(self, made: JSON) -> JSON:
        meta = made["metadata"]
        events = self._kube.watch(
            kind.AGENTS, meta["namespace"], "", meta["resourceVersion"], fields=f"metadata.name={meta['name']}"
        )
        async with aclosing(events):
            async for event in events:
                body: JSON = event["object"]
                if event["type"] in {"ADDED", "MODIFIED"} and "phase" in mapping(body.get("status")):
                    return body
                if event["type"] in {"DELETED", "ERROR"}:
                    break
        return made
