"""Reading Markdown as far as the tests of the documents need it, and checking a manifest against a schema."""

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).resolve().parents[2]
DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), ROOT / "tests" / "vectors" / "README.md"])
_FENCE = re.compile(r"(?ms)^```(\w*)\n(.*?)^```$")
_TYPES: Mapping[str, type | tuple[type, ...]] = {
    "object": dict,
    "array": list,
    "string": str,
    "integer": int,
    "boolean": bool,
}


class Fence(NamedTuple):
    """A fenced block, and the line of its document where its text begins."""

    language: str
    text: str
    line: int


def fences(path: Path) -> list[Fence]:
    """Every fenced block of a document."""
    text = path.read_text(encoding="utf-8")
    return [Fence(each[1], each[2], text.count("\n", 0, each.start()) + 2) for each in _FENCE.finditer(text)]


def without_fences(text: str) -> str:
    """A document's text without its fenced blocks."""
    return _FENCE.sub("", text)


def inline_code(text: str) -> list[str]:
    """Everything between single backticks."""
    return re.findall(r"`([^`\n]+)`", without_fences(text))


def first_cells(path: Path, pattern: str) -> list[str]:
    """What stands as code in the first cell of a table's row, where it matches a pattern."""
    return re.findall(rf"(?m)^\| `({pattern})` \|", path.read_text(encoding="utf-8"))


def links(path: Path) -> list[str]:
    """Where a document's links and pictures lead, within the repository."""
    found = re.findall(r"\]\(([^)\s]+)\)", without_fences(path.read_text(encoding="utf-8")))
    return [link for link in found if not re.match(r"[a-z]+:", link)]


def anchors(path: Path) -> set[str]:
    """What a link can point to in a document: its headings, in the form that hosts of Markdown give them."""
    headings = re.findall(r"(?m)^#+ (.+)$", without_fences(path.read_text(encoding="utf-8")))
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def problems(value: object, schema: Mapping[str, Any], where: str) -> list[str]:
    """Say what a structural schema has against a value, its CEL rules aside."""
    return list(_problems(value, schema, where))


def _problems(value: object, schema: Mapping[str, Any], where: str) -> Iterator[str]:
    wanted = schema.get("type")
    if wanted is not None and (not isinstance(value, _TYPES[wanted]) or (wanted == "integer" and value is True)):
        yield f"{where}: not {'an' if wanted[0] in 'aio' else 'a'} {wanted}"
        return
    if "enum" in schema and value not in schema["enum"]:
        yield f"{where}: not one of {', '.join(schema['enum'])}"
    if isinstance(value, str) and len(value) > schema.get("maxLength", len(value)):
        yield f"{where}: too long"
    if isinstance(value, dict):
        yield from _fields(value, schema, where)
    if isinstance(value, list):
        yield from _items(value, schema, where)


def _fields(value: Mapping[str, Any], schema: Mapping[str, Any], where: str) -> Iterator[str]:
    known: Mapping[str, Any] = schema.get("properties", {})
    yield from (f"{where}: {name} is missing" for name in schema.get("required", ()) if name not in value)
    if not known and "additionalProperties" not in schema:
        return  # metadata, whose fields are the API server's
    for name, field in value.items():
        there = f"{where}.{name}"
        if name in known or "additionalProperties" in schema:
            yield from _problems(field, known.get(name, schema.get("additionalProperties")), there)
        else:
            yield f"{there}: unknown"


def _items(value: Sequence[Any], schema: Mapping[str, Any], where: str) -> Iterator[str]:
    if len(value) > schema.get("maxItems", len(value)):
        yield f"{where}: too many"
    for number, item in enumerate(value):
        yield from _problems(item, schema["items"], f"{where}[{number}]")
