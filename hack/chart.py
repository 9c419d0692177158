"""Writes what the chart has from elsewhere, and what others have from it: `python3 -m hack.chart`.

The CRDs come from `crds/`, the README's table from the comments in `values.yaml`, and `manifests/single-platform` from
the chart. A test compares each.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from hack.cluster.gotools import build_any

ROOT = Path(__file__).resolve().parent.parent
CHART = ROOT / "charts" / "theazo"
VALUES = CHART / "values.yaml"
README = CHART / "README.md"
SINGLE = ROOT / "manifests" / "single-platform"
#: The platform there, whose name a reader puts his own in the place of, and what it is called with.
PLATFORM = "acme"
HOME = f"{PLATFORM}-theazo"
BEGIN = "<!-- The table is written by `python3 -m hack.chart` from values.yaml. -->"
END = "<!-- End of the table. -->"
_KEY = re.compile(r"^(?P<indent> *)(?P<key>[A-Za-z][\w./-]*):")
_OF_HELM = re.compile(r"(?m)^(# Source: | +(app\.kubernetes\.io/(instance|managed-by|version)|helm\.sh/chart): ).*\n")
_LONG = 60  # characters of a default; a longer one is read in values.yaml


@dataclass(frozen=True, slots=True)
class Value:
    """A value of the chart: its dotted name, its default, and what its comment says."""

    name: str
    default: Any
    text: str

    @property
    def row(self) -> str:
        """Its line of the table."""
        shown = json.dumps(self.default, ensure_ascii=False)
        default = f"`{shown}`" if len(shown) <= _LONG else "see `values.yaml`"
        return f"| `{self.name}` | {default} | {self.text.replace('|', chr(92) + '|')} |"


def crds() -> dict[Path, str]:
    """Return the files of the chart that hold the CRDs, and what they have to hold."""
    sources = sorted((ROOT / "crds").glob("theazo*.yaml"))
    return {CHART / "files" / "crds" / source.name: source.read_text() for source in sources}


def single_platform() -> dict[Path, str]:
    """Return the files of `manifests/single-platform` that are the chart's, and what they have to hold."""
    settings = f"singlePlatform={PLATFORM},crds.install=false"
    command = ["helm", "template", "theazo", str(CHART), "--namespace", HOME, "--set", settings, "--no-hooks"]
    text = subprocess.run(
        command,
        executable=build_any(["helm"])["helm"] / "helm",
        env={key: value for key, value in os.environ.items() if not key.startswith("HELM_")},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    ).stdout
    # What is cluster-scoped is for somebody else to apply.
    parts: dict[str, list[str]] = {"admission": [], "operator": []}
    for part in text.removeprefix("---\n").split("\n---\n"):
        name = "admission" if "# Source: theazo/templates/admission-" in part else "operator"
        parts[name].append(_OF_HELM.sub("", part).strip("\n"))
    head = "# Written by `python3 -m hack.chart` from the chart, for the one platform acme.\n"
    return {SINGLE / f"{name}.yaml": head + "\n---\n".join(each) + "\n" for name, each in parts.items()}


def documented(text: str) -> Iterator[Value]:
    """Yield the values that have a comment of two dashes, in their order."""
    values = yaml.safe_load(text)
    path: list[tuple[int, str]] = []
    comment: list[str] | None = None
    for line in text.splitlines():
        stripped = line.strip()
        if stripped.startswith("# -- "):
            comment = [stripped.removeprefix("# -- ")]
        elif stripped.startswith("#"):
            if comment is not None:
                comment.append(stripped.removeprefix("#").strip())
        elif found := _KEY.match(line):
            indent = len(found["indent"])
            path = [*(each for each in path if each[0] < indent), (indent, found["key"])]
            if comment is not None:
                keys = [key for _, key in path]
                yield Value(".".join(keys), _at(values, keys), " ".join(comment))
            comment = None
        elif not stripped:
            comment = None


def _at(values: Any, keys: list[str]) -> Any:  # noqa: ANN401 - what YAML holds
    for key in keys:
        values = values[key]
    return values


def undocumented(values: Any, names: frozenset[str], path: str = "") -> Iterator[str]:  # noqa: ANN401 - what YAML holds
    """Yield the dotted names of leaves that neither have a comment of their own nor stand under one."""
    if path in names:
        return
    if isinstance(values, dict) and values:
        for key, value in values.items():
            yield from undocumented(value, names, f"{path}.{key}" if path else key)
    else:
        yield path


def readme() -> str:
    """Return the README as it has to be.

    Raises:
        ValueError: a value has no comment, or the README lost the marks around its table.
    """
    text = VALUES.read_text()
    values = list(documented(text))
    missing = list(undocumented(yaml.safe_load(text), frozenset(value.name for value in values)))
    if missing:
        raise ValueError(f"values.yaml says nothing of {', '.join(missing)}: begin a comment above with '# -- '")
    before, begin, rest = README.read_text().partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise ValueError(f"{README} has lost its marks: put back {BEGIN!r} and {END!r}")
    rows = [value.row for value in values]
    table = "\n".join(["| value | default | meaning |", "|---|---|---|", *rows])
    return f"{before}{BEGIN}\n\n{table}\n\n{END}{after}"


def main() -> None:
    """Write all of it."""
    files = crds()
    for path, text in (files | single_platform()).items():
        path.write_text(text)
    for stray in set((CHART / "files" / "crds").glob("*")) - set(files):
        stray.unlink()
    README.write_text(readme())


if __name__ == "__main__":
    main()
