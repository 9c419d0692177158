import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.cli import KEY, Api, Result, config_map, fake_cluster, theazo
from theazo.cli.registry import binding

RBAC = "/apis/rbac.authorization.k8s.io/v1"
LABEL = "theazo.dev/platform"


def namespace(name: str, labels: dict[str, str] | None = None, age: timedelta = timedelta()) -> dict[str, Any]:
    created = (datetime.now(UTC) - age).strftime("%Y-%m-%dT%H:%M:%SZ")
    metadata = {"name": name, "uid": f"uid-of-{name}", "labels": labels or {}, "creationTimestamp": created}
    return {"metadata": metadata, "status": {"phase": "Active"}}


@pytest.fixture
def api(tmp_path: Path) -> Iterator[Api]:
    with fake_cluster(tmp_path) as fake:
        for name in ("acme", "globex", "kube-system", "kube-public", "kube-node-lease", "theazo-system"):
            fake.objects[f"/api/v1/namespaces/{name}"] = namespace(name)
        yield fake


def platforms(api: Api, *arguments: str) -> Result:
    return theazo("platforms", *arguments, "--kubeconfig", api.kubeconfig)


def refused(api: Api, result: Result, *words: str, code: int = 1) -> None:
    assert (result.code, result.out) == (code, "")
    assert all(line.startswith("error: ") for line in result.err.splitlines())
    assert all(word in result.err for word in words), result.err
    assert api.writes() == []


def test_add_binds_and_then_labels(api: Api) -> None:
    result = platforms(api, "add", "acme")
    assert (result.code, result.out, result.err) == (0, "platform acme added\n", "")
    operator, rest, label = api.writes()
    assert {each.content_type for each in (operator, rest, label)} == {"application/apply-patch+yaml"}
    assert {each.query["fieldManager"] for each in (operator, rest, label)} == {"theazo-cli"}
    assert operator.path == f"{RBAC}/namespaces/acme/rolebindings/theazo-operator"
    role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "theazo-operator-platform"}
    assert operator.body["roleRef"] == role
    account = {"kind": "ServiceAccount", "name": "theazo-operator", "namespace": "theazo-system"}
    assert operator.body["subjects"] == [account]
    assert rest.path == f"{RBAC}/namespaces/acme/rolebindings/theazo-api"
    assert rest.body["roleRef"] == {**role, "name": "theazo-api-platform"}
    assert rest.body["subjects"] == [{**account, "name": "theazo-api"}]
    assert label.path == "/api/v1/namespaces/acme"
    # The UID keeps an apply from creating a namespace that was deleted meanwhile.
    assert label.body["metadata"] == {"name": "acme", "uid": "uid-of-acme", "labels": {LABEL: "true"}}


@pytest.mark.parametrize("value", ["true", "", "anything"])
def test_add_again_changes_no_label_but_mends_the_bindings(api: Api, value: str) -> None:
    api.objects["/api/v1/namespaces/acme"] = namespace("acme", {LABEL: value})
    assert platforms(api, "add", "acme").out == "platform acme unchanged\n"
    assert [each.path for each in api.writes()] == [
        f"{RBAC}/namespaces/acme/rolebindings/theazo-operator",
        f"{RBAC}/namespaces/acme/rolebindings/theazo-api",
    ]
    assert {each.query["force"] for each in api.writes()} == {"true"}


@pytest.mark.parametrize("name", ["kube-system", "kube-public", "kube-node-lease", "theazo-system"])
def test_some_namespaces_cannot_be_platforms(api: Api, name: str) -> None:
    refused(api, platforms(api, "add", "acme", name), f"{name} ", "can't be a platform")


def test_the_operators_namespace_is_where_it_runs(api: Api) -> None:
    refused(api, platforms(api, "add", "acme", "--operator-namespace", "acme"), "the operator's namespace")
    platforms(api, "add", "globex", "--operator-namespace", "acme")
    assert api.writes()[0].body["subjects"][0]["namespace"] == "acme"


def test_a_namespace_that_is_not_there(api: Api) -> None:
    result = platforms(api, "add", "acme", "none", "kube-system", "nil")
    refused(api, result, "kubectl create namespace none", "kubectl create namespace nil", "kube-system belongs")
    refused(api, platforms(api, "remove", "none"), "no namespace none")


