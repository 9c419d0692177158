"""What can go wrong with a request, as the client is told: RFC 9457 with a stable `code`.

No detail quotes what was sent, but for names that the rules allow: a value may be anywhere in a wrong request.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from theazo_operator.kube.errors import Expired, KubeError, Outdated, Refused

MEDIA_TYPE = "application/problem+json"
_RETRY_SECONDS = 1
REPORT = "report it with the requestId"
MAY_BE_DONE = (
    "the cluster did not answer in time, or as it should, and what was asked for may be done; it is safe to try again, "
    "but for making an agent without an Idempotency-Key: look at the session's agents first"
)


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of problem: HTTP status, code for programs, title for people."""

    status: int
    code: str
    title: str


INVALID_REQUEST = Kind(400, "invalid_request", "The request is not as the API describes it")
INVALID_SECRET = Kind(400, "invalid_secret", "A secret's name or value is against the rules")
CURSOR_EXPIRED = Kind(400, "cursor_expired", "The cursor is too old")
UNAUTHORIZED = Kind(401, "unauthorized", "No valid API key")
PLATFORM_NOT_SERVED = Kind(403, "platform_not_served", "The API key's platform is not registered")
REFUSED_BY_CLUSTER = Kind(403, "refused_by_cluster", "A quota or policy of the cluster refuses this")
ROUTE_NOT_FOUND = Kind(404, "route_not_found", "There is no such route")
SESSION_NOT_FOUND = Kind(404, "session_not_found", "There is no such session")
SECRET_NOT_FOUND = Kind(404, "secret_not_found", "There is no such secret")
AGENT_NOT_FOUND = Kind(404, "agent_not_found", "There is no such agent")
METHOD_NOT_ALLOWED = Kind(405, "method_not_allowed", "The route does not have this method")
CONFLICT = Kind(409, "conflict", "Others write the same object")
MANAGED_ELSEWHERE = Kind(409, "managed_elsewhere", "A GitOps tool owns this")
SESSION_CHANGED = Kind(409, "session_changed", "The session was made anew")
SEALING_KEY_CHANGED = Kind(409, "sealing_key_changed", "The platform's sealing key has changed")
SESSION_ENDED = Kind(409, "session_ended", "The session has ended")
IDEMPOTENCY_MISMATCH = Kind(409, "idempotency_mismatch", "The idempotency key was used for another agent")
BODY_TOO_LARGE = Kind(413, "body_too_large", "The body is too large")
SECRETS_TOO_LARGE = Kind(413, "secrets_too_large", "The session's secrets would be too many or too large")
UNSUPPORTED_MEDIA_TYPE = Kind(415, "unsupported_media_type", "The body is of another type")
SECRETS_MISSING = Kind(422, "secret_not_found", "Declared secrets are not in the session")
COMPUTE_NOT_FOUND = Kind(422, "compute_not_found", "There is no such compute")
INVALID_AGENT = Kind(422, "invalid_agent", "No agent can be like this")
TOO_MANY_FAILURES = Kind(429, "too_many_failures", "Too many failed authentications")
TOO_MANY_REQUESTS = Kind(429, "too_many_requests", "Too many requests at once")
INTERNAL_ERROR = Kind(500, "internal_error", "A fault of the API")
UNAVAILABLE = Kind(503, "unavailable", "The cluster does not answer as it should")
SEALING_KEY_UNAVAILABLE = Kind(503, "sealing_key_unavailable", "The platform has no published sealing key")

KINDS: tuple[Kind, ...] = tuple(value for value in list(globals().values()) if isinstance(value, Kind))


class Problem(Exception):
    """Raised wherever a request can't be done, and turned into the reply in one place."""

    def __init__(
        self, kind: Kind, detail: str, *, headers: Mapping[str, str] | None = None, **members: Sequence[Any]
    ) -> None:
        super().__init__(kind.code)
        self.kind = kind
        self.detail = detail
        self.headers = dict(headers or {})
        self.members = members

    def body(self, request_id: str) -> dict[str, Any]:
        """The problem's members, in the order in which a person reads them."""
        kind = self.kind
        return {
            "type": f"urn:theazo:problem:{kind.code}",
            "title": kind.title,
            "status": kind.status,
            "detail": self.detail,
            "code": kind.code,
            "requestId": request_id,
            **self.members,
        }


def no_session() -> Problem:
    """There is no such session on this platform, whatever there may be on others."""
    return Problem(SESSION_NOT_FOUND, "this platform has no session of this id; POST /v1/sessions makes one")


def unavailable(kind: Kind, detail: str) -> Problem:
    """Something that is there again soon."""
    return Problem(kind, detail, headers={"Retry-After": str(_RETRY_SECONDS)})


def of_kube(error: KubeError) -> Problem:
    """What a client is told of an API server's answer that nobody has expected; never its words."""
    match error:
        case Outdated():
            return Problem(CONFLICT, "others wrote the same object all the time; try again")
        case Expired():
            return Problem(CURSOR_EXPIRED, "the cursor is older than five minutes or so; list again from the start")
        case Refused() if error.status == 422 or (  # noqa: PLR2004 - HTTP
            error.status == 403 and error.message and " cannot " not in error.message  # noqa: PLR2004 - HTTP
        ):
            return Problem(REFUSED_BY_CLUSTER, "ask the platform's administrators: the cluster's events say which one")
        case Refused() if error.status == 403:  # noqa: PLR2004 - HTTP; a read can only be refused for want of rights
            return Problem(
                PLATFORM_NOT_SERVED, "the API has no rights in this platform; `theazo platforms add` grants them"
            )
        case Refused():  # what we have made of the request is wrong, and will be when it is asked for again
            return Problem(INTERNAL_ERROR, REPORT)
    if not error.answered or error.status >= 500:  # noqa: PLR2004 - HTTP
        return unavailable(UNAVAILABLE, MAY_BE_DONE)
    return unavailable(UNAVAILABLE, "the cluster does not take the request now; nothing was done, try again")
