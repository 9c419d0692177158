"""Compute and Pod: what a sandbox is made from, and what became of it."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from pydantic import Field, ValidationError

from theazo import rules
from theazo_operator.resources.meta import (
    GROUP,
    SNAPSHOT_ANNOTATION,
    Meta,
    Record,
    mapping,
    number,
    parse_time,
    rows,
    seconds,
    time,
    word,
)

SANDBOX = "sandbox"
_NEVER = "1970-01-01T00:00:00Z"
# Only what the kubelet itself says, as one CamelCase word: a container's message could hold anything that it printed.
_ON_ITS_WAY = frozenset({"ContainerCreating", "PodInitializing"})
_SAME_TROUBLE = {"ErrImagePull": "ImagePullBackOff"}  # the kubelet goes to and fro between the two
_KUBELET_WORD = re.compile(r"[A-Z][A-Za-z]{1,59}")
_MAX_UID, _MAX_TIME = 64, 40  # characters, as in the schema
_SCHEMA_TIME = re.compile(
    r"\d{4}-\d\d-\d\dT([01]\d|2[0-3])(:[0-5]\d){2}([.]\d+)?(Z|[+-]\d\d:\d\d)", re.ASCII | re.IGNORECASE
)


@dataclass(frozen=True, slots=True)
class Compute:
    """A core/v1 PodTemplate: what kind of sandbox."""

    meta: Meta
    template: Mapping[str, Any]

    @classmethod
    def of(cls, body: Mapping[str, Any]) -> "Compute":
        """Read an object of the API server."""
        return cls(meta=Meta.of(body), template=mapping(body.get("template")))


class ComputeRef(Record):
    """The PodTemplate, as it was when the Pod was made."""

    name: str
    namespace: str
    resource_version: str


class SnapshotEntry(Record):
    """One variable of the sandbox: the secret that it came from, and when that was last set."""

    name: str
    source: str = Field(alias="from")
    updated_at: str


class Snapshot(Record):
    """What a Pod was made from. Its annotation is the record, so that a status lost in a crash can be written again."""

    session_uid: str = Field(alias="sessionUID")
    compute: ComputeRef
    secrets: tuple[SnapshotEntry, ...]

    def to_json(self) -> str:
        """Write the annotation's text."""
        return self.model_dump_json(by_alias=True)

    def to_status(self) -> dict[str, Any]:
        """Write it as fields of a TheazoAgent's status, which have the same names."""
        return self.model_dump(mode="json", by_alias=True)


@dataclass(frozen=True, slots=True)
class SandboxPod:
    """The Pod of an agent, in the words that decide its phase."""

    meta: Meta
    agent_uid: str | None
    phase: str
    started: bool
    """Whether `sandbox` runs or has ended: from then on nobody reads its Secret again, unless it restarts."""
    unstartable: bool
    """Whether the runtime could not start the container's command, so that no exit code is the program's."""
    exit_code: int | None
    start_time: str | None
    finish_time: str | None
    pod_reason: str | None
    waiting_reason: str | None
    secret_name: str | None
    snapshot: Snapshot | None
    deletion_requested: datetime | None

    @classmethod
    def of(cls, body: Mapping[str, Any]) -> "SandboxPod":
        """Read an object of the API server."""
        status = mapping(body.get("status"))
        container = _sandbox_container(status)
        state = mapping(container.get("state"))
        ended = mapping(state.get("terminated"))
        running = mapping(state.get("running"))
        before = mapping(mapping(container.get("lastState")).get("terminated"))
        return cls(
            meta=Meta.of(body),
            agent_uid=_owner_uid(body),
            phase=word(status.get("phase")) or "Pending",
            started=bool(running) or _ran(ended) or _ran(before),
            unstartable=bool(ended) and not _ran(ended),
            exit_code=number(ended.get("exitCode")),
            start_time=time(running.get("startedAt")) or (time(ended.get("startedAt")) if _ran(ended) else None),
            finish_time=time(ended.get("finishedAt")),
            pod_reason=_word(status.get("reason")),
            waiting_reason=_trouble(mapping(state.get("waiting")).get("reason")),
            secret_name=_env_from(body),
            snapshot=_snapshot(body),
            deletion_requested=_deletion_requested(body["metadata"]),
        )

    @property
    def taken_away(self) -> bool:
        """Whether somebody deleted the Pod before its container had ended by itself."""
        if self.deletion_requested is None:
            return False
        return self.finish_time is None or parse_time(self.finish_time) >= self.deletion_requested

    def ended_at(self, fallback: datetime) -> datetime:
        """When the container ended, as the kubelet saw it."""
        return parse_time(self.finish_time) if self.finish_time else fallback


