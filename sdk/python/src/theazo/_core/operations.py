"""What a client can do, as steps for a shell to carry out."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from theazo._core import reading, requests
from theazo._core.exchange import Policy, exchange
from theazo._core.reading import Page, SealingKey, read
from theazo._core.values import Values
from theazo._core.wire import Steps
from theazo.errors import Conflict, InvalidPublicKey
from theazo.models import AgentFields, AgentOptions, SecretInfo, SecretSpec, SessionFields


@dataclass(slots=True)
class Operations:
    """All operations of one client, and the one thing that it remembers: its platform's public key.

    The key is replaced in one assignment, so threads may share a client; at worst two of them fetch it at once.
    """

    policy: Policy
    fingerprint: str | None = None
    _key: SealingKey | None = field(default=None, repr=False)

    def for_user(self, user: str, ttl_seconds: int | None) -> Steps[SessionFields]:
        """Get or create a user's session."""
        return read((yield from exchange(self.policy, requests.post_session(user, ttl_seconds))), reading.session)

    def session(self, session: str) -> Steps[SessionFields]:
        """One session."""
        return read((yield from exchange(self.policy, requests.get_session(session))), reading.session)

    def sessions(self, user: str | None, cursor: str | None) -> Steps[Page[SessionFields]]:
        """One page of sessions."""
        reply = yield from exchange(self.policy, requests.get_sessions(user, cursor))
        return read(reply, reading.page("sessions", reading.session))

    def delete_session(self, session: SessionFields) -> Steps[None]:
        """End this very session, and not one that was made in its place."""
        yield from exchange(self.policy, requests.delete_session(session.id, session.sealing_id))

    def find_and_delete_session(self, session: str) -> Steps[None]:
        """End the session that has this id now."""
        yield from self.delete_session((yield from self.session(session)))

    def set_secrets(self, session: SessionFields, values: Values) -> Steps[SessionFields]:
        """Seal and set values; gives the session as it is then.

        A session that was made again, or a platform's new key, is fetched and all is sealed anew, once for each. The
        second such answer is an error: something changes faster than it can be read.

        Raises:
            InvalidPublicKey: if the API gives no key of the session's platform.
        """
        again = {"session_changed", "sealing_key_changed"}
        while True:
            known = yield from self._sealing_key(session.platform)
            # Read once: another thread may refresh the session while this one seals.
            sealing_id = session.sealing_id
            sealed = values.sealed(session.platform, session.id, sealing_id, known.key)
            try:
                yield from exchange(self.policy, requests.post_sealed(session.id, sealing_id, sealed))
            except Conflict as conflict:
                if conflict.code not in again:
                    raise
                code = conflict.code
            else:
                return session
            again.remove(code)
            if code == "session_changed":
                session = yield from self.session(session.id)
            elif self._key is known:  # else another thread has already fetched a newer one
                self._key = None

    def secrets(self, session: str) -> Steps[list[SecretInfo]]:
        """All secrets of a session."""
        return read((yield from exchange(self.policy, requests.get_secrets(session))), reading.secret_infos)

    def delete_secret(self, session: str, name: str) -> Steps[None]:
        """Delete a secret."""
        yield from exchange(self.policy, requests.delete_secret(session, name))

    def create_agent(
        self, session: str, compute: str, secrets: Sequence[str | SecretSpec], options: AgentOptions, key: str
    ) -> Steps[AgentFields]:
        """Create an agent."""
        request = requests.post_agent(session, compute, secrets, options, key)
        return read((yield from exchange(self.policy, request)), reading.agent)

    def agent(self, session: str, agent: str, *, deadline: float | None = None) -> Steps[AgentFields]:
        """One agent."""
        reply = yield from exchange(self.policy, requests.get_agent(session, agent), deadline=deadline)
        return read(reply, reading.agent)

    def agents(self, session: str, phase: str | None, cursor: str | None) -> Steps[Page[AgentFields]]:
        """One page of a session's agents."""
        reply = yield from exchange(self.policy, requests.get_agents(session, phase, cursor))
        return read(reply, reading.page("agents", reading.agent))

    def delete_agent(self, session: str, agent: str) -> Steps[None]:
        """Delete an agent."""
        yield from exchange(self.policy, requests.delete_agent(session, agent))

    def _sealing_key(self, platform: str) -> Steps[SealingKey]:
        if (known := self._key) is None:
            known = read((yield from exchange(self.policy, requests.get_sealing_key())), reading.sealing_key)
            if self.fingerprint not in {None, known.key.key_id}:
                raise InvalidPublicKey(
                    f"the API gave the sealing key {known.key.key_id}, not the pinned {self.fingerprint}; nothing was "
                    "sealed. Pin another only after an administrator confirms it (`theazo platforms list`)"
                )
            # Only here: what another thread has forgotten meanwhile stays forgotten.
            self._key = known if known.platform == platform else None
        if known.platform != platform:
            raise InvalidPublicKey("the API gave the sealing key of another platform than the session is of")
        return known
