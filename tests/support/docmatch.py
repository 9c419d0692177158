"""Whether what was printed is what a document shows: the same words, the same structure."""

import json
import re
from collections.abc import Iterator

#: A word that differs from run to run: it has a digit (a time, an age, an id), or it is left out.
_VARIES = re.compile(r"\d|…")


def text_problem(expected: str, printed: str) -> str:
    """What differs between a text and the last lines that were printed; nothing if they match.

    A word with a digit or `…` matches any word; `…` as the last word of a line, any rest; alone on a line, any lines.
    """
    wanted = expected.strip("\n").splitlines()
    got = [line for line in printed.splitlines() if line.strip()]
    if any(_lines_match([line for line in wanted if line.strip()], got[start:]) for start in range(len(got) + 1)):
        return ""
    return "the last lines that were printed are others"


def _lines_match(wanted: list[str], got: list[str]) -> bool:
    if not wanted:
        return not got
    if wanted[0].strip() == "…":
        return any(_lines_match(wanted[1:], got[skipped:]) for skipped in range(len(got) + 1))
    return bool(got) and _words_match(wanted[0].split(), got[0].split()) and _lines_match(wanted[1:], got[1:])


def _words_match(wanted: list[str], got: list[str]) -> bool:
    if wanted[-1] == "…":
        wanted = wanted[:-1]
        got = got[: len(wanted)]
    return len(wanted) == len(got) and all(
        word == other or _VARIES.search(word) is not None for word, other in zip(wanted, got, strict=True)
    )


def json_problem(expected: str, printed: str) -> str:
    """What differs in structure between two JSON texts, the second at the end of what was printed; nothing if none.

    Raises:
        ValueError: if the expected text is no JSON.
    """
    wanted = json.loads(expected)
    found = _last_json(printed)
    if found is None:
        return "what was printed does not end with JSON"
    return next(_differences(wanted, found[0], "it"), "")


def _last_json(printed: str) -> tuple[object] | None:
    decoder = json.JSONDecoder()
    for start in [match.start() for match in re.finditer(r"(?m)^[\[{]|(?<=[}\]])[\[{]", printed)]:
        try:
            value, end = decoder.raw_decode(printed, start)
        except ValueError:
            continue
        if not printed[end:].strip():
            return (value,)
    return None


def _differences(wanted: object, got: object, where: str) -> Iterator[str]:
    if isinstance(wanted, dict) and isinstance(got, dict):
        yield from (f"{where} has no `{name}`" for name in wanted if name not in got)
        yield from (f"{where} has `{name}`, which is not shown" for name in got if name not in wanted)
        for name in wanted.keys() & got.keys():
            yield from _differences(wanted[name], got[name], f"{where}.{name}")
    elif isinstance(wanted, list) and isinstance(got, list):
        if bool(wanted) != bool(got):
            yield f"{where} is {'not ' * bool(got)}empty"
        for number, item in enumerate(got):
            problems = [next(_differences(each, item, f"{where}[{number}]"), "") for each in wanted]
            if problems and all(problems):
                yield problems[0]
    elif _kind(wanted) != _kind(got):
        yield f"{where} is {_kind(got)}, and {_kind(wanted)} is shown"


def _kind(value: object) -> str:
    kinds = {bool: "a boolean", int: "a number", float: "a number", str: "a text", dict: "an object", list: "a list"}
    return kinds.get(type(value), "null")
