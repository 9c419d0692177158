"""What is installed keeps the rules that we set others, and its parts know each other."""

import copy
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from theazo_operator.api.__main__ import _GRACE as GRACE

Manifest = dict[str, Any]

FOLDER = Path(__file__).resolve().parents[2] / "manifests"
OBJECTS: list[Manifest] = [
    item for file in sorted((FOLDER / "base").glob("*.yaml")) for item in yaml.safe_load_all(file.read_text())
]
OPERATOR = "system:serviceaccount:theazo-system:theazo-operator"
API = "system:serviceaccount:theazo-system:theazo-api"


def of_kind(kind: str) -> list[Manifest]:
    return [item for item in OBJECTS if item["kind"] == kind]


def pod_specs() -> dict[str, Manifest]:
    parts = {item["metadata"]["name"]: item["spec"]["template"]["spec"] for item in of_kind("Deployment")}
    computes = {item["metadata"]["name"]: item["template"]["spec"] for item in of_kind("PodTemplate")}
    return parts | computes


def deployment(name: str) -> Manifest:
    [found] = [item for item in of_kind("Deployment") if item["metadata"]["name"] == name]
    return found


def rules_of(service_account: str) -> list[tuple[str, Manifest]]:
    """What a ServiceAccount may do by the installation's own bindings, each with the binding's kind."""
    roles = {
        (item["kind"], item["metadata"]["name"]): item["rules"] for item in of_kind("Role") + of_kind("ClusterRole")
    }
    bound = []
    for kind in ("RoleBinding", "ClusterRoleBinding"):
        for binding in of_kind(kind):
            names = {f"{each.get('kind')}/{each['name']}" for each in binding["subjects"]}
            if f"ServiceAccount/{service_account}" in names:
                reference = binding["roleRef"]
                bound += [(kind, rule) for rule in roles[reference["kind"], reference["name"]]]
    return bound


@pytest.mark.parametrize("spec", pod_specs().values(), ids=pod_specs())
def test_pod_security_is_restricted(spec: Manifest) -> None:
    assert spec["securityContext"]["runAsNonRoot"] is True
    assert spec["securityContext"].get("runAsUser", 1) > 0, "without one it is the image's"
    assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert not {"hostNetwork", "hostPID", "hostIPC"} & set(spec)
    assert all(set(volume) == {"name", "emptyDir"} for volume in spec.get("volumes", []))
    for container in spec["containers"] + spec.get("initContainers", []):
        assert container["securityContext"]["allowPrivilegeEscalation"] is False
        assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
        assert {"requests", "limits"} <= set(container["resources"])


def test_the_parts_that_are_installed() -> None:
    assert {item["metadata"]["name"] for item in of_kind("Deployment")} == {"theazo-operator", "theazo-api"}


def test_the_operator_runs_once() -> None:
    spec = deployment("theazo-operator")["spec"]
    assert spec["replicas"] == 1
    assert spec["strategy"] == {"type": "Recreate"}, "two at a time would both decide"


def test_the_api_runs_twice_and_is_never_away() -> None:
    spec = deployment("theazo-api")["spec"]
    assert spec["replicas"] == 2
    assert spec["strategy"]["rollingUpdate"]["maxUnavailable"] == 0
    pod = spec["template"]["spec"]
    wait = pod["containers"][0]["lifecycle"]["preStop"]["sleep"]["seconds"]
    assert pod["terminationGracePeriodSeconds"] > wait + GRACE, "requests under way are finished"
    [budget] = of_kind("PodDisruptionBudget")
    assert budget["spec"]["selector"] == spec["selector"]
    [service] = [item for item in of_kind("Service") if item["metadata"]["name"] == "theazo-api"]
    assert service["spec"]["selector"] == spec["template"]["metadata"]["labels"]


