"""Carries out what `reconcile.session` decides."""

from datetime import UTC, datetime, timedelta

from theazo_operator.controllers.world import World
from theazo_operator.kube import resource as kind
from theazo_operator.kube.client import Kube
from theazo_operator.kube.errors import NotFound
from theazo_operator.reconcile.session import plan
from theazo_operator.resources.meta import Key


async def session_lives(kube: Kube, key: Key, uid: str | None) -> bool:
    """Ask the API server whether the very session on record is there still: what depends on it is deleted otherwise."""
    try:
        body = await kube.get(kind.SESSIONS, key.namespace, key.name)
    except NotFound:
        return False
    return bool(body["metadata"]["uid"] == uid)


class SessionController:
    """Keeps the status of sessions, and ends them."""

    def __init__(self, kube: Kube, world: World) -> None:
        self._kube = kube
        self._world = world

    async def reconcile(self, key: Key) -> timedelta | None:
        """Bring one session a step on, and say when to look again.

        Raises:
            KubeError: a request failed; nothing is lost by trying again.
        """
        session = self._world.sessions.get(key)
        if session is None:
            return None
        decided = plan(session, is_platform=self._world.is_platform(key.namespace), now=datetime.now(UTC))
        uid = session.meta.uid
        if decided.delete:
            await self._kube.delete(kind.SESSIONS, key.namespace, key.name, uid)
        elif decided.status is not None and decided.status != session.status:
            try:
                body = await self._kube.patch_status(kind.SESSIONS, key.namespace, key.name, uid, decided.status)
            except NotFound:
                return None
            self._world.sessions.put(body)
        if session.expired(datetime.now(UTC)):
            self._world.session_ended(key)
        return decided.wake_after
