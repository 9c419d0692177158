"""Which Pods may be an agent's sandbox or use an agent's Secret."""

import json
from typing import Any

import pytest

from tests.support.api import Api, Manifest, path
from tests.support.cluster import Kubectl, KubectlError, wait_until
from tests.support.manifests import agent
from tests.support.pods import WAYS, Way, container, env, env_from, ordinary_pod
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

NOT_A_SANDBOX = "only the sandbox of an agent may use a Secret whose name begins with thz-. Remove the reference; to"
NOT_EPHEMERAL = "an ephemeral container must not use a Secret whose name begins with thz-. Remove the reference."
NOT_OWNED = "only theazo-operator may make a Pod the sandbox of a TheazoAgent. Remove the ownerReference; to run an"

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


@pytest.mark.parametrize("value", [None, "another-uid"], ids=["removed", "changed"])
def test_nobody_hides_a_sandbox_from_the_operator(api: Api, tenant: Api, running: str, value: str | None) -> None:
    for user in (tenant, api):
        change = {"metadata": {"labels": {"theazo.dev/agent-uid": value}}}
        assert_denied(user.merge(running, change), "the label theazo.dev/agent-uid of a sandbox must stay")


def test_nobody_takes_a_sandbox_from_its_agent(api: Api, tenant: Api, running: str) -> None:
    for user in (tenant, api):
        denied = user.merge(running, {"metadata": {"ownerReferences": None}})
        assert_denied(denied, "the ownerReference of a sandbox must stay")


def test_nobody_runs_another_image_in_a_sandbox(api: Api, tenant: Api, running: str) -> None:
    """The kubelet would start it with the agent's secrets."""
    for user in (tenant, api):
        change = [{"op": "replace", "path": "/spec/containers/0/image", "value": "docker.io/library/busybox:1"}]
        denied = user.request("PATCH", running, change, content_type="application/json-patch+json")
        assert_denied(denied, "the images of a sandbox must stay")


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


def test_a_very_large_pod_is_not_too_much(tenant: Api, platform: str) -> None:
    """A rule that costs too much to evaluate is a refusal, of a Pod that has nothing to do with us."""
    many = [{"name": f"A{i}", "value": "b"} for i in range(20_000)]
    tenant.create(ordinary_pod(platform, containers=[container(env=many)]), dry_run=True).ok()


def test_an_ordinary_secret_and_pod_live_and_die(tenant: Api, platform: str) -> None:
    tenant.create(ordinary_secret(platform)).ok()
    tenant.create(ordinary_pod(platform, **WAYS["envFrom"]("database"))).ok()
    for where in (path("Pod", platform, "ordinary"), path("Secret", platform, "database")):
        tenant.delete(where).ok()
