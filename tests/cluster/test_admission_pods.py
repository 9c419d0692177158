"""Which Pods may be an agent's sandbox or use an agent's Secret, and what Pods the operator may make."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from tests.support.api import Api, Manifest, path
from tests.support.cluster import Kubectl, KubectlError, wait_until
from tests.support.manifests import agent
from tests.support.sandboxes import (
    NAME,
    NOBODY,
    assert_denied,
    ordinary_pod,
    ordinary_secret,
    owner_reference,
    pod_scoped_secret,
    sandbox,
)

pytestmark = [pytest.mark.cluster, pytest.mark.usefixtures("installed")]

Way = Callable[[str], dict[str, Any]]

NOT_A_SANDBOX = (
    "only the sandbox of an agent may use a Secret whose name begins with thz-. Remove the reference; to give"
)
NOT_EPHEMERAL = "an ephemeral container must not use a Secret whose name begins with thz-. Remove the reference."
NOT_OWNED = "only theazo-operator may make a Pod the sandbox of a TheazoAgent. Remove the ownerReference; to run an"
NOT_THE_OPERATOR = "theazo-operator may only create sandboxes: owned by a TheazoAgent, without other Secrets, a service"


def container(**fields: Any) -> dict[str, Any]:
    return {"name": "main", "image": "python:3.13-slim"} | fields


def env(name: str) -> list[dict[str, Any]]:
    return [{"name": "A", "value": "b"}, {"name": "K", "valueFrom": {"secretKeyRef": {"name": name, "key": "K"}}}]


def env_from(name: str) -> list[dict[str, Any]]:
    return [{"configMapRef": {"name": "c", "optional": True}}, {"secretRef": {"name": name, "optional": True}}]


def volume(**source: Any) -> dict[str, Any]:
    return {"volumes": [{"name": "a", "emptyDir": {}}, {"name": "b"} | source]}


ISCSI = {"targetPortal": "192.0.2.1:1", "iqn": "iqn.2001-04.com.example:a", "lun": 0}
# Every field of a Pod by which it can use a Secret, around that Secret's name.
WAYS: dict[str, Way] = {
    "env": lambda name: {"containers": [container(), container(name="b", env=env(name))]},
    "envFrom": lambda name: {"containers": [container(envFrom=env_from(name))]},
    "init-env": lambda name: {"initContainers": [container(name="i", env=env(name))]},
    "init-envFrom": lambda name: {"initContainers": [container(name="i", envFrom=env_from(name))]},
    "sidecar": lambda name: {"initContainers": [container(name="i", restartPolicy="Always", env=env(name))]},
    "secret": lambda name: volume(secret={"secretName": name}),
    "projected": lambda name: volume(projected={"sources": [{"configMap": {"name": "c"}}, {"secret": {"name": name}}]}),
    "pull": lambda name: {"imagePullSecrets": [{"name": "registry"}, {"name": name}]},
    "csi": lambda name: volume(csi={"driver": "example.com", "nodePublishSecretRef": {"name": name}}),
    "flex": lambda name: volume(flexVolume={"driver": "example.com/x", "secretRef": {"name": name}}),
    "iscsi": lambda name: volume(iscsi=ISCSI | {"secretRef": {"name": name}}),
    "rbd": lambda name: volume(rbd={"monitors": ["a"], "image": "b", "secretRef": {"name": name}}),
    "cephfs": lambda name: volume(cephfs={"monitors": ["a"], "secretRef": {"name": name}}),
    "cinder": lambda name: volume(cinder={"volumeID": "a", "secretRef": {"name": name}}),
    "azureFile": lambda name: volume(azureFile={"secretName": name, "shareName": "s"}),
    "scaleIO": lambda name: volume(
        scaleIO={"gateway": "g", "system": "s", "volumeName": "v", "secretRef": {"name": name}}
    ),
    "storageos": lambda name: volume(
        storageos={"volumeName": "v", "volumeNamespace": "n", "secretRef": {"name": name}}
    ),
}
each_way = pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)


@each_way
def test_no_other_pod_uses_an_agents_secret(api: Api, tenant: Api, platform: str, way: Way) -> None:
    for user in (tenant, api):
        assert_denied(user.create(ordinary_pod(platform, **way(NAME)), dry_run=True), NOT_A_SANDBOX)
    assert_denied(api.create(ordinary_pod("kube-system", **way("thz-x")), dry_run=True), NOT_A_SANDBOX)


@each_way
def test_other_secrets_can_be_used_as_ever(tenant: Api, platform: str, way: Way) -> None:
    for name in ("database", "my-thz-secret", "thz"):
        tenant.create(ordinary_pod(platform, **way(name)), dry_run=True).ok()


def fields_that_name_secrets(schemas: Manifest, name: str, seen: frozenset[str] = frozenset()) -> set[str]:
    """Paths of the fields below a type of the API server's own schema by which a Pod can name a Secret."""
    found = set()
    for field, schema in schemas[name].get("properties", {}).items():
        reference = json.dumps(schema).partition("#/components/schemas/")[2].partition('"')[0]
        if "secret" in field.lower() and field != "secret":
            found.add(field)
        elif reference and reference not in seen:
            found |= {f"{field}.{rest}" for rest in fields_that_name_secrets(schemas, reference, seen | {name})}
    return found


