"""Reading Markdown as far as the tests of the documents need it, and checking a manifest against a schema."""

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).resolve().parents[2]
#: Folders whose files are others', or made; and the chart's, whose README tests/chart/test_readme.py holds to it.
_NOT_OURS = ("node_modules", "build", "dist", "charts")


def _documents(folder: Path) -> Iterator[Path]:
    for entry in folder.iterdir():
        if entry.is_dir() and not entry.name.startswith(".") and entry.name not in _NOT_OURS:
            yield from _documents(entry)
        elif entry.suffix == ".md":
            yield entry


DOCUMENTS = sorted(_documents(ROOT))
#: Those that install and remove the product itself. They run on a cluster of their own, in tests/install.
ALONE = [ROOT / "docs" / name for name in ("backup.md", "install.md", "upgrade.md")]
_FENCE = re.compile(r"(?ms)^```(\w*)\n(.*?)^```$")
_HEADING = re.compile(r"(?m)^(#+) (.+)$")
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
    #: The paragraph right before it, on one line; empty where a heading or another block is there.
    intro: str = ""
    #: How many headings stand above it, and how many of the levels 1 and 2.
    heading: int = 0
    section: int = 0
    #: The nearest heading of level 1 or 2 above it.
    title: str = ""


def fences(path: Path) -> list[Fence]:
    """Every fenced block of a document."""
    text = path.read_text(encoding="utf-8")
    found = []
    end = 0
    headings: list[tuple[str, str]] = []
    for each in _FENCE.finditer(text):
        between = text[end : each.start()]
        headings += _HEADING.findall(between)
        paragraph = re.split(r"\n\s*\n", between.rstrip())[-1].strip()
        found.append(
            Fence(
                each[1],
                each[2],
                text.count("\n", 0, each.start()) + 2,
                "" if _HEADING.match(paragraph) else " ".join(paragraph.split()),
                len(headings),
                sum(len(level) <= 2 for level, _ in headings),
                next((title for level, title in reversed(headings) if len(level) <= 2), ""),
            )
        )
        end = each.end()
    return found


def without_fences(text: str) -> str:
    """A document's text without its fenced blocks, and with as many lines."""
    return _FENCE.sub(lambda fence: "\n" * fence[0].count("\n"), text)


def unfenced_code(path: Path) -> list[int]:
    """The lines where a document has code that `fences` does not see: fences of another form, indented code."""
    lines = without_fences(path.read_text(encoding="utf-8")).splitlines()
    return [
        number
        for number, (before, line) in enumerate(zip(["", *lines], lines, strict=False), 1)
        if re.match(r"[\s>*+-]*(```|~~~)|\s*<pre\b", line) or (re.match(r"(    |\t)", line) and not before.strip())
    ]


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
