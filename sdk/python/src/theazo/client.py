"""The SDK for programs that wait for each answer. `theazo.aio` has the same for asyncio."""

import builtins
from collections.abc import Iterator, Mapping, Sequence
from types import TracebackType
from typing import Self, Unpack
from uuid import uuid4

import httpx2

from theazo._core.values import Given
from theazo._core.waiting import wait
from theazo._http import Link, configured, usable
from theazo._sources import EnvFile, checked, collect
from theazo.models import AgentFields, AgentOptions, Phase, SecretInfo, SecretSpec, SessionFields, Until, overwrite


class Theazo:
    """A client of one platform. Threads may share it; close it, or use it in a `with` statement.

    Every method may raise `APIError` and `ConnectionFailed`, both after retries with back-off, and `InvalidName` for an
    id or a user that can't be one.

    Args:
        api_key: Of the platform. Default: the environment variable THEAZO_API_KEY.
        base_url: Of the API. Default: the environment variable THEAZO_BASE_URL.
        fingerprint: Of the platform's sealing key. Values are sealed to this key only, whatever key the API gives, so
            whoever takes the API over reads none of them. Default: the environment variable THEAZO_FINGERPRINT, or
            else the key that the API gives is trusted.
        timeout: Seconds for one attempt, 86,400 at most.
        max_retries: Attempts after the first.
        transport: What carries requests in place of the network, as `theazo.testing` gives.

    Raises:
        ConfigurationError: if there is no usable key or base URL.
    """

    _base_url = "without a base URL"  # for the repr of one that could not be made

    def __init__(
        self,
        api_key: str | None = None,
        base_url: str | None = None,
        *,
        fingerprint: str | None = None,
        timeout: float = 30.0,
        max_retries: int = 4,
        transport: httpx2.BaseTransport | None = None,
    ) -> None:
        found = configured(api_key, base_url, fingerprint, timeout, max_retries)
        del api_key, base_url
        self._link = Link(*usable(found), transport)
        self._base_url = self._link.base_url
        self.sessions = Sessions(self._link)

    def close(self) -> None:
        """Closes the connections. The client can't be used after that."""
        self._link.client.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self._base_url}>"


class Sessions:
    """The sessions of the platform."""

    def __init__(self, link: Link) -> None:
        self._link = link

    def for_user(self, user: str, ttl_seconds: int | None = None) -> "Session":
        """The session of a user; it is made if there is none.

        Args:
            user: The platform's own name for its user, up to 256 characters.
            ttl_seconds: When a new session ends with all it holds; one that is there stays as it is.
        """
        return Session(self._link, self._link.run(self._link.api.for_user(user, ttl_seconds)))

    def get(self, session_id: str) -> "Session":
        """The session of this id."""
        return Session(self._link, self._link.run(self._link.api.session(session_id)))

    def list(self, user: str | None = None) -> Iterator["Session"]:
        """All sessions, or the one of a user. Pages are fetched as they are needed."""
        for fields in self._link.pages(lambda cursor: self._link.api.sessions(user, cursor)):
            yield Session(self._link, fields)

    def delete(self, session_id: str) -> None:
        """Ends a session, with its secrets and agents."""
        self._link.run(self._link.api.find_and_delete_session(session_id))


class Session(SessionFields):
    """A user's session. What it says of itself is as of its last request."""

    def __init__(self, link: Link, fields: SessionFields) -> None:
        overwrite(self, fields)
        self._link = link
        self.secrets = Secrets(link, self)
        self.agents = Agents(link, self.id)

    def refresh(self) -> Self:
        """Asks the API for its state, and gives itself."""
        overwrite(self, self._link.run(self._link.api.session(self.id)))
        return self

    def delete(self) -> None:
        """Ends the session, with its secrets and agents. One that was made in its place since is a `Conflict`."""
        self._link.run(self._link.api.delete_session(self))


