"""Agents of a session: one TheazoAgent each, which never changes after it was made."""

import asyncio
import hashlib
import secrets
from collections.abc import Mapping
from typing import Any, get_args

from theazo_operator.api import models, problems, queries
from theazo_operator.api.ownership import belongs
from theazo_operator.api.paging import read_page
from theazo_operator.api.problems import Problem
from theazo_operator.api.secrets import Secrets, names_of
from theazo_operator.api.sessions import Sessions, is_label
from theazo_operator.api.settling import Settling
from theazo_operator.kube import resource as kind
from theazo_operator.kube.client import JSON, Kube
from theazo_operator.kube.errors import Exists, NotFound, Refused
from theazo_operator.resources.agent import Agent
from theazo_operator.resources.conditions import find
from theazo_operator.resources.meta import (
    API_VERSION,
    MANAGED_BY,
    MANAGED_BY_LABEL,
    Key,
    format_time,
    mapping,
    owner_reference,
    rows,
    short_name,
    word,
)
from theazo_operator.resources.session import Session


class Agents:
    """The agents of all sessions; each method is about one session."""

    def __init__(
        self,
        kube: Kube,
        sessions: Sessions,
        stored: Secrets,
        settling: Settling,
        namespace: str,
        *,
        platform_computes: bool,
    ) -> None:
        self._kube = kube
        self._settling = settling
        self._sessions = sessions
        self._secrets = stored
        self._namespace = namespace
        self._platform_computes = platform_computes

    async def create(
        self, platform: str, session_id: str, wanted: models.AgentCreate, idempotency_key: str | None
    ) -> tuple[models.Agent, bool]:
        """Make an agent; also whether it was made now, and not by an earlier request with the same key.

        Raises:
            Problem: SESSION_NOT_FOUND, SESSION_ENDED, SECRETS_MISSING, COMPUTE_NOT_FOUND, INVALID_AGENT,
                IDEMPOTENCY_MISMATCH.
            KubeError: a request failed; with a key it is safe to ask again.
        """
        session, stored, there = await asyncio.gather(
            self._sessions.find(platform, session_id),
            self._secrets.stored(Key(platform, session_id)) if wanted.secrets else _nothing(),
            self._has_compute(platform, wanted.compute),
        )
        manifest = _manifest(session, wanted, _name(session, idempotency_key))
        try:
            _check(wanted, names_of(stored, session), has_compute=there)
            created = await self._kube.create(kind.AGENTS, platform, manifest, explain=True)
            return _show(await self._settling.settled(created)), True
        except Exists:
            return _show(await self._made_before(platform, manifest)), False
        except Problem:
            # What an agent had when it was made may have been deleted since, and the answer stays the same.
            if idempotency_key is None or (made := await self._read(platform, manifest["metadata"]["name"])) is None:
                raise
            return _show(_same(made, manifest)), False
        except Refused as error:
            if error.status != 422:  # noqa: PLR2004 - HTTP
                raise
            raise Problem(
                problems.INVALID_AGENT,
                "the cluster refuses these resources: requests over limits, or an unknown quantity",
            ) from None

    async def get(self, platform: str, session_id: str, name: str) -> models.Agent:
        """An agent.

        Raises:
            Problem: SESSION_NOT_FOUND, AGENT_NOT_FOUND.
            KubeError: a request failed.
        """
        return _show(await self._find(platform, session_id, name))

    async def page(self, platform: str, session_id: str, query: queries.AgentQuery) -> models.AgentList:
        """A page of agents.

        Raises:
            Problem: SESSION_NOT_FOUND, or INVALID_REQUEST where the cursor is none.
            KubeError: the request failed.
        """
        session = await self._sessions.read(platform, session_id)
        fields = ",".join([f"spec.sessionRef.name={session_id}", *_in_phase(query.phase)])
        found, cursor = await read_page(self._kube, kind.AGENTS, platform, query, fields)
        return models.AgentList(agents=[_show(body) for body in found if belongs(body, session)], next_cursor=cursor)

    async def delete(self, platform: str, session_id: str, name: str) -> None:
        """Delete an agent, with its sandbox.

        Raises:
            Problem: SESSION_NOT_FOUND, AGENT_NOT_FOUND, MANAGED_ELSEWHERE.
            KubeError: a request failed.
        """
        meta = Agent.of(await self._find(platform, session_id, name)).meta
        if meta.tracked:
            raise Problem(problems.MANAGED_ELSEWHERE, "Argo CD or Flux keeps this agent: remove it from its Git source")
        await self._kube.delete(kind.AGENTS, platform, name, meta.uid)

    async def _has_compute(self, platform: str, compute: str) -> bool:
        for namespace in (self._namespace, *((platform,) if self._platform_computes else ())):
            try:
                await self._kube.get(kind.POD_TEMPLATES, namespace, compute)
            except NotFound:
                continue
            return True
        return False

    async def _made_before(self, platform: str, manifest: JSON) -> JSON:
        made = await self._read(platform, manifest["metadata"]["name"])
        if made is None:
            raise Problem(problems.CONFLICT, "the agent of this idempotency key was deleted just now; try again")
        return _same(made, manifest)

    async def _read(self, platform: str, name: str) -> JSON | None:
        try:
            return await self._kube.get(kind.AGENTS, platform, name)
        except NotFound:
            return None

    async def _find(self, platform: str, session_id: str, name: str) -> JSON:
        session = await self._sessions.read(platform, session_id)
        body = await self._read(platform, name) if is_label(name) else None
        if body is None or not belongs(body, session) or _session_of(body) != session_id:
            raise Problem(problems.AGENT_NOT_FOUND, "the session has no agent of this id")
        return body


