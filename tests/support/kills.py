"""Killing the operator at any of its writes, and what has to be true in the end whatever was killed when."""

import hashlib
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from hack.cluster import paths
from tests.support.api import Api, Manifest, path
from tests.support.cluster import wait_until
from tests.support.operator import OperatorProcess
from tests.support.proxy import Fate, Hold, Proxy
from tests.support.sealing import sealed_secret
from tests.support.watches import Seen

#: Prints the digest of each declared value.
PRINT = """
import hashlib, json, os
print(json.dumps({name: hashlib.sha256(os.environb[name.encode()]).hexdigest() for name in ("A", "B")}), flush=True)
"""
#: Then waits until it is let go, so that it is seen running.
COMMAND = ["python3", "-c", PRINT + "os.mkfifo('/tmp/go')\nopen('/tmp/go').read()"]
#: Lets the sandboxes of Pods go, by their UIDs. A sandbox that does not wait yet is passed over.
_LET_GO = """
for uid; do
  go=/var/lib/kubelet/pods/$uid/volumes/kubernetes.io~empty-dir/sandbox-tmp/go
  if [ -p "$go" ]; then : <> "$go"; fi
done
"""
DECLARED = ["A", {"name": "B", "from": "C"}]
_SECONDS = 150  # for two dozen sandboxes at once on two busy cores


@dataclass(frozen=True, slots=True)
class Victim:
    """An agent, and the write about it at which the operator is killed."""

    name: str
    hold: Hold


