"""What other people's programs say of the chart."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.chart.support import CHART, HOME, VARIANTS, helm, render, rendered, run

SCHEMAS = Path(__file__).parent / "schemas"
WAIVERS = yaml.safe_load((Path(__file__).parent / "kube_score.yaml").read_text())
_GOOD = 10  # kube-score's best mark


@pytest.mark.parametrize("variant", VARIANTS, ids=lambda each: each.stem)
def test_helm_lint(variant: Path) -> None:
    done = helm("lint", "--strict", "--namespace", HOME, CHART, values=variant)
    assert done.returncode == 0, done.stdout + done.stderr


def test_suites_and_snapshots() -> None:
    """`helm-unittest -u charts/theazo` takes what is rendered now for right: read the difference before committing."""
    snapshots = {path: path.read_bytes() for path in (CHART / "tests" / "__snapshot__").iterdir()}
    done = run("helm-unittest", "--strict", CHART)
    assert done.returncode == 0, done.stdout + done.stderr
    # It writes one that is missing, instead of failing.
    assert snapshots == {path: path.read_bytes() for path in (CHART / "tests" / "__snapshot__").iterdir()}


# As helm wrote it, since in Kubernetes' YAML `123`, `on` and `1e3` are no texts, and a key twice is an error: what went
# through Python would have lost both.
@pytest.mark.parametrize(("release", "namespace"), [("theazo", HOME), ("123", "456")], ids=["", "numbers"])
@pytest.mark.parametrize("variant", VARIANTS, ids=lambda each: each.stem)
def test_every_object_is_valid(variant: Path, release: str, namespace: str) -> None:
    text = rendered(variant, release=release, namespace=namespace)
    location = f"{SCHEMAS}/{{{{ .ResourceKind }}}}{{{{ .KindSuffix }}}}.json"
    done = run("kubeconform", "-strict", "-output", "json", "-summary", "-schema-location", location, text=text)
    found = json.loads(done.stdout)
    assert not found.get("resources"), found["resources"]
    summary = found["summary"]
    assert (summary["invalid"], summary["errors"], summary["skipped"]) == (0, 0, 0)
    assert summary["valid"] > 10


def test_an_invalid_object_would_be_found() -> None:
    (variant,) = (each for each in VARIANTS if each.stem == "default")
    objects = render(variant)
    objects[0]["metadata"]["label"] = {}
    location = f"{SCHEMAS}/{{{{ .ResourceKind }}}}{{{{ .KindSuffix }}}}.json"
    done = run("kubeconform", "-strict", "-schema-location", location, text=yaml.safe_dump_all(objects))
    assert done.returncode != 0
    assert "label" in done.stdout


def scored(variant: Path) -> set[tuple[str, str]]:
    """What kube-score would have otherwise: the name of the check, and the object."""
    done = run("kube-score", "score", "--output-format", "json", "-", text=yaml.safe_dump_all(render(variant)))
    found: list[dict[str, Any]] = json.loads(done.stdout)
    return {
        (check["check"]["id"], f"{item['type_meta']['kind']}/{item['object_meta']['name']}")
        for item in found
        for check in item["checks"] or ()
        if not check["skipped"] and check["grade"] < _GOOD
    }


def test_kube_score_finds_what_is_waived_and_nothing_else() -> None:
    # What is turned off there is the user's own decision.
    chosen = [variant for variant in VARIANTS if variant.stem != "everything-off"]
    waived = {(check, where) for check, waiver in WAIVERS.items() for where in waiver["in"]}
    assert set().union(*map(scored, chosen)) == waived


def test_each_waiver_says_why() -> None:
    assert all(len(waiver["why"]) > 60 for waiver in WAIVERS.values())
