"""Sessions, as the API makes and finds them."""

import secrets
from datetime import UTC, datetime
from typing import Any

from theazo import rules
from theazo.errors import InvalidName
from theazo_operator.api import models, problems, queries
from theazo_operator.api.paging import read_page
from theazo_operator.api.problems import Problem
from theazo_operator.kube import resource as kind
from theazo_operator.kube.client import Kube
from theazo_operator.kube.errors import Exists, NotFound
from theazo_operator.resources.meta import API_VERSION, MANAGED_BY, MANAGED_BY_LABEL, format_time, mapping
from theazo_operator.resources.session import Session

_ATTEMPTS = 5


class Sessions:
    """The sessions of all platforms; each method is about one of them."""

    def __init__(self, kube: Kube) -> None:
        self._kube = kube

    async def get_or_create(self, platform: str, wanted: models.SessionCreate) -> tuple[models.Session, bool]:
        """The session of a user; also whether it was made now.

        One that has expired is as good as deleted, but for one that a GitOps tool keeps.

        Raises:
            Problem: INVALID_REQUEST, SESSION_ENDED, CONFLICT.
            KubeError: the request failed.
        """
        try:
            name = rules.session_name(platform, wanted.user)
        except InvalidName as error:
            raise Problem(problems.INVALID_REQUEST, str(error)) from None
        for _ in range(_ATTEMPTS):
            try:
                made = await self._kube.create(kind.SESSIONS, platform, _manifest(platform, name, wanted), explain=True)
                return _show(made), True
            except Exists:
                pass
            try:
                body = await self._kube.get(kind.SESSIONS, platform, name)
            except NotFound:
                continue
            session = Session.of(_living(body))
            if not session.expired(datetime.now(UTC)) or session.meta.tracked:
                return _show(body), False
            await self._kube.delete(kind.SESSIONS, platform, name, session.meta.uid)
        raise Problem(problems.CONFLICT, "the session was made and deleted all the time; try again")

    async def get(self, platform: str, name: str) -> models.Session:
        """A session as the client sees it. Raises as `read` does."""
        return _show(await self._find(platform, name))

    async def read(self, platform: str, name: str) -> Session:
        """A session, also one that is over.

        Raises:
            Problem: SESSION_NOT_FOUND.
            KubeError: the request failed.
        """
        return Session.of(await self._find(platform, name))

    async def find(self, platform: str, name: str) -> Session:
        """A session that secrets and agents can be added to.

        Raises:
            Problem: SESSION_NOT_FOUND, or SESSION_ENDED where it is over or on its way out.
            KubeError: the request failed.
        """
        session = Session.of(_living(await self._find(platform, name)))
        if session.expired(datetime.now(UTC)):
            raise Problem(problems.SESSION_ENDED, "the session's ttlSeconds are over; open another session")
        return session

    async def page(self, platform: str, query: queries.SessionQuery) -> models.SessionList:
        """A page of sessions; of a user there is one at most.

        Raises:
            Problem: INVALID_REQUEST.
            KubeError: the request failed.
        """
        if query.user is not None:
            try:
                found = [await self._find(platform, rules.session_name(platform, query.user))]
            except (InvalidName, Problem):
                found = []
            return models.SessionList(sessions=[_show(body) for body in found], next_cursor=None)
        found, cursor = await read_page(self._kube, kind.SESSIONS, platform, query)
        return models.SessionList(sessions=[_show(body) for body in found], next_cursor=cursor)

    async def delete(self, platform: str, name: str, sealing_id: str | None) -> None:
        """Delete a session; garbage collection and the operator take what it owns.

        With a sealing id, only the session that has it: who did not hear that it was deleted and asks again does not
        delete the one that somebody has made since.

        Raises:
            Problem: SESSION_NOT_FOUND, SESSION_CHANGED, MANAGED_ELSEWHERE.
            KubeError: the request failed.
        """
        session = Session.of(await self._find(platform, name))
        if sealing_id not in {None, session.sealing_id}:
            raise Problem(
                problems.SESSION_CHANGED, "the session of this sealingId is gone, and another has its id: read it again"
            )
        if session.meta.tracked:
            raise Problem(
                problems.MANAGED_ELSEWHERE, "Argo CD or Flux keeps this session: remove it from its Git source"
            )
        await self._kube.delete(kind.SESSIONS, platform, name, session.meta.uid)

    async def _find(self, platform: str, name: str) -> dict[str, Any]:
        if not is_label(name):
            raise problems.no_session()
        try:
            return await self._kube.get(kind.SESSIONS, platform, name)
        except NotFound:
            raise problems.no_session() from None


def is_label(text: str) -> bool:
    """Whether anything of ours can have this name."""
    try:
        rules.check_session(text)
    except InvalidName:
        return False
    return True


def _living(body: dict[str, Any]) -> dict[str, Any]:
    if "deletionTimestamp" in body["metadata"]:
        raise Problem(problems.SESSION_ENDED, "the session is being deleted; open it again when it is gone")
    return body


def _manifest(platform: str, name: str, wanted: models.SessionCreate) -> dict[str, Any]:
    """A sealing id of its own: a session that is made again for the same user opens nothing of the old one."""
    spec: dict[str, Any] = {"user": wanted.user, "sealingId": secrets.token_hex(16)}
    if wanted.ttl_seconds is not None:
        spec["ttlSeconds"] = wanted.ttl_seconds
    metadata = {"name": name, "namespace": platform, "labels": {MANAGED_BY_LABEL: MANAGED_BY}}
    return {"apiVersion": API_VERSION, "kind": "TheazoSession", "metadata": metadata, "spec": spec}


def _show(body: dict[str, Any]) -> models.Session:
    session = Session.of(body)
    return models.Session(
        id=session.meta.key.name,
        user=str(mapping(body.get("spec")).get("user") or ""),
        platform=session.meta.key.namespace,
        sealing_id=session.sealing_id,
        created_at=format_time(session.meta.created),
        expires_at=format_time(session.expires) if session.expires else None,
    )
