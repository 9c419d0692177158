"""`theazo sessions`: the sessions of a platform, through the REST API."""

from typing import Annotated

from cyclopts import App, Parameter
from cyclopts.validators import Number

from theazo.cli.api import ApiOptions, Whose, connected, document, one_of, when
from theazo.cli.output import Output, age, show
from theazo.cli.terminal import out, say
from theazo.client import Session

app = App(name="sessions", help="Makes, lists and ends sessions, through the REST API.")


@app.command(
    help_epilogue="Examples:\n\n  theazo sessions create user_123\n  theazo sessions create user_1 --ttl 3600 -o name\n"
)
def create(
    user: str,
    /,
    *,
    ttl: Annotated[int | None, Parameter(metavar="SECONDS", validator=Number(gte=1))] = None,
    output: Output = "table",
    api: ApiOptions | None = None,
) -> None:
    """Gets a user's session, or makes it.

    Args:
        user: The platform's own name for its user, up to 256 characters.
        ttl: When a new session ends with all it holds. Default: when it is deleted. One that is there stays as it is.
        output: table, wide (a table with more columns), name (the id alone), json or yaml.
        api: Which API.
    """
    with connected(api) as theazo:
        session = theazo.sessions.for_user(user, ttl)
    _show(output, [session], one=True)


@app.command(name="list", help_epilogue="Examples:\n\n  theazo sessions list\n  theazo sessions list -o json\n")
def list_(
    *,
    user: Annotated[str | None, Parameter(metavar="USER")] = None,
    output: Output = "table",
    api: ApiOptions | None = None,
) -> None:
    """Lists the sessions of the API key's platform.

    Args:
        user: This user's alone.
        output: table, wide (a table with more columns), name (ids alone), json or yaml.
        api: Which API.
    """
    with connected(api) as theazo:
        found = list(theazo.sessions.list(user))
    _show(output, found)
    if not found:
        say("note", "no sessions; `theazo sessions create USER` makes one")


@app.command(
    help_epilogue="Examples:\n\n  theazo sessions get --user user_123\n  theazo sessions get --session s-abcd -o yaml\n"
)
def get(*, whose: Whose | None = None, output: Output = "table", api: ApiOptions | None = None) -> None:
    """Shows one session.

    Args:
        whose: Which session.
        output: table, wide (a table with more columns), name (the id alone), json or yaml.
        api: Which API.
    """
    whose = one_of(whose)
    with connected(api) as theazo:
        session = whose.found(theazo)
    _show(output, [session], one=True)


@app.command(help_epilogue="Examples:\n\n  theazo sessions delete --user user_123\n")
def delete(*, whose: Whose | None = None, api: ApiOptions | None = None) -> None:
    """Ends a session, with its secrets and agents.

    Args:
        whose: Which session.
        api: Which API.
    """
    whose = one_of(whose)
    with connected(api) as theazo:
        session = whose.found(theazo)
        session.delete()
    out(f"session {session.id} deleted\n")


def _show(output: Output, sessions: list[Session], *, one: bool = False) -> None:
    documents = [document(session) for session in sessions]
    show(
        output,
        ("ID", "USER", "AGE", "EXPIRES", "PLATFORM", "SEALING ID"),
        [_row(session) for session in sessions],
        documents[0] if one else {"sessions": documents},
        [session.id for session in sessions],
        wide=3,
    )


def _row(session: Session) -> tuple[str, ...]:
    expires = when(session.expires_at) if session.expires_at else "<never>"
    return session.id, session.user, age(when(session.created_at)), expires, session.platform, session.sealing_id
