"""Names, labels and metadata that all our objects share."""

from base64 import b32encode
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel

GROUP = "theazo.dev"
VERSION = "v1alpha1"
API_VERSION = f"{GROUP}/{VERSION}"

PLATFORM_LABEL = "theazo.dev/platform"
AGENT_UID_LABEL = "theazo.dev/agent-uid"
AGENT_LABEL = "theazo.dev/agent"
SESSION_LABEL = "theazo.dev/session"
SEALING_KEY_LABEL = "theazo.dev/sealing-key"
MANAGED_BY_LABEL = "app.kubernetes.io/managed-by"
MANAGED_BY = "theazo"
SNAPSHOT_ANNOTATION = "theazo.dev/snapshot"
# Argo CD's own switch: a Pod that ended, or that idles, must not decide the health of the app that holds its agent.
ARGO_IGNORE_HEALTH_ANNOTATION = "argocd.argoproj.io/ignore-healthcheck"

# An object with one of these is in a Git repository: deleting it would make the tool apply it again.
_TRACKING_KEYS = ("argocd.argoproj.io/tracking-id", "argocd.argoproj.io/instance", "app.kubernetes.io/instance")
# Years that leave room for any `…Seconds` to be added: Python's calendar ends at 9999.
_EARLIEST, _LATEST = 1970, 9000
_TRACKING_PREFIXES = ("kustomize.toolkit.fluxcd.io/", "helm.toolkit.fluxcd.io/")


class Record(BaseModel):
    """A model of JSON that others may have written."""

    # hide_input_in_errors: a ValidationError may end up in a log, and what it would quote is somebody's manifest.
    model_config = ConfigDict(
        alias_generator=to_camel, frozen=True, extra="ignore", hide_input_in_errors=True, populate_by_name=True
    )


@dataclass(frozen=True, slots=True, order=True)
class Key:
    """Namespace and name: how a work queue and a cache know an object."""

    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}"


@dataclass(frozen=True, slots=True)
class Meta:
    """What we need of an object's metadata.

    `resource_version` is compared as a number: since Kubernetes 1.35 the API promises that order (KEP-5504).
    """

    key: Key
    uid: str
    generation: int
    resource_version: int
    created: datetime
    deleting: bool
    tracked: bool

    @classmethod
    def of(cls, body: Mapping[str, Any]) -> "Meta":
        """Read the metadata of any object that the API server sent."""
        metadata = body["metadata"]
        return cls(
            key=Key(metadata.get("namespace", ""), metadata["name"]),
            uid=metadata["uid"],
            generation=metadata.get("generation", 0),
            resource_version=int(metadata["resourceVersion"]),
            created=parse_time(metadata["creationTimestamp"]),
            deleting="deletionTimestamp" in metadata,
            tracked=_is_tracked(metadata),
        )


def owner_reference(kind: str, meta: Meta) -> dict[str, Any]:
    """What makes garbage collection take an object with one of ours. It belongs into the create of that object."""
    return {"apiVersion": API_VERSION, "kind": kind, "name": meta.key.name, "uid": meta.uid}


def short_name(prefix: str, data: bytes) -> str:
    """Make a name of up to 130 bits: 26 base32 characters, as DNS labels take them."""
    return prefix + b32encode(data).decode("ascii").lower()[:26]


def _is_tracked(metadata: Mapping[str, Any]) -> bool:
    keys = [*(metadata.get("labels") or ()), *(metadata.get("annotations") or ())]
    return any(key in _TRACKING_KEYS or key.startswith(_TRACKING_PREFIXES) for key in keys)


def mapping(value: object) -> Mapping[str, Any]:
    """Read what should be a JSON object; anything else counts as an empty one."""
    return value if isinstance(value, Mapping) else {}


def rows(value: object) -> list[Mapping[str, Any]]:
    """Read what should be a list of JSON objects; anything else in it, or in its place, is left out."""
    return [each for each in value if isinstance(each, Mapping)] if isinstance(value, list) else []


def word(value: object) -> str | None:
    """Read what should be a text that says something."""
    return value if isinstance(value, str) and value else None


def number(value: object) -> int | None:
    """Read what should be a number of at most 63 bits."""
    return value if isinstance(value, int) and not isinstance(value, bool) and abs(value) < 1 << 63 else None


def time(value: object) -> str | None:
    """Read what should be an RFC 3339 time of this era, as text that `parse_time` reads."""
    try:
        moment = parse_time(value) if isinstance(value, str) else None
    except ValueError:
        return None
    within = moment is not None and moment.tzinfo is not None and _EARLIEST <= moment.year <= _LATEST
    return value if within and isinstance(value, str) else None


def parse_time(text: str) -> datetime:
    """Read an RFC 3339 time, as the API server writes it."""
    return datetime.fromisoformat(text)


def format_time(moment: datetime) -> str:
    """Write a time as metav1.Time does: RFC 3339, UTC, whole seconds."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def seconds(number: float) -> timedelta:
    """Make a span of a `…Seconds` field."""
    return timedelta(seconds=number)
