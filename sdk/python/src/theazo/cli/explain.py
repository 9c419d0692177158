"""`theazo explain`: why an agent is not running, in words."""

from dataclasses import asdict
from typing import Annotated, Any, Literal

from cyclopts import App, Parameter

from theazo.cli import registry
from theazo.cli.agent_logs import checked
from theazo.cli.cluster import Cluster, ClusterOptions
from theazo.cli.explain_facts import facts, ready
from theazo.cli.explain_reasons import REASONS
from theazo.cli.explain_state import Observed, condition, observe
from theazo.cli.findings import write
from theazo.cli.output import age, document, spinner
from theazo.cli.terminal import Refused

EXAMPLES = """\
Examples:

  theazo explain hello -n acme
  theazo explain hello -n acme -o json
"""

app = App(name="explain", help_epilogue=EXAMPLES)


@app.default
def explain(
    agent: str,
    /,
    *,
    platform: Annotated[str, Parameter(name=["--platform", "-n"], metavar="NAMESPACE")],
    output: Annotated[Literal["text", "json", "yaml"], Parameter(name=["--output", "-o"], show_default=True)] = "text",
    cluster: ClusterOptions | None = None,
) -> None:
    """Says why an agent is not running, and what to do.

    Reads the agent and all around it: platform, session, the names of its secrets,
    compute, pod, events, operator. Shows names, times and fingerprints, never
    ciphertext. What your account may not read is said and left out.
    Exit code 0 if it runs or succeeded, 1 otherwise.

    Args:
        agent: The agent's name, which the API calls its id.
        platform: The platform, which is a namespace.
        output: text, json or yaml.
        cluster: Which cluster.
    """
    options = cluster or ClusterOptions()
    with spinner("Looking at the agent"):
        name, connection = checked(agent), Cluster(options)
        seen = observe(connection, registry.checked(platform), name, options.operator_namespace)
    well = _phase(seen) in {"Running", "Succeeded"}
    if output == "text":
        said = {"The operator says": _said(seen), "What to do": _remedy(seen)}
        write(facts(seen), before=[_verdict(seen), *(f"{who}: {what}" for who, what in said.items() if what)])
    else:
        document(output, _document(seen, well=well))
    if not well:
        raise Refused


def _phase(seen: Observed) -> str:
    return str(seen.status.get("phase") or "Pending")


def _decisive(seen: Observed) -> dict[str, Any]:
    """The condition that says most: what a person must do, else what is waited for, else how it is."""
    rows = (condition(seen.agent, kind) for kind in ("Stalled", "Reconciling", "Ready"))
    return next((row for row in rows if row.get("status") == "True"), {})


def _verdict(seen: Observed) -> str:
    subject, found = f"agent {seen.name} of platform {seen.platform}", _decisive(seen)
    if seen.agent["metadata"].get("deletionTimestamp"):
        return f"{subject} is being deleted"
    if not found:
        return f"{subject} is not running: {_unseen(seen)}"
    words = REASONS.get(found["reason"])
    what = words.what.format_map(seen.words) if words else f"its reason is {found['reason']}"
    match _phase(seen):
        case "Running":
            return f"{subject} runs, since {age(seen.status.get('startTime'))}"
        case "Succeeded":
            return f"{subject} succeeded: {what}"
        case "Failed":
            return f"{subject} failed: {what}"
    state = "is stuck" if found["type"] == "Stalled" else "is not running yet"
    return f"{subject} {state}, for {age(seen.status.get('firstObservedTime'))}: {what}{_halted(seen)}"


def _unseen(seen: Observed) -> str:
    if seen.namespace is not None and registry.LABEL not in registry.labels(seen.namespace):
        return REASONS["PlatformNotFound"].what.format_map(seen.words)
    return f"the operator has not looked at it yet{_halted(seen)}"


def _halted(seen: Observed) -> str:
    known = "operator" not in seen.unread
    return (
        "; and the operator is not ready, so nothing changes until it is" if known and not ready(seen.operator) else ""
    )


def _said(seen: Observed) -> str:
    return "" if _phase(seen) in {"Running", "Succeeded"} else str(_decisive(seen).get("message") or "")


def _remedy(seen: Observed) -> str:
    words = REASONS.get(_decisive(seen).get("reason", ""))
    return words.remedy.format_map(seen.words) if words else ""


def _document(seen: Observed, *, well: bool) -> dict[str, Any]:
    return {
        "agent": seen.name,
        "platform": seen.platform,
        "phase": _phase(seen),
        "reason": _decisive(seen).get("reason"),
        "well": well,
        "verdict": _verdict(seen),
        "message": _said(seen),
        "remedy": _remedy(seen),
        "exitCode": seen.status.get("exitCode"),
        "facts": [asdict(each) for each in facts(seen)],
    }
