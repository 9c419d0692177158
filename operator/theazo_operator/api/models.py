"""What goes over the wire. Requests are read strictly, and no reply has a field that could hold a value."""

from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints, WithJsonSchema, model_validator
from pydantic.alias_generators import to_camel

from theazo import rules
from theazo.errors import InvalidName

# As rules.check_name has it, for those who read the OpenAPI document.
_RESERVED = rf"(?!({'|'.join(sorted(rules.RESERVED_NAMES))})$)(?!{'|'.join(rules.RESERVED_PREFIXES)})"
NAME = rf"^{_RESERVED}(?!{rules.CREDENTIAL_PATTERN.removeprefix('^')})[A-Za-z_][A-Za-z0-9_]*$"
_COMPUTE = r"^[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*$"
_QUANTITY = r"^[0-9]+(\.[0-9]{1,3})?(m|k|Ki|M|Mi|G|Gi|T|Ti|P|Pi|E|Ei)?$"
_EXTENDED = r"[a-z0-9]([a-z0-9.-]*[a-z0-9])?/[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?"
_RESOURCE = rf"^(cpu|memory|ephemeral-storage|hugepages-[1-9][0-9]*[KMG]i|{_EXTENDED})$"
_LONGEST = 2**31 - 1  # seconds; as in the schema of TheazoAgents
_DAY = 86_400
_MAX_WORDS = 128 * 1024  # bytes


def _from_float(value: Any) -> Any:  # noqa: ANN401 - whatever stands in the JSON
    return int(value) if isinstance(value, float) and value.is_integer() else value


# JSON has one type of numbers: 3600.0 is the same as 3600, and some languages write no other.
_WHOLE = BeforeValidator(_from_float)
Life = Annotated[int, Field(ge=1, le=31_536_000), _WHOLE]
Span = Annotated[int, Field(ge=1, le=_LONGEST), _WHOLE]
Rest = Annotated[int, Field(ge=0, le=_LONGEST), _WHOLE]
Deadline = Annotated[int, Field(ge=1, le=_DAY), _WHOLE]
Time = Annotated[str, WithJsonSchema({"type": "string", "format": "date-time"})]
SealingId = Annotated[str, Field(min_length=1, max_length=rules.MAX_SEALING_ID, pattern=rules.SEALING_ID_PATTERN)]
Phase = Literal["Pending", "Running", "Succeeded", "Failed"]


FIELDS: set[str] = set()
"""All names that are ours, and may be repeated wherever they stand."""


class Wire(BaseModel):
    """A JSON object in camelCase."""

    model_config = ConfigDict(
        alias_generator=to_camel,
        validate_by_name=True,
        extra="forbid",
        strict=True,
        frozen=True,
        hide_input_in_errors=True,
    )

    @classmethod
    def __pydantic_init_subclass__(cls, **_: object) -> None:
        """Note the names of its fields."""
        FIELDS.update(field.alias or name for name, field in cls.model_fields.items())


class SessionCreate(Wire):
    """Which user's session to get or make."""

    user: str = Field(min_length=1, max_length=rules.MAX_USER, description="The end user, by the id that you know.")
    ttl_seconds: Life | None = Field(
        default=None,
        description="After how many seconds a new session ends with all that it owns. One that is there keeps its own.",
    )


class Session(Wire):
    """One end user's scope."""

    id: str
    user: str
    platform: str
    sealing_id: str = Field(description="What values are sealed to. A session that is made anew has another one.")
    created_at: Time
    expires_at: Time | None


class SessionList(Wire):
    """A page of sessions."""

    sessions: list[Session]
    next_cursor: str | None = Field(description="For the parameter `cursor` of the next request; null at the end.")


class SecretInfo(Wire):
    """A secret, without its value."""

    name: str
    created_at: Time = Field(description="When the name was first set; overwriting keeps it.")
    updated_at: Time = Field(description="When the value was last set.")


class SecretList(Wire):
    """All secrets of a session, by name."""

    secrets: list[SecretInfo]


class SealedSecrets(Wire):
    """Values that the client has sealed itself."""

    sealing_id: SealingId
    secrets: dict[str, str] = Field(json_schema_extra={"minProperties": 1, "maxProperties": rules.MAX_NAMES})


class SealingKey(Wire):
    """The platform's public key."""

    platform: str
    suite: str
    key_id: str = Field(description="The key's fingerprint: 16 hexadecimal digits.")
    public_key: str = Field(description="1216 bytes in standard base64.")


