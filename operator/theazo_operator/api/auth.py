"""Who asks: API keys, of which only hashes are known here.

A key is 256 random bits, so its SHA-256 is enough: there is nothing to guess that a slow hash would protect.
"""

import base64
import binascii
import hmac
import json
import logging
import time
from asyncio import Lock
from collections import OrderedDict
from dataclasses import dataclass
from typing import Any

from theazo import api_key
from theazo_operator import metrics
from theazo_operator.api.problems import TOO_MANY_FAILURES, UNAUTHORIZED, Problem
from theazo_operator.kube import resource as kind
from theazo_operator.kube.client import Kube
from theazo_operator.kube.errors import NotFound
from theazo_operator.resources.meta import mapping, word

log = logging.getLogger(__name__)
_SECRET = "theazo-api-keys"  # noqa: S105 - a name
_FRESH = 1.0  # seconds; how long a revoked key may still be served
_NOBODY = api_key.digest("")
_BURST = 20  # failures of one client before it has to wait
_REFILL = 0.2  # failures a second that a client gets back
_CLIENTS = 10_000


@dataclass(frozen=True, slots=True)
class Caller:
    """Whose key it was."""

    key_id: str
    platform: str


@dataclass(frozen=True, slots=True)
class _Entry:
    platform: str
    digest: str


class ApiKeys:
    """The Secret with the hashes, read again when it is older than a second."""

    def __init__(self, kube: Kube, namespace: str) -> None:
        self._kube = kube
        self._namespace = namespace
        self._entries: dict[str, _Entry] = {}
        self._read_at = float("-inf")
        self._reading = Lock()
        self._failures = Failures()

    async def authenticate(self, authorization: str | None, client: str) -> Caller:
        """Say whose key stands in the header. A valid key is never made to wait, whoever else fails from its address.

        Raises:
            Problem: UNAUTHORIZED, or TOO_MANY_FAILURES where the client fails all the time.
            KubeError: the hashes could not be read; nobody is let in by older ones.
        """
        await self._refresh()
        given = api_key.API_KEY_PATTERN.fullmatch((authorization or "").removeprefix("Bearer "))
        entry = self._entries.get(given[1]) if given else None
        # Compared whether there is such an id or not, so that the time tells nothing.
        matches = hmac.compare_digest(api_key.digest(given[0] if given else ""), entry.digest if entry else _NOBODY)
        if given is not None and entry is not None and matches:
            return Caller(given[1], entry.platform)
        metrics.count_authentication_failure(
            "missing" if authorization is None else "unknown" if given else "malformed"
        )
        wait = self._failures.count(client)
        if wait:
            headers = {"Retry-After": str(wait)}
            raise Problem(TOO_MANY_FAILURES, f"too many failed authentications; wait {wait} seconds", headers=headers)
        raise Problem(
            UNAUTHORIZED,
            "send `Authorization: Bearer th_live_…` with a key that is not revoked; `theazo api-keys create` makes one",
            headers={"WWW-Authenticate": "Bearer"},
        )

    async def read(self) -> None:
        """Read the hashes. Where there is no Secret, there is no key.

        Raises:
            KubeError: the request failed.
        """
        began = time.monotonic()
        try:
            data = (await self._kube.get(kind.SECRETS, self._namespace, _SECRET)).get("data")
        except NotFound:
            data = None
        self._entries = {name: entry for name, text in mapping(data).items() if (entry := _entry(name, text))}
        self._read_at = began

    async def _refresh(self) -> None:
        async with self._reading:
            if time.monotonic() - self._read_at >= _FRESH:
                await self.read()


def _entry(name: str, text: Any) -> _Entry | None:  # noqa: ANN401 - whatever stands in the Secret
    """Read one entry; one that can't be read lets nobody in."""
    try:
        fields = mapping(json.loads(base64.b64decode(text, validate=True)))
    except (TypeError, ValueError, binascii.Error):
        fields = {}
    platform, digest = word(fields.get("platform")), word(fields.get("hash"))
    if platform is None or digest is None or not digest.isascii():
        log.error("an API key's entry can't be read and counts as revoked", extra={"key_id": name})
        return None
    return _Entry(platform, digest)


class Failures:
    """Counts failed authentications by client: some are free, then they come back slowly."""

    def __init__(self) -> None:
        self._clients: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def count(self, client: str) -> int:
        """Count one; returns how many seconds the client has to wait, 0 if not at all."""
        now = time.monotonic()
        left, since = self._clients.pop(client, (float(_BURST), now))
        left = min(_BURST, left + (now - since) * _REFILL)
        wait = 0 if left >= 1 else int((1 - left) / _REFILL) + 1
        self._clients[client] = (left if wait else left - 1, now)
        if len(self._clients) > _CLIENTS:
            self._clients.popitem(last=False)
        return wait
