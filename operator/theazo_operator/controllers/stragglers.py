"""Requests that may still land: of an operator that was killed, or those whose answer never came.

A Secret that lands after the clean-up would live as long as its agent, so there is a second clean-up, when all that was
under way has landed or never will.
"""

import time
from datetime import timedelta

_LATEST = 65.0  # seconds: an API server gives up a request after 60, unless --request-timeout says otherwise


class Stragglers:
    """The agents, by UID, that such a request may be about."""

    def __init__(self) -> None:
        self._due: dict[str, float] = {}

    def expect(self, uid: str) -> None:
        """Have an agent cleared up once more, when the last request that can be under way now is over."""
        self._due[uid] = time.monotonic() + _LATEST

    def forget(self, uid: str) -> None:
        """The agent was cleared up once more, or is gone."""
        self._due.pop(uid, None)

    def left(self, uid: str) -> timedelta | None:
        """How long it is until then; nothing where nothing is under way."""
        due = self._due.get(uid)
        return None if due is None else timedelta(seconds=max(due - time.monotonic(), 0.0))
