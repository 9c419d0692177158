"""Reads bodies and parameters: strictly, with a limit, and without ever repeating what it could not read."""

import json
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any, Never, TypeVar
from urllib.parse import parse_qsl

from pydantic import BaseModel, ValidationError

from theazo import rules
from theazo.errors import InvalidName
from theazo.secret_value import SecretValue
from theazo_operator.api import models
from theazo_operator.api.problems import BODY_TOO_LARGE, INVALID_REQUEST, INVALID_SECRET, SECRETS_TOO_LARGE, Problem

MAX_BODY = 2 * 1024 * 1024  # bytes; the 900 KiB that a session holds, in JSON with many escapes
_MAX_ERRORS = 20
_MAX_MEMBERS = 1024  # of one JSON object
M = TypeVar("M", bound=BaseModel)


def size_of_body(declared: str | None) -> int:
    """How large a body may be, by its Content-Length or without one.

    Raises:
        Problem: BODY_TOO_LARGE.
    """
    if declared is None or not (declared.isascii() and declared.isdigit()):
        return MAX_BODY
    size = int(declared[:20])
    if size > MAX_BODY:
        raise _too_large()
    return size


async def read_body(chunks: AsyncIterator[bytes]) -> bytes:
    """Read a body that is not too large, and not a byte more than the limit.

    Raises:
        Problem: BODY_TOO_LARGE.
    """
    body = bytearray()
    async for chunk in chunks:
        body += chunk
        if len(body) > MAX_BODY:
            raise _too_large()
    return bytes(body)


def _too_large() -> Problem:
    return Problem(BODY_TOO_LARGE, f"a body has at most {MAX_BODY} bytes; set fewer values in one request")


def read_object(body: bytes) -> dict[str, Any]:
    """Read a JSON object (RFC 8259) in UTF-8, in which no name stands twice.

    Raises:
        Problem: INVALID_REQUEST.
    """
    try:
        # Not json.loads(bytes), which would guess other encodings.
        value = json.loads(body.decode(), object_pairs_hook=_unique, parse_constant=_no_constant)
        # A lone surrogate is JSON by its grammar and no text that could be encoded.
        json.dumps(value, ensure_ascii=False).encode()
    except (ValueError, RecursionError):
        value = None  # the error holds the body: nothing is raised from here, where it would be the context
    if not isinstance(value, dict):
        raise Problem(
            INVALID_REQUEST,
            "the body is a JSON object in UTF-8: no name twice, no lone surrogates, at most 1024 members",
        )
    return value


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    # More than any object of ours has: each would become an error of its own, and 2 MiB of those are 300 MiB.
    if len(found) != len(pairs) or len(found) > _MAX_MEMBERS:
        raise ValueError
    return found


def _no_constant(_: str) -> Never:
    raise ValueError


def read_values(body: bytes) -> dict[str, SecretValue]:
    """Read `{NAME: value, …}`: the one place where a plaintext comes in.

    Raises:
        Problem: INVALID_REQUEST or INVALID_SECRET, with the positions of what is wrong.
    """
    texts = read_object(body)
    check_count(len(texts))
    errors = [
        error(f"/{position}", "a value is a text")
        for position, text in enumerate(texts.values())
        if type(text) is not str
    ]
    if errors:
        raise Problem(INVALID_REQUEST, "the body is {NAME: value, …}, each value a text", errors=errors[:_MAX_ERRORS])
    values = {name: SecretValue(text.encode()) for name, text in texts.items()}
    errors = check_names(values)
    errors += [
        error(f"/{name}", f"the value {why}")
        for name, value in values.items()
        if (why := rules.problem_with_value(value)) is not None and not _problem_with_name(name)
    ]
    if errors:
        raise Problem(
            INVALID_SECRET, "nothing was set: each of `errors` says what to change", errors=errors[:_MAX_ERRORS]
        )
    return values


def check_count(names: int) -> None:
    """Refuse a request that sets nothing, or more than a session holds.

    Raises:
        Problem: INVALID_REQUEST or SECRETS_TOO_LARGE.
    """
    if not names:
        raise Problem(INVALID_REQUEST, "the body has no secret to set")
    if names > rules.MAX_NAMES:
        raise Problem(SECRETS_TOO_LARGE, f"a session has at most {rules.MAX_NAMES} secrets; the body has {names}")


def check_names(names: Mapping[str, object], below: str = "") -> list[dict[str, str]]:
    """Say what is wrong with names, by position: what is malformed may be a value, and is not repeated."""
    found = [(position, _problem_with_name(name)) for position, name in enumerate(names)]
    return [error(f"{below}/{position}", f"name {position + 1}: {why}") for position, why in found if why]


def _problem_with_name(name: str) -> str | None:
    try:
        rules.check_name(name)
    except InvalidName as problem:
        return str(problem)
    return None


def error(pointer: str, detail: str) -> dict[str, str]:
    """One member of a problem's `errors`."""
    return {"pointer": pointer, "detail": detail}


def read_model(model: type[M], value: Mapping[str, Any], *, text: bool = False) -> M:
    """Read a model, from JSON or (`text`) from parameters, where numbers are texts.

    Raises:
        Problem: INVALID_REQUEST with a pointer for each error.
    """
    try:
        return model.model_validate(value, strict=not text, by_alias=True, by_name=False)
    except ValidationError as problem:
        found = problem.errors(include_url=False, include_context=False, include_input=False)
    errors = [_explain(each["loc"], each["type"], each["msg"]) for each in found[:_MAX_ERRORS]]
    where = "the query" if text else "the body"
    raise Problem(INVALID_REQUEST, f"{where} has {len(found)} errors: see `errors`", errors=errors)


def _explain(place: Sequence[int | str], kind: str, message: str) -> dict[str, str]:
    """Say where and what, up to the first name in the path that is not one of ours."""
    path = []
    for step in place:
        if isinstance(step, str) and step not in models.FIELDS:
            break
        path.append(str(step))
    if kind == "extra_forbidden":
        message = "there is a field here that the API does not know"
    return error("".join(f"/{step}" for step in path), message.removeprefix("Value error, "))


def read_query(model: type[M] | None, query: bytes) -> M | None:
    """Read the parameters of a URL; each is known, and stands there once.

    Raises:
        Problem: INVALID_REQUEST.
    """
    try:
        pairs = parse_qsl(query.decode("ascii"), keep_blank_values=True, strict_parsing=bool(query), errors="strict")
    except ValueError:
        pairs = None
    if pairs is None or len(dict(pairs)) != len(pairs):
        raise Problem(INVALID_REQUEST, "the query is name=value, percent-encoded UTF-8, each parameter once")
    if model is not None:
        return read_model(model, dict(pairs), text=True)
    if pairs:
        raise Problem(INVALID_REQUEST, "this route has no parameters")
    return None
