"""What Chart.yaml says of the chart, of which helm checks nothing: Artifact Hub shows it to people."""

import re
import tomllib
from typing import Any

import jsonschema_rs
import yaml

from hack.chart_schemas import strict
from tests.chart.support import CHART, ROOT, of_kind, pod_specs, render, without_hooks

ABOUT: dict[str, Any] = yaml.safe_load((CHART / "Chart.yaml").read_text())
NOTES: dict[str, Any] = {
    key.partition("/")[2]: yaml.safe_load(text) for key, text in ABOUT["annotations"].items() if "hub.io/" in key
}
OBJECTS = without_hooks(render())
CRDS = {item["spec"]["names"]["kind"]: item for item in of_kind(OBJECTS, "CustomResourceDefinition")}


def test_there_is_one_version() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    (label,) = re.findall(r'image\.version="([^"]+)"', (ROOT / "Dockerfile").read_text())
    assert {ABOUT["version"], ABOUT["appVersion"], label} == {project}


def test_the_images_are_those_that_are_installed() -> None:
    containers = [each for spec in pod_specs(of_kind(OBJECTS, "Deployment")).values() for each in spec["containers"]]
    assert {each["name"]: each["image"] for each in NOTES["images"]} == {
        each["name"]: each["image"] for each in containers
    }


def test_the_kinds_are_those_that_are_installed() -> None:
    told = {(each["kind"], each["version"], each["name"]) for each in NOTES["crds"]}
    names = {kind: crd["metadata"]["name"] for kind, crd in CRDS.items()}
    assert told == {(kind, each["name"], names[kind]) for kind in CRDS for each in CRDS[kind]["spec"]["versions"]}


def test_the_examples_are_valid() -> None:
    assert NOTES["crdsExamples"]
    for example in NOTES["crdsExamples"]:
        crd = CRDS[example["kind"]]
        group, _, name = example["apiVersion"].partition("/")
        assert group == crd["spec"]["group"]
        (version,) = (each for each in crd["spec"]["versions"] if each["name"] == name)
        schema = strict(version["schema"]["openAPIV3Schema"])
        # What every object has is not in there.
        schema["properties"] |= {"apiVersion": {}, "kind": {}, "metadata": {}}
        jsonschema_rs.validate(schema, example)
