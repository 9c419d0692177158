"""What this process knows of creations that broke off: an operator was killed, or an answer never came.

    unfinished   a Secret may live that no Pod uses: clear up before the next attempt
    landing      a request of the broken attempt may still be under way: clear up once more when it can't be any longer
    cleared      every Secret from before was deleted: a Pod that lands now with one of them can never start

Nothing of this is needed after a crash: an agent that was there before, without a Pod on record, counts as unfinished.
"""

import time
from dataclasses import dataclass
from datetime import timedelta

from theazo_operator.resources.agent import Agent
from theazo_operator.resources.sandbox import SandboxPod

_LATEST = 65.0  # seconds: an API server gives up a request after 60, unless --request-timeout says otherwise


@dataclass(slots=True)
class _Attempt:
    unfinished: bool = False
    landing_until: float | None = None
    cleared: bool = False
    secret: str | None = None
    """The one Secret that was made since the clean-up."""


class Attempts:
    """The attempts, by the agent's UID. Of one that went well nothing is kept."""

    def __init__(self) -> None:
        self._known: dict[str, _Attempt] = {}

    def begin(self, uid: str, secret: str | None) -> None:
        """Secret and Pod are about to be created."""
        attempt = self._known.setdefault(uid, _Attempt())
        attempt.unfinished, attempt.secret = True, secret

    def suspect(self, uid: str) -> None:
        """Another process may have begun."""
        self._known.setdefault(uid, _Attempt()).unfinished = True

    def broke_off(self, uid: str) -> bool:
        """Whether there may be a Secret that no Pod uses."""
        attempt = self._known.get(uid)
        return attempt is not None and attempt.unfinished

    def cleared_up(self, uid: str, *, found_pod: bool = False, landing: bool) -> None:
        """All Secrets were deleted, but for that of a Pod that was found.

        Args:
            uid: the agent's.
            found_pod: a Pod of the agent was found, and kept its Secret.
            landing: a request of the attempt may still be under way. Those of earlier ones may be in any case.
        """
        attempt = self._known.setdefault(uid, _Attempt())
        attempt.unfinished = False
        if landing:
            attempt.landing_until = time.monotonic() + _LATEST
        if not found_pod:
            attempt.cleared, attempt.secret = True, None
        if attempt.landing_until is None:
            self.forget(uid)

    def settled(self, uid: str) -> None:
        """Every Secret that is there is one that is used."""
        attempt = self._known.get(uid)
        if attempt is None:
            return
        attempt.unfinished = attempt.cleared = False
        if attempt.landing_until is None:
            self.forget(uid)

    def landing(self, uid: str) -> timedelta | None:
        """How long a request may still be under way; nothing where there is none."""
        attempt = self._known.get(uid)
        if attempt is None or attempt.landing_until is None:
            return None
        return timedelta(seconds=max(attempt.landing_until - time.monotonic(), 0.0))

    def landed(self, uid: str) -> None:
        """What was under way has landed, and was cleared up."""
        attempt = self._known.get(uid)
        if attempt is None:
            return
        attempt.landing_until = None
        if not attempt.unfinished and not attempt.cleared:
            self.forget(uid)

    def starves(self, agent: Agent, pod: SandboxPod) -> bool:
        """Whether a Pod of this agent landed after its Secret was cleared up: it can't start, and is on no record."""
        attempt = self._known.get(agent.meta.uid)
        if attempt is None or not attempt.cleared or pod.secret_name in {None, attempt.secret}:
            return False
        ours = pod.agent_uid == agent.meta.uid and "podUID" not in agent.status
        return ours and not pod.started and not pod.meta.deleting

    def forget(self, uid: str) -> None:
        """The agent is gone."""
        self._known.pop(uid, None)
