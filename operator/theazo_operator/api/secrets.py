"""Secrets of a session: one TheazoSecret, changed by one JSON Patch that nobody else's change can fall into.

set      seal → read the object → patch with `test` on its version, again while others write it
list     names and times
delete   the same patch, taking one name away
"""

import asyncio
import random
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from weakref import WeakValueDictionary

from theazo import rules
from theazo.errors import MalformedEnvelope
from theazo.sealing import Binding, Envelope, seal
from theazo.secret_value import SecretValue
from theazo_operator import metrics
from theazo_operator.api import models, problems, reading
from theazo_operator.api.ownership import belongs, kept_elsewhere, owner_reference
from theazo_operator.api.problems import Problem
from theazo_operator.api.sealing_keys import SealingKeys
from theazo_operator.api.sessions import Sessions
from theazo_operator.kube import resource as kind
from theazo_operator.kube.client import JSON, Kube
from theazo_operator.kube.errors import Exists, NotFound, Outdated
from theazo_operator.resources.meta import (
    API_VERSION,
    MANAGED_BY,
    MANAGED_BY_LABEL,
    Key,
    format_time,
    mapping,
    parse_time,
)
from theazo_operator.resources.meta import time as readable_time
from theazo_operator.resources.session import Session

_PATIENCE = 20.0  # seconds of others' writes
_PAUSES = (0.0, 0.02, 0.05, 0.1, 0.2)
Entry = Mapping[str, str]


class Secrets:
    """The secrets of all sessions; each method is about one session."""

    def __init__(self, kube: Kube, sessions: Sessions, keys: SealingKeys) -> None:
        self._kube = kube
        self._sessions = sessions
        self._keys = keys
        # Writers of one session take turns here: only another replica can still come between.
        self._turns: WeakValueDictionary[Key, asyncio.Lock] = WeakValueDictionary()

    async def set_values(self, platform: str, session_id: str, values: Mapping[str, SecretValue]) -> None:
        """Seal values and set them, all or none.

        Raises:
            Problem: SESSION_NOT_FOUND, SESSION_ENDED, SECRETS_TOO_LARGE, MANAGED_ELSEWHERE, CONFLICT.
            KubeError: a request failed; what was set then is unknown, and setting it again is safe.
        """
        session, key = await asyncio.gather(self._sessions.find(platform, session_id), self._keys.get(platform))
        sealed = {}
        for name, value in values.items():
            sealed[name] = seal(value, Binding(platform, session_id, session.sealing_id, name), key)
            await asyncio.sleep(0)  # 256 of them take a while, and others wait
        await self._put(session, sealed)

    async def set_sealed(self, platform: str, session_id: str, given: models.SealedSecrets) -> None:
        """Set values that the client has sealed, all or none.

        Raises:
            Problem: as `set_values`, and INVALID_SECRET, SESSION_CHANGED, SEALING_KEY_CHANGED.
            KubeError: as `set_values`.
        """
        session = await self._sessions.find(platform, session_id)
        if given.sealing_id != session.sealing_id:
            raise Problem(
                problems.SESSION_CHANGED,
                "the values are sealed to another sealingId: read the session again, seal again",
            )
        used = _key_ids(given.secrets)
        if used != {(await self._keys.get(platform)).key_id} and used != {(await self._keys.read(platform)).key_id}:
            raise Problem(
                problems.SEALING_KEY_CHANGED,
                "the values are sealed with a key that is not this platform's current one: read /v1/sealing-key again",
            )
        await self._put(session, given.secrets)

    async def infos(self, platform: str, session_id: str) -> models.SecretList:
        """Names and times.

        Raises:
            Problem: SESSION_NOT_FOUND.
            KubeError: the request failed.
        """
        session, body = await asyncio.gather(
            self._sessions.read(platform, session_id), self.stored(Key(platform, session_id))
        )
        entries = _entries(body) if body is not None and belongs(body, session) else {}
        return models.SecretList(secrets=[_info(name, entry) for name, entry in sorted(entries.items())])

    async def delete(self, platform: str, session_id: str, name: str) -> None:
        """Delete a secret for good.

        Raises:
            Problem: SESSION_NOT_FOUND, SECRET_NOT_FOUND, MANAGED_ELSEWHERE, CONFLICT.
            KubeError: a request failed.
        """
        session = await self._sessions.read(platform, session_id)

        def change(body: JSON | None) -> list[JSON]:
            if body is None or name not in _entries(body):
                raise Problem(problems.SECRET_NOT_FOUND, "the session has no secret of this name")
            _check_writable(body, [name])
            return [{"op": "remove", "path": f"/spec/encryptedData/{name}"}]

        await self._change(session, change)

    async def names(self, session: Session) -> set[str]:
        """The names that an agent of this session could have.

        Raises:
            KubeError: the request failed.
        """
        body = await self.stored(session.meta.key)
        return set(_entries(body)) if body is not None and belongs(body, session) else set()

    async def stored(self, key: Key) -> JSON | None:
        """The TheazoSecret of a session's name, whosesoever it is."""
        try:
            return await self._kube.get(kind.THEAZO_SECRETS, key.namespace, key.name)
        except NotFound:
            return None

    async def _put(self, session: Session, sealed: Mapping[str, str]) -> None:
        def change(body: JSON | None) -> list[JSON]:
            before = _entries(body) if body is not None else {}
            now = datetime.now(UTC)
            entries = {name: _entry(text, before.get(name), now) for name, text in sealed.items()}
            _check_size({**before, **entries})
            if body is not None:
                _check_writable(body, sealed)
            return [
                {"op": "add", "path": f"/spec/encryptedData/{name}", "value": each} for name, each in entries.items()
            ]

        await self._change(session, change)

    async def _change(self, session: Session, change: Callable[[JSON | None], list[JSON]]) -> None:
        key = session.meta.key
        async with self._turns.setdefault(key, asyncio.Lock()):
            end, attempt = time.monotonic() + _PATIENCE, 0
            while not await self._try(session, change):
                metrics.count_conflict()
                if time.monotonic() > end:
                    raise Problem(problems.CONFLICT, "others write this session's secrets all the time; try again")
                await asyncio.sleep(_PAUSES[min(attempt, len(_PAUSES) - 1)] * random.random())  # noqa: S311 - jitter
                attempt += 1

    async def _try(self, session: Session, change: Callable[[JSON | None], list[JSON]]) -> bool:
        """One read and one write; False where somebody else wrote in between."""
        key = session.meta.key
        body = await self.stored(key)
        try:
            if body is not None and not belongs(body, session):
                # What an ended session of the same name left behind: garbage collection is only not there yet.
                await self._kube.delete(kind.THEAZO_SECRETS, key.namespace, key.name, body["metadata"]["uid"])
                return False
            operations = change(body)
            if body is None:
                await self._kube.create(
                    kind.THEAZO_SECRETS, key.namespace, _manifest(session, operations), explain=True
                )
            else:
                version = {
                    "op": "test",
                    "path": "/metadata/resourceVersion",
                    "value": body["metadata"]["resourceVersion"],
                }
                await self._kube.patch(kind.THEAZO_SECRETS, key.namespace, key.name, [version, *operations])
        except (Exists, NotFound, Outdated):
            return False
        return True