def _sandbox_container(status: Mapping[str, Any]) -> Mapping[str, Any]:
    return next((each for each in rows(status.get("containerStatuses")) if each.get("name") == SANDBOX), {})


def _ran(terminated: Mapping[str, Any]) -> bool:
    # What the runtime could not start "terminated" too, and by the kubelet's word started when Unix time did.
    return bool(terminated) and terminated.get("startedAt") != _NEVER


def _owner_uid(body: Mapping[str, Any]) -> str | None:
    for owner in body["metadata"].get("ownerReferences") or []:
        # The group too: anybody may have a kind TheazoAgent in a group of his own, and no admission policy guards that.
        if owner.get("kind") == "TheazoAgent" and str(owner.get("apiVersion")).startswith(f"{GROUP}/"):
            return str(owner["uid"])
    return None


def _env_from(body: Mapping[str, Any]) -> str | None:
    for container in rows(mapping(body.get("spec")).get("containers")):
        if container.get("name") == SANDBOX:
            for source in rows(container.get("envFrom")):
                return word(mapping(source.get("secretRef")).get("name"))
    return None


def _snapshot(body: Mapping[str, Any]) -> Snapshot | None:
    text = (body["metadata"].get("annotations") or {}).get(SNAPSHOT_ANNOTATION, "")
    try:
        snapshot = Snapshot.model_validate_json(text)
    except ValidationError:
        return None  # somebody edited it: a status without it is better than none
    return snapshot if _fits_status(snapshot) else None


def _fits_status(snapshot: Snapshot) -> bool:
    """Whether the schema of TheazoAgent takes it: what it refuses would keep the whole status from saying more."""
    compute, names = snapshot.compute, [each.name for each in snapshot.secrets]
    limited = [
        (snapshot.session_uid, _MAX_UID),
        (compute.name, rules.MAX_PLATFORM),
        (compute.namespace, rules.MAX_PLATFORM),
        (compute.resource_version, _MAX_UID),
        *((text, rules.MAX_NAME) for each in snapshot.secrets for text in (each.name, each.source)),
        *((each.updated_at, _MAX_TIME) for each in snapshot.secrets),
    ]
    return (
        len(set(names)) == len(names) <= rules.MAX_NAMES
        and all(len(text) <= longest for text, longest in limited)
        and all(_is_schema_time(each.updated_at) for each in snapshot.secrets)
    )


def _is_schema_time(text: str) -> bool:
    """Judge as the schema's `date-time` does, which knows spellings that `datetime` does not."""
    try:
        date.fromisoformat(text[:10])
    except ValueError:
        return False
    return _SCHEMA_TIME.fullmatch(text) is not None


def _deletion_requested(metadata: Mapping[str, Any]) -> datetime | None:
    """When the deletion was asked for: the API server's `deletionTimestamp` lies a grace period later."""
    if "deletionTimestamp" not in metadata:
        return None
    try:
        return parse_time(metadata["deletionTimestamp"]) - seconds(metadata.get("deletionGracePeriodSeconds", 0))
    except OverflowError:  # who deletes chooses the grace period, and may choose thousands of years
        return parse_time(metadata["creationTimestamp"])


def _trouble(reason: object) -> str | None:
    """Say why a container does not start, and nothing where it is only on its way: each word costs a status write."""
    word = _word(reason)
    return None if word in _ON_ITS_WAY else _SAME_TROUBLE.get(word or "", word)


def _word(text: object) -> str | None:
    return text if isinstance(text, str) and _KUBELET_WORD.fullmatch(text) else None
