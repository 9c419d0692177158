"""An image in an archive, as the file system that its container sees."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
import zlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

_WHITEOUT = ".wh."
_OPAQUE = ".wh..wh..opq"


@dataclass(frozen=True)
class Layer:
    """One layer: its id, and its bytes as a tar."""

    diff_id: str
    data: bytes

    def tar(self) -> tarfile.TarFile:
        """Return its content."""
        return tarfile.TarFile(fileobj=io.BytesIO(self.data))

    @property
    def compressed(self) -> int:
        """How many bytes a registry has of it, about: as gzip at the level that container tools use."""
        gzip = zlib.compressobj(wbits=31)
        return len(gzip.compress(self.data)) + len(gzip.flush())


@dataclass
class Image:
    """What is in an archive in Docker's format, as `docker save` and `buildah push` write it; in memory."""

    id: str
    config: dict[str, Any]
    layers: list[Layer]
    members: dict[str, tarfile.TarInfo] = field(default_factory=dict)
    _from: dict[str, tarfile.TarFile] = field(default_factory=dict)

    @classmethod
    def open(cls, archive: Path) -> Image:
        """Read an archive with one image, and lay its layers one over the other."""
        with tarfile.open(archive) as tar:
            (manifest,) = json.loads(_read(tar, "manifest.json"))
            config = _read(tar, manifest["Config"])
            described = json.loads(config)
            diff_ids = described["rootfs"]["diff_ids"]
            layers = [Layer(*pair) for pair in zip(diff_ids, (_read(tar, n) for n in manifest["Layers"]), strict=True)]
        image = cls(hashlib.sha256(config).hexdigest(), described, layers)
        for layer in layers:
            image._lay(layer.tar())
        return image

    def _lay(self, layer: tarfile.TarFile) -> None:
        for member in layer:
            path = PurePosixPath("/", member.name)
            if path.name.startswith(_WHITEOUT):
                gone = path.parent if path.name == _OPAQUE else path.with_name(path.name.removeprefix(_WHITEOUT))
                for name in [each for each in self.members if PurePosixPath(each).is_relative_to(gone)]:
                    if name != str(gone) or path.name != _OPAQUE:
                        del self.members[name]
            else:
                self.members[str(path)] = member
                self._from[str(path)] = layer

    def read(self, name: str) -> bytes:
        """Return a file's content. `KeyError` if there is no such file."""
        file = self._from[name].extractfile(self.members[name])
        if file is None:
            raise KeyError(f"{name} is no file")
        return file.read()

    def files(self, *under: str) -> Iterable[str]:
        """Return the names of all files, without folders and links to elsewhere, in or under some folders."""
        return [
            name
            for name, member in sorted(self.members.items())
            if (member.isreg() or member.islnk()) and any(PurePosixPath(name).is_relative_to(each) for each in under)
        ]

    def size(self, *under: str) -> int:
        """Return how many bytes the files in or under some folders have."""
        return sum(self.members[name].size for name in self.files(*under))


def _read(tar: tarfile.TarFile, name: str) -> bytes:
    file = tar.extractfile(name)
    if file is None:
        raise KeyError(f"{name} is no file")
    return file.read()