def test_these_are_all_the_ways_there_are(api: Api) -> None:
    """A new version of Kubernetes may bring another one: then the policy has to learn it."""
    schemas = api.get("/openapi/v3/api/v1").ok()["components"]["schemas"]
    in_env = {"env.valueFrom.secretKeyRef", "envFrom.secretRef"}
    in_volumes = {
        *(
            "azureFile.secretName",
            "cephfs.secretFile",
            "cephfs.secretRef",
            "cinder.secretRef",
            "csi.nodePublishSecretRef",
        ),
        *("flexVolume.secretRef", "iscsi.secretRef", "rbd.secretRef", "scaleIO.secretRef", "secret.secretName"),
        *("storageos.secretRef",),
    }
    assert fields_that_name_secrets(schemas, "io.k8s.api.core.v1.PodSpec") == {
        "imagePullSecrets",
        *(f"{kind}.{way}" for kind in ("containers", "initContainers", "ephemeralContainers") for way in in_env),
        *(f"volumes.{way}" for way in in_volumes),
    }
    sources = schemas["io.k8s.api.core.v1.VolumeProjection"]["properties"]
    assert set(sources) == {
        *("clusterTrustBundle", "configMap", "downwardAPI", "podCertificate", "secret", "serviceAccountToken"),
    }


@pytest.mark.parametrize("namespace", [None, "default", "kube-system"])
def test_nobody_else_makes_a_sandbox(api: Api, tenant: Api, platform: str, namespace: str | None) -> None:
    manifest = ordinary_pod(namespace or platform)
    manifest["metadata"]["ownerReferences"] = [owner_reference(NOBODY)]
    assert_denied(api.create(manifest, dry_run=True), NOT_OWNED)
    if namespace is None:
        assert_denied(tenant.create(manifest, dry_run=True), NOT_OWNED)


def test_nobody_makes_a_sandbox_of_a_pod_that_is_there(api: Api, tenant: Api, platform: str) -> None:
    where = path("Pod", platform, "ordinary")
    made = tenant.create(ordinary_pod(platform)).ok()["metadata"]
    owned = owner_reference(api.create(agent(namespace=platform)).ok()["metadata"])
    itself = {"apiVersion": "v1", "kind": "Pod", "name": "ordinary", "uid": made["uid"]}
    for user in (tenant, api):
        for owners in ([owned], [itself, owned]):
            assert_denied(user.merge(where, {"metadata": {"ownerReferences": owners}}), NOT_OWNED)
    change = {"labels": {"a": "b"}, "finalizers": ["example.com/x"], "ownerReferences": [itself]}
    tenant.merge(where, {"metadata": change}).ok()
    tenant.merge(where, {"metadata": {"finalizers": None}}).ok()
    tenant.delete(where).ok()


@pytest.fixture
def running(api: Api, operator: Api, platform: str) -> str:
    """A sandbox, as the operator makes it: its path."""
    owner = api.create(agent(namespace=platform)).ok()["metadata"]
    operator.create(pod_scoped_secret(platform, owner)).ok()
    operator.create(sandbox(platform, owner)).ok()
    return path("Pod", platform, "agent-01234567")


def test_the_life_of_a_sandbox_goes_on(api: Api, tenant: Api, running: str) -> None:
    api.merge(f"{running}/status", {"status": {"phase": "Running"}}).ok()
    tenant.merge(running, {"metadata": {"labels": {"a": "b"}, "annotations": {"c": "d"}}}).ok()
    tenant.merge(running, {"spec": {"activeDeadlineSeconds": 60}}).ok()
    tenant.delete(running).ok()


