"""What the chart makes of its values."""

from pathlib import Path
from typing import Any

import pytest

from tests.chart.support import (
    CHART,
    HOME,
    KEPT,
    VARIANTS,
    Manifest,
    helm,
    named,
    of_kind,
    pod_specs,
    refusal,
    render,
    without_hooks,
)

SINGLE = {"singlePlatform": "acme"}
POD = {"spec": {"containers": [{"name": "sandbox", "image": "a"}]}}
TWICE = [{"name": "A", "value": "1"}, {"name": "A", "value": "2"}]


@pytest.mark.parametrize("variant", VARIANTS, ids=lambda each: each.stem)
def test_all_pods_are_restricted(variant: Any) -> None:
    for name, spec in pod_specs(render(variant)).items():
        if name == "PodTemplate/other":
            continue  # its template is the user's; the operator forces the same on it
        assert spec["securityContext"]["runAsNonRoot"] is True, name
        assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}, name
        assert not {"hostNetwork", "hostPID", "hostIPC"} & set(spec), name
        for container in spec["containers"]:
            assert container["securityContext"]["allowPrivilegeEscalation"] is False, name
            assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}, name
            if not name.startswith("PodTemplate/"):
                assert container["securityContext"]["readOnlyRootFilesystem"] is True, name


@pytest.mark.parametrize("variant", VARIANTS, ids=lambda each: each.stem)
def test_every_object_is_known_as_the_releases(variant: Any) -> None:
    for item in render(variant):
        if item["metadata"]["name"] in {"more", "theazo-from-template"}:
            continue  # extraObjects, which are the user's
        assert item["metadata"]["labels"]["app.kubernetes.io/instance"] == "theazo", item["metadata"]
        assert item["metadata"]["labels"]["app.kubernetes.io/part-of"] == "theazo", item["metadata"]


def test_a_label_for_some_objects_wins_over_one_for_all() -> None:
    values = {
        "commonLabels": {"team": "all", "site": "x"},
        "platforms": ["acme"],
        "platformNamespaces": {"labels": {"team": "acme"}},
        "serviceMonitor": {"enabled": True, "renderMode": "alwaysRender", "labels": {"team": "prometheus"}},
    }
    objects = render(values)
    for kind, name, team in (
        ("Namespace", "acme", "acme"),
        ("ServiceMonitor", "theazo-api", "prometheus"),
        ("Service", "theazo-api", "all"),
    ):
        labels = named(objects, kind, name)["metadata"]["labels"]
        assert (labels["team"], labels["site"]) == (team, "x"), kind


def test_user_and_group_of_ours_are_the_images_or_what_the_cluster_chooses_and_can_be_set() -> None:
    user = {"runAsUser": 1000, "runAsGroup": 1000}
    specs = pod_specs(render({"operator": {"podSecurityContext": {"fsGroup": 7}}, "api": {"podSecurityContext": user}}))
    found = {name.partition("/")[2]: spec["securityContext"] for name, spec in specs.items()}
    ours = {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}
    for name, spec in pod_specs(render({"masterKey": {"existingSecret": "mine"}})).items():
        assert (spec["securityContext"] == ours) == (not name.startswith("PodTemplate/")), name
    assert found["theazo-operator"] == ours | {"fsGroup": 7}
    assert found["theazo-api"] == found["theazo-test"] == ours | user, "it is the same image"


def test_only_the_api_goes_through_the_ingress() -> None:
    """Neither metrics nor probes: these ask for no key."""
    ingress = named(
        render({"api": {"ingress": {"enabled": True, "hosts": ["a.example.com"]}}}), "Ingress", "theazo-api"
    )
    (rule,) = ingress["spec"]["rules"]
    assert {(each["path"], each["pathType"]) for each in rule["http"]["paths"]} == {
        ("/v1/", "Prefix"),
        ("/openapi.json", "Exact"),
    }


