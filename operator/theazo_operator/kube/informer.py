"""A cache of one kind that has no ghosts.

kopf never reports what was deleted while its watch was broken. Decisions that depend on a session, a Pod or a platform
being gone need a cache that does: after each list, what it did not hold is reported as deleted.

    list    in pages; each object parsed to a small fact, the raw dictionary dropped
    watch   from the list's version on, bookmarks included; a cut one resumes, after any other error it lists again
    tell    on_change(key) for each object that appeared, changed or went; the receiver reads the cache
"""

import asyncio
import logging
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Generic, Protocol, TypeVar

from theazo_operator.kube.client import Kube
from theazo_operator.kube.errors import Expired, KubeError, Unavailable
from theazo_operator.kube.resource import Resource
from theazo_operator.logs import where
from theazo_operator.resources.meta import Key, Meta

log = logging.getLogger(__name__)
_BACKOFFS = (0.1, 0.5, 1.0, 2.0, 5.0)


class Fact(Protocol):
    """What an informer keeps of an object."""

    @property
    def meta(self) -> Meta:
        """The object's metadata."""
        ...


F = TypeVar("F", bound=Fact)


class Informer(Generic[F]):
    """Keeps the facts of one kind up to date."""

    def __init__(
        self,
        kube: Kube,
        resource: Resource,
        parse: Callable[[Mapping[str, Any]], F],
        on_change: Callable[[Key], None],
        *,
        namespace: str | None = None,
        selector: str = "",
    ) -> None:
        self._kube = kube
        self._resource = resource
        self._parse = parse
        self._on_change = on_change
        self._namespace = namespace
        self._selector = selector
        self._facts: dict[Key, F] = {}
        self._last_contact = self._last_turn = time.monotonic()
        self._version: str | None = None  # where the next watch begins; None: a list comes first
        self._failures = 0
        self.synced = asyncio.Event()

    @property
    def name(self) -> str:
        """The plural, for logs and metrics."""
        return self._resource.plural

    @property
    def age(self) -> float:
        """Seconds since a list, an event or a bookmark (one a minute) last showed that the facts are true."""
        return time.monotonic() - self._last_contact

    @property
    def idle(self) -> float:
        """Seconds since this loop did anything: it grows where a watch is stuck, not where the API server is away."""
        return time.monotonic() - max(self._last_contact, self._last_turn)

    def get(self, key: Key) -> F | None:
        """Look up a fact."""
        return self._facts.get(key)

    def values(self) -> Iterator[F]:
        """Iterate over all facts, as they are now."""
        return iter(tuple(self._facts.values()))

    def put(self, body: Mapping[str, Any]) -> F:
        """Take in an object that came another way, like the reply to a POST; an older one changes nothing."""
        fact = self._parse(body)
        known = self._facts.get(fact.meta.key)
        if known is not None and known.meta.resource_version >= fact.meta.resource_version:
            return known
        self._facts[fact.meta.key] = fact
        return fact

    async def run(self) -> None:
        """List and watch for ever. A pause follows whatever is over, a longer one each time until a watch lasts."""
        while True:
            self._last_turn = time.monotonic()
            try:
                if self._version is None:
                    self._version = await self._list()
                    self.synced.set()
                    continue
                await self._watch(self._version)
            except KubeError as error:
                self._version = None
                level = logging.INFO if isinstance(error, Expired) else logging.WARNING
                log.log(level, "watch broken, listing again", extra={"resource": self.name, "error": str(error)})
            await asyncio.sleep(_BACKOFFS[min(self._failures, len(_BACKOFFS) - 1)])
            self._failures += 1

    async def _list(self) -> str:
        listed: set[Key] = set()
        version = "0"
        async for page in self._kube.pages(self._resource, self._namespace, self._selector):
            self._last_contact = time.monotonic()
            version = page["metadata"]["resourceVersion"]
            listed |= {self._changed(body) for body in page.get("items") or ()}
            del page  # or it would be in memory while the next one is read
            await asyncio.sleep(0)  # a list of tens of thousands must not hold up an agent
        # What is newer than the list was put here by ourselves meanwhile; all else that it lacks is gone.
        gone = [
            key for key, fact in self._facts.items() if key not in listed and fact.meta.resource_version <= int(version)
        ]
        for key in gone:
            self._removed(key)
        return str(version)

    async def _watch(self, since: str) -> None:
        """Follow one watch request until it ends or is cut; the next one goes on from the last event.

        Raises:
            KubeError: there has to be a list first.
        """
        began = time.monotonic()
        try:
            async for event in self._kube.watch(self._resource, self._namespace, self._selector, since):
                self._handle(event)
                self._last_contact = time.monotonic()
        except Unavailable as error:
            log.info("watch cut, resuming", extra={"resource": self.name, "error": str(error)})
        finally:
            # By time and not by events: a quiet watch may have none, and one that breaks may have some each time.
            if time.monotonic() - began > _BACKOFFS[-1]:
                self._failures = 0

    def _handle(self, event: Mapping[str, Any]) -> None:
        body = event["object"]
        match event["type"]:
            case "ADDED" | "MODIFIED":
                self._changed(body)
            case "DELETED":
                self._deleted(Meta.of(body))
            case "ERROR":  # whatever its code: at the same version the same would come again
                raise Expired("WATCH", self.name, int(body.get("code") or 0), str(body.get("reason") or ""))
        self._version = (body.get("metadata") or {}).get("resourceVersion") or self._version

    def _changed(self, body: Mapping[str, Any]) -> Key:
        key = Key(body["metadata"].get("namespace", ""), body["metadata"]["name"])
        before = self._facts.get(key)
        try:
            fact = self.put(body)
        except Exception as error:  # noqa: BLE001 - no object, whatever is in it, may stop the others
            place = {"error": type(error).__name__, "at": where(error)}
            log.error("unreadable object", extra={"resource": self.name, "object": str(key), **place})  # noqa: TRY400
            return key
        if before is None or before.meta.resource_version != fact.meta.resource_version:
            self._on_change(key)
        return key

    def _deleted(self, gone: Meta) -> None:
        """Drop it, but not a namesake that was put in since: the version of a DELETED event is that of the deletion."""
        known = self._facts.get(gone.key)
        if known is not None and known.meta.resource_version <= gone.resource_version:
            self._removed(gone.key)

    def _removed(self, key: Key) -> None:
        if self._facts.pop(key, None) is not None:
            self._on_change(key)
