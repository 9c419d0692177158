"""Reading what the API server answers, or what stands before it."""

import json
import re
from collections.abc import AsyncIterator
from typing import Any

import aiohttp

from theazo_operator.kube.errors import Unavailable, classify
from theazo_operator.kube.resource import Resource

JSON = dict[str, Any]
_REASON = re.compile(r"[A-Za-z ]{1,64}")
_PREVIEW = 400


class TooLong(Exception):
    """An answer that was not read to its end, since it has more bytes than it may."""


class Portion:
    """How many objects of a list to ask for at once, so that a page has room in memory."""

    def __init__(self, limit: int, room: int) -> None:
        """Begin with `limit` objects, never to be exceeded; a page of several may have `room` bytes."""
        self.limit = self._most = limit
        self._room = room

    async def read(self, response: aiohttp.ClientResponse) -> bytearray:
        """Read a page, and find out from its length how many objects the next one may have.

        Raises:
            TooLong: it was given up and is to be asked for again. The connection is not used again.
        """
        found = bytearray()
        async for chunk in response.content.iter_any():
            found += chunk
            if len(found) > self._room and self.limit > 1:
                response.close()
                self.limit = max(1, self.limit // 4)
                raise TooLong
        if 2 * len(found) <= self._room:  # else twice as many would be given up, over and over
            self.limit = min(self._most, self.limit * 2)
        return found


async def check(response: aiohttp.ClientResponse, verb: str, resource: Resource, *, explain: bool) -> None:
    """Raise what a status says that is no success.

    Raises:
        KubeError: of the class that fits. With `explain` it carries the server's message.
    """
    # A redirect is an error: it would be followed with the body, a Secret's too, and with the token.
    if response.status < 300:  # noqa: PLR2004 - HTTP
        return
    try:
        answer = json_object(await response.read(), verb, resource)
    except Unavailable:
        answer = {}  # what stands before the API server has answered
    reason = str(answer.get("reason") or response.reason or "")
    reason = reason if _REASON.fullmatch(reason) else ""  # an admission webhook may say anything there
    message = str(answer.get("message") or "")[:_PREVIEW] if explain else ""
    raise classify(response.status, reason)(verb, resource.plural, response.status, reason, message)


def json_object(text: bytes | bytearray, verb: str, resource: Resource) -> JSON:
    """Read a JSON object.

    Raises:
        Unavailable: it is none, so it is not the API server that answered. What it was is in no message.
    """
    try:
        value = json.loads(text)
    except ValueError:
        value = None
    if not isinstance(value, dict):
        raise Unavailable(verb, resource.plural, 0, "NoJSONObject")
    return value


async def lines(response: aiohttp.ClientResponse) -> AsyncIterator[bytes]:
    """Split a stream into lines of any length: an object may be larger than aiohttp's own line limit."""
    buffer = bytearray()
    async for chunk in response.content.iter_any():
        buffer += chunk
        *complete, rest = buffer.split(b"\n")
        buffer = rest
        for line in complete:
            if line:
                yield bytes(line)
