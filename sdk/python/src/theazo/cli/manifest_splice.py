"""Entries put into the text of a manifest, of which every other byte stays: comments, line ends, order and style."""

import textwrap
from collections.abc import Mapping
from typing import NamedTuple

import yaml

from theazo.cli import yaml_text
from theazo.cli.manifest_fields import Entry
from theazo.cli.terminal import Refused

_QUOTES = {None: "", "'": "'", '"': '"'}


class _Edit(NamedTuple):
    start: int
    end: int
    text: str


def spliced(text: str, entries: Mapping[str, Entry]) -> str | None:
    """`text`, the one document of a TheazoSecret, with `entries`, which hold at least those that it has.

    None where that takes more than putting something in: where the entries are in flow style, or aliases. What was
    made is read again, so it is never anything else than what was meant.
    """
    documents = yaml_text.load(text, "")
    document = documents[0] if len(documents) == 1 else None
    if not isinstance(document, dict) or not isinstance(document.get("spec"), dict):
        return None
    if (edits := _edits(text, entries)) is None:
        return None
    result = text
    for edit in sorted(edits, reverse=True):
        result = result[: edit.start] + edit.text + result[edit.end :]
    wanted = {**document, "spec": {**document["spec"], "encryptedData": dict(entries)}}
    return result if _reads(result) == [wanted] else None


def _edits(text: str, entries: Mapping[str, Entry]) -> list[_Edit] | None:
    there = _child(_child(yaml_text.tree(text), "spec"), "encryptedData")
    edits, new = list[_Edit](), dict[str, Entry]()
    for name, entry in entries.items():
        old = _child(there, name)
        if old is None:
            new[name] = entry
        else:
            edits += [edit for key in entry if (edit := _changed(_child(old, key), entry[key]))]
    if new:
        if not isinstance(there, yaml.MappingNode) or there.flow_style or not there.value:
            return None
        edits.append(_added(text, there, new))
    return edits


def _changed(node: yaml.Node | None, value: str) -> _Edit | None:
    if not isinstance(node, yaml.ScalarNode) or node.value == value:
        return None
    # Ciphertexts and times have nothing that would need an escape.
    quote = _QUOTES.get(node.style, "")
    return _Edit(node.start_mark.index, node.end_mark.index, f"{quote}{value}{quote}")


def _added(text: str, there: yaml.MappingNode, new: Mapping[str, Entry]) -> _Edit:
    """Behind the line of the last entry, indented as the first one."""
    block = textwrap.indent(yaml_text.dump(dict(new)), " " * there.value[0][0].start_mark.column)
    newline = text.find("\n", _end(there))
    place = len(text) if newline < 0 else newline + 1
    block = block if newline >= 0 else f"\n{block}"
    return _Edit(place, place, block.replace("\n", "\r\n") if "\r\n" in text else block)


def _end(node: yaml.Node) -> int:
    # The mark of a block's end is where the next thing begins, behind comments.
    if isinstance(node, yaml.MappingNode) and not node.flow_style and node.value:
        return _end(node.value[-1][1])
    return int(node.end_mark.index)


def _child(node: yaml.Node | None, name: str) -> yaml.Node | None:
    if not isinstance(node, yaml.MappingNode):
        return None
    return next((value for key, value in node.value if key.value == name), None)


def _reads(text: str) -> list[object] | None:
    try:
        return yaml_text.load(text, "")
    except Refused:
        return None
