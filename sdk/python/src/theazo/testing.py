"""An API in memory, so that programs which use the SDK can be tested without a network.

    fake = FakeTheazo()
    with fake.client() as theazo:
        session = theazo.sessions.for_user("user_123")
        session.secrets.set({"OPENAI_API_KEY": "sk-..."})
        agent = session.agents.create("python", ["OPENAI_API_KEY"])
        fake.end(agent.id, exit_code=1)

It answers as the REST API does, paging aside. Values arrive sealed to a key that has no private half, and are dropped:
what a test can see is names.
"""

import httpx2

from theazo._fake import API_KEY, Asked, FakeApi, new_key, now
from theazo.aio import AsyncTheazo
from theazo.client import Theazo

__all__ = ["API_KEY", "BASE_URL", "Asked", "FakeTheazo"]

BASE_URL = "http://theazo.test"


class FakeTheazo:
    """An API in memory, with one platform.

    Args:
        platform: The platform's name.
        computes: The computes that there are.
        starts: Whether an agent runs as soon as it is created; otherwise `start` makes it run.

    Attributes:
        transport: What a client is given to speak to it, beside `API_KEY` and `BASE_URL`.
    """

    def __init__(
        self, platform: str = "test", computes: tuple[str, ...] = ("python", "node"), *, starts: bool = True
    ) -> None:
        self._api = FakeApi(platform, computes, starts=starts)
        self.transport = httpx2.MockTransport(self._api.handle)

    def client(self, *, max_retries: int = 0) -> Theazo:
        """A client of this API."""
        return Theazo(API_KEY, BASE_URL, max_retries=max_retries, transport=self.transport)

    def async_client(self, *, max_retries: int = 0) -> AsyncTheazo:
        """A client of this API for asyncio."""
        return AsyncTheazo(API_KEY, BASE_URL, max_retries=max_retries, transport=self.transport)

    @property
    def requests(self) -> tuple[Asked, ...]:
        """What was asked so far: methods and paths."""
        return tuple(self._api.requests)

    def fail(self, *statuses: int) -> None:
        """Makes the next requests fail, one with each status."""
        self._api.failures.extend(statuses)

    def start(self, agent_id: str) -> None:
        """Makes an agent run."""
        self._api.start(agent_id)

    def stall(self, agent_id: str, reason: str = "SandboxRefused", message: str = "the quota is used up") -> None:
        """Makes an agent that has not run wait for a person."""
        agent, _ = self._api.find(agent_id)
        agent.update(phase="Pending", reason=reason, message=message, stalled=True, podName=None, startedAt=None)
        for each in agent["secrets"]:
            each["updatedAt"] = None

    def end(self, agent_id: str, exit_code: int = 0) -> None:
        """Makes an agent end: Succeeded with exit code 0, else Failed. One that has not run runs first."""
        (agent, _), well = self._api.find(agent_id), exit_code == 0
        if agent["startedAt"] is None:
            self._api.start(agent_id)
        agent.update(
            phase="Succeeded" if well else "Failed",
            reason="Completed" if well else "SandboxFailed",
            message=None if well else f"the sandbox ended with exit code {exit_code}",
            stalled=not well,
            exitCode=exit_code,
            finishedAt=now(),
        )

    def rotate_key(self) -> None:
        """Gives the platform a new key. What is sealed to the old one is refused, and a client seals again."""
        self._api.key = new_key()

    def recreate_session(self, session_id: str) -> None:
        """Makes a session anew for its user: another sealing id, no secrets and no agents."""
        self._api.make_session(self._api.sessions[session_id].document["user"])
