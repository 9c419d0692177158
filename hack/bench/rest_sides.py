"""The two that are compared: the REST API as its clients call it, and a bare client that makes the same changes itself.

Both get bytes that were made before the clock starts, over as many connections that stay open.
"""

import json
import secrets
import string
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import aiohttp

from hack.bench.bare import METADATA, send
from hack.bench.sizes import NotMeasured
from theazo_operator.api.operation import JSON_TYPE, SEALED_TYPE
from theazo_operator.kube import resource as kind
from theazo_operator.kube.client import Kube

# Places in the bodies of the bare client.
VERSION, UPDATED, AGENT = "version-of-the-object", "2026-05-01T10:00:00.000001Z", "name-of-the-agent"
_NAME = string.ascii_lowercase + "234567"


@dataclass(frozen=True, slots=True, repr=False)
class Place:
    """One session, and what is sent for it. It has no repr: bodies hold values."""

    id: str
    values: bytes
    sealed: bytes
    declared: bytes
    """The body that creates an agent."""
    entries: Sequence[Mapping[str, Any]]
    """The operations of a JSON Patch that sets the same sealed values."""
    agent: bytes
    """The TheazoAgent that the API makes of `declared`."""


@dataclass(slots=True)
class RestApi:
    """A client of the REST API."""

    session: aiohttp.ClientSession
    url: str
    places: Sequence[Place]

    async def begin(self, session: int) -> None:
        """Bring a connection up."""
        await self.list(session)

    async def set(self, session: int) -> None:
        """Set values, which the API seals."""
        place = self.places[session]
        await self._send("POST", f"{place.id}/secrets", place.values)

    async def set_sealed(self, session: int) -> None:
        """Set values as the SDKs send them."""
        place = self.places[session]
        await self._send("POST", f"{place.id}/secrets", place.sealed, content=SEALED_TYPE)

    async def list(self, session: int) -> None:
        """List names."""
        await self._send("GET", f"{self.places[session].id}/secrets")

    async def create(self, session: int) -> None:
        """Create an agent as the SDKs do."""
        place = self.places[session]
        await self._send("POST", f"{place.id}/agents", place.declared, headers={"Idempotency-Key": str(uuid4())})

    async def _send(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        *,
        content: str = JSON_TYPE,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        more = {**(headers or {}), **({"Content-Type": content} if body is not None else {})}
        async with self.session.request(method, f"{self.url}/v1/sessions/{path}", data=body, headers=more) as response:
            reply = await response.read()
        if response.status >= 400:  # noqa: PLR2004 - HTTP
            code = json.loads(reply)["code"]
            raise NotMeasured(f"the REST API answered {response.status} {code} to {method} …/{path.partition('/')[2]}")


class Bare:
    """A client of the API server. It decides nothing: it knows the version that it changes, and who owns what."""

    def __init__(self, kube: Kube, platform: str, places: Sequence[Place]) -> None:
        self._kube = kube
        self._platform = platform
        self._places = places
        self._agents = kind.AGENTS.path(platform)
        self._paths = [kind.THEAZO_SECRETS.path(platform, place.id) for place in places]
        test = {"op": "test", "path": "/metadata/resourceVersion", "value": VERSION}
        self._guarded = [json.dumps([test, *place.entries]).encode() for place in places]
        self._unguarded = [json.dumps(place.entries).encode() for place in places]
        self._versions = [""] * len(places)

    async def begin(self, session: int) -> None:
        """Bring a connection up, and get to know the version that the REST API has left."""
        self._note(session, await send(self._kube, "GET", self._paths[session], accept=METADATA))

    async def set(self, session: int) -> None:
        """Write entries, provided that nobody has written since."""
        body = self._guarded[session].replace(VERSION.encode(), self._versions[session].encode())
        self._note(session, await self._patch(session, body))

    async def set_shared(self, session: int) -> None:
        """Write entries beside others. They are complete, so it does not matter who wrote before."""
        await self._patch(session, self._unguarded[session])

    async def list(self, session: int) -> None:
        """Read the object that has the names."""
        await send(self._kube, "GET", self._paths[session])

    async def create(self, session: int) -> None:
        """Create an agent."""
        name = "a-" + "".join(secrets.choice(_NAME) for _ in range(26))
        body = self._places[session].agent.replace(AGENT.encode(), name.encode())
        await send(self._kube, "POST", self._agents, body)

    async def _patch(self, session: int, body: bytes) -> bytes:
        # Without a new time nothing would change, and the API server would not write.
        body = body.replace(UPDATED.encode(), datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ").encode())
        content = "application/json-patch+json"
        return await send(self._kube, "PATCH", self._paths[session], body, content=content, accept=METADATA)

    def _note(self, session: int, reply: bytes) -> None:
        self._versions[session] = json.loads(reply)["metadata"]["resourceVersion"]
