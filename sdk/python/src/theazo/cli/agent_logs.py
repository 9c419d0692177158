"""`theazo agents logs`: what a sandbox printed. With a kubeconfig, since the API does not have it."""

import sys
from typing import Annotated, BinaryIO

from cyclopts import App, Parameter
from cyclopts.validators import Number

from theazo.cli import registry
from theazo.cli.cluster import Cluster, ClusterOptions, segment
from theazo.cli.terminal import Misused, Refused
from theazo.errors import InvalidName
from theazo.rules import check_agent

CONTAINER = "sandbox"
EXAMPLES = """\
Examples:

  theazo agents logs hello -n acme
  theazo agents logs hello -n acme --follow --tail 20
"""


def register(app: App) -> None:
    """Adds the command `logs` to an app."""
    app.command(logs, name="logs", help_epilogue=EXAMPLES)


def logs(
    agent: str,
    /,
    *,
    platform: Annotated[str, Parameter(name=["--platform", "-n"], metavar="NAMESPACE")],
    follow: Annotated[bool, Parameter(name=["--follow", "-f"])] = False,
    tail: Annotated[int | None, Parameter(metavar="LINES", validator=Number(gte=0))] = None,
    previous: Annotated[bool, Parameter(name=["--previous", "-p"])] = False,
    cluster: ClusterOptions | None = None,
) -> None:
    """Prints what an agent's sandbox printed.

    Standard output gets it byte for byte. Theazo keeps values out of what it writes
    itself; what a program in a sandbox prints is up to that program, and may hold them.
    Needs a kubeconfig with the right to read agents and the logs of pods.

    Args:
        agent: The agent's name, which the API calls its id.
        platform: The platform, which is a namespace.
        follow: Go on as more is printed, until the sandbox ends.
        tail: Only so many of the last lines.
        previous: Of the container before its last restart.
        cluster: Which cluster.
    """
    connection = Cluster(cluster or ClusterOptions())
    pod = pod_of(connection, registry.checked(platform), checked(agent))
    query = {"container": CONTAINER, "follow": str(follow).lower(), "previous": str(previous).lower()}
    if tail is not None:
        query["tailLines"] = str(tail)
    path = f"/api/v1/namespaces/{segment(platform)}/pods/{segment(pod)}/log"
    pieces = connection.stream(path, f"read the logs of agent {agent}", **query)
    if pieces is None:
        raise Refused(f"the Pod {pod} of agent {agent} is gone, and its logs with it; {_explained(agent, platform)}")
    target = sys.stdout.buffer
    for piece in pieces:
        _write(target, piece)


def checked(agent: str) -> str:
    """`agent`, if an agent can have that name.

    Raises:
        Misused: if not.
    """
    try:
        check_agent(agent)
    except InvalidName as error:
        raise Misused(str(error)) from None
    return agent


def pod_of(cluster: Cluster, platform: str, agent: str) -> str:
    """The name of the agent's Pod.

    Raises:
        Refused: if there is no agent, or it has no Pod.
    """
    path = f"/apis/theazo.dev/v1alpha1/namespaces/{segment(platform)}/theazoagents/{segment(agent)}"
    found = cluster.get(path, f"read the agent {agent}")
    if found is None:
        raise missing(platform, agent)
    pod = (found.get("status") or {}).get("podName")
    if not pod:
        raise Refused(f"agent {agent} has no Pod yet, so no logs; {_explained(agent, platform)}")
    return str(pod)


def missing(platform: str, agent: str) -> Refused:
    """Says that there is no such agent."""
    return Refused(
        f"there is no agent {agent} in platform {platform}; see: kubectl get theazoagents -n {platform}. One with "
        "ttlSecondsAfterFinished is deleted after its end"
    )


def _explained(agent: str, platform: str) -> str:
    return f"`theazo explain {agent} -n {platform}` says why"


def _write(target: BinaryIO, piece: bytes) -> None:
    try:
        target.write(piece)
        target.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        raise Refused(f"cannot write to standard output: {error.strerror}") from None
