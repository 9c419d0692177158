"""One request until it is answered for good: which answers are tried again, and when."""

import random
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from theazo._core.problems import code_of, error_of, failure_of
from theazo._core.wire import Lost, Now, Pause, Reply, Request, Steps

_FIRST, _LONGEST = 0.25, 8.0  # seconds of back-off
_LONGEST_ASKED = 60.0  # seconds that a Retry-After is obeyed for
_TRANSIENT = frozenset({429, 500, 502, 503, 504})
_OK = range(200, 300)
_DONE = 204


@dataclass(frozen=True, slots=True)
class Policy:
    """How patient a client is: seconds for one attempt, and how many attempts come after the first."""

    timeout: float = 30.0
    max_retries: int = 4
    # Between 0 and 1. Nothing secret depends on it: it keeps clients that failed together from returning together.
    jitter: Callable[[], float] = field(default=random.random, repr=False)


def exchange(policy: Policy, request: Request, *, deadline: float | None = None) -> Steps[Reply]:
    """The answer, a 2xx, after as many attempts as `policy` allows and `deadline`, a time of `Now`, leaves time for.

    Every request of this API may be repeated: `set` and `for_user` say what shall be, an agent's creation carries a
    key, and a deletion that finds nothing, or another session, after an answer was lost has been done.

    Raises:
        APIError: for an answer that isn't worth another attempt, or the last one.
        ConnectionFailed: if the last attempt had no answer.
    """
    attempt, maybe_done = 0, False
    while True:
        answer: Reply | Lost = yield (yield from _within(policy, request, deadline))
        if isinstance(answer, Reply):
            if answer.status in _OK:
                return answer
            if maybe_done and request.method == "DELETE" and _is_gone(answer):
                return Reply(_DONE, {}, b"")
        wait = _pause(policy, attempt, answer)
        left = None if deadline is None else deadline - (yield Now())
        if attempt >= policy.max_retries or wait is None or (left is not None and left <= 0):
            raise failure_of(answer) if isinstance(answer, Lost) else error_of(answer)
        maybe_done = maybe_done or isinstance(answer, Lost) or answer.status >= 500  # noqa: PLR2004 - RFC 9110
        attempt += 1
        yield Pause(wait if left is None else min(wait, left))


def _within(policy: Policy, request: Request, deadline: float | None) -> Steps[Request]:
    if deadline is None:
        return request
    left: float = deadline - (yield Now())
    return replace(request, timeout=max(_FIRST, min(policy.timeout, left)))


def _pause(policy: Policy, attempt: int, answer: Reply | Lost) -> float | None:
    """Seconds until the next attempt, None if there is nothing to gain from one."""
    if isinstance(answer, Reply) and not _passes(answer):
        return None
    # The exponent is capped too: a float ends at 2^1024.
    jittered = policy.jitter() * min(_LONGEST, _FIRST * 2.0 ** min(attempt, 16))
    # The longer of both: "0" would have all clients back at once.
    return max(jittered, _asked(answer))


def _passes(answer: Reply) -> bool:
    return answer.status in _TRANSIENT or (answer.status == 409 and code_of(answer) == "conflict")  # noqa: PLR2004 - HTTP


def _asked(answer: Reply | Lost) -> float:
    """Seconds that an answer asks its client to wait; a date, which this API never sends, counts as none."""
    text = answer.headers.get("retry-after", "") if isinstance(answer, Reply) else ""
    return min(_LONGEST_ASKED, float(text[:9])) if text.isascii() and text.isdigit() else 0.0


def _is_gone(answer: Reply) -> bool:
    code = code_of(answer)
    # A session was made in the place of the one that was to be deleted.
    return code == "session_changed" or (answer.status == 404 and code not in {"", "route_not_found"})  # noqa: PLR2004