def _manifest(session: Session, operations: list[JSON]) -> JSON:
    key = session.meta.key
    return {
        "apiVersion": API_VERSION,
        "kind": "TheazoSecret",
        "metadata": {
            "name": key.name,
            "namespace": key.namespace,
            "labels": {MANAGED_BY_LABEL: MANAGED_BY},
            "ownerReferences": [owner_reference(session)],
        },
        "spec": {"encryptedData": {each["path"].rpartition("/")[2]: each["value"] for each in operations}},
    }


def _entries(body: JSON) -> dict[str, Entry]:
    return {name: mapping(entry) for name, entry in mapping(mapping(body.get("spec")).get("encryptedData")).items()}


def _entry(ciphertext: str, before: Entry | None, now: datetime) -> dict[str, str]:
    """An entry whose `updatedAt` is later than the one before, whatever the clocks say; `createdAt` survives."""
    old = readable_time(before.get("updatedAt")) if before else None
    if old is not None:
        now = max(now, parse_time(old).astimezone(UTC) + timedelta(microseconds=1))
    stamp = now.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    created = readable_time(before.get("createdAt")) if before else None
    return {"ciphertext": ciphertext, "createdAt": created or stamp, "updatedAt": stamp}


def _info(name: str, entry: Entry) -> models.SecretInfo:
    created, updated = readable_time(entry.get("createdAt")), readable_time(entry.get("updatedAt"))
    never = format_time(datetime.fromtimestamp(0, UTC))  # somebody wrote what is no time of this era
    return models.SecretInfo(
        name=name, created_at=format_time(parse_time(created)) if created else never, updated_at=updated or never
    )


def _key_ids(sealed: Mapping[str, str]) -> set[str]:
    """Check names and envelopes as far as that is possible without a key; which keys were used."""
    errors, used = reading.check_names(sealed), set()
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


def _check_size(entries: Mapping[str, Entry]) -> None:
    size = sum(len(entry.get("ciphertext", "")) for entry in entries.values())
    if len(entries) > rules.MAX_NAMES or size > rules.MAX_CIPHERTEXT_TOTAL:
        raise Problem(
            problems.SECRETS_TOO_LARGE,
            f"the session would have {len(entries)} secrets of {size} bytes of ciphertext, and holds {rules.MAX_NAMES} "
            f"and {rules.MAX_CIPHERTEXT_TOTAL}: delete some, or use another session",
        )


def _check_writable(body: JSON, names: Mapping[str, object] | list[str]) -> None:
    kept = kept_elsewhere(body, names)
    if kept:
        raise Problem(
            problems.MANAGED_ELSEWHERE,
            f"Argo CD or Flux keeps {', '.join(kept[:10])}, and would put it back: change it in its Git source",
        )
