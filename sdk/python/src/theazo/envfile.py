r"""Reads env files, strictly: what different programs read differently is refused, since a value must not be guessed.

    # a comment, on a line of its own or after a quoted value
    NAME=value                  spaces around it don't count; `export ` before the name is allowed
    NAME='a $literal \value'    as it is, over several lines too
    NAME="a \"quoted\" line\n"  \n \r \t \" \\ \$ are escapes, other backslashes an error; over several lines too

Nothing is interpolated: `$HOME` is these five characters. Line ends are LF or CRLF and come out as LF.
"""

import re
from typing import BinaryIO, NamedTuple

from theazo.secret_value import SecretValue

MAX_SIZE = 4 * 1024 * 1024  # bytes: more than any session holds

_BLANK = re.compile(r"[ \t]*(?:#[^\n]*)?(?:\n|\Z)")  # also what may stand after a quoted value
_NAME = re.compile(r"[ \t]*(?:export[ \t]+)?([^\s=#'\"]+)[ \t]*=[ \t]*")
_QUOTED = re.compile(r"""'(?P<single>[^']*)'|"(?P<double>(?:[^"\\]|\\.)*)\"""", re.DOTALL)
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)
_ESCAPES = {"n": "\n", "r": "\r", "t": "\t", '"': '"', "\\": "\\", "$": "$"}


class Line(NamedTuple):
    """One assignment, or, where `problem` is set, why there is none. Lines count from 1. A problem never quotes."""

    number: int
    name: str = ""
    value: SecretValue = SecretValue(b"")
    problem: str = ""


def read(stream: BinaryIO) -> list[Line]:
    """Every assignment of an env file; or, if any of it is broken, only what is.

    Where the syntax is broken, what looks like a name may be a piece of a value: so no name comes out then.

    Raises:
        OSError: if it can't be read.
    """
    data = stream.read(MAX_SIZE + 1)
    if len(data) > MAX_SIZE:
        return [
            Line(data.count(b"\n") + 1, problem=f"longer than {MAX_SIZE // 1024**2} MiB, more than any session holds")
        ]
    try:
        lines = parse(data.decode())
    except UnicodeDecodeError as error:
        number = data.count(b"\n", 0, error.start) + 1
        return [Line(number, problem="not UTF-8; encode binary data, as base64 for example")]
    return [line for line in lines if line.problem] or lines


def parse(text: str) -> list[Line]:
    """Every assignment of an env file in order, duplicates too. A quote that is never closed ends the reading."""
    text = text.removeprefix("\ufeff").replace("\r\n", "\n")
    lines, position, number = [], 0, 1
    while position < len(text):
        start = position
        if blank := _BLANK.match(text, start):
            position = blank.end()
        else:
            line, position = _assignment(text, start, number)
            lines.append(line)
        number += text.count("\n", start, position)
    return lines


def _assignment(text: str, start: int, number: int) -> tuple[Line, int]:
    name = _NAME.match(text, start)
    if not name:
        return Line(number, problem="is not NAME=VALUE; a value of several lines needs quotes"), _line_end(text, start)
    if text.startswith(("'", '"'), name.end()):
        return _quoted(text, name.end(), Line(number, name[1]))
    end = _line_end(text, start)
    value = text[name.end() : end].strip(" \t\n")
    if re.search(r"(?:^|[ \t])#", value):
        return Line(number, problem="has a # that may begin a comment; put the value in quotes"), end
    return Line(number, name[1], _secret(value)), end


def _quoted(text: str, start: int, line: Line) -> tuple[Line, int]:
    quoted = _QUOTED.match(text, start)
    if not quoted:
        return Line(line.number, problem="begins a quote that is never closed"), len(text)
    after = _BLANK.match(text, quoted.end())
    if not after:
        problem = 'has text after its closing quote; inside double quotes a quote is written \\"'
        return Line(line.number, problem=problem), _line_end(text, quoted.end())
    value = quoted["single"]
    if value is None:
        if not _ESCAPES.keys() >= set(_ESCAPE.findall(quoted["double"])):
            problem = "has an unknown escape; write \\\\ for a backslash, or use single quotes"
            return Line(line.number, problem=problem), after.end()
        value = _ESCAPE.sub(lambda found: _ESCAPES[found[1]], quoted["double"])
    return line._replace(value=_secret(value)), after.end()


def _secret(value: str) -> SecretValue:
    # Half a character makes an error that holds the whole text; the rules refuse these bytes, and show nothing.
    return SecretValue(value.encode(errors="surrogatepass"))


def _line_end(text: str, position: int) -> int:
    found = text.find("\n", position)
    return len(text) if found < 0 else found + 1
