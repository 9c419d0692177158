"""Where the values of one `set` come from: a mapping, an env file, variables of the environment.

`collect` raises nothing: what is wrong comes back as an error that has no traceback yet. One that began here, where
values are local variables, would show them to whatever prints those.
"""

import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

from theazo import envfile
from theazo._core.values import Given, Values, Wrong
from theazo.errors import ConfigurationError, InvalidValue
from theazo.rules import MAX_NAMES
from theazo.secret_value import SecretValue

EnvFile: TypeAlias = str | os.PathLike[str]


def collect(
    values: Mapping[str, Given] | None,
    env_file: EnvFile | None,
    from_env: Sequence[str],
    required: Sequence[str],
) -> Values | Wrong:
    """All values, checked, or the first thing that is wrong; what is missing is named in whole."""
    if isinstance(from_env, str) or isinstance(required, str):
        return TypeError("from_env and required are lists of names, not one str")
    found, missing = Values(), list[str]()
    for wrong in _add_all(found, missing, values, env_file, from_env):
        if wrong is not None:
            return wrong
    missing += [name for name in required if name not in found and name not in missing]
    if missing:
        return _missing(missing)
    if not found:
        return ConfigurationError("no value to set: give a mapping, env_file or from_env")
    if len(found) > MAX_NAMES:
        return ConfigurationError(f"{len(found)} names: a session has at most {MAX_NAMES} secrets")
    return found


def checked(found: Values | Wrong) -> Values:
    """What `collect` gave, if it is values; the caller holds none of them in a variable any more.

    Raises:
        ConfigurationError: if a value is missing.
        InvalidName: if a name can't be one.
        InvalidValue: if the rules refuse a value.
        TypeError: if a value isn't str, bytes or SecretValue.
    """
    if isinstance(found, Values):
        return found
    raise found


def _add_all(
    found: Values,
    missing: list[str],
    values: object,
    env_file: EnvFile | None,
    from_env: Sequence[str],
) -> Iterator[Wrong | None]:
    if values is not None and not isinstance(values, Mapping):
        yield TypeError(f"values are a mapping of names to values, not {type(values).__name__}")
        return
    for name, value in (values or {}).items():
        yield from _add(found, missing, name, value)
    if env_file is not None:
        yield from _add_file(found, env_file)
    for name in from_env:
        if (wrong := found.refuses(name)) is not None:
            yield wrong
        else:
            variable = os.environ.get(name)
            # fsencode gives back the bytes that the process was started with, UTF-8 or not.
            yield from _add(found, missing, name, None if variable is None else os.fsencode(variable))


def _add(found: Values, missing: list[str], name: Any, value: object) -> Iterator[Wrong | None]:  # noqa: ANN401
    if (wrong := found.refuses(name)) is not None:
        yield wrong
    elif value is None:
        missing.append(name)
    else:
        secret = _secret(name, value)
        yield found.add(name, secret) if isinstance(secret, SecretValue) else secret


def _secret(name: str, value: object) -> SecretValue | Wrong:
    if isinstance(value, str):
        try:
            return SecretValue(value.encode())
        except UnicodeEncodeError:
            return InvalidValue(f"{name}: the value is not valid Unicode")
    if isinstance(value, bytes):
        return SecretValue(value)
    if isinstance(value, SecretValue):
        return value
    return TypeError(f"the value of {name} is str, bytes or SecretValue, not {type(value).__name__}")


def _add_file(found: Values, path: EnvFile) -> Iterator[Wrong | None]:
    lines = _lines(path)
    if not isinstance(lines, list):
        yield lines
    elif broken := "; ".join(f"{path}:{line.number}: {line.problem}" for line in lines if line.problem):
        yield ConfigurationError(broken)
    else:
        for line in lines:
            yield from _add(found, [], line.name, line.value)


def _lines(path: EnvFile) -> list[envfile.Line] | Wrong:
    try:
        with Path(path).open("rb") as stream:
            return envfile.read(stream)
    except (OSError, TypeError, ValueError) as error:
        # The path isn't shown: where no such file is, it may be a value that was put in the wrong place.
        reason = getattr(error, "strerror", None) or "no usable file name"
        return ConfigurationError(f"env_file: cannot read it: {reason}; it takes the path of a file")


def _missing(names: list[str]) -> ConfigurationError:
    # A required name is shown if it could be one: else it may be a value in the wrong place.
    shown = tuple(name for name in names if Values().refuses(name) is None)
    if len(shown) < len(names):
        return ConfigurationError("required has what can't be the name of a secret; correct it", shown)
    return ConfigurationError(f"no value for {', '.join(shown)}; nothing was set", shown)
