"""The options of `theazo agents create` that say what an agent gets."""

from dataclasses import dataclass, field
from typing import Annotated, Literal

from cyclopts import Group, Parameter

from theazo.cli.terminal import Misused
from theazo.cli.usage import NEVER_AN_ARGUMENT
from theazo.errors import InvalidName
from theazo.models import AgentOptions, Resources, SecretSpec
from theazo.rules import check_name


@Parameter(name="*", group=Group("Agent", sort_key=1))
@dataclass(frozen=True, kw_only=True)
class RunOptions:
    """What an agent gets, and how long."""

    secret: Annotated[
        list[str],
        Parameter(
            metavar="NAME",
            help="A secret that it gets, as the variable NAME; VARIABLE:NAME for another variable. Repeatable.",
        ),
    ] = field(default_factory=list)
    optional_secret: Annotated[
        list[str], Parameter(metavar="NAME", help="The same, but it starts without it too. Repeatable.")
    ] = field(default_factory=list)
    as_args: Annotated[bool, Parameter(help="What follows `--` are arguments of the compute's own command.")] = False
    limit: Annotated[
        list[str],
        Parameter(metavar="RESOURCE=AMOUNT", help="The most that it may use, such as memory=256Mi. Repeatable."),
    ] = field(default_factory=list)
    request: Annotated[
        list[str], Parameter(metavar="RESOURCE=AMOUNT", help="What is set aside for it. Repeatable.")
    ] = field(default_factory=list)
    restart_policy: Annotated[
        Literal["Never", "OnFailure", "Always"] | None,
        Parameter(metavar="POLICY", help="Whether what ends is started again. Default: Never."),
    ] = None
    active_deadline: Annotated[
        int | None, Parameter(metavar="SECONDS", help="How long it may run. Default: without end.")
    ] = None
    ttl: Annotated[
        int | None, Parameter(metavar="SECONDS", help="When it is deleted after its end. Default: never.")
    ] = None
    secrets_deadline: Annotated[
        int | None,
        Parameter(metavar="SECONDS", help="How long it waits for what is missing before it is stalled. Default: 300."),
    ] = None
    start_deadline: Annotated[
        int | None, Parameter(metavar="SECONDS", help="How long the sandbox may take to start. Default: 300.")
    ] = None
    idempotency_key: Annotated[
        str | None, Parameter(metavar="KEY", help="With the same key, the same agent is not made twice.")
    ] = None

    def secrets(self) -> list[str | SecretSpec]:
        """What is declared.

        Raises:
            Misused: if a name can't be one.
        """
        declared = [_declared(each, "--secret") for each in self.secret]
        optional = [_declared(each, "--optional-secret") for each in self.optional_secret]
        for each in optional:
            each["optional"] = True
        return [*declared, *optional]

    def options(self, command: tuple[str, ...]) -> AgentOptions:
        """The rest.

        Raises:
            Misused: if an amount isn't RESOURCE=AMOUNT, or `as_args` has no arguments.
        """
        if self.as_args and not command:
            raise Misused("--as-args goes with arguments after --")
        if not self.as_args and command and "=" in command[0]:
            raise Misused(f"the command begins with what is no program; {NEVER_AN_ARGUMENT} of `theazo secrets set`")
        resources = Resources()
        if self.limit:
            resources["limits"] = _amounts(self.limit, "--limit")
        if self.request:
            resources["requests"] = _amounts(self.request, "--request")
        return AgentOptions(
            command=None if self.as_args or not command else command,
            args=command if self.as_args else None,
            resources=resources or None,
            restart_policy=self.restart_policy,
            active_deadline_seconds=self.active_deadline,
            ttl_seconds_after_finished=self.ttl,
            secrets_deadline_seconds=self.secrets_deadline,
            start_deadline_seconds=self.start_deadline,
        )


def _declared(text: str, option: str) -> SecretSpec:
    if "=" in text:
        raise Misused(f"{option} takes a name: {NEVER_AN_ARGUMENT} of `theazo secrets set`")
    variable, _, secret = text.partition(":")
    try:
        check_name(variable)
        check_name(secret or variable)
    except InvalidName as error:
        raise Misused(f"{option}: {error}") from None
    return {"name": variable, "from": secret} if secret else {"name": variable}


def _amounts(given: list[str], option: str) -> dict[str, str]:
    pairs = [text.partition("=") for text in given]
    if not all(name and amount for name, _, amount in pairs):
        raise Misused(f"{option} is RESOURCE=AMOUNT, such as memory=256Mi")
    found = {name: amount for name, _, amount in pairs}
    if len(found) < len(given):
        raise Misused(f"{option} has a resource twice; keep one")
    return found
