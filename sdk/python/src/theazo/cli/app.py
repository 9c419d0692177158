"""Puts the commands together and runs one: the one place where exceptions become lines and exit codes."""

import os
import sys
import traceback
from collections.abc import Sequence

from cyclopts import App, Parameter
from cyclopts.exceptions import CycloptsError

from theazo.cli.terminal import Refused, say
from theazo.cli.usage import explain, program

HELP = """\
Sets secrets and runs agents through the REST API, seals secrets for Git, and
registers platforms.

Values are never printed, and never taken from arguments.
Exit codes: 0 done, 1 refused or failed, 2 wrong arguments,
3 `agents wait` not in time or `diff` found differences."""

# Each group of commands is an `app` in a file of its own, imported when it is called: what one needs costs no other.
COMMANDS = (
    ("seal", "theazo.cli.seal:app", "Seals values for one session: makes or extends a TheazoSecret."),
    ("verify", "theazo.cli.verify:app", "Says of sealed files what can be said without a cluster."),
    ("diff", "theazo.cli.diff:app", "Compares sealed files with the cluster, by names and ages."),
    ("session-name", "theazo.cli.sessions:app", "Prints the name of a user's session."),
    ("platforms", "theazo.cli.platforms:app", "Adds, lists and removes platforms."),
    ("sessions", "theazo.cli.api_sessions:app", "Makes, lists and ends sessions, through the REST API."),
    ("secrets", "theazo.cli.api_secrets:app", "Sets, lists and deletes secrets, through the REST API."),
    ("agents", "theazo.cli.api_agents:app", "Starts, lists and ends agents, through the REST API; shows their logs."),
    ("api-keys", "theazo.cli.api_keys:app", "Makes, lists and revokes keys of the REST API."),
    ("explain", "theazo.cli.explain:app", "Says why an agent is not running."),
    ("doctor", "theazo.cli.doctor:app", "Checks that all is installed right."),
    ("completion", "theazo.cli.completion:app", "Prints a script that completes commands in a shell."),
)


def _version() -> str:
    from importlib.metadata import version  # noqa: PLC0415 - 40 ms that one option needs

    return version("theazo")


app = App(
    name=program(),
    help=HELP,
    help_format="plaintext",
    version=_version,
    default_parameter=Parameter(negative="", show_default=False),
    result_action="return_value",
    suppress_keyboard_interrupt=False,
)
for _name, _path, _help in COMMANDS:
    app.command(_path, name=_name, help=_help)


def run(arguments: Sequence[str]) -> int:
    """Runs one command line and returns its exit code. What is raised on purpose becomes one line a problem."""
    try:
        app(arguments, exit_on_error=False, print_error=False)
        sys.stdout.flush()
    except CycloptsError as error:
        say("error", explain(error, arguments))
        return 2
    except Refused as refusal:
        for problem in refusal.problems:
            say("error", problem)
        return refusal.code
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        # Else the interpreter would try to flush once more when it ends, and say so.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    except Exception as error:  # noqa: BLE001 - the last line of defence: an exception's text may hold a value
        sys.stderr.writelines(traceback.format_tb(error.__traceback__))
        say("error", f"a fault of this program ({type(error).__name__}); report it with the lines above")
        return 1
    return 0
