"""The chart's tools, and the chart as they render it."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import yaml

Manifest = dict[str, Any]

ROOT = Path(__file__).resolve().parents[2]
CHART = ROOT / "charts" / "theazo"
VARIANTS = sorted((Path(__file__).parent / "variants").glob("*.yaml"))
HOME = "theazo-system"
#: What no uninstallation and no GitOps tool may delete by the way.
KEPT = {
    "argocd.argoproj.io/sync-options": "Prune=false,Delete=false",
    "helm.sh/resource-policy": "keep",
    "kustomize.toolkit.fluxcd.io/prune": "disabled",
}
TOOLS = ("helm", "kustomize", "kubeconform", "helm-unittest", "kube-score")


@cache
def tool(name: str) -> str:
    """The path of a program, built first where it is missing."""
    folders = subprocess.run(
        [sys.executable, "-m", "hack.cluster", "tools", *TOOLS], cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True
    ).stdout.strip()
    found = shutil.which(name, path=folders)
    assert found, f"{name} is not in {folders}"
    return found


def run(name: str, *arguments: str | Path, text: str | None = None) -> subprocess.CompletedProcess[str]:
    """Run one of the tools, away from what the user has configured for it."""
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("HELM_", "KUBE"))}
    command = [tool(name), *(str(each) for each in arguments)]
    return subprocess.run(command, input=text, env=environment, capture_output=True, text=True, check=False)


def helm(*arguments: str | Path, values: Mapping[str, Any] | Path | None = None) -> subprocess.CompletedProcess[str]:
    """Run helm with values, of a file or as they are. JSON is YAML, and keeps nulls."""
    if isinstance(values, Path):
        return run("helm", *arguments, "--values", values)
    return run("helm", *arguments, "--values", "-", text=json.dumps(values or {}))


def rendered(
    values: Mapping[str, Any] | Path | None = None, *more: str, namespace: str = HOME, release: str = "theazo"
) -> str:
    """What helm makes of the chart, hooks included, as the API server would get it."""
    done = helm("template", release, CHART, "--namespace", namespace, *more, values=values)
    assert done.returncode == 0, done.stderr
    return done.stdout


def render(
    values: Mapping[str, Any] | Path | None = None, *more: str, namespace: str = HOME, release: str = "theazo"
) -> list[Manifest]:
    """The objects that helm makes of the chart, hooks included."""
    text = rendered(values, *more, namespace=namespace, release=release)
    return [item for item in yaml.safe_load_all(text) if item]


def refusal(values: Mapping[str, Any], namespace: str = HOME) -> str:
    """Why helm refuses values; it has to."""
    done = helm("template", "theazo", CHART, "--namespace", namespace, values=values)
    assert done.returncode != 0, f"helm takes {values}"
    return done.stderr


def of_kind(objects: list[Manifest], *kinds: str) -> list[Manifest]:
    """Those of some kinds."""
    return [item for item in objects if item["kind"] in kinds]


def named(objects: list[Manifest], kind: str, name: str, namespace: str | None = None) -> Manifest:
    """The one object of a kind and name."""
    (found,) = (
        item
        for item in of_kind(objects, kind)
        if item["metadata"]["name"] == name and namespace in {None, item["metadata"].get("namespace")}
    )
    return found


def without_hooks(objects: list[Manifest]) -> list[Manifest]:
    """What belongs to the release, without what `helm test` makes."""
    return [item for item in objects if "helm.sh/hook" not in (item["metadata"].get("annotations") or {})]


def pod_specs(objects: list[Manifest]) -> dict[str, Manifest]:
    """The specs of all Pods that come of some objects, by kind and name."""
    found = {}
    for item in objects:
        spec = {
            "Deployment": lambda each: each["spec"]["template"]["spec"],
            "Pod": lambda each: each["spec"],
            "PodTemplate": lambda each: each["template"]["spec"],
        }.get(item["kind"])
        if spec:
            found[f"{item['kind']}/{item['metadata']['name']}"] = spec(item)
    return found


def environment(objects: list[Manifest], deployment: str) -> dict[str, Any]:
    """The environment of a Deployment's container, by name."""
    (container,) = named(objects, "Deployment", deployment)["spec"]["template"]["spec"]["containers"]
    return {each["name"]: each.get("value", each.get("valueFrom")) for each in container["env"]}
