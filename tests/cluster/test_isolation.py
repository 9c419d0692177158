"""Every agent sees what it declared, of its own session and platform, and nobody gets at what is another's."""

import base64
import hashlib
import json
from collections.abc import Iterator
from copy import deepcopy
from itertools import product
from typing import Any

import pytest

from tests.support.api import Api, Manifest, path
from tests.support.cluster import PLATFORM_LABEL, new_platform, wait_until
from tests.support.manifests import agent, condition, secret, session
from tests.support.sandboxes import owner_reference
from tests.support.sealing import sealed_secret

pytestmark = [pytest.mark.cluster, pytest.mark.usefixtures("running_operator")]

SESSIONS = ("alice", "bob")
NAMES = ("API_KEY", "DATABASE_URL", "OTHER")
DECLARED: dict[str, dict[str, str]] = {  # by agent: its variables, and the secrets that they come from
    "one": {"API_KEY": "API_KEY"},
    "two": {"DATABASE_URL": "DATABASE_URL", "API_KEY": "OTHER"},
    "none": {},
}
PRINT = """
import hashlib, json, os
print(json.dumps({name.decode(): hashlib.sha256(value).hexdigest() for name, value in os.environb.items()}))
"""


def value(platform: str, session_name: str, name: str) -> str:
    return f"value of {name} of {session_name} in {platform}"


def digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def make_session(api: Api, platform: str, name: str, **spec: Any) -> Manifest:
    """A session with all secrets: gives the sealed ones."""
    api.create(session(name, platform, **spec)).ok()
    values = {each: value(platform, name, each) for each in NAMES}
    return api.create(sealed_secret(api, platform, name, values, sealing_id=spec.get("sealingId"))).ok()


def declare(api: Api, platform: str, session_name: str, name: str, **spec: Any) -> Manifest:
    declared = [{"name": variable, "from": source} for variable, source in DECLARED[name].items()]
    command = {"command": ["python3", "-c", PRINT]}
    return api.create(agent(f"{session_name}-{name}", platform, session_name, declared, **command | spec)).ok()


def status(api: Api, platform: str, name: str) -> dict[str, Any]:
    found: dict[str, Any] = api.get(path("TheazoAgent", platform, name)).ok().get("status", {})
    return found


def reason(api: Api, platform: str, name: str) -> str:
    rows = status(api, platform, name).get("conditions", ())
    return next((row["reason"] for row in rows if row["type"] == "Ready"), "")


def comes_to(api: Api, platform: str, name: str, wanted: str) -> None:
    wait_until(f"{name} in {platform} comes to {wanted}", lambda: reason(api, platform, name) == wanted, 90)


def printed(api: Api, platform: str, name: str) -> dict[str, str]:
    comes_to(api, platform, name, "Completed")
    pod = status(api, platform, name)["podName"]
    found: dict[str, str] = api.get(path("Pod", platform, pod, "log")).ok()
    return found


@pytest.fixture
def other(installed: None, api: Api) -> Iterator[str]:  # noqa: ARG001 - it has to be there
    """Another platform, of somebody else."""
    with new_platform(api, "victim") as name:
        yield name


def test_each_agent_sees_its_own(api: Api, platform: str, other: str) -> None:
    places = list(product((platform, other), SESSIONS))
    for where, name in places:
        make_session(api, where, name)
    for (where, name), which in product(places, DECLARED):
        declare(api, where, name, which)
    base = printed(api, platform, "alice-none").keys()
    everything = {digest(value(*place, name)) for place, name in product(places, NAMES)}
    for (where, name), (which, sources) in product(places, DECLARED.items()):
        seen = printed(api, where, f"{name}-{which}")
        assert seen.keys() == base | sources.keys()
        own = {variable: digest(value(where, name, source)) for variable, source in sources.items()}
        assert {variable: seen[variable] for variable in sources} == own
        assert everything & set(seen.values()) == set(own.values())


