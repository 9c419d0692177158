"""The state and the routes of the API in memory; `theazo.testing` is what users see of it."""

import json
import re
import secrets
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from itertools import count
from typing import Any, NamedTuple, TypeAlias

import httpx2

from theazo import _primitives
from theazo.errors import InvalidName, MalformedEnvelope
from theazo.rules import check_name, session_name
from theazo.sealing import SUITE, Envelope, PublicKey

API_KEY = f"th_live_{'a' * 12}_{'a' * 52}"  # has the form of one, and opens nothing

_SEALED = "application/vnd.theazo.sealed+json"
_FAILURES = {401: "unauthorized", 403: "platform_not_served", 409: "conflict", 429: "too_many_failures"}
_FAILURES |= {500: "internal_error", 503: "unavailable"}

Document: TypeAlias = dict[str, Any]
Answer: TypeAlias = tuple[int, Document | None]


class Asked(NamedTuple):
    """One request, without query and body."""

    method: str
    path: str


class _Problem(Exception):
    def __init__(self, status: int, code: str, detail: str, **more: Any) -> None:  # noqa: ANN401 - JSON
        super().__init__(status, code)
        self.status = status
        self.body: Document = {"type": f"urn:theazo:problem:{code}", "title": code, "status": status, "code": code}
        self.body |= {"detail": detail, **more}


@dataclass
class _Session:
    document: Document
    secrets: dict[str, Document] = field(default_factory=dict)
    agents: dict[str, Document] = field(default_factory=dict)
    creations: dict[str, bytes] = field(default_factory=dict)  # what was asked for, by agent