class Secrets:
    """The secrets of a session: their names. Values go in, and come out in sandboxes only."""

    def __init__(self, link: Link, session: SessionFields) -> None:
        self._link = link
        self._session = session

    def set(
        self,
        values: Mapping[str, Given] | None = None,
        *,
        env_file: EnvFile | None = None,
        from_env: Sequence[str] = (),
        required: Sequence[str] = (),
    ) -> None:
        """Sets or overwrites secrets, all of them or none; others stay. Values are sealed before they are sent.

        Running agents keep what they have, new ones get the new values. A name may come from one source only.

        Args:
            values: Values by name.
            env_file: A file of NAME=VALUE lines; nothing is interpolated.
            from_env: Names of environment variables, each of which must be set.
            required: Names that must be among all these.

        Raises:
            ConfigurationError: if a value is missing, the env file can't be read or a name is given twice.
            InvalidName: if a name can't be one.
            InvalidValue: if a value is empty, over 64 KiB, not UTF-8 or has a NUL.
            InvalidPublicKey: if the API gives no key that values of this session can be sealed to.
            ManagedElsewhere: if Argo CD or Flux owns one of them.
            SessionEnded: if the session has expired or is being deleted.
        """
        found = collect(values, env_file, from_env, required)
        del values
        overwrite(self._session, self._link.run(self._link.api.set_secrets(self._session, checked(found))))

    def list(self) -> builtins.list[SecretInfo]:
        """Names and times of all secrets, sorted by name."""
        return self._link.run(self._link.api.secrets(self._session.id))

    def delete(self, name: str) -> None:
        """Deletes a secret for good. Running agents keep it; new ones that declare it fail.

        Raises:
            SecretNotFound: if there is none.
        """
        self._link.run(self._link.api.delete_secret(self._session.id, name))


class Agents:
    """The agents of a session."""

    def __init__(self, link: Link, session_id: str) -> None:
        self._link = link
        self._session_id = session_id

    def create(
        self,
        compute: str,
        secrets: Sequence[str | SecretSpec] = (),
        *,
        idempotency_key: str | None = None,
        **options: Unpack[AgentOptions],
    ) -> "Agent":
        """Starts an agent in a sandbox that has the declared secrets in its environment, and no others.

        Args:
            compute: What kind of sandbox.
            secrets: Names, or mappings with `name`, and `from` and `optional` where needed.
            idempotency_key: With the same key, the same agent is not made twice. Default: a random one.
            options: See `AgentOptions`.

        Raises:
            SecretsMissing: if the session lacks a declared secret.
            ComputeNotFound: if there is no such compute.
        """
        key = str(uuid4()) if idempotency_key is None else idempotency_key
        steps = self._link.api.create_agent(self._session_id, compute, secrets, options, key)
        return Agent(self._link, self._link.run(steps))

    def list(self, phase: Phase | None = None) -> Iterator["Agent"]:
        """All agents of the session, or those in one phase. Pages are fetched as they are needed."""
        for fields in self._link.pages(lambda cursor: self._link.api.agents(self._session_id, phase, cursor)):
            yield Agent(self._link, fields)

    def get(self, agent_id: str) -> "Agent":
        """The agent of this id."""
        return Agent(self._link, self._link.run(self._link.api.agent(self._session_id, agent_id)))

    def delete(self, agent_id: str) -> None:
        """Ends an agent, with its sandbox."""
        self._link.run(self._link.api.delete_agent(self._session_id, agent_id))


class Agent(AgentFields):
    """One run of an agent. What it says of itself is as of its last request."""

    def __init__(self, link: Link, fields: AgentFields) -> None:
        overwrite(self, fields)
        self._link = link

    def wait(self, until: Until = "running", timeout: float | None = 300.0) -> Self:
        """Waits until the agent runs or has run ("running"), or has ended well ("finished"), and gives itself.

        Args:
            until: What to wait for.
            timeout: Seconds; None for without end.

        Raises:
            AgentCannotStart: if it needs a person before it can run, or never ran.
            AgentFailed: if it ran and failed, when waiting until "finished".
            WaitTimeout: if it isn't there in time.
        """
        fields, error = self._link.run(wait(self._link.api, self, until, timeout))
        overwrite(self, fields)
        if error is not None:
            raise error
        return self

    def refresh(self) -> Self:
        """Asks the API for its state, and gives itself."""
        overwrite(self, self._link.run(self._link.api.agent(self.session_id, self.id)))
        return self

    def delete(self) -> None:
        """Ends the agent, with its sandbox."""
        self._link.run(self._link.api.delete_agent(self.session_id, self.id))
