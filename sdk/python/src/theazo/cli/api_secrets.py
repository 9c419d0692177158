"""`theazo secrets`: the secrets of a session, through the REST API. Values go in only, and sealed."""

from typing import Annotated

from cyclopts import App, Parameter

from theazo.cli.api import ApiOptions, Whose, connected, document, one_of, when
from theazo.cli.inputs import Sources, gather
from theazo.cli.output import Output, age, show
from theazo.cli.terminal import Misused, Refused, out, say
from theazo.errors import InvalidName, SecretNotFound
from theazo.rules import check_name

app = App(name="secrets", help="Sets, lists and deletes the secrets of a session, through the REST API.")

EXAMPLES = """\
Examples:

  theazo secrets set --user user_123 --env-file .env --required OPENAI_API_KEY
  theazo secrets set --user user_123 --prompt OPENAI_API_KEY
  pass stripe | theazo secrets set --session s-abcd --stdin STRIPE_KEY
"""


@app.command(name="set", help_epilogue=EXAMPLES)
def set_(
    *,
    whose: Whose | None = None,
    sources: Sources | None = None,
    required: Annotated[list[str] | None, Parameter(metavar="NAME")] = None,
    api: ApiOptions | None = None,
) -> None:
    """Sets or overwrites secrets, all of them or none; others stay.

    Values are sealed before they are sent. Running agents keep what they have, new
    ones get the new values. With --user the session is made if there is none.

    Args:
        whose: Whose secrets.
        sources: Where the values come from.
        required: Set nothing unless this name is among the values. Repeatable.
        api: Which API.
    """
    whose = one_of(whose)
    sources = sources or Sources()
    sources.check()
    for name in required or ():
        _check(name, "--required")
    values = gather(sources)
    with connected(api) as theazo:
        if missing := [name for name in required or () if name not in values]:
            raise Refused(f"no value for {', '.join(missing)}, which --required names; nothing was set")
        session = whose.made(theazo)
        session.secrets.set(values)
    say("note", f"set {len(values)} secret{'s' * (len(values) > 1)} of session {session.id}")


@app.command(name="list", help_epilogue="Examples:\n\n  theazo secrets list --user user_123\n")
def list_(*, whose: Whose | None = None, output: Output = "table", api: ApiOptions | None = None) -> None:
    """Lists the names of a session's secrets, never values.

    Args:
        whose: Whose secrets.
        output: table, wide (a table with more columns), name (names alone), json or yaml.
        api: Which API.
    """
    whose = one_of(whose)
    with connected(api) as theazo:
        found = whose.found(theazo).secrets.list()
    show(
        output,
        ("NAME", "AGE", "UPDATED", "CREATED AT", "UPDATED AT"),
        [
            (each.name, *(age(when(time)) for time in times), *map(when, times))
            for each in found
            for times in [(each.created_at, each.updated_at)]
        ],
        {"secrets": [document(each) for each in found]},
        [each.name for each in found],
        wide=3,
    )
    if not found:
        say("note", "no secrets; `theazo secrets set` sets some")


@app.command(help_epilogue="Examples:\n\n  theazo secrets delete OPENAI_API_KEY STRIPE_KEY --user user_123\n")
def delete(
    names: Annotated[list[str], Parameter(metavar="NAME...")],
    /,
    *,
    whose: Whose | None = None,
    api: ApiOptions | None = None,
) -> None:
    """Deletes secrets for good.

    Running agents keep them; new ones that declare them fail.

    Args:
        names: Their names.
        whose: Whose secrets.
        api: Which API.
    """
    whose = one_of(whose)
    for position, name in enumerate(names, start=1):
        _check(name, f"name {position}")
    missing = []
    with connected(api) as theazo:
        session = whose.found(theazo)
        for name in dict.fromkeys(names):
            try:
                session.secrets.delete(name)
            except SecretNotFound:
                missing.append(name)
            else:
                out(f"secret {name} deleted\n")
    if missing:
        raise Refused(
            *(f"session {session.id} has no secret {name}; `theazo secrets list` shows them" for name in missing)
        )


def _check(name: str, place: str) -> None:
    try:
        check_name(name)
    except InvalidName as error:
        raise Misused(f"{place}: {error}") from None
