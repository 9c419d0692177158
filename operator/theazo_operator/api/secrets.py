"""Secrets of a session: one TheazoSecret, changed by one JSON Patch that nobody else's change can fall into.

set      read session and object → seal → patch with `test` on its version, again while others write it
list     names and times
delete   the same patch, taking one name away

What comes in while a patch is under way waits, and is the next one together: each rewrites an object of perhaps 1 MiB.
"""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime

from theazo.errors import MalformedEnvelope
from theazo.sealing import Binding, Envelope, envelope_length, seal
from theazo.secret_value import SecretValue
from theazo_operator import metrics
from theazo_operator.api import models, problems, reading
from theazo_operator.api.entries import Change, Entry, check_size, entries_of, entry_of, manifest, merge
from theazo_operator.api.ownership import belongs
from theazo_operator.api.problems import Problem
from theazo_operator.api.sealing_keys import SealingKeys
from theazo_operator.api.sessions import Sessions, is_label
from theazo_operator.api.turns import Turns, Waiting
from theazo_operator.kube import resource as kind
from theazo_operator.kube.client import JSON, Kube
from theazo_operator.kube.errors import Exists, NotFound, Outdated, Refused
from theazo_operator.resources.meta import Key, format_time, mapping, parse_time
from theazo_operator.resources.meta import time as readable_time
from theazo_operator.resources.session import Session

_PATIENCE = 20.0  # seconds of others' writes
_PAUSES = (0.0, 0.02, 0.05, 0.1, 0.2)
Find = Callable[[str, str], Awaitable[Session]]
Prepare = Callable[[Session], Awaitable[Change]]


class Secrets:
    """The secrets of all sessions; each method is about one session."""

    def __init__(self, kube: Kube, sessions: Sessions, keys: SealingKeys) -> None:
        self._kube = kube
        self._sessions = sessions
        self._keys = keys
        # Of writers of one session only another replica's can still come between.
        self._turns = Turns[Prepare]()

    async def set_values(self, platform: str, session_id: str, values: Mapping[str, SecretValue]) -> None:
        """Seal values and set them, all or none.

        Raises:
            Problem: SESSION_NOT_FOUND, SESSION_ENDED, SECRETS_TOO_LARGE, MANAGED_ELSEWHERE, CONFLICT.
            KubeError: a request failed; what was set then is unknown, and setting it again is safe.
        """
        # Before anything is asked or sealed: what can't be stored takes no time and no memory.
        check_size({name: envelope_length(value) for name, value in values.items()})

        async def prepare(session: Session) -> Change:
            sealed, key = {}, await self._keys.get(platform)
            for name, value in values.items():
                sealed[name] = seal(value, Binding(platform, session_id, session.sealing_id, name), key)
                await asyncio.sleep(0)  # 256 of them take a while, and others wait
            return _put(sealed)

        await self._set(Key(platform, session_id), prepare)

    async def set_sealed(self, platform: str, session_id: str, given: models.SealedSecrets) -> None:
        """Set values that the client has sealed, all or none.

        Raises:
            Problem: as `set_values`, and INVALID_SECRET, SESSION_CHANGED, SEALING_KEY_CHANGED.
            KubeError: as `set_values`.
        """
        reading.check_count(len(given.secrets))
        check_size({name: len(text) for name, text in given.secrets.items()})

        async def prepare(session: Session) -> Change:
            if given.sealing_id != session.sealing_id:
                raise Problem(
                    problems.SESSION_CHANGED,
                    "the values are sealed to another sealingId: read the session again, seal again",
                )
            used = _key_ids(given.secrets)
            if used != {(await self._keys.get(platform)).key_id} and used != {(await self._keys.read(platform)).key_id}:
                raise Problem(
                    problems.SEALING_KEY_CHANGED,
                    "they are sealed with a key that is not this platform's current one: read /v1/sealing-key again",
                )
            return _put(given.secrets)

        await self._set(Key(platform, session_id), prepare)

    async def infos(self, platform: str, session_id: str) -> models.SecretList:
        """Names and times.

        Raises:
            Problem: SESSION_NOT_FOUND.
            KubeError: the request failed.
        """
        session, body = await asyncio.gather(
            self._sessions.read(platform, session_id), self.stored(Key(platform, session_id))
        )
        entries = entries_of(body) if body is not None and belongs(body, session) else {}
        return models.SecretList(secrets=[_info(name, entry) for name, entry in sorted(entries.items())])

    async def delete(self, platform: str, session_id: str, name: str) -> None:
        """Delete a secret for good.

        Raises:
            Problem: SESSION_NOT_FOUND, SECRET_NOT_FOUND, MANAGED_ELSEWHERE, CONFLICT.
            KubeError: a request failed.
        """

        def change(entries: Mapping[str, Entry]) -> Mapping[str, Entry | None]:
            if name not in entries:
                raise Problem(problems.SECRET_NOT_FOUND, "the session has no secret of this name")
            return {name: None}

        async def prepare(_: Session) -> Change:
            return change

        await self._change(Key(platform, session_id), self._sessions.read, prepare)

    async def stored(self, key: Key) -> JSON | None:
        """The TheazoSecret of a session's name, whosesoever it is."""
        if not is_label(key.name):
            return None
        try:
            return await self._kube.get(kind.THEAZO_SECRETS, key.namespace, key.name)
        except NotFound:
            return None

    async def _set(self, key: Key, prepare: Prepare) -> None:
        try:
            await self._change(key, self._sessions.find, prepare)
        except Refused as error:
            if error.status != 413:  # noqa: PLR2004 - HTTP
                raise
            raise Problem(
                problems.SECRETS_TOO_LARGE, "the cluster takes no more in one session: delete secrets, or set less"
            ) from None

    async def _change(self, key: Key, find: Find, prepare: Prepare) -> None:
        """Make a change, together with all of its kind that wait for the same session."""
        await self._turns.take(key, find, prepare, lambda together: self._write(key, find, together))

    async def _write(self, key: Key, find: Find, together: list[Waiting[Prepare]]) -> None:
        """Read the session and its object at the same time, and write the object until it is written."""
        session, body = await asyncio.gather(find(key.namespace, key.name), self.stored(key))
        changes: dict[Waiting[Prepare], Change] = {}
        for each in together:
            if each.over:  # gone while the reads took their time
                continue
            try:
                changes[each] = await each.wanted(session)
            except Exception as error:  # noqa: BLE001 - one's fault is not the others'
                each.end(error)
        end, attempt = time.monotonic() + _PATIENCE, 0
        while True:
            changes = {each: change for each, change in changes.items() if not each.over}
            try:
                return await self._try(session, body, changes)
            except (Exists, NotFound, Outdated) as error:
                lost = error
            await asyncio.sleep(_PAUSES[min(attempt, len(_PAUSES) - 1)] * random.random())  # noqa: S311 - jitter
            attempt += 1
            before, body = body, await self.stored(key)
            if lost.status == 422 and _same(before, body):  # noqa: PLR2004 - HTTP
                # Not the `test` in the patch, then, but what was to become of the object.
                raise Refused("PATCH", kind.THEAZO_SECRETS.plural, lost.status, lost.reason)
            metrics.count_conflict()
            if time.monotonic() > end:
                raise Problem(problems.CONFLICT, "others write this session's secrets all the time; try again")

    async def _try(self, session: Session, body: JSON | None, changes: Mapping[Waiting[Prepare], Change]) -> None:
        """One write. Raises Exists, NotFound or Outdated where somebody else wrote since the object was read."""
        key = session.meta.key
        if body is not None and not belongs(body, session):
            await self._remove_leftover(session, body)
            body = None
        operations, refused = merge(body, changes.values())
        if body is None and operations:
            await self._kube.create(kind.THEAZO_SECRETS, key.namespace, manifest(session, operations), explain=True)
        elif body is not None and operations:
            version = body["metadata"]["resourceVersion"]
            test = {"op": "test", "path": "/metadata/resourceVersion", "value": version}
            await self._kube.patch(kind.THEAZO_SECRETS, key.namespace, key.name, [test, *operations])
        for each, problem in zip(changes, refused, strict=True):
            each.end(problem)

    async def _remove_leftover(self, session: Session, body: JSON) -> None:
        """Delete what an ended session of the same name left behind, where garbage collection is only not there yet.

        Unless it is the given session that has ended while others wrote: then it is the next one's.
        """
        key = session.meta.key
        if (await self._sessions.read(key.namespace, key.name)).meta.uid != session.meta.uid:
            raise problems.no_session()
        await self._kube.delete(kind.THEAZO_SECRETS, key.namespace, key.name, body["metadata"]["uid"])


