"""A manifest's file: its bytes, as they are, and put back wholly or not at all."""

import contextlib
import os
import stat
import tempfile
from pathlib import Path

from theazo.cli.terminal import Refused

_MAX_FILE = 4 * 1024 * 1024


def content(path: Path) -> bytes:
    """A file's bytes, however many.

    Raises:
        FileNotFoundError: if there is no such file.
        Refused: if it can't be read.
    """
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            raise Refused(f"{path} is not a regular file; give the path of a manifest")
        return path.read_bytes()
    except FileNotFoundError:
        raise
    except (OSError, ValueError) as error:
        raise Refused(f"cannot read {path}: {getattr(error, 'strerror', None) or 'no usable file name'}") from None


def decoded(raw: bytes, where: str) -> str:
    """The text of a file that is to be read as a manifest.

    Raises:
        Refused: if it is longer than any, or no text.
    """
    if len(raw) > _MAX_FILE:
        raise Refused(f"{where} is longer than any TheazoSecret; give another file")
    try:
        return raw.decode()
    except ValueError:
        raise Refused(f"cannot read {where}: not a text file in UTF-8") from None


def replace(path: Path, text: str, old: bytes | None) -> None:
    """Puts a text into a file, which keeps its mode.

    Args:
        path: The file.
        text: What it shall hold.
        old: What it holds now, None if there is no such file.

    Raises:
        Refused: if it can't be written, or holds something else than `old` by now.
    """
    path = Path(os.path.realpath(path))  # replaces what a link leads to, not the link
    temporary: str | None = None
    try:
        descriptor, temporary = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(text.encode())
            stream.flush()
            os.fsync(stream.fileno())
        Path(temporary).chmod(_mode(path))
        if _bytes(path) != old:
            raise Refused(f"{path} was changed by somebody else in the meantime; nothing was written, run this again")
        Path(temporary).replace(path)
        temporary = None
    except OSError as error:
        raise Refused(f"cannot write {path}: {error.strerror}; nothing was changed") from None
    finally:
        if temporary:
            with contextlib.suppress(OSError):
                Path(temporary).unlink()


def _mode(path: Path) -> int:
    try:
        return stat.S_IMODE(path.stat().st_mode)
    except FileNotFoundError:
        umask = os.umask(0)
        os.umask(umask)
        return 0o666 & ~umask


def _bytes(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None
