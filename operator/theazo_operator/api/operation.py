"""What an operation is: a method of a route, from a request that was let in to its answer."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

from pydantic import BaseModel

from theazo_operator.api import reading
from theazo_operator.api.agents import Agents
from theazo_operator.api.problems import Kind
from theazo_operator.api.sealing_keys import SealingKeys
from theazo_operator.api.secrets import Secrets
from theazo_operator.api.sessions import Sessions

JSON_TYPE = "application/json"
SEALED_TYPE = "application/vnd.theazo.sealed+json"
M = TypeVar("M", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class Services:
    """What the operations act with."""

    sessions: Sessions
    secrets: Secrets
    agents: Agents
    keys: SealingKeys


@dataclass(slots=True, repr=False)
class Call:
    """A request that was let in. It has no repr: its body may hold values."""

    platform: str
    path: Mapping[str, str]
    query: BaseModel | None
    media_type: str
    body: bytes
    idempotency_key: str | None

    def take_body(self) -> bytes:
        """The body, once: what was made of it is held from then on, and not both."""
        body, self.body = self.body, b""
        return body

    def read(self, model: type[M]) -> M:
        """The body, as a model. Raises Problem INVALID_REQUEST."""
        return reading.read_model(model, reading.read_object(self.take_body()))


@dataclass(frozen=True, slots=True)
class Reply:
    """What an operation answers."""

    status: int
    body: BaseModel | None = None


@dataclass(frozen=True, slots=True)
class Operation:
    """One method of one route."""

    method: str
    route: str
    name: str
    summary: str
    act: Callable[[Services, Call], Awaitable[Reply]]
    replies: Mapping[int, type[BaseModel] | None]
    problems: tuple[Kind, ...] = ()
    bodies: Mapping[str, type[BaseModel] | None] = field(default_factory=dict)
    """By media type; None is the object of names and values."""
    query: type[BaseModel] | None = None
    idempotent_by_key: bool = False
