"""Where commands take values from: everywhere but the command line, which other processes and histories see."""

import contextlib
import os
import re
import sys
import warnings
from dataclasses import dataclass, field
from getpass import GetPassWarning, getpass
from pathlib import Path
from typing import Annotated, BinaryIO

from cyclopts import Group, Parameter

from theazo import envfile
from theazo.cli.terminal import Misused, Refused, say
from theazo.cli.usage import NEVER_AN_ARGUMENT
from theazo.errors import InvalidName, InvalidValue
from theazo.rules import MAX_NAMES, check_name, check_value
from theazo.secret_value import SecretValue


@Parameter(name="*", group=Group("Values", sort_key=1))
@dataclass(frozen=True, kw_only=True)
class Sources:
    """The options that say where values come from."""

    env_file: Annotated[
        list[str],
        Parameter(
            metavar="FILE",
            allow_leading_hyphen=True,  # for `-` alone
            help="An env file of NAME=VALUE lines, '-' for standard input. Quotes as in a shell; nothing is "
            "interpolated; what other readers of such files would read differently is refused. Repeatable.",
        ),
    ] = field(default_factory=list)
    from_env: Annotated[
        list[str],
        Parameter(metavar="NAME", help="The environment variable NAME, under the same name. Repeatable."),
    ] = field(default_factory=list)
    stdin: Annotated[
        str | None,
        Parameter(
            metavar="NAME", help="All of standard input is the value of NAME. One newline at its end is stripped."
        ),
    ] = None
    keep_newline: Annotated[bool, Parameter(help="With --stdin: strip nothing.")] = False
    prompt: Annotated[
        list[str],
        Parameter(metavar="NAME", help="Ask for the value of NAME on the terminal, twice, unseen. Repeatable."),
    ] = field(default_factory=list)

    def check(self) -> None:
        """Refuses combinations that can't work.

        Raises:
            Misused: if so.
        """
        if not (self.env_file or self.from_env or self.stdin is not None or self.prompt):
            raise Misused("no value: use --env-file, --stdin, --prompt or --from-env")
        if self.env_file.count("-") + (self.stdin is not None) > 1:
            raise Misused("standard input can be read once: --stdin or one --env-file -")
        if self.keep_newline and self.stdin is None:
            raise Misused("--keep-newline goes with --stdin")
        if any("=" in name for name in (*self.from_env, *self.prompt, self.stdin or "")):
            raise Misused(f"--from-env, --prompt and --stdin take a name alone: {NEVER_AN_ARGUMENT}")


def gather(sources: Sources) -> dict[str, SecretValue]:
    """Every named value of `sources`, checked, in order.

    Raises:
        Refused: with every problem of every source, each with its place and none with a value.
    """
    found = _Found()
    for number, path in enumerate(sources.env_file, start=1):
        _read_env_file(path, found, f"--env-file{f' number {number}' if len(sources.env_file) > 1 else ''}")
    for name in sources.from_env:
        _read_variable(name, found)
    if sources.stdin is not None:
        value = _read_stdin(keep_newline=sources.keep_newline)
        found.add(sources.stdin, value, "--stdin")
    for name in sources.prompt:
        # No question about a name that will be refused, nor once something else was: the answers would be lost.
        if found.accepts(name, "--prompt") and not found.problems:
            found.add(name, _ask(name), "--prompt")
    if not found.values and not found.problems:
        found.problems.append("no NAME=VALUE in any source")
    if len(found.values) > MAX_NAMES:
        found.problems.append(
            f"{len(found.values)} names: a session has at most {MAX_NAMES} secrets; use fewer, or another session"
        )
    if found.problems:
        raise Refused(*found.problems)
    return found.values


class _Found:
    """Collects values and problems. A name is only ever shown if it looks like one: else it may be a stray value."""

    def __init__(self) -> None:
        self.values: dict[str, SecretValue] = {}
        self.problems: list[str] = []
        self._places: dict[str, str] = {}

    def accepts(self, name: str, place: str) -> bool:
        try:
            check_name(name)
        except InvalidName as error:
            self.problems.append(f"{place}: {error}")
            return False
        if name in self._places:
            self.problems.append(f"{place}: {name} is given twice, first by {self._places[name]}; keep one")
            return False
        return True

    def add(self, name: str, value: SecretValue, place: str) -> None:
        if not self.accepts(name, place):
            return
        self._places[name] = place
        try:
            check_value(value)
        except InvalidValue as error:
            self.problems.append(f"{place}: {name}: {error}")
        else:
            self.values[name] = value


def _read_env_file(path: str, found: _Found, option: str) -> None:
    label = "standard input" if path == "-" else path
    try:
        with _opened(path) as stream:
            lines = envfile.read(stream)
    except (OSError, ValueError) as error:
        # The path isn't shown: where no such file is, it may be a value that was put in the wrong place.
        reason = getattr(error, "strerror", None) or "no usable file name"
        found.problems.append(f"{option}: cannot read it: {reason}; it takes the path of a file, or '-'")
        return
    for line in lines:
        if line.problem:
            found.problems.append(f"{label}:{line.number}: {line.problem}")
        else:
            found.add(line.name, line.value, f"{label}:{line.number}")


def _opened(path: str) -> contextlib.AbstractContextManager[BinaryIO]:
    return contextlib.nullcontext(sys.stdin.buffer) if path == "-" else Path(path).open("rb")


def _read_variable(name: str, found: _Found) -> None:
    value = os.environ.get(name)
    if value is not None:
        # fsencode gives back the bytes that the process was started with, UTF-8 or not.
        found.add(name, SecretValue(os.fsencode(value)), "--from-env")
    elif found.accepts(name, "--from-env"):
        found.problems.append(f"--from-env: {name} is not set in this environment; export it first")


def _read_stdin(*, keep_newline: bool) -> SecretValue:
    if sys.stdin.isatty():
        say("note", "reading the value from the terminal, which shows it; end with Ctrl-D. --prompt hides it")
    try:
        data = sys.stdin.buffer.read(envfile.MAX_SIZE + 1)
    except OSError as error:
        raise Refused(f"cannot read standard input: {error.strerror}") from None
    if len(data) > envfile.MAX_SIZE:
        raise Refused(f"--stdin: longer than {envfile.MAX_SIZE // 1024**2} MiB, more than any session holds")
    stripped = data if keep_newline else re.sub(rb"\r?\n\Z", b"", data)
    if len(stripped) < len(data):
        say("note", "stripped the newline at the end of standard input; --keep-newline keeps it")
    return SecretValue(stripped)


def _ask(name: str) -> SecretValue:
    try:
        with warnings.catch_warnings():
            # Without a terminal getpass would go on and show what is typed.
            warnings.simplefilter("error", GetPassWarning)
            answers = [SecretValue(os.fsencode(getpass(f"{text} {name}: "))) for text in ("Value of", "Once more,")]
    except GetPassWarning:
        raise Refused(f"--prompt {name}: there is no terminal to ask on; use --stdin or --env-file") from None
    except EOFError:
        raise Refused(f"--prompt {name}: no answer; nothing was done") from None
    except UnicodeError:
        raise Refused(f"--prompt {name}: the terminal sent no valid text; nothing was done") from None
    if answers[0] != answers[1]:
        raise Refused(f"--prompt {name}: the two answers differ; nothing was done")
    return answers[0]
