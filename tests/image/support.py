"""The two images as `make sbom` leaves them: an archive each, and a bill of materials beside it."""

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from hack.sbom.image import Image

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / ".cluster" / "images"
NAMES = ("operator", "api")
#: Python's distributions that are built from this repository.
OURS = {"theazo", "theazo-operator"}


@dataclass(frozen=True)
class Built:
    """One image, and what is said of it."""

    name: str
    archive: Path
    image: Image
    text: str

    @property
    def sbom(self) -> dict[str, Any]:
        document: dict[str, Any] = json.loads(self.text)
        return document

    def components(self, kind: str) -> dict[str, dict[str, Any]]:
        """The components whose purl is of a kind, by name. Not what they bundle."""
        listed = (each for each in self.sbom["components"] if each.get("purl", "").startswith(f"pkg:{kind}/"))
        return {each["name"]: each for each in listed}


@cache
def built(name: str) -> Built:
    archive, document = FOLDER / f"{name}.tar", FOLDER / f"{name}.cdx.json"
    if not (archive.exists() and document.exists()):
        pytest.fail(f"not found: {archive} or {document}. Run: make sbom", pytrace=False)
    return Built(name, archive, Image.open(archive), document.read_text(encoding="utf-8"))
