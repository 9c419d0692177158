"""`theazo session-name`: the name that a user's session has, without asking anybody."""

from typing import Annotated

from cyclopts import App, Parameter

from theazo.cli.terminal import Misused, out
from theazo.errors import InvalidName
from theazo.rules import session_name

EXAMPLES = """\
Examples:

  theazo session-name user_123 -n acme
  kubectl get -n acme theazosession/$(theazo session-name user_123 -n acme)
"""


app = App(name="session-name", help_epilogue=EXAMPLES)


@app.default
def print_session_name(
    user: str,
    /,
    *,
    platform: Annotated[str, Parameter(name=["--platform", "-n"], metavar="NAMESPACE")],
) -> None:
    """Prints the name of a user's session.

    It depends on the platform and the user alone, so it is the same everywhere. Asks no cluster.

    Args:
        user: The platform's own name for its user, up to 256 characters.
        platform: The platform, which is a namespace.
    """
    try:
        out(f"{session_name(platform, user)}\n")
    except InvalidName as error:
        raise Misused(str(error)) from None
