"""All Pods that were ever there in a namespace, also those that came and went between two looks."""

import threading
from collections import defaultdict
from types import TracebackType
from typing import Any, Self
from uuid import uuid4

from kubernetes.client import ApiClient, CoreV1Api
from kubernetes.watch import Watch

from tests.support.api import Api, path
from tests.support.cluster import wait_until

_AGENT = "theazo.dev/agent"
_ROUND_SECONDS = 2  # how long one watch request takes, and so at most the end of it


class PodWatch:
    """Watches in a thread of its own, without a gap: each request goes on where the last one ended."""

    def __init__(self, client: ApiClient, namespace: str) -> None:
        self._core = CoreV1Api(client)
        self._namespace = namespace
        self._uids: dict[str, set[str]] = defaultdict(set)
        self._started: set[str] = set()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="podwatch", daemon=True)

    def __enter__(self) -> Self:
        self._since = "0"  # from whatever is there
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join()

    def uids(self, agent: str) -> set[str]:
        """The UIDs of all Pods that an agent has had, up to the last call of `catch_up`."""
        return set(self._uids[agent])

    def started(self, agent: str) -> set[str]:
        """The UIDs of those of an agent's Pods whose container ran."""
        return self._uids[agent] & self._started

    def catch_up(self, api: Api) -> None:
        """Wait until all that has happened has been seen: events come in order, so a last Pod shows that."""
        name = f"marker-{uuid4().hex[:8]}"
        containers = [{"name": "none", "image": "none"}]
        api.create(
            {
                "apiVersion": "v1",
                "kind": "Pod",
                "metadata": {"name": name, "namespace": self._namespace},
                "spec": {"schedulerName": "none", "containers": containers},
            }
        ).ok()
        wait_until("the watch of the Pods is up to date", lambda: name in self._uids)
        api.delete(path("Pod", self._namespace, name)).ok()

    def _run(self) -> None:
        while not self._stop.is_set():
            for event in Watch().stream(
                self._core.list_namespaced_pod,
                self._namespace,
                resource_version=self._since,
                timeout_seconds=_ROUND_SECONDS,
            ):
                self._take(event["raw_object"])

    def _take(self, pod: dict[str, Any]) -> None:
        metadata = pod["metadata"]
        self._since = metadata["resourceVersion"]
        self._uids[(metadata.get("labels") or {}).get(_AGENT, metadata["name"])].add(metadata["uid"])
        states = [each.get("state") or {} for each in (pod.get("status") or {}).get("containerStatuses") or ()]
        if any("running" in state or "terminated" in state for state in states):
            self._started.add(metadata["uid"])
