"""Who may do what, in the two modes."""

from typing import Any

import pytest

from tests.chart.support import HOME, Manifest, environment, named, of_kind, pod_specs, render

SINGLE = {"singlePlatform": "acme"}
Rule = tuple[str, str, str]
CLUSTER_RBAC = ("ClusterRole", "ClusterRoleBinding")


def rights(roles: list[Manifest]) -> set[Rule]:
    """All of (resource, verb, name) that some roles give; "" for every name."""
    return {
        (resource, verb, name)
        for role in roles
        for rule in role["rules"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
        for name in rule.get("resourceNames", [""])
    }


def rights_of(objects: list[Manifest], account: str, namespace: str | None) -> set[Rule]:
    """What a ServiceAccount of the release may do in a namespace (None: everywhere), by the bindings there."""
    found = []
    for binding in of_kind(objects, "RoleBinding", "ClusterRoleBinding"):
        if binding["metadata"].get("namespace") != namespace:
            continue
        if account not in {subject["name"] for subject in binding["subjects"]}:
            continue
        role = binding["roleRef"]
        found.append(named(objects, role["kind"], role["name"], namespace if role["kind"] == "Role" else None))
    return rights(found)


def test_in_single_platform_mode_there_is_no_cluster_role_of_ours() -> None:
    objects = render(SINGLE)
    assert not of_kind(objects, *CLUSTER_RBAC, "Namespace")
    assert {item["metadata"]["namespace"] for item in of_kind(objects, "Role", "RoleBinding")} == {HOME, "acme"}
    assert all(item["roleRef"]["kind"] == "Role" for item in of_kind(objects, "RoleBinding"))
    assert environment(objects, "theazo-operator")["THEAZO_PLATFORM"] == "acme"
    assert not [rule for rule in rights(of_kind(objects, "Role")) if rule[0] == "namespaces"]


def test_without_crds_and_policies_a_single_platform_needs_no_right_outside_its_two_namespaces() -> None:
    objects = render(SINGLE | {"crds": {"install": False}, "admissionPolicies": {"enabled": False}})
    assert {item["metadata"].get("namespace") for item in objects} == {HOME, "acme"}


@pytest.mark.parametrize("account", ["theazo-operator", "theazo-api"])
@pytest.mark.parametrize("computes", [False, True], ids=["", "allowPlatformComputes"])
def test_the_modes_give_the_same_rights_in_a_platform(account: str, *, computes: bool) -> None:
    more = {"allowPlatformComputes": computes}
    single, wide = render(SINGLE | more), render({"platforms": ["acme"]} | more)
    reads = {rule for rule in rights_of(wide, account, None) if rule[0] != "namespaces"}
    assert rights_of(single, account, "acme") == rights_of(wide, account, "acme") | reads
    assert rights_of(single, account, HOME) == rights_of(wide, account, HOME)


def test_the_operator_writes_nothing_outside_of_platforms() -> None:
    everywhere = rights_of(render(), "theazo-operator", None)
    assert {rule for rule in everywhere if rule[1] not in {"get", "list", "watch"}} == {
        (f"theazo{kind}/status", "patch", "") for kind in ("sessions", "secrets", "agents")
    }


@pytest.mark.parametrize("mode", [SINGLE, {"platforms": ["acme"]}], ids=["single", "wide"])
def test_platform_computes_bring_the_right_to_read_them(mode: dict[str, Any]) -> None:
    where = "acme" if mode == SINGLE else None
    without, objects = render(mode), render(mode | {"allowPlatformComputes": True})
    wanted = {("podtemplates", verb, "") for verb in ("get", "list", "watch")}
    assert wanted <= rights_of(objects, "theazo-operator", where)
    assert not wanted & rights_of(without, "theazo-operator", where)
    assert ("podtemplates", "get", "") in rights_of(objects, "theazo-api", "acme")
    for deployment in ("theazo-operator", "theazo-api"):
        assert environment(objects, deployment)["THEAZO_ALLOW_PLATFORM_COMPUTES"] == "true"


def policy_scopes(objects: list[Manifest]) -> dict[str, Any]:
    policies = of_kind(objects, "ValidatingAdmissionPolicy")
    return {
        item["metadata"]["name"]: item["spec"]["matchConstraints"].get("namespaceSelector", {}).get("matchExpressions")
        for item in policies
    }


def test_policies_of_one_platform_look_at_it_and_at_home_only() -> None:
    scope = [{"key": "kubernetes.io/metadata.name", "operator": "In", "values": [HOME, "acme"]}]
    assert policy_scopes(render(SINGLE)) == {f"theazo-{name}-acme": scope for name in ("secrets", "pods", "platforms")}


def test_policies_leave_namespaces_with_an_operator_of_their_own_alone() -> None:
    objects = render({"admissionPolicies": {"exceptNamespaces": ["acme"]}})
    scope = [{"key": "kubernetes.io/metadata.name", "operator": "NotIn", "values": ["acme"]}]
    assert policy_scopes(objects) == {"theazo-secrets": scope, "theazo-pods": scope, "theazo-platforms": None}
    assert "'acme'" in str(named(objects, "ValidatingAdmissionPolicy", "theazo-platforms")), "it can't be one of ours"


@pytest.mark.parametrize(("values", "suffix"), [({}, ""), (SINGLE, "-acme")], ids=["wide", "single"])
def test_a_namespace_with_the_label_already_can_still_be_changed(values: dict[str, Any], suffix: str) -> None:
    """Else the one that is served, of a cluster-wide release before, could not even get an annotation."""
    policy = named(render(values), "ValidatingAdmissionPolicy", f"theazo-platforms{suffix}")
    (rule,) = policy["spec"]["validations"]
    allowed = rule["expression"].split(" || ")
    assert "request.operation == 'UPDATE' && oldObject.metadata.?labels[?'theazo.dev/platform'].hasValue()" in allowed


@pytest.mark.parametrize("values", [{}, SINGLE], ids=["wide", "single"])
def test_every_policy_is_bound(values: dict[str, Any]) -> None:
    objects = render(values)
    bound = [item["spec"]["policyName"] for item in of_kind(objects, "ValidatingAdmissionPolicyBinding")]
    assert bound == [item["metadata"]["name"] for item in of_kind(objects, "ValidatingAdmissionPolicy")]


@pytest.mark.parametrize(
    ("given", "source"),
    [
        ({"existingSecret": "mine"}, {"secret": {"secretName": "mine", "defaultMode": 0o444}}),
        ({"volume": {"csi": {"driver": "x"}}}, {"csi": {"driver": "x"}}),
    ],
    ids=["existingSecret", "volume"],
)
def test_a_master_key_of_ones_own_is_mounted_and_no_secret_at_home_is_read(
    given: dict[str, Any], source: dict[str, Any]
) -> None:
    objects = render({"masterKey": given})
    spec = pod_specs(objects)["Deployment/theazo-operator"]
    (volume,) = (each for each in spec["volumes"] if each["name"] == "master-keys")
    assert volume == {"name": "master-keys"} | source
    (mount,) = (each for each in spec["containers"][0]["volumeMounts"] if each["name"] == "master-keys")
    assert environment(objects, "theazo-operator")["THEAZO_MASTER_KEY_DIR"] == mount["mountPath"]
    assert not [rule for rule in rights_of(objects, "theazo-operator", HOME) if rule[0] == "secrets"]


def test_who_views_reads_no_sealed_values_and_who_edits_can_apply_them() -> None:
    objects = render()
    view, edit = (named(objects, "ClusterRole", f"theazo-{name}") for name in ("view", "edit"))
    assert view["metadata"]["labels"]["rbac.authorization.k8s.io/aggregate-to-view"] == "true"
    assert edit["metadata"]["labels"]["rbac.authorization.k8s.io/aggregate-to-edit"] == "true"
    assert {resource for resource, _, _ in rights([view])} == {"theazosessions", "theazoagents"}
    assert {verb for _, verb, _ in rights([view])} == {"get", "list", "watch"}
    assert {("theazosecrets", verb, "") for verb in ("get", "create", "patch")} <= rights([edit])
    assert not [resource for resource, _, _ in rights([view, edit]) if "/" in resource], "status is the operator's"
    off = render({"rbac": {"aggregateToView": False, "aggregateToEdit": False}})
    assert "aggregate-to" not in str(off)
