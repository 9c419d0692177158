"""A tenant forges all that he may write in his own platform, and gets nothing of another's."""

from copy import deepcopy

import pytest

from tests.support.api import Api, Manifest, path
from tests.support.cluster import PLATFORM_LABEL, wait_until
from tests.support.manifests import agent, condition, secret, session
from tests.support.sandboxes import owner_reference
from tests.support.sealing import sealed_secret
from tests.support.sessions import NAMES, Attack, comes_to, declare, make_session, status, value

pytestmark = [pytest.mark.cluster, pytest.mark.usefixtures("running_operator")]


@pytest.fixture
def attack(api: Api, tenant: Api, platform: str, other: str) -> Attack:
    group = "rbac.authorization.k8s.io"
    root = f"/apis/{group}/v1/namespaces/{platform}"
    metadata = {"name": "theazo", "namespace": platform}
    rules = [{"apiGroups": ["theazo.dev"], "resources": ["*"], "verbs": ["*"]}]
    role = {"apiVersion": f"{group}/v1", "kind": "Role", "metadata": metadata, "rules": rules}
    api.request("POST", f"{root}/roles", role).ok()
    binding = {
        "apiVersion": f"{group}/v1",
        "kind": "RoleBinding",
        "metadata": metadata,
        "roleRef": {"apiGroup": group, "kind": "Role", "name": "theazo"},
        "subjects": [{"kind": "ServiceAccount", "namespace": platform, "name": "tenant"}],
    }
    api.request("POST", f"{root}/rolebindings", binding).ok()
    # Kubernetes' own `admin` has the kinds, by aggregation, and not their status.
    wait_until(
        "the tenant has his rights", lambda: tenant.get(path("TheazoAgent", platform, "x", "status")).code == 404
    )
    return Attack(api, tenant, platform, other)


def test_foreign_names(attack: Attack) -> None:
    for name in (f"{attack.other}/alice", f"../{attack.other}/alice", "alice.victim"):
        assert attack.tenant.create(agent("x", attack.own, name)).code == 422
    for kind, manifest in (
        ("TheazoAgent", agent("x", attack.other, "alice", ["API_KEY"])),
        ("TheazoSession", session("x", attack.other)),
    ):
        assert attack.tenant.create(manifest).code == 403, kind
    entries = attack.sealed["spec"]["encryptedData"]
    attack.tenant.apply(secret("alice", attack.own, entries), "tenant", force=True).ok()
    declare(attack.tenant, attack.own, "alice", "two")
    comes_to(attack.api, attack.own, "alice-two", "UnknownKey")
    own = {name: value(attack.own, "alice", name) for name in NAMES}
    attack.tenant.apply(sealed_secret(attack.api, attack.own, "alice", own), "tenant", force=True).ok()
    attack.assert_failed()


def test_forged_status(attack: Attack) -> None:
    """All that the operator goes by later, taken from the other's agent: it harms who wrote it, if anybody."""
    forged = deepcopy(attack.before)
    forged |= {"phase": "Running", "conditions": [condition("Ready", "True", "SandboxRunning")]}
    for name, change in {
        "all": forged,
        "pod": {"podName": forged["podName"], "podUID": forged["podUID"], "conditions": []},
        "session": {"sessionUID": forged["sessionUID"], "conditions": []},
    }.items():
        attack.tenant.create(agent(name, attack.own, "nobody", ["API_KEY"])).ok()
        attack.tenant.merge(path("TheazoAgent", attack.own, name, "status"), {"status": change}).ok()
    wait_until(
        "what claims a session that is not here is swept",
        lambda: attack.api.get(path("TheazoAgent", attack.own, "session")).code == 404,
    )
    record = {"sessionUID": forged["sessionUID"], "conditions": []}
    attack.tenant.merge(path("TheazoSecret", attack.own, "alice", "status"), {"status": record}).ok()
    wait_until("so are sealed values", lambda: attack.api.get(path("TheazoSecret", attack.own, "alice")).code == 404)
    own = {name: value(attack.own, "alice", name) for name in NAMES}
    attack.tenant.create(sealed_secret(attack.api, attack.own, "alice", own)).ok()
    attack.assert_failed()


def test_labels_and_owners(attack: Attack) -> None:
    """Those of the other's agent, on what the tenant may make."""
    uid, labels = attack.victim["metadata"]["uid"], {"theazo.dev/agent": "alice-two", "theazo.dev/session": "alice"}
    metadata = {"namespace": attack.own, "labels": labels | {"theazo.dev/agent-uid": uid}}
    owned = {"ownerReferences": [owner_reference(attack.victim["metadata"])]}
    named = {"name": attack.before["podName"], "annotations": {"theazo.dev/snapshot": "{}"}}
    sandbox: Manifest = {"name": "sandbox", "image": "docker.io/library/python:3.13-slim", "command": ["true"]}
    spec = {"containers": [sandbox]}
    pod: Manifest = {"apiVersion": "v1", "kind": "Pod", "metadata": metadata | named, "spec": spec}
    secret_name = attack.api.get(path("Secret", attack.other)).ok()["items"][0]["metadata"]["name"]
    using = [sandbox | {"envFrom": [{"secretRef": {"name": secret_name}}]}]
    assert attack.tenant.create(pod | {"metadata": pod["metadata"] | owned}).code == 403
    assert attack.tenant.create(pod | {"spec": {"containers": using}}).code == 403
    attack.tenant.create(pod).ok()
    plain = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": metadata | owned | {"name": "mine"},
        "type": "theazo.dev/agent",
    }
    attack.tenant.create(plain).ok()
    wait_until(
        "its owner is not in this namespace", lambda: attack.api.get(path("Secret", attack.own, "mine")).code == 404
    )
    attack.assert_failed()


def test_a_pod_that_poses_as_an_agents(attack: Attack) -> None:
    """In his own platform, by the name that the agent's Pod will have."""
    attack.tenant.create(agent("posed", attack.own, "later", ["API_KEY"], secretsDeadlineSeconds=1)).ok()
    uid = attack.api.get(path("TheazoAgent", attack.own, "posed")).ok()["metadata"]["uid"]
    labels = {"theazo.dev/agent-uid": uid, "theazo.dev/agent": "posed"}
    metadata = {"name": f"posed-{uid[:8]}", "namespace": attack.own, "labels": labels}
    containers = [{"name": "sandbox", "image": "docker.io/library/python:3.13-slim", "command": ["sleep", "600"]}]
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": {"containers": containers}}
    attack.tenant.create(pod).ok()
    make_session(attack.api, attack.own, "later")
    comes_to(attack.api, attack.own, "posed", "NameTaken")
    assert "podUID" not in status(attack.api, attack.own, "posed")
    attack.assert_failed()


def test_a_platform_is_not_made_by_its_tenant(attack: Attack) -> None:
    change = {"metadata": {"labels": {PLATFORM_LABEL: "true"}}}
    for name in (attack.own, attack.other, "kube-system", "default"):
        assert attack.tenant.merge(path("Namespace", name=name), change).code == 403
    labels = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": f"{attack.own}-more", **change["metadata"]}}
    assert attack.tenant.create(labels).code == 403
    attack.assert_failed()
