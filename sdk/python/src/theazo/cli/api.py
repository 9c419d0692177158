"""What the commands that go through the REST API share: which API, whose session, and errors as lines."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Group, Parameter

from theazo.cli.terminal import Misused, Refused
from theazo.client import Session, Theazo
from theazo.errors import ConfigurationError, InvalidName, TheazoError
from theazo.models import AgentFields, AgentSecret, SecretInfo, SessionFields

_MAX_KEY_FILE = 4096  # bytes; a key has 73
_RENAMED = {"source": "from"}


@Parameter(name="*", group=Group("API", sort_key=9))
@dataclass(frozen=True, kw_only=True)
class ApiOptions:
    """The options that say which API, and as whom it is asked."""

    base_url: Annotated[
        str | None, Parameter(metavar="URL", help="The REST API. Default: the environment variable THEAZO_BASE_URL.")
    ] = None
    api_key_file: Annotated[
        Path | None,
        Parameter(
            metavar="FILE",
            help="The file that has the API key. Default: the key in the environment variable THEAZO_API_KEY.",
        ),
    ] = None


@Parameter(name="*", group=Group("Session", sort_key=0))
@dataclass(frozen=True, kw_only=True)
class Whose:
    """The options that say whose session."""

    user: Annotated[str | None, Parameter(metavar="USER", help="The user whose session it is.")] = None
    session: Annotated[str | None, Parameter(metavar="ID", help="Instead of --user: the session's id.")] = None

    def made(self, theazo: Theazo) -> Session:
        """The session; a user's is made if there is none."""
        return theazo.sessions.for_user(self.user) if self.user is not None else self.found(theazo)

    def found(self, theazo: Theazo) -> Session:
        """The session, if there is one.

        Raises:
            Refused: if the user has none.
        """
        if self.session is not None:
            return theazo.sessions.get(self.session)
        for session in theazo.sessions.list(self.user):
            return session
        raise Refused("this user has no session; `theazo sessions create USER` makes one")


def one_of(whose: Whose | None) -> Whose:
    """What was given, if it is one session.

    Raises:
        Misused: if it is none or two.
    """
    if whose is None or (whose.user is None) == (whose.session is None):
        raise Misused("say whose session it is: --user USER or --session ID, one of them")
    return whose


@contextmanager
def connected(options: ApiOptions | None) -> Iterator[Theazo]:
    """A client; its errors become lines.

    Raises:
        Misused: if there is no usable key or base URL, or a name that can't be one.
        Refused: if the API refuses, or can't be reached.
    """
    options = options or ApiOptions()
    key = _key(options.api_key_file) if options.api_key_file else None
    try:
        with Theazo(key, options.base_url) as theazo:
            del key
            yield theazo
    except ConfigurationError as error:
        raise Misused(_as_options(str(error))) from None
    except InvalidName as error:
        raise Misused(str(error)) from None
    except TheazoError as error:
        raise Refused(_as_options(str(error))) from None


def document(found: SessionFields | AgentFields | AgentSecret | SecretInfo) -> dict[str, Any]:
    """What the API told of something, in the API's own words."""
    kind = next(each for each in type(found).__mro__ if each.__module__ == "theazo.models")
    return {_camel(each.name): _plain(getattr(found, each.name)) for each in fields(kind)}


def when(time: datetime) -> str:
    """A time as the API writes it."""
    return time.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _key(path: Path) -> str:
    try:
        with path.open("rb") as file:
            data = file.read(_MAX_KEY_FILE)
    except (OSError, ValueError) as error:
        # The path isn't shown: it may be the key itself.
        reason = getattr(error, "strerror", None) or "no usable file name"
        raise Misused(f"--api-key-file: cannot read it: {reason}; it takes the path of a file") from None
    return data.decode("ascii", "replace").strip()


def _as_options(message: str) -> str:
    """A message of the SDK, with the names that its parameters have here."""
    message = message.replace("the parameter base_url", "--base-url").replace("raise `timeout`, or ", "")
    return message.replace("the parameter api_key", "--api-key-file")


def _plain(value: object) -> Any:  # noqa: ANN401 - what JSON has
    if isinstance(value, datetime):
        return when(value)
    return [document(each) for each in value] if isinstance(value, tuple) else value


def _camel(name: str) -> str:
    first, *rest = _RENAMED.get(name, name).split("_")
    return first + "".join(map(str.capitalize, rest))
