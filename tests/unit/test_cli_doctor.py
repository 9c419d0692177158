"""`theazo doctor`: what is right, what is wrong and what to do, and what nobody could look at."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
import yaml

from tests.support.cli import KEY_PATH, Api, Request, Result, config_map, fake_cluster, refused, theazo
from theazo.cli.cluster import Cluster
from theazo.cli.doctor_encryption import judge
from theazo.cli.registry import binding

HOME = "/api/v1/namespaces/theazo-system"
CRD = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
APPS = "/apis/apps/v1/namespaces/theazo-system/deployments"
ADMISSION = "/apis/admissionregistration.k8s.io/v1"
RBAC = "/apis/rbac.authorization.k8s.io/v1"
MASTER = f"{HOME}/secrets/theazo-master-key"
REVIEWS = "/apis/authorization.k8s.io/v1/subjectaccessreviews"
COUNTER = "apiserver_storage_transformation_operations_total"
POLICIES = ("theazo-platforms", "theazo-pods", "theazo-secrets")
SECRET_KEY = "bWFzdGVyLWtleS1ieXRlcw=="


def written(prefix: str, count: str = "2", resource: str = "secrets", way: str = "to_storage") -> str:
    labels = f'resource="{resource}",status="OK",transformation_type="{way}",transformer_prefix="{prefix}"'
    return f"{COUNTER}{{{labels}}} {count}\n"


def deployment(name: str, replicas: int = 1, ready: int = 1, **container: Any) -> dict[str, Any]:
    template = {"spec": {"containers": [{"name": name, "image": f"example.com/{name}:1", **container}]}}
    return {"spec": {"replicas": replicas, "template": template}, "status": {"readyReplicas": ready}}


def cluster_role(name: str, *rules: dict[str, Any], namespace: str | None = None) -> dict[str, Any]:
    return {"metadata": {"name": name, "namespace": namespace} if namespace else {"name": name}, "rules": list(rules)}


def bind(role: str, *subjects: dict[str, str], namespace: str | None = None, kind: str = "ClusterRole") -> Any:
    metadata = {"name": f"to-{role}", **({"namespace": namespace} if namespace else {})}
    return {"metadata": metadata, "roleRef": {"kind": kind, "name": role}, "subjects": list(subjects)}


def rule(group: str = "", resource: str = "secrets", verb: str = "list", **more: Any) -> dict[str, Any]:
    return {"apiGroups": [group], "resources": [resource], "verbs": [verb], **more}


MASTERS = {"kind": "Group", "name": "system:masters"}
MANAGER = {"kind": "User", "name": "system:kube-controller-manager"}
COLLECTOR = {"kind": "ServiceAccount", "name": "generic-garbage-collector", "namespace": "kube-system"}


def objects() -> dict[str, Any]:
    """An installation that is right in everything."""
    policy = {"spec": {"failurePolicy": "Fail"}}
    labels = {"theazo.dev/platform": "true", "pod-security.kubernetes.io/enforce": "baseline"}
    crd = {
        "spec": {"versions": [{"name": "v1alpha1", "served": True}]},
        "status": {"conditions": [{"type": "Established", "status": "True"}]},
    }
    roles = [cluster_role("cluster-admin", rule("*", "*", "*")), cluster_role("view", rule(resource="pods"))]
    everywhere = [bind("cluster-admin", MASTERS, MANAGER, COLLECTOR), bind("view", {"kind": "User", "name": "eve"})]
    return {
        "/version": {"major": "1", "minor": "37+"},
        "/api/v1/namespaces": {"items": [{"metadata": {"name": "acme", "labels": labels}}]},
        **{f"{CRD}/theazo{kind}.theazo.dev": crd for kind in ("sessions", "secrets", "agents")},
        f"{APPS}/theazo-operator": deployment("theazo-operator"),
        f"{APPS}/theazo-api": deployment("theazo-api", 2, 2),
        MASTER: {"metadata": {"creationTimestamp": "2026-01-01T00:00:00Z"}, "data": {"1": SECRET_KEY}},
        **{f"{ADMISSION}/validatingadmissionpolicies/{name}": policy for name in POLICIES},
        **{
            f"{ADMISSION}/validatingadmissionpolicybindings/{name}": {
                "spec": {"policyName": name, "validationActions": ["Deny"], "matchResources": {"objectSelector": {}}}
            }
            for name in POLICIES
        },
        KEY_PATH: config_map(),
        f"{RBAC}/rolebindings": {
            "items": [binding("acme", name, "theazo-system") for name in ("theazo-operator", "theazo-api")]
        },
        f"{RBAC}/clusterroles": {"items": roles},
        f"{RBAC}/roles": {"items": None},
        f"{RBAC}/clusterrolebindings": {"items": everywhere},
    }


@pytest.fixture
def api(tmp_path: Path) -> Iterator[Api]:
    with fake_cluster(tmp_path) as fake:
        fake.objects |= json.loads(json.dumps(objects()))
        fake.answers["GET", "/metrics"] = (200, ("# HELP\n" + written("k8s:enc:secretbox:v1:")).encode())
        fake.answers["POST", REVIEWS] = (201, {"status": {"allowed": False}})
        yield fake


def doctor(api: Api, *arguments: str) -> Result:
    result = theazo("doctor", *arguments, "--kubeconfig", api.kubeconfig)
    assert SECRET_KEY not in result.out + result.err
    return result


def found(api: Api, state: str, code: int = 0) -> list[str]:
    result = doctor(api, "-o", "json")
    assert (result.code, result.err) == (code, ""), result
    checks = json.loads(result.out)["checks"]
    assert all(each["remedy"] for each in checks if each["state"] == "fail")
    return [f"{each['subject']}: {each['text']}" for each in checks if each["state"] == state]


def test_all_is_right(api: Api) -> None:
    result = doctor(api)
    assert (result.code, result.err) == (0, ""), result.out
    assert [line.split(":")[0] for line in result.out.splitlines() if line.startswith("[")] == [
        f"[ok]   {subject}"
        for subject in (
            *("kubernetes", "clock", "crds", "operator", "api", "master key", "admission"),
            *("platforms", "platforms", "sealing keys", "pod security"),
            *("own rights", "own rights", "readers", "readers", "encryption"),
        )
    ]
    assert result.out.endswith("\n16 ok, 0 warnings, 0 failures\n")
    assert "operator: ready, image example.com/theazo-operator:1" in result.out
    assert "keep a backup" in result.out
    assert not [request for request in api.requests if request.verb not in {"GET", "POST"}]
    assert {request.path for request in api.requests if request.verb == "POST"} == {REVIEWS}


def test_the_master_key_itself_is_never_asked_for(api: Api) -> None:
    doctor(api)
    (asked,) = [request for request in api.requests if request.path == MASTER]
    assert asked.accept == "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"


GONE = {
    **{
        f"{CRD}/theazo{kind}.theazo.dev": f"crds: theazo{kind}.theazo.dev is missing" for kind in ("sessions", "agents")
    },
    f"{APPS}/theazo-operator": "operator: there is no Deployment theazo-operator in theazo-system",
    MASTER: "master key: there is no Secret theazo-master-key in theazo-system",
    KEY_PATH: "sealing keys: platform acme has no published sealing key",
    **{
        f"{ADMISSION}/validatingadmissionpolicies/{name}": f"admission: the policy {name} is missing"
        for name in POLICIES
    },
    f"{ADMISSION}/validatingadmissionpolicybindings/theazo-pods": "admission: the policy theazo-pods is not bound",
    f"{RBAC}/rolebindings": "platforms: acme has no RoleBinding theazo-operator with the operator's rights",
}


@pytest.mark.parametrize("path", GONE)
def test_what_is_missing_is_a_failure(api: Api, path: str) -> None:
    del api.objects[path]
    assert any(line.startswith(GONE[path]) for line in found(api, "fail", code=1))


POLICY = f"{ADMISSION}/validatingadmissionpolicies/theazo-pods"
BOUND = f"{ADMISSION}/validatingadmissionpolicybindings/theazo-pods"
DENIES = {"policyName": "theazo-pods", "validationActions": ["Deny"]}


@pytest.mark.parametrize(
    ("path", "value", "text"),
    [
        ("/version", {"major": "1", "minor": "34"}, "kubernetes: the API server is of version 1.34"),
        (f"{CRD}/theazosecrets.theazo.dev", {"spec": {"versions": []}}, "theazosecrets.theazo.dev is not established"),
        (f"{APPS}/theazo-operator", deployment("x", 1, 0), "operator: not ready, image example.com/x:1"),
        (f"{APPS}/theazo-operator", deployment("x", 2, 2), "operator: more than one replica"),
        (f"{APPS}/theazo-api", deployment("x", 2, 0), "api: not ready"),
        (KEY_PATH, config_map(suite="other"), "sealing keys: ConfigMap sealing-key-acme: its suite is not"),
        (KEY_PATH, config_map(keyId="0" * 16), "its keyId is not that of its publicKey"),
        (POLICY, {"spec": {"failurePolicy": "Ignore"}}, "the policy theazo-pods lets pass what it can't judge"),
        (BOUND, {"spec": {**DENIES, "validationActions": ["Warn"]}}, "theazo-pods is bound, but not to deny"),
        (BOUND, {"spec": {**DENIES, "policyName": "other"}}, "theazo-pods is bound, but not to deny"),
        (
            BOUND,
            {"spec": {**DENIES, "matchResources": {"namespaceSelector": {"matchLabels": {"a": "b"}}}}},
            "the policy theazo-pods is bound for some objects only",
        ),
    ],
)
def test_what_is_wrong_is_a_failure(api: Api, path: str, value: Any, text: str) -> None:
    api.objects[path] = value
    assert any(text in line for line in found(api, "fail", code=1)), found(api, "fail", code=1)


def test_a_kind_of_another_version(api: Api) -> None:
    crd = api.objects[f"{CRD}/theazosecrets.theazo.dev"]
    crd["spec"]["versions"] = [{"name": "v1alpha1", "served": False}, {"name": "v1", "served": True}]
    assert found(api, "fail", code=1) == ["crds: theazosecrets.theazo.dev is not served as v1alpha1"]


@pytest.mark.parametrize(
    "container", [{"args": ["--master-key-dir=/keys"]}, {"env": [{"name": "THEAZO_MASTER_KEY_DIR"}]}]
)
def test_a_mounted_master_key_can_not_be_looked_at(api: Api, container: dict[str, Any]) -> None:
    del api.objects[MASTER]
    api.objects[f"{APPS}/theazo-operator"] = deployment("theazo-operator", **container)
    assert found(api, "warn")[0].startswith("master key: the operator reads it from a mounted directory")


def test_what_one_can_do_without_is_a_warning(api: Api) -> None:
    del api.objects[f"{APPS}/theazo-api"]
    api.objects["/api/v1/namespaces"] = {"items": []}
    api.objects["/version"] = {}
    warned = [line.split(":")[0] for line in found(api, "warn")]
    assert warned == ["kubernetes", "api", "platforms"]


@pytest.mark.parametrize("level", [None, "privileged"])
def test_a_platform_with_privileged_pods(api: Api, level: str | None) -> None:
    labels = api.objects["/api/v1/namespaces"]["items"][0]["metadata"]["labels"]
    labels["pod-security.kubernetes.io/enforce"] = level
    (line,) = found(api, "warn")
    assert line.startswith(f"pod security: acme enforces {level or 'no'} Pod Security level")


@pytest.mark.parametrize(("late", "warns"), [(-3600, 1), (3600, 1), (0, 0)])
def test_clocks_that_differ(api: Api, late: int, warns: int) -> None:
    there = datetime.now(UTC) + timedelta(seconds=late)
    with patch.object(Cluster, "clock", property(lambda _: there, lambda *_: None), create=True):
        assert len([line for line in found(api, "warn") if line.startswith("clock: ")]) == warns


UNREADABLE = {
    "/version": "kubernetes",
    f"{CRD}/theazoagents.theazo.dev": "crds",
    f"{APPS}/theazo-operator": "operator",
    f"{APPS}/theazo-api": "api",
    MASTER: "master key",
    POLICY: "admission",
    f"{RBAC}/rolebindings": "platforms",
    KEY_PATH: "sealing keys",
    REVIEWS: "own rights",
    f"{RBAC}/clusterroles": "readers",
    "/metrics": "encryption",
}


@pytest.mark.parametrize("path", UNREADABLE)
def test_what_may_not_be_read_is_a_warning(api: Api, path: str) -> None:
    api.answers["POST" if path == REVIEWS else "GET", path] = (403, {"message": "forbidden"})
    warned = found(api, "warn")
    assert any(line.startswith(f"{UNREADABLE[path]}: could not be checked: ") for line in warned), warned


def test_who_may_not_even_list_namespaces_hears_of_the_rest(api: Api) -> None:
    api.answers["GET", "/api/v1/namespaces"] = (403, {"message": "forbidden"})
    warned = found(api, "warn")
    assert {line.split(":")[0] for line in warned} == {
        *("platforms", "sealing keys", "pod security", "own rights", "readers")
    }
    assert all("could not be checked: your account may not list namespaces" in line for line in warned)


@pytest.mark.parametrize(
    ("account", "where", "said"),
    [
        ("theazo-operator", {"namespace": "acme", "verb": "list"}, "may list Secrets in acme"),
        ("theazo-operator", {"namespace": "acme", "verb": "get"}, "may get Secrets in acme"),
        ("theazo-operator", {"namespace": "", "verb": "watch"}, "may watch Secrets in all namespaces"),
        (
            "theazo-api",
            {"name": "theazo-master-key", "verb": "get"},
            "may get the Secret theazo-master-key in theazo-sy",
        ),
    ],
)
def test_our_own_accounts_may_not_read(api: Api, account: str, where: dict[str, str], said: str) -> None:
    answer = api.answer

    def allows(request: Request) -> tuple[int, Any]:
        if request.path != REVIEWS:
            return answer(request)
        spec = request.body["spec"]
        assert spec["groups"] == [
            "system:serviceaccounts",
            "system:serviceaccounts:theazo-system",
            "system:authenticated",
        ]
        asked = spec["resourceAttributes"]
        mine = spec["user"] == f"system:serviceaccount:theazo-system:{account}"
        return 201, {"status": {"allowed": mine and all(asked[name] == value for name, value in where.items())}}

    with patch.object(api, "answer", allows):
        failed = found(api, "fail", code=1)
    assert failed == [failed[0]]
    assert failed[0].startswith(f"own rights: {account} {said}")


EVE = {"kind": "User", "name": "eve"}
BOT = {"kind": "ServiceAccount", "name": "bot"}


@pytest.mark.parametrize(
    "granting",
    [
        rule(),
        rule(verb="get"),
        rule(verb="watch"),
        rule(verb="*"),
        rule(resource="*"),
        rule("*", "*", "*"),
        rule("*", "secrets", "get"),
    ],
)
def test_who_else_can_read_is_listed(api: Api, granting: dict[str, Any]) -> None:
    api.objects[f"{RBAC}/clusterroles"]["items"].append(cluster_role("reader", rule(resource="pods"), granting))
    api.objects[f"{RBAC}/clusterrolebindings"]["items"].append(bind("reader", EVE, MANAGER))
    api.objects[f"{RBAC}/rolebindings"]["items"].append(bind("reader", BOT, namespace="acme"))
    api.objects[f"{RBAC}/rolebindings"]["items"].append(bind("reader", EVE, namespace="elsewhere"))
    everywhere, acme = found(api, "warn")
    assert everywhere.startswith(
        "readers: Secrets in all namespaces can be read by User eve by ClusterRoleBinding to-re"
    )
    assert everywhere.endswith("besides 3 of Kubernetes' own, and the group system:masters")
    assert acme == "readers: Secrets in acme can be read by ServiceAccount acme/bot by RoleBinding to-reader"


@pytest.mark.parametrize(
    "harmless",
    [
        rule("apps"),
        rule(resource="configmaps"),
        rule(verb="create"),
        rule(verb="deletecollection"),
        {"nonResourceURLs": ["*"], "verbs": ["*"]},
    ],
)
def test_who_can_not_read_is_not_listed(api: Api, harmless: dict[str, Any]) -> None:
    api.objects[f"{RBAC}/clusterroles"]["items"].append(cluster_role("other", harmless))
    api.objects[f"{RBAC}/clusterrolebindings"]["items"].append(bind("other", EVE))
    assert found(api, "warn") == []


def test_roles_of_a_namespace_count_there_alone(api: Api) -> None:
    named = cluster_role("view", rule(resourceNames=["one"], verb="get"), namespace="acme")
    api.objects[f"{RBAC}/roles"] = {"items": [named]}
    assert found(api, "warn") == []  # a ClusterRole of the same name is another role
    api.objects[f"{RBAC}/rolebindings"]["items"] += [
        bind("view", BOT, namespace="acme", kind="Role"),
        bind("gone", EVE, namespace="acme", kind="Role"),
    ]
    assert found(api, "warn") == [
        "readers: Secrets in acme can be read by ServiceAccount acme/bot by RoleBinding to-view (some, by name)"
    ]


CONFIGURED = '# TYPE x gauge\napiserver_encryption_config_controller_last_config_info{hash="x"} 1\n'


@pytest.mark.parametrize(
    ("metrics", "state", "word"),
    [
        (written("k8s:enc:secretbox:v1:") + written("cluster:"), "ok", "with secretbox"),
        (written("k8s:enc:kms:v2:") + written("k8s:enc:aescbc:v1:"), "ok", "with aescbc, kms"),
        (written(""), "fail", "unencrypted"),
        (written("", "5") + written("k8s:enc:kms:v2:"), "warn", "unencrypted too"),
        (written("", "0") + written("k8s:enc:kms:v2:"), "ok", "kms"),
        (written("k8s:enc:kms:v2:", resource="configmaps"), "warn", "no sign"),
        (written("k8s:enc:kms:v2:", way="from_storage"), "warn", "no sign"),
        (written("k8s:enc:kms:v2:").replace("OK", "Unknown"), "warn", "no sign"),
        (CONFIGURED, "warn", "is configured"),
        ("", "warn", "no sign"),
    ],
)
def test_what_the_metrics_say_of_encryption(metrics: str, state: str, word: str) -> None:
    finding = judge(f"# HELP\n{metrics}")
    assert finding.state == state
    assert word in finding.text
    assert finding.remedy or state == "ok"


def test_other_forms(api: Api) -> None:
    del api.objects[MASTER]
    result = doctor(api, "-o", "json")
    assert json.loads(result.out) == yaml.safe_load(doctor(api, "-o", "yaml").out)
    assert json.loads(result.out)["failed"] is True
    assert result.code == doctor(api).code == 1


def test_wrong_inputs(api: Api, tmp_path: Path) -> None:
    refused(theazo("doctor", "-o", "name", "--kubeconfig", api.kubeconfig), "--output can't have this value", code=2)
    refused(theazo("doctor", "acme", "--kubeconfig", api.kubeconfig), "argument 2 is one too many", code=2)
    refused(theazo("doctor", "--kubeconfig", tmp_path / "none"), "no usable kubeconfig")
    assert api.requests == []
    result = theazo("doctor", "--operator-namespace", "elsewhere", "--kubeconfig", api.kubeconfig)
    assert result.code == 1
    assert "there is no Deployment theazo-operator in elsewhere" in result.out
    assert "--operator-namespace" in result.out
