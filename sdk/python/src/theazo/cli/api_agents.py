"""`theazo agents`: the agents of a session, through the REST API."""

from typing import Annotated, Literal

from cyclopts import App, Parameter
from cyclopts.validators import Number

from theazo.cli import agent_logs
from theazo.cli.agent_options import RunOptions
from theazo.cli.api import ApiOptions, Whose, connected, document, one_of, when
from theazo.cli.output import Output, age, show, spinner
from theazo.cli.terminal import Refused, out, say
from theazo.client import Agent
from theazo.errors import WaitTimeout
from theazo.models import Phase

app = App(name="agents", help="Starts, lists and ends the agents of a session, through the REST API; shows their logs.")

EXAMPLES = """\
Examples:

  theazo agents create python --user user_123 --secret OPENAI_API_KEY
  theazo agents create python --user user_123 --secret KEY:STRIPE_KEY \\
      --limit memory=256Mi -- python -c 'print("hello")'
  id=$(theazo agents create python --user user_123 -o name)
  theazo agents wait $id --user user_123
"""


class TimedOut(Refused):
    """What was waited for did not happen in time."""

    code = 3


@app.command(help_epilogue=EXAMPLES)
def create(
    compute: str,
    command: Annotated[tuple[str, ...], Parameter(metavar="-- COMMAND...", allow_leading_hyphen=True)] = (),
    /,
    *,
    whose: Whose | None = None,
    run: RunOptions | None = None,
    output: Output = "table",
    api: ApiOptions | None = None,
) -> None:
    """Starts an agent, in a sandbox that has the declared secrets and no others.

    With --user the session is made if there is none. Never put a secret into the
    command: declare it, and read it from the environment.

    Args:
        compute: What kind of sandbox.
        command: What to run in place of the compute's own command, after `--`. Not run in a shell.
        whose: Whose agent.
        run: What it gets.
        output: table, wide (a table with more columns), name (the id alone), json or yaml.
        api: Which API.
    """
    whose = one_of(whose)
    run = run or RunOptions()
    options, secrets = run.options(command), run.secrets()
    with connected(api) as theazo:
        agent = whose.made(theazo).agents.create(compute, secrets, idempotency_key=run.idempotency_key, **options)
    _show(output, [agent], one=True)


@app.command(name="list", help_epilogue="Examples:\n\n  theazo agents list --user user_123 --phase Running -o name\n")
def list_(
    *,
    whose: Whose | None = None,
    phase: Annotated[Phase | None, Parameter(metavar="PHASE")] = None,
    output: Output = "table",
    api: ApiOptions | None = None,
) -> None:
    """Lists the agents of a session.

    Args:
        whose: Whose agents.
        phase: Pending, Running, Succeeded or Failed; those alone.
        output: table, wide (a table with more columns), name (ids alone), json or yaml.
        api: Which API.
    """
    whose = one_of(whose)
    with connected(api) as theazo:
        found = list(whose.found(theazo).agents.list(phase))
    _show(output, found)
    if not found:
        say("note", "no agents; `theazo agents create COMPUTE` starts one")


@app.command(help_epilogue="Examples:\n\n  theazo agents get a-abcd --user user_123 -o yaml\n")
def get(agent: str, /, *, whose: Whose | None = None, output: Output = "table", api: ApiOptions | None = None) -> None:
    """Shows one agent.

    Args:
        agent: Its id.
        whose: Whose agent.
        output: table, wide (a table with more columns), name (the id alone), json or yaml.
        api: Which API.
    """
    whose = one_of(whose)
    with connected(api) as theazo:
        found = whose.found(theazo).agents.get(agent)
    _show(output, [found], one=True)


@app.command(help_epilogue="Examples:\n\n  theazo agents wait a-abcd --user user_123 --until finished --timeout 600\n")
def wait(
    agent: str,
    /,
    *,
    whose: Whose | None = None,
    until: Annotated[Literal["running", "finished"], Parameter(show_default=True)] = "running",
    timeout: Annotated[float, Parameter(metavar="SECONDS", show_default=True, validator=Number(gte=0))] = 300.0,
    output: Output = "table",
    api: ApiOptions | None = None,
) -> None:
    """Waits until an agent runs, or has finished.

    Exit codes: 0 it does or has; 1 it cannot start or has failed, with the reason;
    3 it was not there in time.

    Args:
        agent: Its id.
        whose: Whose agent.
        until: running (or past that) or finished.
        timeout: How long to wait.
        output: table, wide (a table with more columns), name (the id alone), json or yaml.
        api: Which API.
    """
    whose = one_of(whose)
    with connected(api) as theazo:
        found = whose.found(theazo).agents.get(agent)
        try:
            with spinner(f"Waiting for agent {found.id}"):
                found.wait(until, timeout)
        except WaitTimeout as error:
            raise TimedOut(f"{error}; it goes on, so wait again or delete it") from None
    _show(output, [found], one=True)


@app.command(help_epilogue="Examples:\n\n  theazo agents delete a-abcd --user user_123\n")
def delete(
    agents: Annotated[list[str], Parameter(metavar="AGENT...")],
    /,
    *,
    whose: Whose | None = None,
    api: ApiOptions | None = None,
) -> None:
    """Ends agents, with their sandboxes.

    Args:
        agents: Their ids.
        whose: Whose agents.
        api: Which API.
    """
    whose = one_of(whose)
    for agent in agents:
        agent_logs.checked(agent)
    with connected(api) as theazo:
        session = whose.found(theazo)
        for agent in dict.fromkeys(agents):
            session.agents.delete(agent)
            out(f"agent {agent} deleted\n")


agent_logs.register(app)


def _show(output: Output, agents: list[Agent], *, one: bool = False) -> None:
    documents = [document(agent) for agent in agents]
    show(
        output,
        ("ID", "COMPUTE", "PHASE", "REASON", "EXIT", "AGE", "POD", "SECRETS", "MESSAGE"),
        [_row(agent) for agent in agents],
        documents[0] if one else {"agents": documents},
        [agent.id for agent in agents],
        wide=6,
    )


def _row(agent: Agent) -> tuple[str, ...]:
    exit_code = "" if agent.exit_code is None else str(agent.exit_code)
    names = ",".join(secret.name for secret in agent.secrets)
    seen = (agent.phase, agent.reason or "", exit_code, age(when(agent.created_at)))
    return agent.id, agent.compute, *seen, agent.pod_name or "", names, agent.message or ""
