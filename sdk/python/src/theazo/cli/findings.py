"""What a diagnosis found: one line each with a mark, and what to do where something is wrong."""

import os
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from theazo.cli.terminal import out, plain

State = Literal["ok", "warn", "fail"]
_MARKS: dict[State, tuple[str, str, str]] = {
    "ok": ("✓", "[ok]", "32"),
    "warn": ("!", "[warn]", "33"),
    "fail": ("✗", "[fail]", "31"),
}


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at.

    Args:
        state: `warn` also where it could not be looked at.
        subject: What it is about, in a word or two; the same ones in every version, for programs.
        text: What was found, never with a value.
        remedy: What to do; not empty where it failed.
    """

    state: State
    subject: str
    text: str
    remedy: str = ""


def ok(subject: str, text: str, remedy: str = "") -> Finding:
    """What is as it should be."""
    return Finding("ok", subject, text, remedy)


def warn(subject: str, text: str, remedy: str = "") -> Finding:
    """What a person should know, or what could not be looked at."""
    return Finding("warn", subject, text, remedy)


def fail(subject: str, text: str, remedy: str) -> Finding:
    """What a person has to change."""
    return Finding("fail", subject, text, remedy)


def unread(subject: str, why: str = "your account may not read it") -> Finding:
    """What could not be looked at."""
    return warn(subject, f"could not be checked: {why}")


def write(findings: Iterable[Finding], *, before: Iterable[str] = (), after: Iterable[str] = ()) -> None:
    """Writes findings to standard output for a person: in colour if it is a terminal that wants it, ASCII if it must.

    `before` and `after` are lines of their own.
    """
    lines = [*map(plain, before), *map(_line, findings), *map(plain, after)]
    text = "".join(f"{line}\n" for line in lines)
    encoding = sys.stdout.encoding or "utf-8"
    out(text.encode(encoding, "replace").decode(encoding))


def _line(finding: Finding) -> str:
    sign, word, colour = _MARKS[finding.state]
    mark = sign if _unicode() else word.ljust(6)
    if sys.stdout.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb":
        mark = f"\x1b[{colour}m{mark}\x1b[0m"
    remedy = f"\n  {'→' if _unicode() else '->'} {plain(finding.remedy)}" if finding.remedy else ""
    return f"{mark} {plain(finding.subject)}: {plain(finding.text)}{remedy}"


def _unicode() -> bool:
    return (sys.stdout.encoding or "").lower().replace("-", "") == "utf8"
