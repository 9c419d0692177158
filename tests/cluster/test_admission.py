"""Who may make and change an agent's Secret, and which namespaces can't be platforms."""

import json
from collections.abc import Iterator
from functools import partial
from typing import Any

import pytest

from tests.support.api import Api, Manifest, path
from tests.support.cluster import PLATFORM_LABEL, SYSTEM, wait_until
from tests.support.manifests import agent
from tests.support.sandboxes import (
    NAME,
    NOBODY,
    assert_denied,
    ordinary_secret,
    owner_reference,
    pod_scoped_secret,
    sandbox,
)

pytestmark = [pytest.mark.cluster, pytest.mark.usefixtures("installed")]

ONLY_OPERATOR = "only theazo-operator may create Secrets whose name begins with thz-. Choose another name."
KEEP = "must stay, since they see to its deletion. Leave them, or delete the Secret."
NO_PLATFORM = "this namespace can't be a platform. Remove the label theazo.dev/platform, and give each platform"


@pytest.mark.parametrize(
    "named",
    [{"name": NAME}, {"name": "thz-x"}, {"generateName": "thz-"}, {"generateName": "thz-a-"}],
    ids=["name", "short", "generated", "generated-longer"],
)
def test_nobody_else_makes_an_agents_secret(api: Api, tenant: Api, platform: str, named: dict[str, str]) -> None:
    for manifest in (ordinary_secret(platform), pod_scoped_secret(platform)):
        metadata = {key: value for key, value in manifest["metadata"].items() if key != "name"} | named
        for user in (tenant, api):
            assert_denied(user.create(manifest | {"metadata": metadata}), ONLY_OPERATOR)
    assert_denied(tenant.apply(ordinary_secret(platform, NAME), "kubectl"), ONLY_OPERATOR)


@pytest.mark.parametrize("namespace", ["default", "kube-system", SYSTEM])
def test_nor_in_any_other_namespace(api: Api, namespace: str) -> None:
    assert_denied(api.create(ordinary_secret(namespace, NAME), dry_run=True), ONLY_OPERATOR)


@pytest.mark.parametrize("name", ["database", "thz", "thza", "my-thz-secret", "theazo-master-key"])
def test_other_secrets_are_left_alone(api: Api, tenant: Api, platform: str, name: str) -> None:
    where = path("Secret", platform, name)
    tenant.create(ordinary_secret(platform, name)).ok()
    owner = api.create(agent(namespace=platform)).ok()["metadata"]
    owned = {"ownerReferences": [owner_reference(owner)], "labels": {"theazo.dev/agent-uid": "x"}}
    tenant.merge(where, {"metadata": owned | {"finalizers": ["example.com/x"]}}).ok()
    tenant.merge(where, {"metadata": {"ownerReferences": None, "labels": None, "finalizers": None}}).ok()
    tenant.merge(where, {"data": {"password": "eA=="}, "immutable": True}).ok()
    tenant.delete(where).ok()


@pytest.fixture
def living(api: Api, operator: Api, platform: str) -> Manifest:
    """An agent with its Secret and its Pod, as the operator makes them: the agent."""
    made = api.create(agent(namespace=platform)).ok()
    operator.create(pod_scoped_secret(platform, made["metadata"])).ok()
    operator.create(sandbox(platform, made["metadata"])).ok()
    return made


@pytest.mark.parametrize(
    "change",
    [
        {"labels": {"theazo.dev/agent-uid": None}},
        {"labels": {"theazo.dev/agent-uid": "another"}},
        {"labels": None},
        {"ownerReferences": None},
        {"ownerReferences": [owner_reference(NOBODY)]},
        {"finalizers": ["example.com/keep"]},
    ],
    ids=["label-off", "label-other", "labels-off", "owner-off", "owner-other", "finalizer"],
)
@pytest.mark.usefixtures("living")
def test_nobody_keeps_an_agents_secret_from_its_deletion(
    api: Api, tenant: Api, platform: str, change: dict[str, Any]
) -> None:
    for user in (tenant, api):
        assert_denied(user.merge(path("Secret", platform, NAME), {"metadata": change}), KEEP)


@pytest.mark.usefixtures("living")
def test_an_agents_secret_can_be_labelled_and_deleted(tenant: Api, platform: str) -> None:
    where = path("Secret", platform, NAME)
    more = {"labels": {"backup": "no"}, "annotations": {"note": "x"}}
    assert tenant.merge(where, {"metadata": more}).ok()["metadata"]["labels"]["backup"] == "no"
    assert "immutable" in tenant.merge(where, {"data": {"KEY": "eA=="}}).message
    tenant.delete(where).ok()


