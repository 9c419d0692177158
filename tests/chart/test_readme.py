"""The chart's README: Helm takes its commands, and the chart its values. Installing is tried on a cluster elsewhere."""

import shlex

import pytest
import yaml

from tests.chart.support import CHART, ROOT, named, render, run
from tests.support.docs import fences

FENCES = fences(CHART / "README.md")
COMMANDS = [line for fence in FENCES if fence.language == "sh" for line in fence.text.replace("\\\n", " ").splitlines()]
#: What changes a cluster, and how Helm is asked instead whether it would.
DRY = {"install": ("template",), "uninstall": ("uninstall", "--help"), "test": ("test", "--help")}


def test_every_block_is_looked_at() -> None:
    assert {fence.language for fence in FENCES} == {"sh", "yaml"}
    assert COMMANDS


@pytest.mark.parametrize("command", COMMANDS)
def test_helm_takes_each_command(command: str) -> None:
    program, verb, *arguments = shlex.split(command)
    assert program == "helm"
    instead = DRY[verb]
    given = [argument for argument in arguments if argument != "--create-namespace"]
    given = [str(ROOT / each) if each.startswith("charts/") else each for each in given]
    done = run("helm", *instead, *given)
    assert done.returncode == 0, done.stderr


def test_the_chart_takes_the_values_that_are_shown() -> None:
    for fence in FENCES:
        if fence.language == "yaml":
            objects = render(yaml.safe_load(fence.text))
            assert named(objects, "PodTemplate", "browser")
            assert "python" not in [each["metadata"]["name"] for each in objects if each["kind"] == "PodTemplate"]
