"""How commands show what they found: in columns for people, as documents and names for programs."""

import json
import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from cyclopts import Parameter

from theazo.cli.terminal import listed, out, plain

Format = Literal["table", "wide", "name", "json", "yaml"]
Output = Annotated[Format, Parameter(name=["--output", "-o"], show_default=True)]
"""The option of a command that lists, with its names."""

# datetime alone takes other forms of ISO 8601 too, with any character between date and time.
_RFC_3339 = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:Z|[+-]\d\d:\d\d)", re.ASCII)


def show(
    output: Format,
    heading: tuple[str, ...],
    rows: list[tuple[str, ...]],
    documents: dict[str, Any],
    names: list[str],
    *,
    wide: int,
) -> None:
    """Writes what was found to standard output, in one of the formats.

    Args:
        output: Which format.
        heading: The names of all columns.
        rows: The cells, as many in each row as in the heading. Without a row a table has no heading either: the caller
            says on standard error that there is nothing.
        documents: What json and yaml show; made of what JSON has.
        names: What name shows, one a line, as kubectl takes it where there is a kind for it.
        wide: How many of the columns a table has; wide has all.
    """
    if output in {"json", "yaml"}:
        document(output, documents)
    elif output == "name":
        out("".join(f"{plain(name)}\n" for name in names))
    elif rows:
        columns = len(heading) if output == "wide" else wide
        out(listed([tuple(map(plain, row[:columns])) for row in (heading, *rows)]))


def document(output: Format, content: dict[str, Any]) -> None:
    """Writes one document as YAML if that is the format, and as JSON otherwise."""
    if output == "yaml":
        from theazo.cli import yaml_text  # noqa: PLC0415 - 70 ms that one format needs

        out(yaml_text.dump(content))
    else:
        out(f"{json.dumps(content, indent=2)}\n")


def moment(text: str | None) -> datetime | None:
    """The moment that an RFC 3339 text names, or None: without an offset from UTC it names none."""
    try:
        return datetime.fromisoformat(text) if text and _RFC_3339.fullmatch(text) else None
    except ValueError:
        return None


def age(created: str | None, now: datetime | None = None) -> str:
    """How long ago an RFC 3339 time was, in about two digits of one unit, as kubectl says it."""
    since = moment(created)
    if since is None:
        return "<unknown>"
    seconds = max(0, int(((now or datetime.now(UTC)) - since).total_seconds()))
    for unit, length, least in (("d", 86400, 2), ("h", 3600, 3), ("m", 60, 2)):
        if seconds >= least * length:
            return f"{seconds // length}{unit}"
    return f"{seconds}s"


@contextmanager
def spinner(text: str) -> Iterator[None]:
    """Shows on standard error that something takes time, if that is a terminal; else writes nothing at all.

    It is gone when the block ends. Where colours aren't wanted, or the terminal can't move its cursor, it is one plain
    line. Write nothing in the block, or the two mix.
    """
    if not sys.stderr.isatty():
        yield
        return
    if os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb":
        print(f"{text} …", file=sys.stderr)
        yield
        return
    from rich.console import Console  # noqa: PLC0415 - 50 ms that few calls need
    from rich.text import Text  # noqa: PLC0415

    with Console(stderr=True).status(Text(text)):
        yield
