"""What `helm test` makes: rights of its own, and a script that shows no value. It runs for real in tests/cluster."""

import ast
import runpy
import ssl
from collections.abc import Mapping
from typing import Any

import pytest

from tests.chart.support import CHART, HOME, Manifest, named, of_kind, render, without_hooks

SCRIPT = CHART / "files" / "helm_test.py"


def hooks(values: Mapping[str, Any]) -> list[Manifest]:
    objects = render(values)
    return [item for item in objects if item not in without_hooks(objects)]


def test_all_of_it_is_gone_afterwards() -> None:
    for item in hooks({}):
        annotations = item["metadata"]["annotations"]
        assert annotations["helm.sh/hook"] == "test"
        wanted = {"hook-succeeded"} | ({"before-hook-creation"} if item["kind"] != "Namespace" else set())
        assert set(annotations["helm.sh/hook-delete-policy"].split(",")) == wanted, "a namespace may be somebody's"


def test_cluster_wide_it_has_a_platform_of_its_own() -> None:
    objects = hooks({"platforms": ["acme"]})
    platform = named(objects, "Namespace", "theazo-helm-test")
    assert platform["metadata"]["labels"]["theazo.dev/platform"] == "true"
    assert named(objects, "RoleBinding", "theazo-operator", "theazo-helm-test")
    assert {item["metadata"].get("namespace") for item in objects} == {None, HOME, "theazo-helm-test"}


def test_in_a_given_platform_it_makes_neither_namespace_nor_rights_of_the_operator() -> None:
    given: list[Mapping[str, Any]] = [{"singlePlatform": "acme"}, {"test": {"platform": "acme"}}]
    for values in given:
        objects = hooks(values)
        assert not of_kind(objects, "Namespace", "ClusterRole", "ClusterRoleBinding")
        assert {item["metadata"]["name"] for item in of_kind(objects, "Role", "RoleBinding")} == {"theazo-test"}


def test_its_script_is_python_and_prints_constants_only() -> None:
    tree = ast.parse(SCRIPT.read_text())
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call) and ast.unparse(node.func) == "print"]
    assert calls
    for call in calls:
        (text,) = call.args
        names = {node.id for node in ast.walk(text) if isinstance(node, ast.Name)}
        assert names <= {"what"}, ast.unparse(call)


def test_the_pod_runs_that_script() -> None:
    (container,) = named(render(), "Pod", "theazo-test")["spec"]["containers"]
    assert container["args"] == [SCRIPT.read_text()]


@pytest.mark.parametrize(
    ("status", "said"),
    [
        (
            {"phase": "Failed", "conditions": [{"type": "Ready", "reason": "Wrong", "message": "Do this."}]},
            "Wrong: Do this.",
        ),
        ({}, "Unseen: no operator has looked at it"),
    ],
)
def test_a_failure_says_what_keeps_the_agent(
    status: dict[str, Any], said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ssl, "create_default_context", lambda **_: None)
    names = ("KUBERNETES_SERVICE_HOST", "KUBERNETES_SERVICE_PORT", "HOME_NAMESPACE", "PLATFORM", "COMPUTE")
    for name in names:
        monkeypatch.setenv(name, "x")
    monkeypatch.setenv("TIMEOUT_SECONDS", "0")
    ended = runpy.run_path(str(SCRIPT))["ended"]
    monkeypatch.setitem(ended.__globals__, "read", lambda _: {"status": status})
    with pytest.raises(SystemExit, match=said):
        ended("some")