def test_a_namespace_that_goes_away(api: Api) -> None:
    api.objects["/api/v1/namespaces/acme"]["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    refused(api, platforms(api, "add", "acme"), "is being deleted")


def test_a_name_that_no_namespace_has(api: Api) -> None:
    refused(api, platforms(api, "add", "../pods"), "a platform's name", code=2)
    refused(api, platforms(api, "add"), "missing", code=2)
    assert api.requests == []


@pytest.mark.parametrize(
    ("status", "message", "words"),
    [
        (403, "attempt to grant extra privileges", ("ask an administrator", "attempt to grant extra privileges")),
        (422, "roleRef is immutable", ("cannot bind the operator's rights in acme: roleRef is immutable",)),
        (409, "x" * 500, ("x" * 400 + "…",)),
        (500, "", ("the API server answered 500",)),
    ],
)
def test_what_the_server_refuses(api: Api, status: int, message: str, words: tuple[str, ...]) -> None:
    path = f"{RBAC}/namespaces/acme/rolebindings/theazo-operator"
    api.answers["PATCH", path] = (status, {"message": message, "details": "b0dy"})
    result = platforms(api, "add", "acme")
    assert (result.code, result.out) == (1, "")
    assert all(word in result.err for word in words), result.err
    assert "b0dy" not in result.err
    assert "x" * 401 not in result.err


@pytest.fixture
def listed(api: Api) -> Api:
    ages = {"acme": timedelta(days=3, hours=1), "globex": timedelta(seconds=7)}
    namespaces = [namespace(name, {LABEL: "true"}, age) for name, age in ages.items()]
    api.objects["/api/v1/namespaces"] = {"items": namespaces}
    api.objects["/api/v1/namespaces/theazo-system/configmaps"] = {"items": [config_map(), {"metadata": {}}]}
    bindings = [binding("acme", name, "theazo-system") for name in ("theazo-operator", "theazo-api")]
    api.objects[f"{RBAC}/rolebindings"] = {"items": bindings}
    return api


def test_list_shows_what_to_pin_and_what_is_missing(listed: Api) -> None:
    result = platforms(listed, "list")
    assert (result.code, result.err) == (0, "")
    head, acme, globex = result.out.splitlines()
    assert head == "NAME     AGE   FINGERPRINT        BOUND"
    assert acme == f"acme     3d    {KEY.key_id}   yes"
    assert globex.split()[0] == "globex"
    assert globex.split()[2:] == ["<none>", "no"]
    assert [each.query for each in listed.requests] == [
        {"labelSelector": LABEL},
        {"labelSelector": "theazo.dev/sealing-key"},
        {"fieldSelector": "metadata.name=theazo-operator"},
        {"fieldSelector": "metadata.name=theazo-api"},
    ]


@pytest.mark.parametrize(
    "change",
    [
        {"roleRef": {"kind": "ClusterRole", "name": "view"}},
        {"roleRef": {"kind": "Role", "name": "theazo-api-platform"}},
        {"subjects": [{"kind": "ServiceAccount", "name": "theazo-api", "namespace": "elsewhere"}]},
        {"subjects": [{"kind": "User", "name": "theazo-api", "namespace": "theazo-system"}]},
        {"subjects": None},
        {"metadata": {"namespace": "globex"}},
    ],
)
def test_a_platform_is_bound_by_both_bindings(listed: Api, change: dict[str, Any]) -> None:
    listed.objects[f"{RBAC}/rolebindings"]["items"][1] |= change
    found = json.loads(platforms(listed, "list", "-o", "json").out)["platforms"]
    assert [each["bound"] for each in found] == [False, False]


def test_list_in_other_forms(listed: Api) -> None:
    assert platforms(listed, "list", "-o", "name").out == "namespace/acme\nnamespace/globex\n"
    wide = platforms(listed, "list", "-o", "wide").out.splitlines()
    assert wide[1].split()[4:] == ["Active", "xwing-sha256-aes256gcm"]
    found = json.loads(platforms(listed, "list", "-o", "json").out)
    assert found == yaml.safe_load(platforms(listed, "list", "-o", "yaml").out)
    acme, globex = found["platforms"]
    assert acme["fingerprint"] == KEY.key_id
    assert acme["bound"] is True
    assert globex["fingerprint"] is None
    assert set(globex) == {"name", "createdAt", "phase", "bound", "fingerprint", "suite"}
    refused(listed, platforms(listed, "list", "-o", "xml"), "--output can't have this value", code=2)


def test_list_without_platforms(api: Api) -> None:
    for path in ("/api/v1/namespaces", "/api/v1/namespaces/theazo-system/configmaps", f"{RBAC}/rolebindings"):
        api.objects[path] = {"items": None}
    result = platforms(api, "list")
    assert (result.code, result.out) == (0, "")
    assert "theazo platforms add" in result.err
    assert json.loads(platforms(api, "list", "-o", "json").out) == {"platforms": []}


@pytest.fixture
def busy(api: Api) -> Api:
    api.objects["/api/v1/namespaces/acme"] = namespace("acme", {LABEL: "x"})
    for kind, more in (("theazosessions", 2), ("theazosecrets", None), ("theazoagents", 4)):
        path = f"/apis/theazo.dev/v1alpha1/namespaces/acme/{kind}"
        api.objects[path] = {"items": [{}], "metadata": {"remainingItemCount": more}}
    return api


def test_remove_refuses_while_agents_are_there(busy: Api) -> None:
    refused(busy, platforms(busy, "remove", "globex", "acme"), "acme has 5 agents", "--force", "delete theazoagents")


def test_remove_says_what_remains(busy: Api) -> None:
    result = platforms(busy, "remove", "acme", "--force")
    assert (result.code, result.out) == (0, "platform acme removed\n")
    assert "3 sessions, 1 sealed secrets of sessions, 5 agents" in result.err
    label, *bindings = busy.writes()
    assert (label.verb, label.path, label.content_type) == (
        "PATCH",
        "/api/v1/namespaces/acme",
        "application/merge-patch+json",
    )
    assert label.body == {"metadata": {"labels": {LABEL: None}}}
    paths = [f"{RBAC}/namespaces/acme/rolebindings/{name}" for name in ("theazo-operator", "theazo-api")]
    assert [(each.verb, each.path) for each in bindings] == [("DELETE", path) for path in paths]


def test_remove_of_what_is_no_platform_is_done_already(api: Api) -> None:
    result = platforms(api, "remove", "globex")  # the kinds are not even installed: every list is a 404
    assert (result.code, result.out) == (0, "globex was no platform\n")
    assert [each.verb for each in api.writes()] == ["DELETE", "DELETE"]