class FakeApi:
    """One platform, its sessions, and what the API answers about them."""

    def __init__(self, platform: str, computes: tuple[str, ...], *, starts: bool) -> None:
        self.platform = platform
        self.computes = computes
        self.starts = starts
        self.requests: list[Asked] = []
        self.failures: deque[int] = deque()
        self.key = new_key()
        self.sessions: dict[str, _Session] = {}
        self._numbers = count(1)

    def handle(self, request: httpx2.Request) -> httpx2.Response:
        """Answers one request."""
        self.requests.append(Asked(request.method, request.url.path))
        headers = {"x-request-id": f"req_{next(self._numbers):026}"}
        try:
            status, body = self._answer(request)
        except _Problem as problem:
            status, body = problem.status, problem.body | {"requestId": headers["x-request-id"]}
            headers["content-type"] = "application/problem+json"
        if body is None:
            return httpx2.Response(status, headers=headers)
        headers.setdefault("content-type", "application/json")
        return httpx2.Response(status, headers=headers, content=json.dumps(body))

    def find(self, agent_id: str) -> tuple[Document, dict[str, Document]]:
        """An agent of whichever session, and what secrets that has. Raises KeyError if there is none."""
        for session in self.sessions.values():
            if agent_id in session.agents:
                return session.agents[agent_id], session.secrets
        raise KeyError(agent_id)

    def start(self, agent_id: str) -> None:
        """Gives an agent its sandbox, with the values that its session has now."""
        agent, stored = self.find(agent_id)
        agent |= {"phase": "Running", "reason": "SandboxRunning", "message": None, "stalled": False}
        agent |= {"podName": f"{agent_id}-0", "startedAt": now()}
        for each in agent["secrets"]:
            each["updatedAt"] = stored[each["from"]]["updatedAt"] if each["from"] in stored else None

    def make_session(self, user: str, ttl: int | None = None) -> Document:
        """A new session of a user, in place of the one that was there."""
        expires = None if ttl is None else (datetime.now(UTC) + timedelta(seconds=ttl)).isoformat()
        document: Document = {"id": session_name(self.platform, user), "user": user, "platform": self.platform}
        document |= {"sealingId": secrets.token_hex(8), "createdAt": now(), "expiresAt": expires}
        self.sessions[document["id"]] = _Session(document)
        return document

    def _answer(self, request: httpx2.Request) -> Answer:
        if self.failures:
            status = self.failures.popleft()
            raise _Problem(status, _FAILURES.get(status, "internal_error"), "the test asked for this")
        if request.headers.get("authorization") != f"Bearer {API_KEY}":
            raise _Problem(401, "unauthorized", "the API key is none of this API's")
        for method, pattern, answer in _ROUTES:
            if request.method == method and (found := re.fullmatch(pattern, request.url.path)):
                return answer(self, request, *found.groups())
        raise _Problem(404, "route_not_found", "there is no such route")

    def _session(self, session_id: str) -> _Session:
        if session_id not in self.sessions:
            raise _Problem(404, "session_not_found", f"there is no session {session_id}")
        return self.sessions[session_id]

    def _agent_of(self, session_id: str, agent_id: str) -> Document:
        if (found := self._session(session_id).agents.get(agent_id)) is None:
            raise _Problem(404, "agent_not_found", f"session {session_id} has no agent {agent_id}")
        return found

    def _post_session(self, request: httpx2.Request) -> Answer:
        body = json.loads(request.content)
        found = self.sessions.get(session_name(self.platform, body["user"]))
        return (200, found.document) if found else (201, self.make_session(body["user"], body.get("ttlSeconds")))

    def _get_sessions(self, request: httpx2.Request) -> Answer:
        user = request.url.params.get("user")
        found = [each.document for each in self.sessions.values() if user in {None, each.document["user"]}]
        return 200, {"sessions": found, "nextCursor": None}

    def _get_session(self, _: httpx2.Request, session_id: str) -> Answer:
        return 200, self._session(session_id).document

    def _delete_session(self, request: httpx2.Request, session_id: str) -> Answer:
        sealing_id = self._session(session_id).document["sealingId"]
        if request.url.params.get("sealingId", sealing_id) != sealing_id:
            raise _Problem(409, "session_changed", "the session was made again; fetch it")
        del self.sessions[session_id]
        return 204, None

    def _get_sealing_key(self, _: httpx2.Request) -> Answer:
        key = {"platform": self.platform, "suite": SUITE, "keyId": self.key.key_id, "publicKey": self.key.to_base64()}
        return 200, key

    def _post_secrets(self, request: httpx2.Request, session_id: str) -> Answer:
        session, body = self._session(session_id), json.loads(request.content)
        if request.headers.get("content-type") == _SEALED:
            if body["sealingId"] != session.document["sealingId"]:
                raise _Problem(409, "session_changed", "the session was made again; fetch it and seal again")
            body = body["secrets"]
            self._check_sealed(body)
        for name in body:
            try:
                check_name(name)
            except InvalidName as error:
                raise _Problem(400, "invalid_secret", str(error)) from None
        for name in body:
            info = session.secrets.setdefault(name, {"name": name, "createdAt": now()})
            info["updatedAt"] = now()
        return 204, None

    def _check_sealed(self, sealed: dict[str, str]) -> None:
        for envelope in sealed.values():
            try:
                key_id = Envelope.parse(envelope).key_id
            except MalformedEnvelope as error:
                raise _Problem(400, "invalid_secret", str(error)) from None
            if key_id != self.key.key_id:
                raise _Problem(409, "sealing_key_changed", "the platform has another key; fetch it and seal again")

    def _get_secrets(self, _: httpx2.Request, session_id: str) -> Answer:
        found = self._session(session_id).secrets
        return 200, {"secrets": [found[name] for name in sorted(found)]}

    def _delete_secret(self, _: httpx2.Request, session_id: str, name: str) -> Answer:
        if self._session(session_id).secrets.pop(name, None) is None:
            raise _Problem(404, "secret_not_found", f"session {session_id} has no secret of this name")
        return 204, None

    def _post_agent(self, request: httpx2.Request, session_id: str) -> Answer:
        session, body = self._session(session_id), json.loads(request.content)
        key = request.headers.get("idempotency-key", secrets.token_hex(8))
        # As the API does: the same key gives the same id, also once the agent was deleted and is made again.
        agent_id = "a-" + sha256((session.document["sealingId"] + key).encode()).hexdigest()[:26]
        if agent_id in session.agents:
            if session.creations[agent_id] != request.content:
                raise _Problem(409, "idempotency_mismatch", "this Idempotency-Key was used for another request")
            return 200, session.agents[agent_id]
        declared = [{"name": each} if isinstance(each, str) else each for each in body.get("secrets", ())]
        needed = {each.get("from", each["name"]) for each in declared if not each.get("optional")}
        if missing := sorted(needed - session.secrets.keys()):
            raise _Problem(422, "secret_not_found", f"the session has no secret {', '.join(missing)}", missing=missing)
        if body["compute"] not in self.computes:
            raise _Problem(422, "compute_not_found", "there is no such compute")
        session.creations[agent_id] = request.content
        return 201, self._make_agent(session, agent_id, body["compute"], declared)

    def _make_agent(self, session: _Session, agent_id: str, compute: str, declared: list[Document]) -> Document:
        names = [{"name": each["name"], "from": each.get("from", each["name"]), "updatedAt": None} for each in declared]
        agent: Document = {"id": agent_id, "sessionId": session.document["id"], "compute": compute}
        agent |= {"phase": "Pending", "reason": None, "message": None, "stalled": False, "secrets": names}
        agent |= dict.fromkeys(("podName", "exitCode", "startedAt", "finishedAt")) | {"createdAt": now()}
        session.agents[agent_id] = agent
        if self.starts:
            self.start(agent_id)
        return agent

    def _get_agents(self, request: httpx2.Request, session_id: str) -> Answer:
        phase = request.url.params.get("phase")
        found = [each for each in self._session(session_id).agents.values() if phase in {None, each["phase"]}]
        return 200, {"agents": found, "nextCursor": None}

    def _get_agent(self, _: httpx2.Request, session_id: str, agent_id: str) -> Answer:
        return 200, self._agent_of(session_id, agent_id)

    def _delete_agent(self, _: httpx2.Request, session_id: str, agent_id: str) -> Answer:
        self._agent_of(session_id, agent_id)
        del self.sessions[session_id].agents[agent_id]
        return 204, None


