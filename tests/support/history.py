"""What happened on the cluster, told afterwards: by the API server's own history, and by its audit log.

So no test has to look at the right moment. Changes of all kinds are in one order: the resourceVersions of one etcd.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from hack.cluster import paths
from tests.support.api import Api, Manifest, path
from tests.support.cluster import OPERATOR, SYSTEM

OPERATOR_USER = f"system:serviceaccount:{SYSTEM}:{OPERATOR}"


def version(obj: Manifest) -> int:
    """The place of a change in the order of all changes."""
    return int(obj["metadata"]["resourceVersion"])


def history(api: Api, kind: str, namespace: str, since: str) -> list[tuple[str, Manifest]]:
    """Each change in a namespace since a resourceVersion: ADDED, MODIFIED or DELETED, and the object after it."""
    query = {"watch": "true", "resourceVersion": since, "timeoutSeconds": "1"}
    events = api.stream(path(kind, namespace), query)
    assert all(event["type"] in {"ADDED", "MODIFIED", "DELETED"} for event in events), events
    return [(event["type"], event["object"]) for event in events]


@dataclass(frozen=True, slots=True)
class Life:
    """A pod-scoped Secret as it was created, and when it was deleted: its place in the order of changes."""

    created: Manifest
    deleted: int | None

    @property
    def name(self) -> str:
        """The Secret's name."""
        return str(self.created["metadata"]["name"])

    @property
    def agent(self) -> str:
        """The name of the agent that it was made for."""
        return str(self.created["metadata"]["labels"]["theazo.dev/agent"])


def lives(api: Api, namespace: str, since: str) -> list[Life]:
    """Every pod-scoped Secret that was created in a namespace."""
    return lives_in(history(api, "Secret", namespace, since))


def lives_in(changes: Iterable[tuple[str, Manifest]]) -> list[Life]:
    """Every pod-scoped Secret that was created, by all changes of Secrets."""
    found: dict[str, Life] = {}
    for change, obj in changes:
        name = obj["metadata"]["name"]
        if not name.startswith("thz-"):
            continue
        if change == "ADDED":
            assert name not in found, f"the name {name} was used twice"
            found[name] = Life(obj, None)
        elif change == "DELETED":
            found[name] = Life(found[name].created, version(obj))
    return list(found.values())


@dataclass(frozen=True, slots=True)
class Call:
    """One request that the API server answered."""

    verb: str
    what: str
    """The resource with its subresource: `theazoagents/status`."""
    name: str
    code: int
    received: datetime
    uri: str

    def __str__(self) -> str:
        return f"{self.verb} {self.what}"


class Audit:
    """The operator's requests since this was made, watches left out."""

    def __init__(self) -> None:
        self._offset = paths.audit_log().stat().st_size

    def calls(self, namespace: str = "") -> list[Call]:
        """Those that named a namespace, or with none given all."""
        found = []
        with paths.audit_log().open("rb") as log:
            log.seek(self._offset)
            for line in log:
                if OPERATOR_USER.encode() not in line or not line.endswith(b"\n"):
                    continue
                call = json.loads(line)
                reference = call.get("objectRef", {})
                ours = call["user"]["username"] == OPERATOR_USER and call["stage"] == "ResponseComplete"
                if ours and call["verb"] != "watch" and namespace in {"", reference.get("namespace")}:
                    found.append(_call(call, reference))
        return found

    def writes(self, namespace: str = "") -> list[Call]:
        """Those that may have changed something."""
        return [call for call in self.calls(namespace) if call.verb not in {"get", "list"}]


def _call(call: Manifest, reference: Manifest) -> Call:
    what = "/".join(filter(None, [reference.get("resource"), reference.get("subresource")]))
    code = call.get("responseStatus", {}).get("code", 0)
    received = datetime.fromisoformat(call["requestReceivedTimestamp"])
    return Call(call["verb"], what, reference.get("name", ""), code, received, call["requestURI"])
