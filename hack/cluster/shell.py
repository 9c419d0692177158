"""Running programs, telling what is under way, and making cached things whole or not at all."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path


class ClusterError(Exception):
    """Something the caller can act on: the text says what is wrong and what to do about it."""


def say(text: str) -> None:
    """Tell progress on stderr, so that stdout stays for what a command answers."""
    print(f"==> {text}", file=sys.stderr, flush=True)


def run(
    argv: Sequence[str | Path],
    *,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    stdin: bytes = b"",
) -> None:
    """Run a program whose output only matters when it fails; then show the end of it."""
    done = subprocess.run(
        [str(part) for part in argv],
        env=None if env is None else {**os.environ, **env},
        cwd=cwd,
        input=stdin,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=False,
    )
    if done.returncode:
        tail = done.stdout.decode(errors="replace")[-4000:]
        raise ClusterError(f"{' '.join(str(part) for part in argv)} failed ({done.returncode}):\n{tail}")


def output(
    argv: Sequence[str | Path],
    *,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    timeout: float | None = None,
) -> bytes:
    """Return a program's stdout; raise with its stderr if it fails."""
    try:
        done = subprocess.run(
            [str(part) for part in argv],
            env=None if env is None else {**os.environ, **env},
            cwd=cwd,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=timeout,
            check=False,
        )
    except (FileNotFoundError, subprocess.TimeoutExpired) as error:
        raise ClusterError(f"{argv[0]}: {error}") from error
    if done.returncode:
        tail = done.stderr.decode(errors="replace")[-4000:]
        raise ClusterError(f"{' '.join(str(part) for part in argv)} failed ({done.returncode}):\n{tail}")
    return done.stdout


def succeeds(argv: Sequence[str | Path], *, env: Mapping[str, str] | None = None, timeout: float = 30) -> bool:
    """Tell whether a program is there and ends well in time."""
    try:
        output(argv, env=env, timeout=timeout)
    except ClusterError:
        return False
    return True


def digest(*parts: bytes | str | Path) -> str:
    """Return a short key over texts and the contents of files and folders, for naming what is made from them."""
    sha = hashlib.sha256()
    for part in parts:
        if isinstance(part, Path):
            files = sorted(p for p in part.rglob("*") if p.is_file()) if part.is_dir() else [part]
            for file in files:
                sha.update(file.name.encode() + b"\0" + file.read_bytes() + b"\0")
        else:
            sha.update((part.encode() if isinstance(part, str) else part) + b"\0")
    return sha.hexdigest()[:12]


@contextmanager
def locked(file: Path) -> Iterator[None]:
    """Hold a lock, so that two runs neither build the same thing twice nor remove what the other makes."""
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("w") as held:
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("waiting for another run of this command")
            fcntl.flock(held, fcntl.LOCK_EX)
        yield


@contextmanager
def making(target: Path) -> Iterator[Path]:
    """Yield a path to write to, renamed to the target only at a good end: a killed build leaves nothing half-made."""
    target.parent.mkdir(parents=True, exist_ok=True)
    work = Path(tempfile.mkdtemp(prefix=f".{target.name}.", dir=target.parent))
    try:
        yield work / target.name
        (work / target.name).replace(target)
    finally:
        shutil.rmtree(work, ignore_errors=True)


def write_private(path: Path, data: bytes) -> None:
    """Write a file that only its owner may read, replacing what was there."""
    with making(path) as made:
        made.touch(mode=0o600)
        made.write_bytes(data)
