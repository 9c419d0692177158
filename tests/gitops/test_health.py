"""The health checks for Argo CD, by its own test of them, on objects that were recorded on a cluster."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from hack.gitops import argocd_cm, build, harness
from tests.gitops.record import FOLDER, KINDS, expected, state, write_tests
from tests.support.api import Manifest
from tests.support.docs import ROOT
from tests.support.gitops import GUIDE

#: Reasons of these conditions are an agent's; where they are True, `Ready` has a reason of its own.
OF_AGENTS = ("SecretsResolved", "SandboxCreated")
each_kind = pytest.mark.parametrize("kind", KINDS)


def recorded(kind: str) -> dict[Path, Manifest]:
    return {file: yaml.safe_load(file.read_text()) for file in (FOLDER / kind / "testdata").glob("*.yaml")}


def documented() -> Iterator[tuple[str, str, str]]:
    """Kind, reason and health of all that docs/reasons.md says of `Ready`."""
    section = ""
    for line in (ROOT / "docs" / "reasons.md").read_text().splitlines():
        if line.startswith("## "):
            section = line.removeprefix("## ")
        if (row := re.match(r"\| `(\w+)` \| ([^|]+) \|", line)) and not row[2].startswith(
            tuple(f"{each}=True" for each in OF_AGENTS)
        ):
            kind = "TheazoAgent" if row[2].startswith(OF_AGENTS) else section
            yield from ((kind, row[1], health) for health in healths(row[2]))


def healths(conditions: str) -> set[str]:
    marks = {"Ready=True": "Healthy", "Stalled": "Degraded", "Reconciling": "Progressing"}
    # Without any of them, it is what is waited for first and stalled later.
    return {health for mark, health in marks.items() if mark in conditions} or {"Progressing", "Degraded"}


def test_argocds_own_test_passes(tmp_path: Path) -> None:
    said = harness.run(argocd_cm.CUSTOMIZATIONS, tmp_path)
    passed = set(re.findall(r"--- PASS: TestLuaHealthScript/(\S+)", said))
    files = [file for kind in KINDS for file in recorded(kind)]
    assert passed == {str(file.relative_to(argocd_cm.CUSTOMIZATIONS)) for file in files}, said


@each_kind
def test_what_is_expected_follows_kstatus_for_each_recorded_object(kind: str, tmp_path: Path) -> None:
    (tmp_path / "testdata").symlink_to(FOLDER / kind / "testdata")
    write_tests(tmp_path)
    assert (tmp_path / "health_test.yaml").read_text() == (FOLDER / kind / "health_test.yaml").read_text()


@each_kind
def test_every_documented_state_is_recorded_and_no_other_is(kind: str) -> None:
    objects = recorded(kind)
    assert {item["kind"] for item in objects.values()} == {kind}
    assert {file.stem for file in objects} == {state(item) for item in objects.values()}
    looked_at = [item for item in objects.values() if state(item) not in {"new", "changed", "deleted"}]
    said = {(expected(item)["message"].partition(":")[0], expected(item)["status"]) for item in looked_at}
    assert said == {(reason, health) for of, reason, health in documented() if of == kind}


@each_kind
def test_what_the_operator_has_not_looked_at_is_recorded(kind: str) -> None:
    states = {state(item) for item in recorded(kind).values()}
    # The spec of an agent can't be changed.
    assert states >= ({"new", "deleted"} if kind == "TheazoAgent" else {"new", "changed", "deleted"})


def test_all_kinds_have_the_same_check() -> None:
    assert len({(FOLDER / kind / "health.lua").read_text() for kind in KINDS}) == 1


def test_the_config_map_has_the_health_checks() -> None:
    assert argocd_cm.TARGET.read_text() == argocd_cm.text(), "run: python3 -m hack.gitops argocd-cm"
    keys = yaml.safe_load(argocd_cm.text())["data"]
    assert set(keys) == {f"resource.customizations.health.theazo.dev_{kind}" for kind in KINDS}
    for kind in KINDS:
        script = keys[f"resource.customizations.health.theazo.dev_{kind}"]
        assert script == (FOLDER / kind / "health.lua").read_text()


def test_the_guide_names_the_version_that_is_tried() -> None:
    assert f"Argo CD {build.required('argocd').removeprefix('v')} " in GUIDE.read_text()
