"""What the chart has from elsewhere is as it is there."""

import pytest
import yaml

from hack import chart
from tests.chart.support import CHART, KEPT, Manifest, of_kind, render


def test_the_crds_are_those_of_the_repository() -> None:
    wanted = chart.crds()
    assert {path: path.read_text() for path in (CHART / "files" / "crds").iterdir()} == wanted, (
        "run: python3 -m hack.chart"
    )


def test_the_readme_has_the_values() -> None:
    assert chart.README.read_text() == chart.readme(), "run: python3 -m hack.chart"


def test_the_manifests_for_one_platform_are_the_charts() -> None:
    wanted = chart.single_platform()
    assert {path: path.read_text() for path in wanted} == wanted, "run: python3 -m hack.chart"


def test_a_value_without_a_comment_is_found() -> None:
    values = {"a": {"b": 1, "c": {}}, "d": {"e": 2}}
    assert list(chart.undocumented(values, frozenset({"a.b", "d"}))) == ["a.c"]


def test_the_comments_are_read() -> None:
    text = "# -- One\n# word.\na: 1\nb:\n  # no\n  # -- Two | three.\n  c: {}\n  d: 2\n"
    assert [value.row for value in chart.documented(text)] == [
        "| `a` | `1` | One word. |",
        "| `b.c` | `{}` | Two \\| three. |",
    ]


@pytest.mark.parametrize("keep", [True, False])
def test_rendering_changes_no_crd_but_its_labels_and_whether_it_is_kept(*, keep: bool) -> None:
    sources: dict[str, Manifest] = {
        (item := yaml.safe_load(text))["metadata"]["name"]: item for text in chart.crds().values()
    }
    rendered = of_kind(render({"crds": {"keep": keep}}), "CustomResourceDefinition")
    assert {item["metadata"]["name"] for item in rendered} == set(sources)
    for item in rendered:
        assert item["metadata"].get("annotations", {}) == (KEPT if keep else {})
        assert item["spec"] == sources[item["metadata"]["name"]]["spec"]


def test_no_crds_where_another_installs_them() -> None:
    assert not of_kind(render({"crds": {"install": False}}), "CustomResourceDefinition")
