"""Who asks: API keys, of which only hashes are known here.

A key is 256 random bits, so its SHA-256 is enough: there is nothing to guess that a slow hash would protect.
"""

import base64
import hmac
import json
import logging
import re
import time
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from theazo import api_key, rules
from theazo.errors import InvalidName
from theazo_operator import metrics
from theazo_operator.api.problems import TOO_MANY_FAILURES, UNAUTHORIZED, UNAVAILABLE, Problem, unavailable
from theazo_operator.api.sharing import Shared
from theazo_operator.kube import resource as kind
from theazo_operator.kube.client import Kube
from theazo_operator.kube.errors import KubeError, NotFound
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
        self._stored: Mapping[str, Any] = {}
        self._entries: dict[str, _Entry] = {}
        self._read_at = float("-inf")
        self._reading = Shared[None]()
        self._failures = Failures()

    async def authenticate(self, authorization: str | None, client: str) -> Caller:
        """Say whose key stands in the header. A valid key is never made to wait, whoever else fails from its address.

        Raises:
            Problem: UNAUTHORIZED, or TOO_MANY_FAILURES where the client fails all the time; UNAVAILABLE where the
                hashes can't be read: nobody is let in by older ones.
        """
        now = time.monotonic()
        await self._refresh(now - _FRESH)
        scheme, _, text = (authorization or "").partition(" ")
        given = api_key.API_KEY_PATTERN.fullmatch(text.strip(" ")) if scheme.lower() == "bearer" else None
        caller = self._find(given)
        if caller is None and given is not None and self._failures.left(client) >= 1:
            # It may have been made a moment ago. Whether there is such an id makes no difference to the time.
            await self._refresh(now)
            caller = self._find(given)
        if caller is not None:
            return caller
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
        stored = mapping(data)
        if stored != self._stored:
            self._entries = {name: entry for name, text in stored.items() if (entry := _entry(name, text))}
            self._stored = stored
        self._read_at = began

    async def _refresh(self, moment: float) -> None:
        """Read what was last read before a moment."""
        try:
            while self._read_at < moment:  # one that is under way may have begun before
                await self._reading.join(_SECRET, self.read)
        except KubeError as error:
            log.warning("API keys can't be read", extra={"error": type(error).__name__, "status": error.status})
            raise unavailable(UNAVAILABLE, "API keys can't be looked up at the moment; try again") from None

    def _find(self, given: re.Match[str] | None) -> Caller | None:
        entry = self._entries.get(given[1]) if given else None
        # Compared whether there is such an id or not, so that the time tells nothing.
        matches = hmac.compare_digest(api_key.digest(given[0] if given else ""), entry.digest if entry else _NOBODY)
        return Caller(given[1], entry.platform) if given is not None and entry is not None and matches else None


def _entry(name: str, text: Any) -> _Entry | None:  # noqa: ANN401 - whatever stands in the Secret
    """Read one entry; one that can't be read lets nobody in."""
    key_id = name if api_key.API_KEY_ID_PATTERN.fullmatch(name) else None
    try:
        fields = mapping(json.loads(base64.b64decode(text, validate=True)))
        platform, digest = word(fields.get("platform")) or "", word(fields.get("hash")) or ""
        rules.check_platform(platform)  # it becomes part of a path
    except (TypeError, ValueError, RecursionError, InvalidName):
        platform = digest = ""
    if key_id is None or not digest or not digest.isascii():
        # What is no id may be a whole key that was put there.
        log.error("an API key's entry can't be read and counts as revoked", extra={"key_id": key_id})
        return None
    return _Entry(platform, digest)


class Failures:
    """Counts failed authentications by client: some are free, then they come back slowly."""

    def __init__(self) -> None:
        self._clients: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def left(self, client: str) -> float:
        """How many failures a client has before it must wait; below 1 it must."""
        now = time.monotonic()
        left, since = self._clients.get(client, (float(_BURST), now))
        return min(_BURST, left + (now - since) * _REFILL)

    def count(self, client: str) -> int:
        """Count one; returns how many seconds the client has to wait, 0 if not at all."""
        now, left = time.monotonic(), self.left(client)
        self._clients.pop(client, None)
        wait = 0 if left >= 1 else int((1 - left) / _REFILL) + 1
        self._clients[client] = (left if wait else left - 1, now)
        if len(self._clients) > _CLIENTS:
            self._clients.popitem(last=False)
        return wait
