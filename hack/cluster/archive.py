"""Image archives made by hand: of root file systems and of single static programs, without a container engine."""

from __future__ import annotations

import hashlib
import io
import json
import platform
import tarfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

PATH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def go_arch() -> str:
    """Return this machine's architecture by its name in Go, images and Debian."""
    return {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())


def add_bytes(tar: tarfile.TarFile, name: str, data: bytes, mode: int = 0o644) -> None:
    """Add a file that is in memory."""
    info = tarfile.TarInfo(name)
    info.size, info.mode = len(data), mode
    tar.addfile(info, io.BytesIO(data))


def add_link(tar: tarfile.TarFile, name: str, target: str) -> None:
    """Add a symbolic link."""
    info = tarfile.TarInfo(name)
    info.type, info.linkname = tarfile.SYMTYPE, target
    tar.addfile(info)


def add_folder(tar: tarfile.TarFile, name: str, mode: int = 0o755, owner: int = 0) -> None:
    """Add an empty folder."""
    info = tarfile.TarInfo(name)
    info.type, info.mode, info.uid, info.gid = tarfile.DIRTYPE, mode, owner, owner
    tar.addfile(info)


def copy_members(source: Path, into: tarfile.TarFile, keep: Callable[[str], bool]) -> None:
    """Copy the members of one tar whose clean names are to be kept into another; device nodes never are."""
    # A layer may name a file once only: what is in the tar already stays as it is.
    there = {"", ".", *into.getnames()}
    with tarfile.open(source) as tar:
        for member in tar:
            member.name = member.name.removeprefix("./")
            if member.name in there or member.isdev() or not keep(member.name):
                continue
            if member.islnk():
                member.linkname = member.linkname.removeprefix("./")
            into.addfile(member, tar.extractfile(member) if member.isreg() else None)


def layer_of_programs(target: Path, programs: Mapping[str, Path]) -> None:
    """Write a layer of static programs, named by where each goes."""
    with tarfile.open(target, "w") as tar:
        for name, path in programs.items():
            add_bytes(tar, name, path.read_bytes(), 0o755)


def write(target: Path, names: Sequence[str], layers: Iterable[Path], config: Mapping[str, object]) -> None:
    """Write an archive in Docker's format, which kind, containerd and Podman all load."""
    entries, diffs = [], []
    with tarfile.open(target, "w") as tar:
        for layer in layers:
            with layer.open("rb") as file:
                diff = hashlib.file_digest(file, "sha256").hexdigest()
            tar.add(layer, f"{diff}.tar")
            entries.append(f"{diff}.tar")
            diffs.append(f"sha256:{diff}")
        described = {
            "architecture": go_arch(),
            "os": "linux",
            "config": {"Env": [PATH], **config},
            "rootfs": {"type": "layers", "diff_ids": diffs},
            "history": [{"created_by": "hack/cluster"} for _ in diffs],
        }
        blob = json.dumps(described, sort_keys=True).encode()
        ident = hashlib.sha256(blob).hexdigest()
        add_bytes(tar, f"{ident}.json", blob)
        manifest = [{"Config": f"{ident}.json", "RepoTags": list(names), "Layers": entries}]
        add_bytes(tar, "manifest.json", json.dumps(manifest).encode())


def image_id(source: Path) -> str:
    """Return the id of the image in an archive."""
    with tarfile.open(source) as tar:
        manifest = tar.extractfile("manifest.json")
        config: str = json.load(manifest)[0]["Config"] if manifest else ""
    return config.removesuffix(".json")
