"""TheazoAgent: what it asks for, and what was recorded of it."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationError

from theazo_operator.resources.conditions import read_status
from theazo_operator.resources.meta import Meta, Record, number, time, word

FINISHED_PHASES = frozenset({"Succeeded", "Failed"})
Seconds = Annotated[int, Field(ge=0, le=2**31 - 1)]


class SessionRef(Record):
    """The session in the agent's own namespace."""

    name: str


class DeclaredSecret(Record):
    """One secret that the agent may have: `name` in its environment, `source` in the session."""

    name: str
    source: str | None = Field(default=None, alias="from")
    optional: bool = False

    @property
    def key(self) -> str:
        """The secret's name in the session."""
        return self.source or self.name


class AgentSpec(Record):
    """`spec` of a TheazoAgent. Immutable, as the schema sees to."""

    session_ref: SessionRef
    compute: str
    secrets: tuple[DeclaredSecret, ...] = ()
    command: tuple[str, ...] | None = None
    args: tuple[str, ...] | None = None
    resources: dict[str, dict[str, str | int]] | None = None
    restart_policy: Literal["Never", "OnFailure", "Always"] = "Never"
    active_deadline_seconds: Seconds | None = None
    ttl_seconds_after_finished: Seconds | None = None
    secrets_deadline_seconds: Seconds = 300
    start_deadline_seconds: Seconds = 300


@dataclass(frozen=True, slots=True)
class Agent:
    """A TheazoAgent as last seen. `spec` is None where even the schema let something unreadable through."""

    meta: Meta
    spec: AgentSpec | None
    status: Mapping[str, Any]

    @classmethod
    def of(cls, body: Mapping[str, Any]) -> "Agent":
        """Read an object of the API server. Never raises: a bad spec becomes a condition, a bad status is forgotten."""
        try:
            spec = AgentSpec.model_validate(body.get("spec") or {})
        except ValidationError:
            spec = None
        return cls(meta=Meta.of(body), spec=spec, status=_status(body))

    def settled(self) -> "Agent":
        """Return it without what only its Pod is made from, and may have 128 KiB: it has one, or gets none any more."""
        bare = {"command": None, "args": None, "resources": None}
        return self if self.spec is None else replace(self, spec=self.spec.model_copy(update=bare))

    @property
    def finished(self) -> bool:
        """Whether the record says Succeeded or Failed, which is for good."""
        return self.status.get("phase") in FINISHED_PHASES

    @property
    def pod_name(self) -> str:
        """The one name that this agent's Pod can have: a second Pod would collide with the first."""
        return f"{self.meta.key.name}-{self.meta.uid[:8]}"

    @property
    def holds_pod_secret(self) -> bool:
        """Whether, by the record, a pod-scoped Secret of this agent still lives."""
        phase, created = self.status.get("phase"), "podUID" in self.status
        if self.spec is not None and not self.spec.secrets:
            return False
        keeps_it_running = self.spec is not None and self.spec.restart_policy != "Never"
        return created and (phase == "Pending" or (phase == "Running" and keeps_it_running))


def _status(body: Mapping[str, Any]) -> dict[str, Any]:
    return read_status(
        body,
        phase=word,
        sessionUID=word,
        podName=word,
        podUID=word,
        exitCode=number,
        firstObservedTime=time,
        startTime=time,
        finishTime=time,
    )
