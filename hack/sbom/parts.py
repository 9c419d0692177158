"""The parts of an image, as its own files tell them: Debian's packages, Python's distributions, what those bundle."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from email.parser import BytesParser
from pathlib import Path, PurePosixPath
from typing import Any

from packaging.tags import Tag, parse_tag
from packaging.utils import canonicalize_name, parse_wheel_filename

from hack.sbom.image import Image

#: Where our images have Python's distributions.
APP = "/app"
_STATUS = "/var/lib/dpkg/status.d"


@dataclass(frozen=True)
class Debian:
    """A package of Debian's, from what its package manager wrote; images without one keep a file a package of it."""

    name: str
    version: str
    architecture: str
    source: str | None
    files: frozenset[str]


@dataclass(frozen=True)
class Artifact:
    """What a lock says of a file to install from."""

    url: str
    sha256: str


@dataclass(frozen=True)
class Bundled:
    """What a distribution says that was compiled into it (PEP 770)."""

    name: str
    version: str | None
    purl: str | None


@dataclass(frozen=True)
class Distribution:
    """One of Python's distributions, from its metadata."""

    name: str
    version: str
    license: str | None
    tags: frozenset[Tag]
    files: frozenset[str]
    bundled: tuple[Bundled, ...]


def debian(image: Image) -> list[Debian]:
    """Return the packages that the base is made of. An image that tells none is none that this can describe."""
    names = [name for name in image.files(_STATUS) if not name.endswith(".md5sums")]
    if not names:
        raise ValueError(f"the image has nothing in {_STATUS}: its base doesn't say what packages it is made of")
    return [_debian(image, name) for name in names]


def _debian(image: Image, name: str) -> Debian:
    said = BytesParser().parsebytes(image.read(name))
    sums = f"{name}.md5sums"
    owned = {line.split(maxsplit=1)[1] for line in _lines(image, sums)} if sums in image.members else set()
    owned |= {line.split()[0] for line in said.get("Conffiles", "").splitlines() if line.strip()}
    files = {str(PurePosixPath("/", file)) for file in owned}
    # Packages name some files by /lib and the like, which are links into /usr in a merged system.
    files |= {f"/usr{file}" for file in files if file.split("/")[1] in {"bin", "sbin", "lib", "lib64"}}
    return Debian(said["Package"], said["Version"], said["Architecture"], said.get("Source"), frozenset(files))


def os_release(image: Image) -> dict[str, str]:
    """Return what the system says of itself: ID, VERSION_ID and the like."""
    lines = _lines(image, "/usr/lib/os-release")
    return {key: value.strip('"') for key, _, value in (line.partition("=") for line in lines)}


def python_version(packages: Iterable[Debian]) -> str:
    """Return the version of Python, less what Debian adds to it."""
    (found,) = (each.version for each in packages if re.fullmatch(r"python3\.\d+-minimal", each.name))
    return found.partition(":")[2].partition("-")[0] if ":" in found else found.partition("-")[0]


def distributions(image: Image) -> list[Distribution]:
    """Return Python's distributions, wherever they lie."""
    found = (PurePosixPath(name).parent for name in image.files("/") if name.endswith(".dist-info/METADATA"))
    return [_distribution(image, folder) for folder in found]


def _distribution(image: Image, folder: PurePosixPath) -> Distribution:
    said = BytesParser().parsebytes(image.read(f"{folder}/METADATA"))
    wheel = BytesParser().parsebytes(image.read(f"{folder}/WHEEL"))
    records = (line.rpartition(",")[0].rpartition(",")[0].strip('"') for line in _lines(image, f"{folder}/RECORD"))
    return Distribution(
        name=canonicalize_name(said["Name"]),
        version=said["Version"],
        license=said.get("License-Expression"),
        tags=frozenset().union(*(parse_tag(tag) for tag in wheel.get_all("Tag", []))),
        files=frozenset(str(folder.parent / record) for record in records),
        bundled=tuple(dict.fromkeys(_bundled(image, folder / "sboms"))),
    )


def _bundled(image: Image, folder: PurePosixPath) -> Iterator[Bundled]:
    for name in image.files(str(folder)):
        for each in json.loads(image.read(name)).get("components", []):
            yield Bundled(each["name"], each.get("version"), each.get("purl"))


def _lines(image: Image, name: str) -> list[str]:
    return image.read(name).decode().splitlines()


class Lock:
    """What uv.lock says of the distributions that were installed."""

    def __init__(self, path: Path) -> None:
        """Read a lock."""
        packages = tomllib.loads(path.read_text(encoding="utf-8"))["package"]
        self._packages: Mapping[str, dict[str, Any]] = {each["name"]: each for each in packages}

    def artifact(self, distribution: Distribution) -> Artifact | None:
        """Return the wheel that a distribution was installed from. None for one that is built from this repository."""
        locked = self._packages[distribution.name]
        for wheel in locked.get("wheels", []):
            name = wheel["url"].rpartition("/")[2]
            if parse_wheel_filename(name)[3] & distribution.tags and locked["version"] == distribution.version:
                return Artifact(wheel["url"], wheel["hash"].removeprefix("sha256:"))
        return None

    def needs(self, name: str) -> set[str]:
        """Return the names of what a distribution needs, its extras included."""
        locked = self._packages[name]
        extras = locked.get("optional-dependencies", {}).values()
        return {each["name"] for listed in (locked.get("dependencies", []), *extras) for each in listed}
