"""What the API tells of sessions, secrets and agents: names, times and states, and never a value."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Literal, NotRequired, TypeAlias, TypedDict

Phase: TypeAlias = Literal["Pending", "Running", "Succeeded", "Failed"]
Until: TypeAlias = Literal["running", "finished"]


@dataclass(frozen=True, slots=True)
class SecretInfo:
    """One secret of a session. Times are aware; `created_at` survives overwriting."""

    name: str
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class AgentSecret:
    """One secret that an agent declares.

    Attributes:
        name: What the environment variable is called.
        source: What the secret is called.
        updated_at: When the value that the agent has was set; None while there is no sandbox.
    """

    name: str
    source: str
    updated_at: datetime | None


SecretSpec = TypedDict("SecretSpec", {"name": str, "from": NotRequired[str], "optional": NotRequired[bool]})
SecretSpec.__doc__ = """A declared secret in full: `name` is the variable's, `from` the secret's name if it differs.

`optional` lets the agent start without it."""

Quantities: TypeAlias = Mapping[str, str | int]


class Resources(TypedDict, total=False):
    """What the sandbox may use, by resource, such as `{"limits": {"cpu": "500m", "memory": "256Mi"}}`."""

    limits: Quantities
    requests: Quantities


class AgentOptions(TypedDict, total=False):
    """How an agent runs, where that isn't as its compute says. None is the same as leaving it out.

    Attributes:
        command: What to run in place of the compute's own command. Not run in a shell. Never put a secret here.
        args: The command's arguments, in place of the compute's own. Never put a secret here.
        resources: What the sandbox may use.
        restart_policy: Whether what ends is started again. Default: Never.
        active_deadline_seconds: How long the sandbox may run. Default: without end.
        ttl_seconds_after_finished: When the agent is deleted after its end. Default: never.
        secrets_deadline_seconds: How long it waits for what is missing, before it is stalled. Default: 300.
        start_deadline_seconds: How long the sandbox may take to start. Default: 300.
    """

    command: Sequence[str] | None
    args: Sequence[str] | None
    resources: Resources | None
    restart_policy: Literal["Never", "OnFailure", "Always"] | None
    active_deadline_seconds: int | None
    ttl_seconds_after_finished: int | None
    secrets_deadline_seconds: int | None
    start_deadline_seconds: int | None


@dataclass(slots=True, eq=False)
class SessionFields:
    """What the API told last of a session.

    Attributes:
        id: Its name, "s-…" if the API made it.
        user: The user whose session it is.
        platform: The platform of the API key.
        sealing_id: What its values are sealed for; another one once the session was made again.
        created_at: When it was made.
        expires_at: When it ends by itself, if ever.
    """

    id: str
    user: str
    platform: str
    sealing_id: str
    created_at: datetime
    expires_at: datetime | None

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.id} of platform {self.platform}>"


@dataclass(slots=True, eq=False)
class AgentFields:
    """What the API told last of an agent.

    Attributes:
        id: Its name.
        session_id: The session that it belongs to.
        compute: What kind of sandbox it has.
        phase: Pending, Running, Succeeded or Failed.
        reason: The word of docs/reasons.md that says why.
        message: What to do, if there is anything to do.
        stalled: Whether a person must act. True of what has failed, too.
        secrets: What it declares.
        pod_name: The sandbox's Pod, once there is one.
        exit_code: What the sandbox's process ended with.
        created_at: When it was made.
        started_at: When the sandbox's process started.
        finished_at: When the agent ended.
    """

    id: str
    session_id: str
    compute: str
    phase: Phase
    reason: str | None
    message: str | None
    stalled: bool
    secrets: tuple[AgentSecret, ...]
    pod_name: str | None
    exit_code: int | None
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.id} {self.phase}>"


def overwrite(target: SessionFields | AgentFields, source: SessionFields | AgentFields) -> None:
    """Gives `target` what `source`, of the same kind, has."""
    for each in fields(source):
        setattr(target, each.name, getattr(source, each.name))
