"""Lists, a page at a time.

A cursor is the API server's token with a checksum. What is none is told here, and the API server is not asked: it may
be a value in the wrong place, and each URL is written into the API server's audit log.
"""

import hashlib
from typing import Any

from theazo_operator.api import problems, queries, reading
from theazo_operator.api.problems import Problem
from theazo_operator.kube.client import Kube
from theazo_operator.kube.errors import Refused
from theazo_operator.kube.resource import Resource


async def read_page(
    kube: Kube, resource: Resource, platform: str, query: queries.Page, fields: str = ""
) -> tuple[list[dict[str, Any]], str | None]:
    """Read a page of a platform's objects; also the cursor of the next, or None at the end.

    Raises:
        Problem: INVALID_REQUEST where the cursor is none.
        KubeError: the request failed; Expired where the cursor is too old.
    """
    token = None if query.cursor is None else query.cursor.rpartition(".")[0]
    if token is not None and query.cursor != cursor_of(token):
        raise _no_cursor()
    try:
        page = await kube.page(resource, platform, fields=fields, limit=query.limit, token=token)
    except Refused as error:
        if error.status != 400 or token is None:  # noqa: PLR2004 - HTTP
            raise
        raise _no_cursor() from None
    following = page["metadata"].get("continue")
    return page.get("items") or [], cursor_of(following) if following else None


def cursor_of(token: str) -> str:
    """What a client is shown of an API server's token."""
    return f"{token}.{hashlib.sha256(token.encode()).hexdigest()[:8]}"


def _no_cursor() -> Problem:
    errors = [reading.error("/cursor", "this is no `nextCursor` of an earlier page")]
    return Problem(problems.INVALID_REQUEST, "the query has 1 errors: see `errors`", errors=errors)