def _same(one: JSON | None, other: JSON | None) -> bool:
    """Whether nobody wrote an object between two reads of it."""
    versions = {mapping(mapping(each).get("metadata")).get("resourceVersion") for each in (one, other)}
    return versions != {None} and len(versions) == 1


def _put(sealed: Mapping[str, str]) -> Change:
    def change(before: Mapping[str, Entry]) -> Mapping[str, Entry | None]:
        now = datetime.now(UTC)
        entries = {name: entry_of(text, before.get(name), now) for name, text in sealed.items()}
        check_size({name: len(entry.get("ciphertext", "")) for name, entry in {**before, **entries}.items()})
        return entries

    return change


def names_of(body: JSON | None, session: Session) -> set[str]:
    """The names that an agent of a session could have, by what `Secrets.stored` gave."""
    return set(entries_of(body)) if body is not None and belongs(body, session) else set()


def _info(name: str, entry: Entry) -> models.SecretInfo:
    created, updated = readable_time(entry.get("createdAt")), readable_time(entry.get("updatedAt"))
    never = format_time(datetime.fromtimestamp(0, UTC))  # somebody wrote what is no time of this era
    return models.SecretInfo(
        name=name, created_at=format_time(parse_time(created)) if created else never, updated_at=updated or never
    )


def _key_ids(sealed: Mapping[str, str]) -> set[str]:
    """Check names and envelopes as far as that is possible without a key; which keys were used."""
    errors, used = reading.check_names(sealed, "/secrets"), set()
    for position, text in enumerate(sealed.values()):
        try:
            used.add(Envelope.parse(text).key_id)
        except MalformedEnvelope as error:
            errors.append(reading.error(f"/secrets/{position}", str(error)))
    if errors:
        raise Problem(
            problems.INVALID_SECRET, "nothing was set: each of `errors` says what to change", errors=errors[:20]
        )
    return used
