"""The command `theazo`: each group of commands is a file here, and `app` puts them together.

The one part of the distribution that needs the extra `cli`, so `main` looks for it before anything is imported.

Exit codes: 0 done; 1 refused or failed; 2 wrong command line; 3 `agents wait` not in time, or `diff` found differences;
130 interrupted; 141 nobody reads the output any more.
Nothing that holds a value is ever printed: standard output gets what was asked for, standard error lines that begin
with `error:`, `warning:` or `note:`.
"""

import sys
from collections.abc import Sequence
from importlib.util import find_spec

_EXTRA = ("cyclopts", "kubernetes", "rich", "yaml")


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command line (without the program's name; default `sys.argv`) and returns its exit code."""
    if any(find_spec(package) is None for package in _EXTRA):
        print("error: the command line needs the extra `cli`: pip install 'theazo[cli]'", file=sys.stderr)
        return 1
    try:
        from theazo.cli.app import run  # noqa: PLC0415 - not importable without the extra
    except KeyboardInterrupt:
        return 130
    return run(sys.argv[1:] if arguments is None else arguments)


def complete_for_kubectl() -> int:
    """Answers kubectl, which completes `kubectl theazo` by calling `kubectl_complete-theazo`."""
    if any(find_spec(package) is None for package in _EXTRA):
        return 1
    from theazo.cli.completion import kubectl  # noqa: PLC0415 - not importable without the extra

    return kubectl(sys.argv[1:])
