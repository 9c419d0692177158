"""All that ever was of a kind, also what came and went between two looks.

The API server forgets its history after some minutes, and a story of kills may take longer; so it is followed.
"""

import threading
from contextlib import ExitStack
from types import TracebackType
from typing import Self
from uuid import uuid4

from tests.support.api import Api, Manifest, path
from tests.support.cluster import wait_until
from tests.support.history import Life, history, lives_in, version
from tests.support.manifests import agent

_AGENT = "theazo.dev/agent"
#: What shows, by coming last, that all before it was seen. Nobody has anything to do with any of them.
_MARKERS: dict[str, Manifest] = {
    "Pod": {
        "apiVersion": "v1",
        "kind": "Pod",
        "spec": {"schedulerName": "none", "containers": [{"name": "none", "image": "none"}]},
    },
    "Secret": {"apiVersion": "v1", "kind": "Secret"},
    "TheazoAgent": agent(session_name="nobody"),
}


class Following:
    """Follows a kind in a namespace, or in all, in a thread of its own. No gap: each watch goes on where one ended."""

    def __init__(self, api: Api, kind: str, namespace: str = "") -> None:
        self._api = api
        self._kind = kind
        self._namespace = namespace
        self._changes: list[tuple[str, Manifest]] = []
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"following {kind}", daemon=True)

    def __enter__(self) -> Self:
        where = path(self._kind, self._namespace)
        self._since = str(self._api.get(where, limit="1").ok()["metadata"]["resourceVersion"])
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join()

    def changes(self, agent: str = "") -> list[tuple[str, Manifest]]:
        """Each change so far in its order, as `history` gives them; of one agent's objects, or of all."""
        return [each for each in list(self._changes) if agent in {"", _agent_of(each[1])}]

    def catch_up(self, namespace: str = "") -> None:
        """Wait until all that has happened has been seen: events come in order, so a last one shows that.

        Args:
            namespace: for that last one, where all namespaces are followed.
        """
        namespace, name = namespace or self._namespace, f"marker-{uuid4().hex[:8]}"
        marker = _MARKERS[self._kind]
        self._api.create(marker | {"metadata": {"name": name, "namespace": namespace}}).ok()
        wait_until(f"{self._thread.name} is up to date", lambda: any(_is(obj, name) for _, obj in self.changes()))
        self._api.delete(path(self._kind, namespace, name)).ok()

    def _run(self) -> None:
        while not self._stop.is_set():
            for change, obj in history(self._api, self._kind, self._namespace, self._since):
                self._since = obj["metadata"]["resourceVersion"]
                obj.pop("data", None)  # nobody needs the values
                self._changes.append((change, obj))


def _is(obj: Manifest, name: str) -> bool:
    return bool(obj["metadata"]["name"] == name)


def _agent_of(obj: Manifest) -> str:
    metadata = obj["metadata"]
    return str((metadata.get("labels") or {}).get(_AGENT, metadata["name"]))


class Seen:
    """The Pods, Secrets and agents that there were in a platform, up to the last call of `catch_up`."""

    def __init__(self, api: Api, namespace: str) -> None:
        self._stack = ExitStack()
        self._pods, self._secrets, self._agents = self._all = tuple(
            Following(api, kind, namespace) for kind in ("Pod", "Secret", "TheazoAgent")
        )

    def __enter__(self) -> Self:
        for each in self._all:
            self._stack.enter_context(each)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def catch_up(self) -> None:
        """Wait until all that has happened has been seen."""
        for each in self._all:
            each.catch_up()

    def pods(self, agent: str) -> set[str]:
        """The UIDs of all Pods that an agent has had."""
        return {pod["metadata"]["uid"] for _, pod in self._pods.changes(agent)}

    def started(self, agent: str) -> set[str]:
        """The UIDs of those of an agent's Pods whose container ran."""
        return {pod["metadata"]["uid"] for _, pod in self._pods.changes(agent) if _has_run(pod)}

    def lives(self) -> list[Life]:
        """Each pod-scoped Secret."""
        return lives_in(self._secrets.changes())

    def no_longer_needed(self, agent: str) -> int | None:
        """The place in the history where an agent was first on record as one whose sandbox will not start again."""
        for _, obj in self._agents.changes(agent):
            over = {"Succeeded", "Failed"} | ({"Running"} if _runs_once(obj) else set())
            if obj.get("status", {}).get("phase") in over:
                return version(obj)
        return None


def _runs_once(agent: Manifest) -> bool:
    return bool(agent["spec"].get("restartPolicy", "Never") == "Never")


def _has_run(pod: Manifest) -> bool:
    states = [each.get("state") or {} for each in (pod.get("status") or {}).get("containerStatuses") or ()]
    return any("running" in state or "terminated" in state for state in states)
