"""manifests/ and the chart are the same installation: what one changes and the other does not is found here."""

import shutil
from pathlib import Path

import pytest
import yaml

from tests.chart.support import HOME, ROOT, Manifest, render, run, without_hooks

#: What Helm adds, and the namespace that `helm install --create-namespace` makes.
OF_HELM = {
    "app.kubernetes.io/instance",
    "app.kubernetes.io/managed-by",
    "app.kubernetes.io/version",
    "helm.sh/chart",
    "helm.sh/resource-policy",
}
NAMESPACE = ("Namespace", None, HOME)
Key = tuple[str, str | None, str]


def normal(objects: list[Manifest]) -> dict[Key, Manifest]:
    found: dict[Key, Manifest] = {}
    for item in objects:
        metadata = item["metadata"]
        for field in ("labels", "annotations"):
            kept = {key: value for key, value in (metadata.pop(field, None) or {}).items() if key not in OF_HELM}
            if item["kind"] == "CustomResourceDefinition":  # kustomize has them without a label of ours
                kept.pop("app.kubernetes.io/part-of", None)
            if kept:
                metadata[field] = kept
        if item["kind"] == "Deployment":
            for container in item["spec"]["template"]["spec"]["containers"]:
                container["image"] = container["image"].partition(":")[0]
        key = (item["kind"], metadata.get("namespace"), metadata["name"])
        assert key not in found, f"twice: {key}"
        found[key] = item
    return found


def kustomized(folder: Path) -> list[Manifest]:
    done = run("kustomize", "build", folder)
    assert done.returncode == 0, done.stderr
    return [item for item in yaml.safe_load_all(done.stdout) if item]


def test_the_default_chart_is_the_default_kustomization() -> None:
    chart, manifests = normal(without_hooks(render())), normal(kustomized(ROOT / "manifests" / "default"))
    del manifests[NAMESPACE]
    assert set(chart) == set(manifests)
    for key, item in manifests.items():
        assert chart[key] == item, f"{key} of manifests/ and of the chart are not the same"


@pytest.mark.parametrize("platform", ["acme", "globex"])
def test_the_single_platform_chart_is_the_single_platform_kustomization(platform: str, tmp_path: Path) -> None:
    """By whatever name: a reader puts that of his platform in the place of `acme`, everywhere."""
    folder = tmp_path / "single-platform"
    shutil.copytree(ROOT / "manifests" / "single-platform", folder)
    for path in folder.glob("*.yaml"):
        path.write_text(path.read_text().replace("acme", platform))
    policies = list(yaml.safe_load_all((folder / "admission.yaml").read_text()))
    values = {"singlePlatform": platform, "crds": {"install": False}}
    chart = normal(without_hooks(render(values, namespace=f"{platform}-theazo")))
    assert chart == normal(kustomized(folder) + policies)