@pytest.mark.parametrize("name", ["theazo-operator", "theazo-api"])
def test_a_part_writes_no_file_and_is_probed(name: str) -> None:
    (container,) = pod_specs()[name]["containers"]
    assert pod_specs()[name]["serviceAccountName"] == name
    assert container["securityContext"]["readOnlyRootFilesystem"] is True
    assert {probe: container[probe]["httpGet"]["path"] for probe in ("livenessProbe", "readinessProbe")} == {
        "livenessProbe": "/livez",
        "readinessProbe": "/readyz",
    }


@pytest.mark.parametrize("name", ["theazo-operator", "theazo-api"])
def test_only_a_part_itself_gets_its_token(name: str) -> None:
    [account] = [item for item in of_kind("ServiceAccount") if item["metadata"]["name"] == name]
    assert account["automountServiceAccountToken"] is False
    assert pod_specs()[name]["automountServiceAccountToken"] is True


def test_of_all_secrets_the_api_gets_one_by_name_and_it_writes_nothing_at_home() -> None:
    rules = rules_of("theazo-api")
    assert {kind for kind, _ in rules} == {"RoleBinding"}
    assert [rule for _, rule in rules if "secrets" in rule["resources"]] == [
        {"apiGroups": [""], "resources": ["secrets"], "resourceNames": ["theazo-api-keys"], "verbs": ["get"]}
    ]
    assert {verb for _, rule in rules for verb in rule["verbs"]} == {"get"}


def test_in_a_platform_the_api_has_custom_resources_only() -> None:
    [role] = [item for item in of_kind("ClusterRole") if item["metadata"]["name"] == "theazo-api-platform"]
    assert {group for rule in role["rules"] for group in rule["apiGroups"]} == {"theazo.dev"}
    verbs = {resource: set(rule["verbs"]) for rule in role["rules"] for resource in rule["resources"]}
    assert verbs == {
        "theazosessions": {"get", "list", "create", "delete"},
        "theazoagents": {"get", "list", "watch", "create", "delete"},
        "theazosecrets": {"get", "create", "patch", "delete"},
    }


def test_its_namespace_takes_only_restricted_pods_and_is_no_platform() -> None:
    (namespace,) = of_kind("Namespace")
    assert namespace["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"
    assert "theazo.dev/platform" not in namespace["metadata"]["labels"]


def test_the_write_rights_in_platforms_are_bound_nowhere_by_the_installation() -> None:
    for kind in ("ClusterRoleBinding", "RoleBinding"):
        names = {binding["roleRef"]["name"] for binding in of_kind(kind)}
        assert not names & {"theazo-operator-platform", "theazo-api-platform"}


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
    bound = {
        f"system:serviceaccount:{subject['namespace']}:{subject['name']}"
        for kind in ("ClusterRoleBinding", "RoleBinding")
        for binding in of_kind(kind)
        for subject in binding["subjects"]
        if subject["kind"] == "ServiceAccount"
    }
    assert bound == {OPERATOR, API}


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


@pytest.mark.parametrize("ending", [signal.SIGTERM, signal.SIGINT])
def test_the_node_compute_idles_until_it_is_told_to_end(ending: signal.Signals) -> None:
    (sandbox,) = pod_specs()["node"]["containers"]
    assert sandbox["name"] == "sandbox"
    program, option, script = sandbox["command"]
    # Says so once it is a program of its own: a signal between the shell's fork and exec would be lost to it.
    told = script.replace("sleep infinity", "sh -c 'echo; exec sleep infinity'")
    with subprocess.Popen([program, option, told], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        process.send_signal(ending)
        assert process.wait(10) == 0
        assert process.stdout.read() == b"", "what it started has ended too"


def test_the_computes_differ_in_image_and_idling_only() -> None:
    computes = {item["metadata"]["name"]: copy.deepcopy(item["template"]) for item in of_kind("PodTemplate")}
    assert set(computes) == {"python", "node"}
    for template in computes.values():
        for field in ("image", "command"):
            template["spec"]["containers"][0].pop(field)
    assert computes["python"] == computes["node"]
