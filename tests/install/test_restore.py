"""A cluster lost and made again from a backup, whatever comes back first: the resources, or the master key."""

import json
from functools import partial
from typing import NamedTuple

import pytest

from tests.install.support import CHART, IMAGES, IN_HOME, RELEASE, WAITING, Helm, empty_cluster, merged
from tests.install.tenant import PLATFORM, VALUES, Tenant
from tests.support.api import Api, Manifest, path
from tests.support.cluster import OPERATOR, ROOT, SYSTEM, Kubectl, wait_until
from tests.support.history import Audit
from tests.support.stage import Stage, find

pytestmark = pytest.mark.cluster
WITHOUT_API = merged(IMAGES, {"api": {"enabled": False}})
CREATE = ("--create-namespace",)
MASTER_KEY = ("Secret", SYSTEM, "theazo-master-key")
OURS = ("TheazoSession", "TheazoSecret", "TheazoAgent")


class Backup(NamedTuple):
    """What backup.md says to keep: the platforms with sessions and sealed values, and apart from them the key."""

    resources: list[Manifest]
    master_key: Manifest
    key_id: str


def restore(kubectl: Kubectl, *objects: Manifest) -> None:
    text = json.dumps({"apiVersion": "v1", "kind": "List", "items": objects})
    kubectl("apply", "--server-side", "-f", "-", input=text)


def kept(found: Manifest) -> Manifest:
    """An object as a backup has it: without what the API server gave it, and without what was observed."""
    metadata = {key: found["metadata"][key] for key in ("name", "namespace", "labels") if key in found["metadata"]}
    fields = {key: value for key, value in found.items() if key not in {"metadata", "status"}}
    if found["kind"] == "Namespace":
        del fields["spec"]
    return fields | {"metadata": metadata}


@pytest.fixture(scope="module")
def tenant(api: Api, kubectl: Kubectl) -> Tenant:
    return Tenant(Stage(api, kubectl, PLATFORM))


@pytest.fixture(scope="module")
def backup(empty: None, tenant: Tenant, helm: Helm, kubectl: Kubectl, api: Api) -> Backup:  # noqa: ARG001 - empty before
    """Of a cluster that was at work."""
    helm("install", RELEASE, CHART, *IN_HOME, *CREATE, *WAITING, values=merged(WITHOUT_API, {"platforms": [PLATFORM]}))
    tenant.start()
    where = [path("Namespace", name=PLATFORM), *(path(kind, PLATFORM, "alice") for kind in OURS[:2])]
    bindings = api.get(path("RoleBinding", PLATFORM)).ok()["items"]
    assert [each["metadata"]["name"] for each in bindings] == [OPERATOR]
    binding = bindings[0] | {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding"}
    return Backup(
        [kept(each) for each in (*(api.get(each).ok() for each in where), binding)],
        kept(api.get(path(*MASTER_KEY)).ok()),
        key_id(api),
    )


@pytest.fixture
def lost(backup: Backup, kubectl: Kubectl) -> None:  # noqa: ARG001 - nothing is lost before it is kept
    """The cluster is gone, and another one is there."""
    empty_cluster(kubectl)


def key_id(api: Api) -> str:
    return str(api.get(path("ConfigMap", SYSTEM, f"sealing-key-{PLATFORM}")).ok()["data"]["keyId"])


def restored_without_key(backup: Backup, kubectl: Kubectl) -> None:
    kubectl("apply", "--server-side", "-k", str(ROOT / "crds"))
    restore(kubectl, *backup.resources)
    restore(kubectl, agent_of_backup())


def agent_of_backup() -> Manifest:
    return {
        "apiVersion": "theazo.dev/v1alpha1",
        "kind": "TheazoAgent",
        "metadata": {"name": "waits", "namespace": PLATFORM},
        "spec": {"sessionRef": {"name": "alice"}, "compute": "python", "secrets": [{"name": name} for name in VALUES]},
    }


def operator_pod(api: Api) -> Manifest:
    (pod,) = api.get(path("Pod", SYSTEM), labelSelector=f"app.kubernetes.io/name={OPERATOR}").ok()["items"]
    found: Manifest = pod
    return found


def looked_for_the_key(audit: Audit, times: int) -> bool:
    calls = [call for call in audit.calls(SYSTEM) if (call.what, call.name) == ("secrets", MASTER_KEY[2])]
    return len(calls) >= times


def versions(tenant: Tenant) -> dict[str, str]:
    """Everything in the platform, with what changes whenever it is written."""
    found = {}
    for kind in (*OURS, "Pod", "Secret", "RoleBinding"):
        for item in tenant.stage.list(kind):
            found[f"{kind}/{item['metadata']['name']}"] = item["metadata"]["resourceVersion"]
    return found


@pytest.mark.usefixtures("lost")
def test_resources_before_the_master_key(
    backup: Backup, tenant: Tenant, helm: Helm, kubectl: Kubectl, api: Api
) -> None:
    restored_without_key(backup, kubectl)
    before = versions(tenant)
    audit = Audit()
    helm("install", RELEASE, CHART, *IN_HOME, *CREATE, "--take-ownership", values=WITHOUT_API)
    # It has looked, found that something is missing, said so, and looked again.
    wait_until("the operator looks for its key again", partial(looked_for_the_key, audit, 3), 90)
    pod = operator_pod(api)
    assert find(pod["status"], "Ready")["status"] == "False"
    assert "MasterKeyMissing: there are sealed values" in kubectl("logs", f"deployment/{OPERATOR}", *IN_HOME)
    assert audit.writes() == []
    assert versions(tenant) == before

    restore(kubectl, backup.master_key)
    kubectl("rollout", "status", f"deployment/{OPERATOR}", *IN_HOME, "--timeout=60s")
    after = operator_pod(api)
    assert (after["metadata"]["uid"], after["status"]["containerStatuses"][0]["restartCount"]) == (
        pod["metadata"]["uid"],
        0,
    ), "it heals by itself"
    tenant.stage.running("waits")
    assert tenant.sees("next") == VALUES
    assert key_id(api) == backup.key_id


@pytest.mark.usefixtures("lost")
def test_the_master_key_before_the_resources(
    backup: Backup, tenant: Tenant, helm: Helm, kubectl: Kubectl, api: Api
) -> None:
    kubectl("create", "namespace", SYSTEM)
    restore(kubectl, backup.master_key)
    helm("install", RELEASE, CHART, *IN_HOME, *WAITING, values=WITHOUT_API)
    restore(kubectl, *backup.resources)
    assert tenant.sees("next") == VALUES
    assert key_id(api) == backup.key_id
    assert api.get(path(*MASTER_KEY)).ok()["data"] == backup.master_key["data"]