def test_platforms_are_made_labelled_kept_and_bound() -> None:
    objects = render({"platforms": ["acme", "globex"]})
    for name in ("acme", "globex"):
        namespace = named(objects, "Namespace", name)
        assert namespace["metadata"]["labels"]["theazo.dev/platform"] == "true"
        assert namespace["metadata"]["annotations"] == KEPT
        for account in ("theazo-operator", "theazo-api"):
            binding = named(objects, "RoleBinding", account, name)
            assert binding["roleRef"]["name"] == f"{account}-platform"
            assert binding["subjects"] == [{"kind": "ServiceAccount", "name": account, "namespace": HOME}]


def test_namespaces_that_exist_are_left_alone() -> None:
    objects = render({"platforms": ["acme"], "platformNamespaces": {"create": False}})
    assert not of_kind(without_hooks(objects), "Namespace")
    assert named(objects, "RoleBinding", "theazo-operator", "acme")


def test_any_namespace_takes_the_release() -> None:
    objects = render(namespace="elsewhere")
    assert HOME not in str([item for item in objects if item["kind"] != "CustomResourceDefinition"])
    assert "system:serviceaccount:elsewhere:theazo-operator" in str(of_kind(objects, "ValidatingAdmissionPolicy"))


def test_the_master_key_is_not_helms() -> None:
    for variant in VARIANTS:
        assert not of_kind(render(variant), "Secret")


def test_a_default_compute_can_be_taken_out_and_another_added() -> None:
    objects = render({"computes": {"python": None, "browser": {"image": "b:1", "podSpec": {"runtimeClassName": "g"}}}})
    computes = {item["metadata"]["name"]: item for item in of_kind(objects, "PodTemplate")}
    assert "python" not in computes
    spec = computes["browser"]["template"]["spec"]
    assert (spec["runtimeClassName"], spec["containers"][0]["image"]) == ("g", "b:1")
    assert spec["containers"][0]["name"] == "sandbox"


@pytest.mark.parametrize(
    ("image", "wanted"),
    [
        ({}, "theazo-operator:0.1.0"),
        ({"tag": "dev"}, "theazo-operator:dev"),
        ({"tag": "dev", "digest": "sha256:" + "0" * 64}, "theazo-operator@sha256:" + "0" * 64),
        ({"repository": "mirror/op"}, "mirror/op:0.1.0"),
    ],
)
def test_images(image: dict[str, str], wanted: str) -> None:
    for registry, prefix in (("", ""), ("r.example.com:5000/x", "r.example.com:5000/x/")):
        objects = render({"image": {"registry": registry}, "operator": {"image": image}})
        (container,) = pod_specs(objects)["Deployment/theazo-operator"]["containers"]
        assert container["image"] == prefix + wanted


def test_without_the_api_nothing_of_it_is_there() -> None:
    objects = render({"api": {"enabled": False}, "platforms": ["acme"], "serviceMonitor": {"enabled": True}})
    assert not [item for item in without_hooks(objects) if item["metadata"]["name"].startswith("theazo-api")]


def test_service_monitors_come_when_their_kind_is_there() -> None:
    values = {"serviceMonitor": {"enabled": True}}
    assert not of_kind(render(values), "ServiceMonitor")
    there = render(values, "--api-versions", "monitoring.coreos.com/v1/ServiceMonitor")
    services = {item["metadata"]["name"]: item for item in of_kind(there, "Service")}
    for monitor in of_kind(there, "ServiceMonitor"):
        service = services.pop(monitor["metadata"]["name"])
        assert monitor["spec"]["selector"]["matchLabels"].items() <= service["metadata"]["labels"].items()
        assert monitor["spec"]["endpoints"][0]["port"] in {each["name"] for each in service["spec"]["ports"]}
    assert not services
    assert "install the Prometheus operator" in refusal(
        {"serviceMonitor": {"enabled": True, "renderMode": "failIfMissing"}}
    )