def test_a_copied_ciphertext_opens_nowhere_else(api: Api, platform: str, other: str) -> None:
    entries = make_session(api, platform, "alice")["spec"]["encryptedData"]
    copies = {
        (platform, "bob", "alice"): "CannotOpen",  # another session, which has even taken the first one's sealingId
        (platform, "carol", "carol"): "CannotOpen",
        (other, "alice", "alice"): "UnknownKey",  # sealed to the other platform's key
    }
    for (where, name, sealing_id), why in copies.items():
        api.create(session(name, where, sealingId=sealing_id)).ok()
        api.create(secret(name, where, entries)).ok()
        declare(api, where, name, "one")
        comes_to(api, where, f"{name}-one", why)
        failing = [{"name": each, "reason": why} for each in NAMES]
        record = path("TheazoSecret", where, name)
        wait_until(
            "authors hear of it",
            lambda record=record, failing=failing: api.get(record).ok().get("status", {}).get("failing") == failing,  # type: ignore[misc]  # no types in a lambda
        )


def test_nor_under_another_name_nor_in_a_session_made_again(api: Api, platform: str) -> None:
    entries = make_session(api, platform, "alice", sealingId="first")["spec"]["encryptedData"]
    swapped = {"API_KEY": entries["OTHER"], "OTHER": entries["API_KEY"], "DATABASE_URL": entries["DATABASE_URL"]}
    api.apply(secret("alice", platform, swapped), "author", force=True).ok()
    declare(api, platform, "alice", "one")
    comes_to(api, platform, "alice-one", "CannotOpen")
    api.delete(path("TheazoSession", platform, "alice")).ok()
    wait_until("the sweep is done", lambda: api.get(path("TheazoSecret", platform, "alice")).code == 404)
    api.create(session("alice", platform, sealingId="second")).ok()
    api.create(secret("alice", platform, entries)).ok()
    wait_until("the agent is swept", lambda: api.get(path("TheazoAgent", platform, "alice-one")).code == 404)
    declare(api, platform, "alice", "one")
    comes_to(api, platform, "alice-one", "CannotOpen")


class Attack:
    """A tenant with all rights over our kinds in his own platform, and an agent in somebody else's that lives."""

    def __init__(self, api: Api, tenant: Api, own: str, other: str) -> None:
        self.api, self.tenant, self.own, self.other = api, tenant, own, other
        make_session(api, own, "alice")
        self.sealed = make_session(api, other, "alice")
        self.victim = declare(api, other, "alice", "two", command=None, restartPolicy="OnFailure")
        comes_to(api, other, "alice-two", "SandboxRunning")
        self.before = status(api, other, "alice-two")
        self.loot = {value(other, "alice", name) for name in NAMES}

    def wait_for_a_pass(self) -> None:
        """Until the operator has served an agent of the tenant: then it has seen all that came before."""
        name = f"alice-{len(self.api.get(path('TheazoAgent', self.own)).ok()['items'])}"
        self.tenant.create(agent(name, self.own, "alice", ["API_KEY"], command=["python3", "-c", PRINT])).ok()
        seen = printed(self.api, self.own, name)
        assert seen["API_KEY"] == digest(value(self.own, "alice", "API_KEY"))

    def assert_failed(self) -> None:
        """The other's agent is as it was, its Secret too, and the tenant can read none of its values."""
        self.wait_for_a_pass()
        assert status(self.api, self.other, "alice-two") == self.before
        assert (
            self.api.get(path("Pod", self.other, self.before["podName"])).ok()["metadata"]["uid"]
            == self.before["podUID"]
        )
        assert len(self.api.get(path("Secret", self.other)).ok()["items"]) == 1
        needles = [
            each for text in self.loot for each in (text, base64.b64encode(text.encode()).decode(), digest(text))
        ]
        for kind in ("Pod", "Secret", "ConfigMap", "Event", "TheazoAgent", "TheazoSecret", "TheazoSession"):
            text = json.dumps(self.tenant.get(path(kind, self.own)).ok())
            assert not [each for each in needles if each in text], kind
            assert self.tenant.get(path(kind, self.other)).code == 403


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
    wait_until("the tenant has his rights", lambda: tenant.get(path("TheazoAgent", platform)).code == 200)
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
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": metadata | named, "spec": {"containers": [sandbox]}}
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
