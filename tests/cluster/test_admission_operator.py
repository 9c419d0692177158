"""What a thief of the operator's token can't make with it, though RBAC lets it create Secrets and Pods."""

from typing import Any

import pytest

from tests.support.api import Api, Manifest
from tests.support.cluster import SYSTEM
from tests.support.pods import WAYS, container, env, env_from, volume
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

NO_SECRET = "theazo-operator may only create its master key and the Secrets of agents. If you did not try this"
NO_POD = "theazo-operator may only create sandboxes: owned by a TheazoAgent, without other Secrets, a service"
NOT_A_SANDBOX = "only the sandbox of an agent may use a Secret whose name begins with thz-. Remove the reference; to"


def relabelled(manifest: Manifest, **metadata: Any) -> Manifest:
    return manifest | {"metadata": manifest["metadata"] | metadata}


def test_the_operator_makes_no_other_secrets(operator: Api, platform: str) -> None:
    """Whoever steals its token must not get a service account's out of a Secret, nor plant one for somebody's Pod."""
    good = pod_scoped_secret(platform)
    token = {"kubernetes.io/service-account.name": "default"}
    for wrong in (
        ordinary_secret(platform),
        ordinary_secret(platform, "theazo-master-key"),
        ordinary_secret(platform, NAME),
        relabelled(good, annotations=token) | {"type": "kubernetes.io/service-account-token", "immutable": None},
        relabelled(good, ownerReferences=[]),
        relabelled(good, ownerReferences=[owner_reference(NOBODY) | {"apiVersion": "example.com/v1"}]),
        relabelled(good, labels={}),
        relabelled(good, name="agent"),
        good | {"type": "Opaque"},
        good | {"immutable": False},
    ):
        assert_denied(operator.create(wrong, dry_run=True), NO_SECRET)
    operator.create(good, dry_run=True).ok()


def test_at_home_the_operator_makes_its_master_key_only(operator: Api) -> None:
    token = {"kubernetes.io/service-account.name": "theazo-operator"}
    key = ordinary_secret(SYSTEM, "theazo-master-key")
    for wrong in (
        ordinary_secret(SYSTEM, "other"),
        pod_scoped_secret(SYSTEM),
        relabelled(key, annotations=token) | {"type": "kubernetes.io/service-account-token"},
    ):
        assert_denied(operator.create(wrong, dry_run=True), NO_SECRET)
    assert operator.create(key, dry_run=True).code in {201, 409}


HARDENED = sandbox("")["spec"]["containers"][0]
PRIVILEGES: dict[str, dict[str, Any]] = {
    "token": {"automountServiceAccountToken": True},
    "token-by-default": {"automountServiceAccountToken": None},
    "token-projected": volume(projected={"sources": [{"serviceAccountToken": {"path": "t"}}]}),
    "csi": volume(csi={"driver": "secrets-store.csi.k8s.io"}),
    "host-path": volume(hostPath={"path": "/"}),
    "host-network": {"hostNetwork": True},
    "host-pid": {"hostPID": True},
    "host-ipc": {"hostIPC": True},
    "nfs": volume(nfs={"server": "a", "path": "/"}),
    "privileged": {"containers": [HARDENED | {"securityContext": {"privileged": True}}]},
    "escalation": {"containers": [HARDENED | {"securityContext": {}}]},
    "escalation-in-init": {"initContainers": [container(name="i")]},
    "capability": {
        "containers": [
            HARDENED | {"securityContext": HARDENED["securityContext"] | {"capabilities": {"add": ["SYS_ADMIN"]}}}
        ]
    },
    "other-secret-env": {"containers": [HARDENED | {"env": env("database")}]},
    "other-secret-envFrom": {"containers": [HARDENED | {"envFrom": env_from("database")}]},
    **{f"other-secret-{name}": way("database") for name, way in WAYS.items() if "volumes" in way("")},
}


@pytest.mark.parametrize("privilege", PRIVILEGES.values(), ids=PRIVILEGES)
def test_the_operator_makes_no_pod_with_privileges(operator: Api, platform: str, privilege: dict[str, Any]) -> None:
    """Whoever steals its token must not read a platform's other Secrets, get service accounts' tokens or nodes."""
    good = sandbox(platform)
    operator.create(good, dry_run=True).ok()
    assert_denied(operator.create(good | {"spec": good["spec"] | privilege}, dry_run=True), NO_POD)


def test_the_operator_makes_no_pod_without_an_agent(operator: Api, platform: str) -> None:
    good = sandbox(platform)
    others = {"apiVersion": "example.com/v1"}, {"kind": "Agent"}
    for owners in ([], *([owner_reference(NOBODY) | other] for other in others)):
        ownerless = good | {"metadata": good["metadata"] | {"ownerReferences": owners}}
        assert_denied(operator.create(ownerless, dry_run=True), NOT_A_SANDBOX)
        harmless = {"containers": [HARDENED | {"envFrom": []}]}
        ownerless = ownerless | {"spec": good["spec"] | harmless}
        assert_denied(operator.create(ownerless, dry_run=True), NO_POD)


@pytest.mark.parametrize(
    "allowed",
    [
        volume(configMap={"name": "c"}),
        volume(persistentVolumeClaim={"claimName": "c"}),
        volume(projected={"sources": [{"downwardAPI": {}}, {"configMap": {"name": "c"}}]}),
        {"imagePullSecrets": [{"name": "registry"}]},
        {"containers": [HARDENED | {"envFrom": env_from(NAME)}]},
    ],
)
def test_what_computes_may_ask_for(operator: Api, platform: str, allowed: dict[str, Any]) -> None:
    good = sandbox(platform)
    operator.create(good | {"spec": good["spec"] | allowed}, dry_run=True).ok()
