"""What is installed keeps the rules that we set others, and its parts know each other."""

import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

Manifest = dict[str, Any]

FOLDER = Path(__file__).resolve().parents[2] / "manifests"
OBJECTS: list[Manifest] = [
    item for file in sorted((FOLDER / "base").glob("*.yaml")) for item in yaml.safe_load_all(file.read_text())
]
OPERATOR = "system:serviceaccount:theazo-system:theazo-operator"


def of_kind(kind: str) -> list[Manifest]:
    return [item for item in OBJECTS if item["kind"] == kind]


def pod_specs() -> dict[str, Manifest]:
    (deployment,) = of_kind("Deployment")
    computes = {item["metadata"]["name"]: item["template"]["spec"] for item in of_kind("PodTemplate")}
    return {"operator": deployment["spec"]["template"]["spec"]} | computes


@pytest.mark.parametrize("spec", pod_specs().values(), ids=pod_specs())
def test_pod_security_is_restricted(spec: Manifest) -> None:
    assert spec["securityContext"]["runAsNonRoot"] is True
    assert spec["securityContext"]["runAsUser"] > 0
    assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert not {"hostNetwork", "hostPID", "hostIPC"} & set(spec)
    assert all(set(volume) == {"name", "emptyDir"} for volume in spec.get("volumes", []))
    for container in spec["containers"] + spec.get("initContainers", []):
        assert container["securityContext"]["allowPrivilegeEscalation"] is False
        assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
        assert {"requests", "limits"} <= set(container["resources"])


def test_the_operator_runs_once_and_reads_only() -> None:
    (deployment,) = of_kind("Deployment")
    assert deployment["spec"]["replicas"] == 1
    assert deployment["spec"]["strategy"] == {"type": "Recreate"}, "two at a time would both decide"
    (container,) = pod_specs()["operator"]["containers"]
    assert container["securityContext"]["readOnlyRootFilesystem"] is True
    assert {probe: container[probe]["httpGet"]["path"] for probe in ("livenessProbe", "readinessProbe")} == {
        "livenessProbe": "/livez",
        "readinessProbe": "/readyz",
    }


def test_only_the_operator_gets_its_token() -> None:
    (account,) = of_kind("ServiceAccount")
    assert account["automountServiceAccountToken"] is False
    assert pod_specs()["operator"]["automountServiceAccountToken"] is True


def test_its_namespace_takes_only_restricted_pods_and_is_no_platform() -> None:
    (namespace,) = of_kind("Namespace")
    assert namespace["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"
    assert "theazo.dev/platform" not in namespace["metadata"]["labels"]


def test_the_write_rights_in_platforms_are_bound_nowhere_by_the_installation() -> None:
    for kind in ("ClusterRoleBinding", "RoleBinding"):
        assert all(binding["roleRef"]["name"] != "theazo-operator-platform" for binding in of_kind(kind))


def test_policies_are_bound_deny_and_fail_closed_and_never_judge_deletions() -> None:
    policies = of_kind("ValidatingAdmissionPolicy")
    bindings = {item["spec"]["policyName"]: item["spec"] for item in of_kind("ValidatingAdmissionPolicyBinding")}
    assert set(bindings) == {policy["metadata"]["name"] for policy in policies}
    for policy in policies:
        assert bindings[policy["metadata"]["name"]] == {
            "policyName": policy["metadata"]["name"],
            "validationActions": ["Deny"],
        }
        assert policy["spec"]["failurePolicy"] == "Fail"
        for rule in policy["spec"]["matchConstraints"]["resourceRules"]:
            assert rule["operations"] == ["CREATE", "UPDATE"]
        for validation in policy["spec"]["validations"]:
            assert len(validation["message"]) > 60, "it has to say what to do"


def test_policies_know_the_operator_by_its_name() -> None:
    users = re.findall(r"system:serviceaccount:[\w:-]*operator", yaml.safe_dump(of_kind("ValidatingAdmissionPolicy")))
    assert set(users) == {OPERATOR}
    for kind in ("ClusterRoleBinding", "RoleBinding"):
        for subject in (subject for binding in of_kind(kind) for subject in binding["subjects"]):
            if subject["kind"] == "ServiceAccount":
                assert f"system:serviceaccount:{subject['namespace']}:{subject['name']}" == OPERATOR


@pytest.mark.parametrize("ending", [signal.SIGTERM, signal.SIGINT])
def test_the_python_compute_idles_until_it_is_told_to_end(ending: signal.Signals) -> None:
    """It has to wait for the signal, not to die of it: process 1 of a container does not die of signals."""
    (sandbox,) = pod_specs()["python"]["containers"]
    assert sandbox["name"] == "sandbox"
    program, *arguments = sandbox["command"]
    assert program == "python3"
    script = arguments[-1].replace("signal.sigwait(", "print(flush=True)\nsignal.sigwait(")
    with subprocess.Popen([sys.executable, *arguments[:-1], script], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        process.send_signal(ending)
        assert process.wait(10) == 0