def _in_phase(phase: models.Phase | None) -> list[str]:
    """Which agents are shown with a phase. One that the operator has not seen yet has none, and counts as Pending."""
    if phase == "Pending":
        return [f"status.phase!={other}" for other in get_args(models.Phase) if other != phase]
    return [f"status.phase={phase}"] if phase else []


async def _nothing() -> None:
    pass


def _check(wanted: models.AgentCreate, stored: set[str], *, has_compute: bool) -> None:
    """Say at once what an agent would wait for, or could never be."""
    names = [each.name for each in wanted.secrets]
    if len(set(names)) != len(names):
        raise Problem(problems.INVALID_AGENT, "a variable's name stands twice in `secrets`: declare each once")
    missing = sorted({each.source or each.name for each in wanted.secrets if not each.optional} - stored)
    if missing:
        what = f"the session lacks {', '.join(missing[:10])}{' and more' if missing[10:] else ''}"
        detail = f"{what}: set what is missing, or do not declare it"
        raise Problem(problems.SECRETS_MISSING, detail, missing=missing)
    if not has_compute:
        raise Problem(
            problems.COMPUTE_NOT_FOUND, "there is no compute of this name; ask who runs the cluster for the names"
        )


def _name(session: Session, idempotency_key: str | None) -> str:
    """A name that the same key gives again in the same session, and only there. Without a key it is random."""
    if idempotency_key is None:
        raw = secrets.token_bytes(32)
    else:
        parts = (session.meta.key.name, session.meta.uid, idempotency_key)
        raw = hashlib.sha256("\0".join(parts).encode()).digest()
    return short_name("a-", raw)


def _manifest(session: Session, wanted: models.AgentCreate, name: str) -> JSON:
    metadata = {
        "name": name,
        "namespace": session.meta.key.namespace,
        "labels": {MANAGED_BY_LABEL: MANAGED_BY},
        "ownerReferences": [owner_reference("TheazoSession", session.meta)],
    }
    # With every default of the schema, so that what is stored can be compared with what a repeated request asks for.
    spec = wanted.model_dump(mode="json", by_alias=True, exclude_none=True)
    spec["sessionRef"] = {"name": session.meta.key.name}
    return {"apiVersion": API_VERSION, "kind": "TheazoAgent", "metadata": metadata, "spec": spec}


def _same(made: JSON, manifest: JSON) -> JSON:
    if made["spec"] != manifest["spec"]:
        raise Problem(
            problems.IDEMPOTENCY_MISMATCH,
            "this Idempotency-Key made an agent from another body; use a new key for a new agent",
        )
    return made


def _session_of(body: Mapping[str, Any]) -> str | None:
    return word(mapping(mapping(body.get("spec")).get("sessionRef")).get("name"))


def _show(body: JSON) -> models.Agent:
    agent = Agent.of(body)
    status = agent.status
    ready, stalled = find(status, "Ready") or {}, find(status, "Stalled") or {}
    recorded: Any = status.get("phase")
    phase: models.Phase = recorded if recorded in get_args(models.Phase) else "Pending"
    given = {word(row.get("name")): row.get("updatedAt") for row in rows(status.get("secrets"))}
    declared = agent.spec.secrets if agent.spec else ()
    return models.Agent(
        id=agent.meta.key.name,
        session_id=_session_of(body) or "",
        compute=agent.spec.compute if agent.spec else "",
        phase=phase,
        reason=ready.get("reason"),
        message=ready.get("message"),
        stalled=stalled.get("status") == "True",
        secrets=[
            models.AgentSecret(name=each.name, source=each.key, updated_at=word(given.get(each.name)))
            for each in declared
        ],
        pod_name=word(status.get("podName")),
        exit_code=status.get("exitCode"),
        created_at=format_time(agent.meta.created),
        started_at=status.get("startTime"),
        finished_at=status.get("finishTime"),
    )
