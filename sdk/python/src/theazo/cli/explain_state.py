"""Reads what decides about one agent. What the account may not read is noted and explained without."""

from dataclasses import dataclass
from functools import partial
from typing import Any

from theazo.cli import registry
from theazo.cli.agent_logs import missing
from theazo.cli.cluster import Cluster, Denied, items, segment

Found = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Observed:
    """The agent and all around it; None where there is none. `unread` has the names of fields nobody could read."""

    platform: str
    home: str
    agent: Found
    namespace: Found | None
    bindings: dict[str, Found | None]
    operator: Found | None
    session: Found | None
    sealed: Found | None
    key: Found | None
    compute: Found | None
    pod: Found | None
    events: list[Found]
    unread: frozenset[str]

    @property
    def name(self) -> str:
        """The agent's name."""
        return str(self.agent["metadata"]["name"])

    @property
    def status(self) -> Found:
        """The agent's status."""
        return self.agent.get("status") or {}

    @property
    def words(self) -> dict[str, str]:
        """What the texts of explain_reasons.py have fields for."""
        return {
            "agent": self.name,
            "platform": self.platform,
            "home": self.home,
            "session": session_of(self.agent),
            "compute": compute_of(self.agent),
        }


def session_of(agent: Found) -> str:
    """The name of the agent's session."""
    return str(agent["spec"]["sessionRef"]["name"])


def compute_of(agent: Found) -> str:
    """The name of the agent's compute."""
    return str(agent["spec"]["compute"])


def condition(found: Found | None, kind: str) -> Found:
    """A condition of an object; an empty one where it has none of that kind."""
    rows = ((found or {}).get("status") or {}).get("conditions") or ()
    return next((row for row in rows if row.get("type") == kind), {})


def observe(cluster: Cluster, platform: str, name: str, home: str) -> Observed:
    """Reads everything.

    Raises:
        Refused: if there is no such agent, or it can't be read.
    """
    ours, core = f"/apis/theazo.dev/v1alpha1/namespaces/{platform}", f"/api/v1/namespaces/{platform}"
    at_home = f"/api/v1/namespaces/{segment(home)}"
    agent = cluster.get(f"{ours}/theazoagents/{segment(name)}", f"read the agent {name}")
    if agent is None:
        raise missing(platform, name)
    unread: set[str] = set()
    read = partial(_read, cluster, unread)
    session, pod_name = segment(session_of(agent)), (agent.get("status") or {}).get("podName")
    template = f"podtemplates/{segment(compute_of(agent))}"
    return Observed(
        platform=platform,
        home=home,
        agent=agent,
        namespace=read("namespace", f"/api/v1/namespaces/{platform}"),
        bindings={each: read(each, registry.binding_path(platform, each)) for each in registry.BINDINGS},
        operator=read("operator", f"/apis/apps/v1/namespaces/{segment(home)}/deployments/theazo-operator"),
        session=read("session", f"{ours}/theazosessions/{session}"),
        sealed=read("sealed", f"{ours}/theazosecrets/{session}"),
        key=read("key", f"{at_home}/configmaps/sealing-key-{platform}"),
        # A platform's own compute counts where the operator allows that, and where there is none of that name at home.
        compute=read("compute", f"{at_home}/{template}") or read("platform's compute", f"{core}/{template}"),
        pod=read("pod", f"{core}/pods/{segment(pod_name)}") if pod_name else None,
        events=_events(read, core, str(pod_name)) if pod_name else [],
        unread=frozenset(unread),
    )


def _events(read: Any, core: str, pod: str) -> list[Found]:  # noqa: ANN401 - a partial of the function below
    return items(read("events", f"{core}/events", fieldSelector=f"involvedObject.kind=Pod,involvedObject.name={pod}"))


def _read(cluster: Cluster, unread: set[str], field: str, path: str, **query: str) -> Found | None:
    try:
        return cluster.get(path, f"read the {field}", **query)
    except Denied:
        unread.add(field)
        return None
