"""The SDK for asyncio: what `theazo.client` has, with `await` before what asks the API."""

import builtins
from collections.abc import AsyncIterator, Mapping, Sequence
from types import TracebackType
from typing import Self, Unpack
from uuid import uuid4

import httpx2

from theazo._core.values import Given
from theazo._core.waiting import wait
from theazo._http import AsyncLink, configured, usable
from theazo._sources import EnvFile, checked, collect
from theazo.models import (
    AgentFields,
    AgentOptions,
    Phase,
    SecretInfo,
    SecretSpec,
    SessionFields,
    Until,
    overwrite,
)


class AsyncTheazo:
    """A client of one platform, for one event loop; see `theazo.Theazo`. Use it in an `async with` statement."""

    _base_url = "without a base URL"  # for the repr of one that could not be made

    def __init__(
        self,
        api_key: str | None = None,
        base_url: str | None = None,
        *,
        fingerprint: str | None = None,
        timeout: float = 30.0,
        max_retries: int = 4,
        transport: httpx2.AsyncBaseTransport | None = None,
    ) -> None:
        found = configured(api_key, base_url, fingerprint, timeout, max_retries)
        del api_key, base_url
        self._link = AsyncLink(*usable(found), transport)
        self._base_url = self._link.base_url
        self.sessions = AsyncSessions(self._link)

    async def close(self) -> None:
        """Closes the connections. The client can't be used after that."""
        await self._link.client.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close()

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self._base_url}>"


class AsyncSessions:
    """The sessions of the platform."""

    def __init__(self, link: AsyncLink) -> None:
        self._link = link

    async def for_user(self, user: str, ttl_seconds: int | None = None) -> "AsyncSession":
        """See `theazo.client.Sessions.for_user`."""
        return AsyncSession(self._link, await self._link.run(self._link.api.for_user(user, ttl_seconds)))

    async def get(self, session_id: str) -> "AsyncSession":
        """See `theazo.client.Sessions.get`."""
        return AsyncSession(self._link, await self._link.run(self._link.api.session(session_id)))

    async def list(self, user: str | None = None) -> AsyncIterator["AsyncSession"]:
        """See `theazo.client.Sessions.list`: `async for session in theazo.sessions.list():`."""
        async for fields in self._link.pages(lambda cursor: self._link.api.sessions(user, cursor)):
            yield AsyncSession(self._link, fields)

    async def delete(self, session_id: str) -> None:
        """See `theazo.client.Sessions.delete`."""
        await self._link.run(self._link.api.find_and_delete_session(session_id))


class AsyncSession(SessionFields):
    """A user's session. What it says of itself is as of its last request."""

    def __init__(self, link: AsyncLink, fields: SessionFields) -> None:
        overwrite(self, fields)
        self._link = link
        self.secrets = AsyncSecrets(link, self)
        self.agents = AsyncAgents(link, self.id)

    async def refresh(self) -> Self:
        """See `theazo.client.Session.refresh`."""
        overwrite(self, await self._link.run(self._link.api.session(self.id)))
        return self

    async def delete(self) -> None:
        """See `theazo.client.Session.delete`."""
        await self._link.run(self._link.api.delete_session(self))


class AsyncSecrets:
    """The secrets of a session: their names. Values go in, and come out in sandboxes only."""

    def __init__(self, link: AsyncLink, session: SessionFields) -> None:
        self._link = link
        self._session = session

    async def set(
        self,
        values: Mapping[str, Given] | None = None,
        *,
        env_file: EnvFile | None = None,
        from_env: Sequence[str] = (),
        required: Sequence[str] = (),
    ) -> None:
        """See `theazo.client.Secrets.set`."""
        found = collect(values, env_file, from_env, required)
        del values
        overwrite(self._session, await self._link.run(self._link.api.set_secrets(self._session, checked(found))))

    async def list(self) -> builtins.list[SecretInfo]:
        """See `theazo.client.Secrets.list`."""
        return await self._link.run(self._link.api.secrets(self._session.id))

    async def delete(self, name: str) -> None:
        """See `theazo.client.Secrets.delete`."""
        await self._link.run(self._link.api.delete_secret(self._session.id, name))


class AsyncAgents:
    """The agents of a session."""

    def __init__(self, link: AsyncLink, session_id: str) -> None:
        self._link = link
        self._session_id = session_id

    async def create(
        self,
        compute: str,
        secrets: Sequence[str | SecretSpec] = (),
        *,
        idempotency_key: str | None = None,
        **options: Unpack[AgentOptions],
    ) -> "AsyncAgent":
        """See `theazo.client.Agents.create`."""
        key = str(uuid4()) if idempotency_key is None else idempotency_key
        steps = self._link.api.create_agent(self._session_id, compute, secrets, options, key)
        return AsyncAgent(self._link, await self._link.run(steps))

    async def list(self, phase: Phase | None = None) -> AsyncIterator["AsyncAgent"]:
        """See `theazo.client.Agents.list`: `async for agent in session.agents.list():`."""
        async for fields in self._link.pages(lambda cursor: self._link.api.agents(self._session_id, phase, cursor)):
            yield AsyncAgent(self._link, fields)

    async def get(self, agent_id: str) -> "AsyncAgent":
        """See `theazo.client.Agents.get`."""
        return AsyncAgent(self._link, await self._link.run(self._link.api.agent(self._session_id, agent_id)))

    async def delete(self, agent_id: str) -> None:
        """See `theazo.client.Agents.delete`."""
        await self._link.run(self._link.api.delete_agent(self._session_id, agent_id))


class AsyncAgent(AgentFields):
    """One run of an agent. What it says of itself is as of its last request."""

    def __init__(self, link: AsyncLink, fields: AgentFields) -> None:
        overwrite(self, fields)
        self._link = link

    async def wait(self, until: Until = "running", timeout: float | None = 300.0) -> Self:  # noqa: ASYNC109 - as its twin
        """See `theazo.client.Agent.wait`."""
        fields, error = await self._link.run(wait(self._link.api, self, until, timeout))
        overwrite(self, fields)
        if error is not None:
            raise error
        return self

    async def refresh(self) -> Self:
        """See `theazo.client.Agent.refresh`."""
        overwrite(self, await self._link.run(self._link.api.agent(self.session_id, self.id)))
        return self

    async def delete(self) -> None:
        """See `theazo.client.Agent.delete`."""
        await self._link.run(self._link.api.delete_agent(self.session_id, self.id))
