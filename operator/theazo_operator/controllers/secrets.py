"""Carries out what `reconcile.secret` decides: a low-priority look at every entry, so that authors hear early."""

import asyncio
import hashlib
from collections import OrderedDict
from datetime import UTC, datetime, timedelta

from theazo.errors import MalformedEnvelope
from theazo.sealing import Envelope
from theazo_operator.controllers.openings import opener
from theazo_operator.controllers.sessions import session_lives
from theazo_operator.controllers.world import World
from theazo_operator.kube import resource as kind
from theazo_operator.kube.client import JSON, Kube
from theazo_operator.kube.errors import NotFound
from theazo_operator.opening import Keyring
from theazo_operator.reasons import Reason
from theazo_operator.reconcile import secret as decide
from theazo_operator.reconcile.secrets import Refusal
from theazo_operator.resources.meta import Key
from theazo_operator.resources.session import Entry, SecretRecord, Session, TheazoSecret

_REMEMBERED = 20_000  # entries, of about 150 bytes each


class SecretController:
    """Verifies TheazoSecrets, and deletes them after their session."""

    def __init__(self, kube: Kube, world: World, keyring: Keyring) -> None:
        self._kube = kube
        self._world = world
        self._keyring = keyring
        self._open = opener("verify", keyring)
        self._seen: dict[Key, str] = {}  # the UIDs of those whose keys are known to be ours
        # Whether an entry opens depends on its text and place alone: of 256 entries, one `set` makes us open one.
        self._verdicts: OrderedDict[bytes, Reason | None] = OrderedDict()

    async def reconcile(self, key: Key) -> timedelta | None:
        """Bring one TheazoSecret a step on.

        Raises:
            KubeError: a request failed; nothing is lost by trying again.
        """
        record = self._world.secrets.get(key)
        if record is None:
            self._seen.pop(key, None)
            return None
        session, now = self._world.sessions.get(key), datetime.now(UTC)
        is_platform, keys_changed = self._world.is_platform(key.namespace), self._keys_changed(record)
        decided = decide.plan(record, session, is_platform=is_platform, keys_changed=keys_changed, now=now)
        if decided.session_gone:
            if not await session_lives(self._kube, key, record.session_uid):
                await self._delete(record)
        elif decided.delete:
            await self._delete(record)
        elif decided.verify:
            await self._verify(key, session, now)
            self._seen[key] = record.meta.uid
        return None

    def _keys_changed(self, record: SecretRecord) -> bool:
        """A record that another process wrote may speak of other keys: a restored one heals, a lost one shows."""
        key = record.meta.key
        if self._seen.get(key) == record.meta.uid:
            return False
        known = self._keyring.key_ids(key.namespace)
        if record.failing or not known.issuperset(record.key_ids):
            return True
        self._seen[key] = record.meta.uid
        return False

    async def _verify(self, key: Key, session: Session | None, now: datetime) -> None:
        try:
            secret = TheazoSecret.of(await self._kube.get(kind.THEAZO_SECRETS, key.namespace, key.name))
        except NotFound:
            return
        if not self._world.is_platform(key.namespace):
            status = decide.unserved(secret, now)
        else:
            status = decide.waiting(secret, now) if session is None else await self._judge(secret, session, now)
        if status == secret.status:
            return
        try:
            body = await self._kube.patch_status(kind.THEAZO_SECRETS, key.namespace, key.name, secret.meta.uid, status)
        except NotFound:
            return
        self._world.secrets.put(body)

    async def _judge(self, secret: TheazoSecret, session: Session, now: datetime) -> JSON:
        failing, key_ids = {}, set()
        for entry in secret.entries.values():
            await asyncio.sleep(0)  # 256 entries in one go would hold up an agent
            reason = self._verdict(entry, session)
            if reason is not None:
                failing[entry.name] = reason
            try:
                key_ids.add(Envelope.parse(entry.ciphertext).key_id)
            except MalformedEnvelope:
                continue
        return decide.verified(secret, session, failing, sorted(key_ids), now)

    def _verdict(self, entry: Entry, session: Session) -> Reason | None:
        place = f"{session.meta.uid}\0{session.sealing_id}\0{entry.name}\0{entry.ciphertext}"
        digest = hashlib.sha256(place.encode("utf-8", "surrogatepass")).digest()
        if digest in self._verdicts:
            self._verdicts.move_to_end(digest)
            return self._verdicts[digest]
        reason = self._try(entry, session)
        self._verdicts[digest] = reason
        if len(self._verdicts) > _REMEMBERED:
            self._verdicts.popitem(last=False)
        return reason

    def _try(self, entry: Entry, session: Session) -> Reason | None:
        try:
            self._open(entry, session)
        except Refusal as refusal:
            return refusal.reason
        return None

    async def _delete(self, record: SecretRecord) -> None:
        key = record.meta.key
        await self._kube.delete(kind.THEAZO_SECRETS, key.namespace, key.name, record.meta.uid)
