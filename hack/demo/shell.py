"""How the demo speaks, and how it runs the commands that a user would type."""

import os
import shlex
import subprocess
import sys
from pathlib import Path

_COLOURS = sys.stdout.isatty() and "NO_COLOR" not in os.environ


def _paint(code: str, text: str) -> str:
    return f"\033[{code}m{text}\033[0m" if _COLOURS else text


class DemoError(Exception):
    """The story can't go on; the text says what happened and what to look at."""


def chapter(number: int, title: str) -> None:
    """Begin a part of the story."""
    print(f"\n{_paint('1', f'{number}. {title}')}", flush=True)


def tell(text: str) -> None:
    """Say something."""
    print(f"   {text}", flush=True)


def good(text: str) -> None:
    """Say that something came out as promised."""
    print(f"   {_paint('32', '✓')} {text}", flush=True)


def show(text: str) -> None:
    """Show what a command printed."""
    for line in text.rstrip().splitlines():
        print(_paint("2", f"   | {line}"), flush=True)


def run(*command: str, text: str | None = None, quiet: bool = False) -> str:
    """Run a command as a user would, showing it first.

    Raises:
        DemoError: it failed; what it said on stderr is in the error.
    """
    if not quiet:
        print(_paint("36", f"   $ {shlex.join(command)}"), flush=True)
    done = subprocess.run(command, input=text, capture_output=True, text=True, check=False)
    if done.returncode:
        raise DemoError(f"`{shlex.join(command)}` failed:\n{done.stderr.strip()}")
    return done.stdout


def apply(manifest: str, file: Path) -> None:
    """Write a manifest to a file, show it, and apply it as the docs advise."""
    file.write_text(manifest, encoding="utf-8")
    show(manifest)
    run("kubectl", "apply", "--server-side", "-f", str(file))
