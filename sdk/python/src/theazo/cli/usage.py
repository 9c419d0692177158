"""Says what is wrong with a command line without repeating it: a value may have been put into it by mistake."""

import sys
from collections.abc import Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from cyclopts.exceptions import (
    CoercionError,
    CycloptsError,
    MissingArgumentError,
    RepeatArgumentError,
    UnknownCommandError,
    UnknownOptionError,
    UnusedCliTokensError,
    ValidationError,
)

NEVER_AN_ARGUMENT = (
    "a value is never given as an argument, where other processes and the shell's history see it: "
    "use --env-file, --stdin, --prompt or --from-env"
)


def program() -> str:
    """What the user calls this program: kubectl runs a plug-in by the name of its file."""
    return "kubectl theazo" if Path(sys.argv[0]).name.startswith("kubectl-theazo") else "theazo"


def explain(error: CycloptsError, arguments: Sequence[str]) -> str:
    """One sentence for a person, and where to read on. Names options that exist, and other arguments by their place."""
    chain = error.command_chain or ()
    command = " ".join((program(), *chain))
    problem = _problem(error, arguments)
    if chain[:1] in {("seal",), ("secrets",)} and isinstance(error, UnusedCliTokensError | UnknownOptionError):
        problem = f"{problem}; {NEVER_AN_ARGUMENT}"
    return f"{problem}; see {command} --help"


def _problem(error: CycloptsError, arguments: Sequence[str]) -> str:
    match error:
        case UnknownOptionError():
            word = error.token.keyword or error.token.value
            known = [name for argument in error.argument_collection for name in argument.names]
            return f"{_place(word, arguments)} is no option{_meant(word.split('=')[0], known)}"
        case UnknownCommandError():
            word = (error.unused_tokens or [""])[0]
            return f"{_place(word, arguments)} is no command{_meant(word, list(error.app or ()))}"
        case UnusedCliTokensError():
            return f"{_place((error.unused_tokens or [''])[0], arguments)} is one too many"
        case MissingArgumentError():
            return f"{_name(error.argument)} is missing or has no value"
        case RepeatArgumentError():
            return f"{str(error.token.keyword).split('=')[0]} is given more than once"
        case CoercionError() | ValidationError():
            return f"{_name(error.argument)} can't have this value"
        case _:
            return "the arguments can't be understood"


def _place(word: str, arguments: Sequence[str]) -> str:
    for position, argument in enumerate(arguments, start=1):
        if argument == word or argument.startswith(f"{word}="):
            return f"argument {position}"
    return "an argument"


def _meant(word: str, known: list[str]) -> str:
    close = get_close_matches(word, known, n=1)
    return f" (did you mean {close[0]}?)" if close else ""


def _name(argument: Any) -> str:  # noqa: ANN401 - cyclopts.argument.Argument, which isn't exported for typing
    return str(argument.name) if argument is not None else "an option"
