"""Answers that are no success, as errors of the tree."""

import json
import re
from typing import Any

from theazo import errors
from theazo._core.wire import Lost, Reply
from theazo.errors import APIError, FieldProblem

UNEXPECTED = "unexpected_reply"
PROBLEM_TYPE = "application/problem+json"

_MAX_TEXT = 1000  # characters of what the API says that an error repeats
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+")

_BY_CODE: dict[tuple[int, str], type[APIError]] = {
    (404, "session_not_found"): errors.SessionNotFound,
    (404, "secret_not_found"): errors.SecretNotFound,
    (404, "agent_not_found"): errors.AgentNotFound,
    (409, "managed_elsewhere"): errors.ManagedElsewhere,
    (409, "session_ended"): errors.SessionEnded,
    (422, "secret_not_found"): errors.SecretsMissing,
    (422, "compute_not_found"): errors.ComputeNotFound,
}
_BY_STATUS: dict[int, type[APIError]] = {
    400: errors.InvalidRequest,
    401: errors.Unauthorized,
    403: errors.PermissionDenied,
    404: errors.NotFound,
    409: errors.Conflict,
    413: errors.TooLarge,
    422: errors.Unprocessable,
    429: errors.RateLimited,
}


def problem(reply: Reply) -> dict[str, Any]:
    """The problem in an answer; empty if what answered isn't this API, whose body nobody should repeat."""
    if reply.headers.get("content-type", "").partition(";")[0].strip().lower() != PROBLEM_TYPE:
        return {}
    try:
        found = json.loads(reply.body)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def code_of(reply: Reply) -> str:
    """The problem's code; empty if there is none."""
    return _text(problem(reply).get("code"))


def error_of(reply: Reply) -> APIError:
    """The error that an answer other than 2xx stands for."""
    found = problem(reply)
    code = _text(found.get("code")) or UNEXPECTED
    kind = _BY_CODE.get((reply.status, code)) or _BY_STATUS.get(reply.status) or _rest(reply.status)
    detail = _text(found.get("detail")) or _text(found.get("title")) or _undetailed(reply.status)
    request_id = _text(found.get("requestId")) or _text(reply.headers.get("x-request-id")) or None
    return kind(reply.status, code, detail, request_id, _names(found.get("missing")), _places(found.get("errors")))


def unexpected(reply: Reply) -> APIError:
    """The error for a success whose body isn't what the API promises."""
    detail = f"the answer is none of this API's; {_CHECK}"
    return APIError(reply.status, UNEXPECTED, detail, _text(reply.headers.get("x-request-id")) or None)


def failure_of(lost: Lost) -> errors.ConnectionFailed:
    """The error for no answer at all."""
    if lost.timed_out:
        return errors.RequestTimeout(f"the API did not answer in time ({lost.reason}); raise `timeout`, or {_CHECK}")
    return errors.ConnectionFailed(f"cannot reach the API ({lost.reason}); {_CHECK}")


_CHECK = "check the base URL (THEAZO_BASE_URL, or the parameter base_url)"


def _rest(status: int) -> type[APIError]:
    return errors.ServerError if status >= 500 else APIError  # noqa: PLR2004 - RFC 9110


def _undetailed(status: int) -> str:
    if 300 <= status < 400:  # noqa: PLR2004 - RFC 9110
        return f"the server redirects, which is never followed; {_CHECK}"
    return f"no problem of this API: something else answered; {_CHECK}"


def _text(found: object) -> str:
    return _CONTROL.sub(" ", found)[:_MAX_TEXT] if isinstance(found, str) else ""


def _names(found: object) -> tuple[str, ...]:
    return tuple(map(_text, found)) if isinstance(found, list) else ()


def _places(found: object) -> tuple[FieldProblem, ...]:
    places = [place for place in found if isinstance(place, dict)] if isinstance(found, list) else []
    return tuple(FieldProblem(_text(place.get("pointer")), _text(place.get("detail"))) for place in places)
