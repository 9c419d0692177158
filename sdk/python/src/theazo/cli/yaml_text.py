"""YAML as this command line reads and writes it: strictly, with texts only, and without quoting a file in an error."""

import json
import re
from collections.abc import Hashable
from typing import Any

import yaml

from theazo.cli.terminal import Refused


class _Loader(yaml.BaseLoader):
    """Every scalar is text: `NO` stays a name and a date keeps its digits. A key given twice is an error."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:  # noqa: FBT001, FBT002
        seen: set[str] = set()
        for key, _ in node.value:
            if key.value in seen:
                raise yaml.constructor.ConstructorError(problem="a key is given twice", problem_mark=key.start_mark)
            seen.add(key.value)
        return super().construct_mapping(node, deep)


class _Dumper(yaml.SafeDumper):
    """Never an alias, and nothing that another YAML version reads as anything but text."""

    def ignore_aliases(self, data: object) -> bool:
        del data
        return True

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:  # noqa: FBT001, FBT002
        del indentless
        super().increase_indent(flow, False)  # noqa: FBT003


# Go's YAML library, so kubectl too, takes a bare y or n for a boolean; PyYAML doesn't, and would leave it bare.
_Dumper.add_implicit_resolver("tag:yaml.org,2002:bool", re.compile(r"[yYnN]$"), list("yYnN"))


def load(text: str, where: str) -> list[Any]:
    """Every document of `text`; all leaves are strings, but where it is JSON.

    Raises:
        Refused: if it isn't YAML, or a mapping has a key twice. The message has the line, not what is in it.
    """
    try:
        # Not all JSON is YAML for the library, which takes no tabs, and takes a minute for a megabyte of it.
        return [json.loads(text, object_pairs_hook=_once)]
    except (RecursionError, ValueError):
        pass
    try:
        return list(yaml.load_all(text, _Loader))
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        place = f"{where}:{mark.line + 1}" if mark else where
        twice = getattr(error, "problem", None) == "a key is given twice"
        raise Refused(
            f"{place}: {'a key is given twice; keep one' if twice else 'not valid YAML; mend it, or give another file'}"
        ) from None
    except (RecursionError, TypeError, ValueError):
        raise Refused(f"{where}: not a manifest; give another file") from None


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len(found := dict(pairs)) < len(pairs):
        raise ValueError
    return found


def tree(text: str) -> yaml.Node | None:
    """The one document of a text that `load` takes, with the places of everything in it."""
    found: yaml.Node | None = yaml.compose(text, _Loader)
    return found


def dump(document: dict[str, Any]) -> str:
    """One document, keys in their order, each text in one line however long."""
    return yaml.dump(document, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=float("inf"))


def objects(document: object) -> list[dict[str, Any]]:
    """The objects of a document: itself, or what a List holds, which may be Lists again.

    What aliases repeat is looked at once: a few lines of them can stand for more objects than any memory holds.
    """
    found, waiting, seen = list[dict[str, Any]](), [document], set[int]()
    while waiting:
        each = waiting.pop()
        if not isinstance(each, dict):
            continue
        kind, listed = each.get("kind"), each.get("items")
        if not isinstance(kind, str) or not kind.endswith("List") or not isinstance(listed, list):
            found.append(each)
        elif id(listed) not in seen:
            seen.add(id(listed))
            # Objects of a SecretList need not say their kind again.
            said = {"apiVersion": each.get("apiVersion"), "kind": kind.removesuffix("List")}
            waiting += [said | item for item in reversed(listed) if isinstance(item, dict)]
    return found