class Ground:
    """A platform with session `alice`, an operator behind a proxy, and what was seen there so far."""

    def __init__(self, api: Api, platform: str, operator: OperatorProcess, proxy: Proxy, seen: Seen) -> None:
        self.api = api
        self.platform = platform
        self.operator = operator
        self.proxy = proxy
        self.seen = seen
        self._holds: dict[str, list[Hold]] = defaultdict(list)
        self._printed: dict[str, dict[str, str]] = {}

    def where(self, kind: str, name: str = "") -> str:
        """The path of an object, or of all of a kind."""
        return path(kind, self.platform, name)

    def set_values(self, **values: str) -> None:
        """Set all secrets of the session, and remember what an agent prints whose snapshot is of this time."""
        manifest = sealed_secret(self.api, self.platform, "alice", values)
        self.api.apply(manifest, "author", force=True).ok()
        printed = {name: hashlib.sha256(values[key].encode()).hexdigest() for name, key in (("A", "A"), ("B", "C"))}
        self._printed[manifest["spec"]["encryptedData"]["A"]["updatedAt"]] = printed

    def delete_value(self, name: str) -> None:
        """Delete a secret of the session."""
        change = {"spec": {"encryptedData": {name: None}}}
        self.api.merge(self.where("TheazoSecret", "alice"), change).ok()

    def hold(self, name: str, number: int, fate: Fate) -> Victim:
        """Have a write about an agent held."""
        hold = self.proxy.hold(f"{self.platform}/theazoagents/{name}", number, fate)
        self._holds[name].append(hold)
        return Victim(name, hold)

    def hold_each(self, fates: Iterable[Fate], most: int) -> list[Victim]:
        """An agent for each fate and each number of a write; none of them is made yet."""
        numbers = range(1, most + 1)
        return [self.hold(f"{fate.value}-{number}", number, fate) for fate in fates for number in numbers]

    def create(self, manifest: Manifest) -> Manifest:
        """Create an agent, and let the proxy know it."""
        made = self.api.create(manifest).ok()
        self.proxy.learn_agent(made)
        return made

    def status(self, name: str, kind: str = "TheazoAgent") -> Mapping[str, Any]:
        """The status of an agent, or of another kind, as far as there is one; of what is gone there is none."""
        reply = self.api.get(self.where(kind, name))
        return {} if reply.code == 404 else reply.ok().get("status", {})

    def finished(self, name: str) -> bool:
        """Whether an agent's record says so."""
        return "finishTime" in self.status(name)

    def gone(self, name: str) -> bool:
        """Whether an agent is no longer there."""
        return self.api.get(self.where("TheazoAgent", name)).code == 404

    def running(self, name: str) -> bool:
        """Whether an agent's record says that its sandbox runs."""
        return self.status(name).get("phase") == "Running"

    def reason(self, name: str, kind: str = "TheazoAgent") -> str | None:
        """The reason of the condition Ready of an agent, or of another kind."""
        rows = {row["type"]: row["reason"] for row in self.status(name, kind).get("conditions", ())}
        return rows.get("Ready")

    def secrets(self) -> list[str]:
        """The pod-scoped Secrets that live, by agent."""
        items = self.api.get(self.where("Secret")).ok()["items"]
        return [item["metadata"]["labels"]["theazo.dev/agent"] for item in items if item["type"] == "theazo.dev/agent"]

    def assert_no_secret_outlived_its_use(self, seconds: float = 30) -> None:
        """Of all that ever were none is left; and each was gone before its agent's record said that it may be.

        But for one whose own creation reached the API server late: when it came, the record may have been there.
        """
        wait_until("no Secret is left, nor one that came late", lambda: self.secrets() == [], seconds)
        self.seen.catch_up()
        for life in self.seen.lives():
            assert life.deleted is not None, life.agent
            recorded = self.seen.no_longer_needed(life.agent)
            late = any(hold.fate in {Fate.LATE, Fate.LAST} for hold in self._holds[life.agent])
            assert recorded is None or late or life.deleted < recorded, life.agent

    def until(self, what: str, holds: Callable[[], bool], seconds: float = _SECONDS) -> None:
        """Wait as `wait_until` does, and let sandboxes end meanwhile."""

        def held_or_ended() -> bool:
            self._let_go()
            return holds()

        wait_until(what, held_or_ended, seconds)

    def _let_go(self) -> None:
        """Let a sandbox end that the operator has seen running; or has not, since it was held at an earlier write."""
        running = {
            pod["metadata"]["uid"]: pod["metadata"]["labels"]["theazo.dev/agent"]
            for pod in self.api.get(self.where("Pod")).ok()["items"]
            if pod["status"].get("phase") == "Running"
        }
        seen = [
            uid
            for uid, agent in running.items()
            if self.running(agent) or any(hold.reached for hold in self._holds[agent])
        ]
        if seen:
            paths.node_exec("sh", "-c", _LET_GO, "sh", *seen)

    def kill_at_all(self, victims: Iterable[Victim], done: Callable[[str], bool]) -> None:
        """SIGKILL once each victim is held at its write, or is done because there are fewer writes than that."""
        for victim in victims:
            self.until(
                f"{victim.hold} is held, or there is no such write; so far: {self._writes_about(victim)}",
                lambda victim=victim: victim.hold.reached or done(victim.name),  # type: ignore[misc]  # no types in a lambda
            )
        self.kill()

    def kill(self) -> None:
        """SIGKILL, with all that is held still held."""
        self.operator.kill()
        self.proxy.next_life()

    def heal(self, victims: Iterable[Victim], done: Callable[[str], bool]) -> None:
        """Start the operator again; what is LATE lands when that one has a Pod on record, what is LAST in the end."""
        self.operator.start()
        self._land(Fate.LATE, victims, lambda name: done(name) or "podUID" in self.status(name))
        self._land(Fate.LAST, victims, done)
        for victim in victims:
            self.until(f"after a kill at {victim.hold} all is done", partial(done, victim.name))

    def _land(self, fate: Fate, victims: Iterable[Victim], when: Callable[[str], bool]) -> None:
        for victim in victims:
            if victim.hold.fate is fate and victim.hold.reached:
                self.until(f"it is time that {victim.hold} lands", partial(when, victim.name))
                self.proxy.let_land(victim.hold)

    def _writes_about(self, victim: Victim) -> list[str]:
        return [write for write in self.proxy.writes if write.startswith(f"{victim.hold.subject} ")]

    def assert_each_ran_once(self, victims: Iterable[Victim]) -> None:
        """One Pod for each, on record with its snapshot, and in it what that snapshot stands for."""
        self.seen.catch_up()
        for victim in victims:
            if victim.hold.fate is Fate.LATE and victim.hold.what.startswith("DELETE"):
                self._assert_ran_at_most_once(victim)
            else:
                self._assert_ran_once(victim)

    def _assert_ran_at_most_once(self, victim: Victim) -> None:
        """The one limit: a dead operator's clean-up that lands so late takes the new Secret; the Pod never starts."""
        status = self.status(victim.name)
        if status["phase"] == "Succeeded":
            self._assert_ran_once(victim)
        else:
            assert self.reason(victim.name) == "SandboxNotStarted", victim.hold
            assert self.seen.pods(victim.name) == {status["podUID"]}, victim.hold
            assert self.seen.started(victim.name) == set(), victim.hold

    def _assert_ran_once(self, victim: Victim) -> None:
        status, told = self.status(victim.name), f"{victim.hold}: {self._writes_about(victim)}"
        assert status["phase"] == "Succeeded", f"{told}: {status}"
        assert self.seen.pods(victim.name) == {status["podUID"]}, told
        conditions = {row["type"]: (row["status"], row["reason"]) for row in status["conditions"]}
        assert conditions == {
            "SecretsResolved": ("True", "Resolved"),
            "SandboxCreated": ("True", "SandboxCreated"),
            "Ready": ("True", "Completed"),
            "Finished": ("True", "Completed"),
        }, told
        assert [(row["name"], row["from"]) for row in status["secrets"]] == [("A", "A"), ("B", "C")], told
        assert {"startTime", "finishTime", "exitCode", "sessionUID", "compute"} <= set(status), told
        snapshot = {row["updatedAt"] for row in status["secrets"]}
        assert len(snapshot) == 1, told
        log = self.api.get(path("Pod", self.platform, status["podName"], "log")).ok()
        assert log == self._printed[snapshot.pop()], told
