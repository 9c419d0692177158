"""What an operation asks of the shell that runs it, and what it gets."""

from collections.abc import Generator, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias, TypeVar

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Request:
    """One HTTP request; the shell adds base URL and credentials, so that nothing here holds those.

    `timeout`, in seconds, is set where an attempt has less time than the client's own.
    """

    method: str
    path: str
    query: tuple[tuple[str, str], ...] = ()
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = field(default=b"", repr=False)
    timeout: float | None = None


@dataclass(frozen=True, slots=True)
class Pause:
    """Wait this many seconds."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Now:
    """Tell the time: seconds of a clock that never goes back."""


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer to a request, whatever its status. Names of headers are in lower case."""

    status: int
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Lost:
    """No answer to a request: it may or may not have been carried out."""

    reason: str
    timed_out: bool = False


Step: TypeAlias = Request | Pause | Now
# A Request is answered by a Reply or a Lost, a Pause by nothing, Now by a float: more than a type can say.
Steps: TypeAlias = Generator[Step, Any, T]