@pytest.mark.parametrize("way", [{"env": env(NAME)}, {"envFrom": env_from(NAME)}], ids=["env", "envFrom"])
@pytest.mark.parametrize("kind", ["ordinary", "sandbox"])
def test_no_ephemeral_container_uses_an_agents_secret(
    api: Api, platform: str, running: str, kind: str, way: dict[str, Any]
) -> None:
    if kind == "ordinary":
        running = path("Pod", platform, api.create(ordinary_pod(platform)).ok()["metadata"]["name"])
    where = f"{running}/ephemeralcontainers"
    change = {"spec": {"ephemeralContainers": [{"name": "debug", "image": "busybox"} | way]}}
    assert_denied(api.merge(where, change), NOT_EPHEMERAL)
    change["spec"]["ephemeralContainers"][0]["envFrom"] = env_from("database")
    change["spec"]["ephemeralContainers"][0]["env"] = env("database")
    api.merge(where, change).ok()


def test_kubectl_debug(kubectl: Kubectl, platform: str, running: str) -> None:
    """Beside the sandbox it works; a copy of the sandbox, which has its environment, is not to be had."""
    name = running.rpartition("/")[2]
    debug = ("debug", name, "-n", platform, "--image=busybox", "--profile=restricted", "--attach=false")
    kubectl(*debug, "-c", "beside")
    with pytest.raises(KubectlError, match="only the sandbox of an agent may use a Secret"):
        kubectl(*debug, "--copy-to=copy")


def test_workloads_are_judged_when_their_pods_are_made(api: Api, tenant: Api, platform: str) -> None:
    labels = {"app": "thief"}
    template = {"metadata": {"labels": labels}, "spec": ordinary_pod(platform, **WAYS["envFrom"](NAME))["spec"]}
    manifest = {
        "apiVersion": "apps/v1",
        "kind": "ReplicaSet",
        "metadata": {"name": "thief", "namespace": platform},
        "spec": {"replicas": 1, "selector": {"matchLabels": labels}, "template": template},
    }
    tenant.create(manifest).ok()

    def refusal() -> bool:
        conditions = api.get(path("ReplicaSet", platform, "thief")).ok().get("status", {}).get("conditions", [])
        return any(NOT_A_SANDBOX in item.get("message", "") for item in conditions)

    wait_until("the ReplicaSet says why it has no Pod", refusal)
    assert api.get(path("Pod", platform)).ok()["items"] == []


HARDENED = sandbox("")["spec"]["containers"][0]
PRIVILEGES: dict[str, dict[str, Any]] = {
    "token": {"automountServiceAccountToken": True},
    "token-by-default": {"automountServiceAccountToken": None},
    "token-projected": volume(projected={"sources": [{"serviceAccountToken": {"path": "t"}}]}),
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
    assert_denied(operator.create(good | {"spec": good["spec"] | privilege}, dry_run=True), NOT_THE_OPERATOR)


def test_the_operator_makes_no_pod_without_an_agent(operator: Api, platform: str) -> None:
    good = sandbox(platform)
    others = {"apiVersion": "example.com/v1"}, {"kind": "Agent"}
    for owners in ([], *([owner_reference(NOBODY) | other] for other in others)):
        ownerless = good | {"metadata": good["metadata"] | {"ownerReferences": owners}}
        assert_denied(operator.create(ownerless, dry_run=True), NOT_A_SANDBOX)
    assert_denied(operator.create(ordinary_pod(platform), dry_run=True), NOT_THE_OPERATOR)


@pytest.mark.parametrize(
    "allowed",
    [
        volume(configMap={"name": "c"}),
        volume(persistentVolumeClaim={"claimName": "c"}),
        volume(csi={"driver": "example.com"}),
        volume(projected={"sources": [{"downwardAPI": {}}, {"configMap": {"name": "c"}}]}),
        {"imagePullSecrets": [{"name": "registry"}]},
        {"containers": [HARDENED | {"envFrom": env_from(NAME)}]},
    ],
)
def test_what_computes_may_ask_for(operator: Api, platform: str, allowed: dict[str, Any]) -> None:
    good = sandbox(platform)
    operator.create(good | {"spec": good["spec"] | allowed}, dry_run=True).ok()


def test_a_very_large_pod_is_not_too_much(tenant: Api, platform: str) -> None:
    """A rule that costs too much to evaluate is a refusal, of a Pod that has nothing to do with us."""
    many = [{"name": f"A{i}", "value": "b"} for i in range(20_000)]
    tenant.create(ordinary_pod(platform, containers=[container(env=many)]), dry_run=True).ok()


def test_an_ordinary_secret_and_pod_live_and_die(tenant: Api, platform: str) -> None:
    tenant.create(ordinary_secret(platform)).ok()
    tenant.create(ordinary_pod(platform, **WAYS["envFrom"]("database"))).ok()
    for where in (path("Pod", platform, "ordinary"), path("Secret", platform, "database")):
        tenant.delete(where).ok()