def _from_text(value: Any) -> Any:  # noqa: ANN401 - whatever stands in the JSON
    return {"name": value} if isinstance(value, str) else value


class DeclaredSecret(Wire):
    """A secret that the agent gets, perhaps under another name."""

    name: str = Field(
        max_length=rules.MAX_NAME, json_schema_extra={"pattern": NAME}, description="The variable's name."
    )
    source: Annotated[str, WithJsonSchema({"type": "string", "maxLength": rules.MAX_NAME, "pattern": NAME})] | None = (
        Field(default=None, alias="from", description="The secret's name, if it is not the variable's.")
    )
    optional: bool = Field(default=False, description="Whether the agent starts without it where the session lacks it.")

    @model_validator(mode="after")
    def _check(self) -> Self:
        # Both are shown where something is missing, so neither may be a value.
        for name in (self.name, self.name if self.source is None else self.source):
            try:
                rules.check_name(name)
            except InvalidName as error:
                raise ValueError(str(error)) from None
        return self


Declared = Annotated[
    DeclaredSecret,
    BeforeValidator(_from_text),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "string", "maxLength": rules.MAX_NAME, "pattern": NAME},
                {"$ref": "#/components/schemas/DeclaredSecret"},
            ]
        }
    ),
]


def _from_number(value: Any) -> Any:  # noqa: ANN401 - whatever stands in the JSON
    value = _from_float(value)
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


_AMOUNT = {
    "anyOf": [
        {"type": "string", "maxLength": 32, "pattern": _QUANTITY},
        {"type": "integer", "minimum": 0, "maximum": 2**63 - 1},
    ]
}
Amount = Annotated[str, StringConstraints(max_length=32, pattern=_QUANTITY), BeforeValidator(_from_number)]
Word = Annotated[str, StringConstraints(max_length=32768, pattern=r"^[^\x00]*$")]
Amounts = Annotated[
    dict[Annotated[str, StringConstraints(max_length=253, pattern=_RESOURCE)], Amount],
    Field(max_length=16),
    WithJsonSchema(
        {
            "type": "object",
            "maxProperties": 16,
            "propertyNames": {"type": "string", "maxLength": 253, "pattern": _RESOURCE},
            "additionalProperties": _AMOUNT,
        }
    ),
]


class Resources(Wire):
    """What the sandbox may use, in place of what the compute says."""

    limits: Amounts | None = None
    requests: Amounts | None = None


class AgentCreate(Wire):
    """One run of one sandbox. Secrets are never given here, but declared by name."""

    compute: str = Field(min_length=1, max_length=63, pattern=_COMPUTE, description="What kind of sandbox.")
    secrets: list[Declared] = Field(
        default_factory=list, max_length=256, description="What the agent gets: names, or names with `from`."
    )
    command: list[Word] | None = Field(default=None, min_length=1, max_length=256)
    args: list[Word] | None = Field(default=None, max_length=256)
    resources: Resources | None = None
    restart_policy: Literal["Never", "OnFailure", "Always"] = "Never"
    active_deadline_seconds: Span | None = None
    ttl_seconds_after_finished: Rest | None = None
    secrets_deadline_seconds: Deadline = 300
    start_deadline_seconds: Deadline = 300

    @model_validator(mode="after")
    def _check(self) -> Self:
        # An agent is read whole, with others of its page and by the operator: one must not take the memory of all.
        if sum(len(word.encode()) for word in [*(self.command or ()), *(self.args or ())]) > _MAX_WORDS:
            raise ValueError(f"command and args have {_MAX_WORDS} bytes together at most")
        return self


class AgentSecret(Wire):
    """A declared secret, and which version of it the sandbox has."""

    name: str
    source: str = Field(alias="from")
    updated_at: Time | None = Field(description="Null until there is a sandbox, and for an optional one that it lacks.")


class Agent(Wire):
    """One run of one sandbox."""

    id: str
    session_id: str
    compute: str
    phase: Phase
    reason: str | None = Field(description="One word, as in docs/reasons.md; null before the operator has looked.")
    message: str | None
    stalled: bool = Field(description="Whether it goes on only after somebody has changed something.")
    secrets: list[AgentSecret]
    pod_name: str | None
    exit_code: int | None
    created_at: Time
    started_at: Time | None
    finished_at: Time | None


class AgentList(Wire):
    """A page of agents."""

    agents: list[Agent]
    next_cursor: str | None = Field(description="For the parameter `cursor` of the next request; null at the end.")
