"""Our health checks for Argo CD as entries of its ConfigMap argocd-cm."""

from __future__ import annotations

from pathlib import Path

from hack.cluster import paths

FOLDER = paths.REPO / "gitops" / "argocd"
CUSTOMIZATIONS = FOLDER / "resource_customizations"
TARGET = FOLDER / "argocd-cm.yaml"
_HEAD = """\
# Made from resource_customizations by `python3 -m hack.gitops argocd-cm`.
apiVersion: v1
kind: ConfigMap
metadata:
  name: argocd-cm
  labels:
    app.kubernetes.io/name: argocd-cm
    app.kubernetes.io/part-of: argocd
data:
"""


def text() -> str:
    """Return the ConfigMap. It has no other entries, so that server-side apply leaves those of others alone."""
    return _HEAD + "".join(_entry(file) for file in sorted(CUSTOMIZATIONS.glob("*/*/health.lua")))


def _entry(file: Path) -> str:
    group, kind = file.parent.parent.name, file.parent.name
    lines = file.read_text(encoding="utf-8").splitlines()
    block = "".join(f"    {line}\n" if line else "\n" for line in lines)
    return f"  resource.customizations.health.{group}_{kind}: |\n{block}"
