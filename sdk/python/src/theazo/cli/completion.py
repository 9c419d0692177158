"""Completion in a shell: scripts for `theazo`, and what kubectl asks for `kubectl theazo`."""

import io
import os
from collections.abc import Sequence
from contextlib import redirect_stdout
from typing import Literal

from cyclopts import App

from theazo.cli.terminal import out

EXAMPLES = """\
Examples:

  source <(theazo completion bash)
  theazo completion zsh > "${fpath[1]}/_theazo"
  theazo completion fish > ~/.config/fish/completions/theazo.fish
"""
_WORDS = "CYCLOPTS_COMPLETION_WORDS"
_FILES = "\x1ffiles"
_ANY_FILE, _NO_FILES = 0, 4  # directives of Cobra, which kubectl reads from the last line

app = App(name="completion", help_epilogue=EXAMPLES)


@app.default
def completion(shell: Literal["bash", "zsh", "fish"], /) -> None:
    """Prints a script that completes commands and options in a shell.

    Args:
        shell: bash, zsh or fish.
    """
    from theazo.cli.app import app as root  # noqa: PLC0415 - it is what imports this file

    out(root.generate_completion(prog_name="theazo", shell=shell))


def kubectl(words: Sequence[str]) -> int:
    """Writes what could stand in the place of the last word, which is as far as it is typed, in kubectl's protocol."""
    from theazo.cli.app import app as root  # noqa: PLC0415

    os.environ[_WORDS] = "".join(f"{word}\x1f" for word in words)
    answer = io.StringIO()
    with redirect_stdout(answer):
        root(["__complete"], exit_on_error=False, print_error=False)
    # What stands before the mark isn't an answer; lines with the separator in front are directives of their own.
    lines = answer.getvalue().partition("\x1fbegin\n")[2].splitlines()
    found = [line for line in lines if line and not line.startswith("\x1f")]
    out("".join(f"{line}\n" for line in [*found, f":{_ANY_FILE if _FILES in lines else _NO_FILES}"]))
    return 0
