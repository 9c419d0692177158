"""Looks over the operator's shoulder: a watch of all Secrets in the platform, with an administrator's rights.

It keeps names, the keys in them, and times. The values are dropped as they come in.
"""

import threading
import time
from dataclasses import dataclass, field
from typing import Any

from kubernetes import client, watch


@dataclass
class Life:
    """One pod-scoped Secret, from its creation to its end."""

    name: str
    keys: tuple[str, ...]
    seen: str
    """What an administrator saw of it while it was there: everything but the values."""
    born: float
    died: float | None = None


@dataclass
class SecretWatch:
    """Watches until it is stopped. `lives` grows as Secrets come."""

    api: client.CoreV1Api
    namespace: str
    lives: dict[str, Life] = field(default_factory=dict)
    changed: threading.Condition = field(default_factory=threading.Condition)

    def start(self) -> None:
        """Begin, from what is there now."""
        metadata = self.api.list_namespaced_secret(self.namespace).metadata
        version = metadata.resource_version if metadata else None
        threading.Thread(target=self._follow, args=(version,), daemon=True).start()

    def wait_for(self, agent_secrets: int, *, gone: bool, timeout: float = 60) -> list[Life]:
        """Wait until so many pod-scoped Secrets have come, or have come and gone."""

        def enough() -> bool:
            return sum(not gone or life.died is not None for life in self.lives.values()) >= agent_secrets

        with self.changed:
            if not self.changed.wait_for(enough, timeout):
                raise TimeoutError(f"no pod-scoped Secret {'went' if gone else 'came'} within {timeout:.0f} seconds")
            return list(self.lives.values())

    def _follow(self, version: str | None) -> None:
        stream = watch.Watch().stream(
            self.api.list_namespaced_secret, self.namespace, resource_version=version, timeout_seconds=600
        )
        for event in stream:
            secret, now = event["object"], time.monotonic()
            if not secret.metadata.name.startswith("thz-"):
                continue
            with self.changed:
                if event["type"] == "DELETED":
                    self.lives[secret.metadata.name].died = now
                else:
                    self.lives.setdefault(secret.metadata.name, _born(secret, now))
                self.changed.notify_all()


def _born(secret: Any, now: float) -> Life:  # noqa: ANN401 - the client's models have every field optional
    name, keys = secret.metadata.name, tuple(sorted(secret.data or ()))
    owners = ", ".join(f"{owner.kind}/{owner.name}" for owner in secret.metadata.owner_references or ())
    seen = (
        f"Secret/{name}\n  type: {secret.type}\n  immutable: {str(bool(secret.immutable)).lower()}\n"
        f"  owner: {owners}\n  keys: {', '.join(keys)}"
    )
    return Life(name, keys, seen, now)
