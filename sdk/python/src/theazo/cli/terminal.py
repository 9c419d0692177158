"""What the command line says, and how it fails. Standard output has what was asked for, standard error the rest."""

import os
import re
import sys
from typing import ClassVar, Literal

# A file's name or a server's message may hold anything: one that moves the cursor or starts a line of its own would
# let it say things in our name.
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+")
_COLOURS = {"error": "bold red", "warning": "yellow", "note": "dim"}


class Refused(Exception):
    """What was asked for can't be done. Each problem becomes one line with its remedy."""

    code: ClassVar[int] = 1

    def __init__(self, *problems: str) -> None:
        super().__init__(*problems)
        self.problems = problems


class Misused(Refused):
    """The command line itself is wrong."""

    code = 2


def out(text: str) -> None:
    """Writes `text` to standard output as it is.

    Raises:
        Refused: if that can't be written to, as on a full disk.
        BrokenPipeError: if nobody reads it any more.
    """
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        raise Refused(f"cannot write to standard output: {error.strerror}") from None


def plain(text: str) -> str:
    """`text` as one line that moves no cursor, whoever wrote it."""
    return _CONTROL.sub(" ", text)


def say(level: Literal["error", "warning", "note"], message: str) -> None:
    """Writes one line, `LEVEL: message`, to standard error; in colour if that is a terminal and wants it."""
    text = plain(message)
    if not sys.stderr.isatty() or os.environ.get("NO_COLOR"):
        print(f"{level}: {text}", file=sys.stderr)
        return
    from rich.console import Console  # noqa: PLC0415 - 50 ms that few calls need
    from rich.text import Text  # noqa: PLC0415

    Console(stderr=True).print(Text.assemble((f"{level}:", _COLOURS[level]), f" {text}"), soft_wrap=True)


def listed(rows: list[tuple[str, ...]]) -> str:
    """Columns as kubectl sets them: the first row is the heading, three spaces between columns, none at the end."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ("   ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows)
    return "".join(f"{line}\n" for line in lines)
