"""Every error that Theazo raises on purpose.

TheazoError
├── InvalidMasterKey           theazo_operator.opening: the keyring isn't usable
├── ConfigurationError         the program or its environment lacks something: a base URL, a key, a value
├── InvalidName                a name, an id, a user or an idempotency key that the rules refuse
├── SealingError
│   ├── InvalidPublicKey       no public key of the suite, or not the one that was expected
│   ├── InvalidValue           there is a value, but the rules refuse it: before sealing and after opening
│   └── OpeningError           this entry gives no value
│       ├── MalformedEnvelope  the text is no envelope
│       ├── UnknownKey         theazo_operator.opening: no key of the keyring has its key id
│       └── CannotOpen         theazo_operator.opening: whatever else
├── ConnectionFailed           no answer, after all retries
│   └── RequestTimeout         none in time
├── APIError                   the API answered with a problem, or with what it never answers
│   ├── InvalidRequest         400
│   ├── Unauthorized           401
│   ├── PermissionDenied       403
│   ├── NotFound               404
│   │   ├── SessionNotFound
│   │   ├── SecretNotFound
│   │   └── AgentNotFound
│   ├── Conflict               409
│   │   ├── ManagedElsewhere   Argo CD or Flux owns it
│   │   └── SessionEnded       it has expired, or is being deleted
│   ├── TooLarge               413
│   ├── Unprocessable          422
│   │   ├── SecretsMissing     the session lacks secrets that the agent declares
│   │   └── ComputeNotFound
│   ├── RateLimited            429
│   └── ServerError            500 and above
└── AgentError                 agent.wait() ends without what it waited for
    ├── AgentCannotStart       it needs a person, and has never run
    ├── AgentFailed            it ran, and failed
    └── WaitTimeout            neither in time

No message holds a value or an API key, nor text that stands where only an envelope belongs: it may be a plaintext.
"""

from dataclasses import dataclass
from typing import ClassVar


class TheazoError(Exception):
    """The root of the tree: catch it to catch all that Theazo raises on purpose."""


class InvalidName(TheazoError):
    """A name, id, user or idempotency key that the rules refuse; the message says which and why."""


class SealingError(TheazoError):
    """A value can't be sealed, or a sealed one can't be used."""


class InvalidPublicKey(SealingError):
    """Not a public key of the suite, or another platform's; nothing is sealed to it."""


class InvalidValue(SealingError):
    """A value that breaks the rules for values. With detail when its author seals it, without when it was opened."""

    reason: ClassVar[str] = "InvalidValue"


class OpeningError(SealingError):
    """An entry gives no value. `reason` is the word that conditions and metrics show, the message has the remedy."""

    reason: ClassVar[str]


class MalformedEnvelope(OpeningError):
    """The text is no envelope that this version could have written, which can be seen without any key."""

    reason = "MalformedEnvelope"


class ConfigurationError(TheazoError):
    """The program, or the environment that it runs in, lacks something; the message says what and where it is set.

    `missing` names secrets without a value, where that is the reason.
    """

    def __init__(self, message: str, missing: tuple[str, ...] = ()) -> None:
        super().__init__(message, missing)
        self.missing = missing

    def __str__(self) -> str:
        return str(self.args[0])


class ConnectionFailed(TheazoError):
    """The API could not be reached, or its answer was lost, also when asked again."""


class RequestTimeout(ConnectionFailed):
    """The API did not answer within `timeout` seconds, also when asked again."""


@dataclass(frozen=True, slots=True)
class FieldProblem:
    """What is wrong in one place of a request. `pointer` is a JSON pointer (RFC 6901) into its body."""

    pointer: str
    detail: str


class APIError(TheazoError):
    """The API answered with a problem (RFC 9457).

    Attributes:
        status: The HTTP status.
        code: The problem's stable word; `unexpected_reply` where what answered is not this API.
        detail: What is wrong and what to do.
        request_id: By which the API's operators find the request.
        missing: Names of secrets that are not there.
        errors: What is wrong, place by place.
    """

    def __init__(
        self,
        status: int,
        code: str,
        detail: str,
        request_id: str | None = None,
        missing: tuple[str, ...] = (),
        errors: tuple[FieldProblem, ...] = (),
    ) -> None:
        super().__init__(status, code, detail, request_id, missing, errors)
        self.status = status
        self.code = code
        self.detail = detail
        self.request_id = request_id
        self.missing = missing
        self.errors = errors

    def __str__(self) -> str:
        places = "".join(f"; {problem.pointer}: {problem.detail}" for problem in self.errors)
        request = f", {self.request_id}" if self.request_id else ""
        return f"{self.detail}{places} ({self.status} {self.code}{request})"


class InvalidRequest(APIError):
    """400: a request that no state of the session would make right."""


class Unauthorized(APIError):
    """401: the API key is none, or was revoked."""


class PermissionDenied(APIError):
    """403: the API key's platform isn't served any more, or the cluster refuses what was asked; `code` says which."""


class NotFound(APIError):
    """404: there is no such thing on this platform."""


class SessionNotFound(NotFound):
    """There is no such session, or none any more."""


class SecretNotFound(NotFound):
    """The session has no secret of this name."""


class AgentNotFound(NotFound):
    """The session has no such agent, or none any more."""


class Conflict(APIError):
    """409: not in the state that things are in."""


class ManagedElsewhere(Conflict):
    """Argo CD or Flux owns it: change it there."""


class SessionEnded(Conflict):
    """The session has expired or is being deleted."""


class TooLarge(APIError):
    """413: more than a request, or a session, may hold."""


class Unprocessable(APIError):
    """422: an agent that could not start."""


class SecretsMissing(Unprocessable):
    """The agent declares secrets that the session lacks; `missing` names them."""


class ComputeNotFound(Unprocessable):
    """There is no such compute."""


class RateLimited(APIError):
    """429: too many failures from here, or too many requests at once, also after waiting."""


class ServerError(APIError):
    """500 and above: the API's fault, also when asked again."""


class AgentError(TheazoError):
    """`agent.wait()` ended without what it waited for.

    Attributes:
        agent_id: Which agent.
        reason: The word of docs/reasons.md, if there is one.
        message: What to do, in words.
        exit_code: Of the sandbox's process, if it ended.
    """

    def __init__(self, agent_id: str, reason: str | None, message: str, exit_code: int | None = None) -> None:
        super().__init__(agent_id, reason, message, exit_code)
        self.agent_id = agent_id
        self.reason = reason
        self.message = message
        self.exit_code = exit_code

    def __str__(self) -> str:
        return f"agent {self.agent_id} {self._what()}{f' ({self.reason})' if self.reason else ''}: {self.message}"

    def _what(self) -> str:
        return "is not what was waited for"


class AgentCannotStart(AgentError):
    """A person must act before the agent can run, or it never will."""

    def _what(self) -> str:
        return "cannot start"


class AgentFailed(AgentError):
    """The agent ran, and failed."""

    def _what(self) -> str:
        return "failed" if self.exit_code is None else f"failed with exit code {self.exit_code}"


class WaitTimeout(AgentError):
    """The agent was not there in time. It goes on: wait again, or delete it."""

    def _what(self) -> str:
        return "was not there in time"
