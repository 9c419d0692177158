"""manifests/ and the chart are the same installation: what one changes and the other does not is found here."""

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


def kustomized() -> list[Manifest]:
    done = run("kustomize", "build", ROOT / "manifests" / "default")
    assert done.returncode == 0, done.stderr
    return [item for item in yaml.safe_load_all(done.stdout) if item]


def test_the_default_chart_is_the_default_kustomization() -> None:
    chart, manifests = normal(without_hooks(render())), normal(kustomized())
    del manifests[NAMESPACE]
    assert set(chart) == set(manifests)
    for key, item in manifests.items():
        assert chart[key] == item, f"{key} of manifests/ and of the chart are not the same"
