"""Whose an object is: which session's, and whether a GitOps tool keeps it."""

from collections.abc import Iterable, Mapping
from typing import Any

from theazo_operator.resources.meta import Meta, mapping, rows
from theazo_operator.resources.session import Session

FIELD_MANAGER = "theazo-api"
# As what Argo CD, and Flux's kustomize-controller and helm-controller, write.
_GITOPS = frozenset({"argocd-controller", "argocd-application-controller", "kustomize-controller", "helm-controller"})


def belongs(body: Mapping[str, Any], session: Session) -> bool:
    """Whether an object is this session's, and not what is left of one that had the same name."""
    owners = [row for row in rows(body["metadata"].get("ownerReferences")) if row.get("kind") == "TheazoSession"]
    if owners:
        return any(row.get("uid") == session.meta.uid for row in owners)
    return mapping(body.get("status")).get("sessionUID") in {None, session.meta.uid}


def kept_elsewhere(body: Mapping[str, Any], names: Iterable[str]) -> list[str]:
    """Which entries of a TheazoSecret a GitOps tool owns: it would put its own back.

    By server-side apply's record of who wrote which field. An object that such a tool tracks may be applied under any
    name, so there each applied field counts that is not ours.
    """
    tracked = Meta.of(body).tracked
    owned: set[str] = set()
    for entry in rows(body["metadata"].get("managedFields")):
        manager = entry.get("manager")
        if manager in _GITOPS or (tracked and entry.get("operation") == "Apply" and manager != FIELD_MANAGER):
            fields = mapping(mapping(mapping(entry.get("fieldsV1")).get("f:spec")).get("f:encryptedData"))
            owned |= {field.removeprefix("f:") for field in fields}
    return [name for name in names if name in owned]