def gone(api: Api, where: str) -> bool:
    return api.get(where).code == 404


@pytest.mark.parametrize("policy", ["Background", "Foreground"])
def test_garbage_collection_is_not_in_the_way(api: Api, platform: str, living: Manifest, policy: str) -> None:
    where = path("TheazoAgent", platform, living["metadata"]["name"])
    api.delete(where, propagationPolicy=policy).ok()
    wait_until("the agent is gone", partial(gone, api, where), 60)
    for dependent in (path("Secret", platform, NAME), path("Pod", platform, "agent-01234567")):
        wait_until(f"{dependent} is gone", partial(gone, api, dependent), 60)


def test_an_orphaning_deletion_waits_for_what_it_would_leave_behind(api: Api, platform: str, living: Manifest) -> None:
    """Whoever cleans up afterwards goes by the owner: the operator removes both as soon as it sees the deletion."""
    where = path("TheazoAgent", platform, living["metadata"]["name"])
    dependents = (path("Secret", platform, NAME), path("Pod", platform, "agent-01234567"))
    api.delete(where, propagationPolicy="Orphan").ok()
    assert "orphan" in api.get(where).ok()["metadata"]["finalizers"]
    for dependent in dependents:
        assert api.get(dependent).ok()["metadata"]["ownerReferences"]
        api.delete(dependent, gracePeriodSeconds="0").ok()
    wait_until("the agent is gone", partial(gone, api, where), 60)


@pytest.mark.parametrize("value", ["true", "false", ""])
@pytest.mark.parametrize("name", ["kube-system", "kube-public", "kube-node-lease", SYSTEM])
def test_namespaces_that_cannot_be_platforms(api: Api, name: str, value: str) -> None:
    where = path("Namespace", name=name)
    label = {"metadata": {"labels": {PLATFORM_LABEL: value}}}
    assert_denied(api.merge(where, label, dry_run=True), NO_PLATFORM)
    api.merge(where, {"metadata": {"labels": {"example.com/x": "y"}}}, dry_run=True).ok()


@pytest.fixture
def named_by_the_policy(api: Api, platform: str) -> Iterator[str]:
    """A platform that is one of the namespaces that can't be, from now on. So is the one of single-platform mode."""
    name = f"names-{platform}"
    policy = api.get(path("ValidatingAdmissionPolicy", name="theazo-platforms")).ok()
    binding = api.get(path("ValidatingAdmissionPolicyBinding", name="theazo-platforms")).ok()
    spec = json.loads(json.dumps(policy["spec"]).replace("'kube-system'", f"'{platform}'"))
    made = [
        policy | {"metadata": {"name": name}, "spec": spec, "status": {}},
        binding | {"metadata": {"name": name}, "spec": binding["spec"] | {"policyName": name}},
    ]
    for manifest in made:
        api.create(manifest).ok()
    labelled = {"apiVersion": "v1", "kind": "Namespace"} | {
        "metadata": {"name": platform, "labels": {PLATFORM_LABEL: ""}}
    }
    try:
        # It is a conflict, until the policy denies it before that is looked at.
        wait_until("the policy is there", lambda: api.create(labelled, dry_run=True).code == 403)
        yield platform
    finally:
        for manifest in reversed(made):
            api.delete(path(manifest["kind"], name=name)).ok()


def test_a_namespace_with_the_label_already_can_be_changed(api: Api, named_by_the_policy: str) -> None:
    where = path("Namespace", name=named_by_the_policy)
    for labels in ({"example.com/x": "y"}, {PLATFORM_LABEL: "other"}, {PLATFORM_LABEL: None}, {"example.com/x": "z"}):
        api.merge(where, {"metadata": {"labels": labels}}).ok()
    assert_denied(api.merge(where, {"metadata": {"labels": {PLATFORM_LABEL: "true"}}}), NO_PLATFORM)


def test_other_namespaces_can_be_platforms_and_cease_to_be(api: Api, platform: str) -> None:
    where = path("Namespace", name=platform)
    for value in (None, "yes", ""):
        api.merge(where, {"metadata": {"labels": {PLATFORM_LABEL: value}}}).ok()