def test_network_policies_say_who_reaches_whom() -> None:
    peers: list[Manifest] = [{"podSelector": {}}]
    closed, opened = render(), render({"networkPolicies": {"metricsFrom": peers, "apiFrom": peers}})
    operator = named(closed, "NetworkPolicy", "theazo-operator")["spec"]
    assert operator["policyTypes"] == ["Ingress", "Egress"]
    assert "ingress" not in operator, "nobody but the kubelet"
    assert "from" not in named(closed, "NetworkPolicy", "theazo-api")["spec"]["ingress"][0]
    for name in ("theazo-operator", "theazo-api"):
        assert named(opened, "NetworkPolicy", name)["spec"]["ingress"][0]["from"] == peers
    egress = render({"networkPolicies": {"apiServer": {"cidrs": ["10.0.0.1/32"]}, "dns": {"enabled": False}}})
    (only,) = named(egress, "NetworkPolicy", "theazo-operator")["spec"]["egress"]
    assert only["to"] == [{"ipBlock": {"cidr": "10.0.0.1/32"}}]


@pytest.mark.parametrize(
    ("values", "namespace", "reason"),
    [
        ({"singlePlatform": "acme"}, "acme", "the release's own namespace"),
        (SINGLE | {"platforms": ["globex"]}, HOME, "both set"),
        (SINGLE | {"admissionPolicies": {"exceptNamespaces": ["x"]}}, HOME, "both set"),
        (SINGLE | {"test": {"platform": "globex"}}, HOME, "only acme is served"),
        ({"platforms": ["acme"]}, "acme", "the release's own namespace"),
        ({"admissionPolicies": {"exceptNamespaces": ["acme"]}}, "acme", "need the policies"),
        ({"test": {"platform": "acme"}}, "acme", "can't be a platform"),
        ({"masterKey": {"existingSecret": "a", "volume": {"csi": {"driver": "x"}}}}, HOME, "both set"),
        ({"api": {"enabled": False, "ingress": {"enabled": True}}}, HOME, "nothing to lead to"),
        ({"api": {"ingress": {"enabled": True}}}, HOME, "name the host"),
        ({"computes": {"x": {"command": ["a"]}}}, HOME, "computes.x has neither image nor template"),
        ({"computes": {"x": {"template": POD, "args": ["a"], "env": []}}}, HOME, "and args, env beside it"),
        ({"computes": {"python": {"template": POD}}}, HOME, "give it another name"),
        ({"computes": {"x": {"image": "a", "env": TWICE}}}, HOME, "computes.x.env has A twice"),
        ({"operator": {"extraEnv": TWICE}}, HOME, "operator.extraEnv has A twice"),
        ({"api": {"extraEnv": TWICE}}, HOME, "api.extraEnv has A twice"),
        ({"serviceMonitor": {"interval": "5s"}}, HOME, "scrapeTimeout is 10s, longer than its interval of 5s"),
        ({"serviceMonitor": {"interval": "9999ms"}}, HOME, "longer than its interval of 9999ms"),
        ({"serviceMonitor": {"scrapeTimeout": "1h", "interval": "59m"}}, HOME, "longer than its interval of 59m"),
        ({"global": {"imageRegistry": "r.example.com"}}, HOME, "global has imageRegistry, and this chart reads none"),
        ({}, "kube-system", "can't be in kube-system"),
    ],
)
def test_values_that_contradict_are_refused_with_the_remedy(
    values: dict[str, Any], namespace: str, reason: str
) -> None:
    assert reason in refusal(values, namespace)


def test_as_part_of_another_chart_it_takes_what_is_global_there(tmp_path: Path) -> None:
    (tmp_path / "charts").mkdir()
    (tmp_path / "charts" / "theazo").symlink_to(CHART)
    (tmp_path / "Chart.yaml").write_text("{apiVersion: v2, name: parent, version: 1.0.0}")
    done = helm("template", "parent", tmp_path, values={"global": {"imageRegistry": "r.example.com"}})
    assert "theazo-operator" in done.stdout, done.stderr


def test_objects_more_are_added_as_they_are_and_texts_as_templates() -> None:
    kept = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}, "data": {"x": "{{ y }}"}}
    text = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: '{{ .Release.Namespace }}-b'}\n"
    objects = render({"extraObjects": [kept, text]})
    assert kept in objects
    assert named(objects, "ConfigMap", f"{HOME}-b")