def new_key() -> PublicKey:
    """A key that nobody can open with."""
    return PublicKey(_primitives.orphan_public_key())


def now() -> str:
    """The time, as the API writes it."""
    return datetime.now(UTC).isoformat()


_S = "/v1/sessions/([^/]+)"
_ROUTES: tuple[tuple[str, str, Callable[..., Answer]], ...] = (
    ("POST", "/v1/sessions", FakeApi._post_session),  # noqa: SLF001 - this is its own table
    ("GET", "/v1/sessions", FakeApi._get_sessions),  # noqa: SLF001
    ("GET", _S, FakeApi._get_session),  # noqa: SLF001
    ("DELETE", _S, FakeApi._delete_session),  # noqa: SLF001
    ("POST", f"{_S}/secrets", FakeApi._post_secrets),  # noqa: SLF001
    ("GET", f"{_S}/secrets", FakeApi._get_secrets),  # noqa: SLF001
    ("DELETE", f"{_S}/secrets/([^/]+)", FakeApi._delete_secret),  # noqa: SLF001
    ("POST", f"{_S}/agents", FakeApi._post_agent),  # noqa: SLF001
    ("GET", f"{_S}/agents", FakeApi._get_agents),  # noqa: SLF001
    ("GET", f"{_S}/agents/([^/]+)", FakeApi._get_agent),  # noqa: SLF001
    ("DELETE", f"{_S}/agents/([^/]+)", FakeApi._delete_agent),  # noqa: SLF001
    ("GET", "/v1/sealing-key", FakeApi._get_sealing_key),  # noqa: SLF001
)
