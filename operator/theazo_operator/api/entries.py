"""The entries of one TheazoSecret: what they are, what changes make of them, and the patch that says so."""

from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime, timedelta

from theazo import rules
from theazo_operator.api import problems
from theazo_operator.api.ownership import kept_elsewhere
from theazo_operator.api.problems import Problem
from theazo_operator.kube.client import JSON
from theazo_operator.resources.meta import (
    API_VERSION,
    MANAGED_BY,
    MANAGED_BY_LABEL,
    mapping,
    owner_reference,
    parse_time,
)
from theazo_operator.resources.meta import time as readable_time
from theazo_operator.resources.session import Session

_PATH = "/spec/encryptedData/"
Entry = Mapping[str, str]
Change = Callable[[Mapping[str, Entry]], Mapping[str, Entry | None]]
"""From all entries to those that are new, and None for a name that goes. Raises Problem."""


def entries_of(body: JSON | None) -> dict[str, Entry]:
    """All entries of an object; none where there is no object."""
    found = mapping(mapping((body or {}).get("spec")).get("encryptedData"))
    return {name: mapping(entry) for name, entry in found.items()}


def entry_of(ciphertext: str, before: Entry | None, now: datetime) -> dict[str, str]:
    """An entry whose `updatedAt` is later than the one before, whatever the clocks say; `createdAt` survives."""
    old = readable_time(before.get("updatedAt")) if before else None
    if old is not None:
        now = max(now, parse_time(old).astimezone(UTC) + timedelta(microseconds=1))
    stamp = now.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    created = readable_time(before.get("createdAt")) if before else None
    return {"ciphertext": ciphertext, "createdAt": created or stamp, "updatedAt": stamp}


def merge(body: JSON | None, changes: Iterable[Change]) -> tuple[list[JSON], list[Problem | None]]:
    """Several changes as one patch, each made on what those before it left; also which were refused, and left out."""
    before = entries_of(body)
    entries, changed, refused = dict(before), set[str](), list[Problem | None]()
    for change in changes:
        try:
            new = change(entries)
            if body is not None:
                _check_writable(body, new)
        except Problem as problem:
            refused.append(problem)
            continue
        refused.append(None)
        changed |= new.keys()
        entries = {name: entry for name, entry in {**entries, **new}.items() if entry is not None}
    operations: list[JSON] = [
        {"op": "add", "path": _PATH + name, "value": entry} for name, entry in entries.items() if name in changed
    ]
    gone = sorted(changed & before.keys() - entries.keys())
    return [*operations, *({"op": "remove", "path": _PATH + name} for name in gone)], refused


def manifest(session: Session, operations: list[JSON]) -> JSON:
    """The object that a patch makes where there is none."""
    key = session.meta.key
    return {
        "apiVersion": API_VERSION,
        "kind": "TheazoSecret",
        "metadata": {
            "name": key.name,
            "namespace": key.namespace,
            "labels": {MANAGED_BY_LABEL: MANAGED_BY},
            "ownerReferences": [owner_reference("TheazoSession", session.meta)],
        },
        "spec": {"encryptedData": {each["path"].rpartition("/")[2]: each["value"] for each in operations}},
    }


def check_size(lengths: Mapping[str, int]) -> None:
    """Refuse more than a session holds, by the lengths of its ciphertexts. Raises Problem SECRETS_TOO_LARGE."""
    size = sum(lengths.values())
    if len(lengths) > rules.MAX_NAMES or size > rules.MAX_CIPHERTEXT_TOTAL:
        raise Problem(
            problems.SECRETS_TOO_LARGE,
            f"the session would have {len(lengths)} secrets of {size} bytes of ciphertext, and holds {rules.MAX_NAMES} "
            f"and {rules.MAX_CIPHERTEXT_TOTAL}: delete some, or use another session",
        )


def _check_writable(body: JSON, names: Iterable[str]) -> None:
    kept = kept_elsewhere(body, names)
    if kept:
        raise Problem(
            problems.MANAGED_ELSEWHERE,
            f"Argo CD or Flux keeps {', '.join(kept[:10])}, and would put it back: change it in its Git source",
        )
