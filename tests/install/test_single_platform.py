"""Single-platform mode, installed by somebody who is an administrator of two namespaces and has no right elsewhere."""

import pytest

from tests.install.support import CHART, IMAGES, IN_HOME, RELEASE, WAITING, Helm, HelmError, merged
from tests.install.tenant import PLATFORM, Tenant
from tests.support.api import Api, path
from tests.support.cluster import OPERATOR, REST_API, ROOT, SYSTEM, Kubectl, wait_until
from tests.support.stage import Stage

pytestmark = pytest.mark.cluster
INSTALLER = "installer"
AS_INSTALLER = ("--kube-as-user", INSTALLER)
#: What is cluster-scoped is somebody else's to bring: kinds and admission policies.
SINGLE = merged(
    IMAGES, {"singlePlatform": PLATFORM, "crds": {"install": False}, "admissionPolicies": {"enabled": False}}
)


@pytest.fixture(scope="module")
def two_namespaces(empty: None, kubectl: Kubectl) -> None:  # noqa: ARG001 - else something is there already
    """What the cluster's administrator gives: the kinds, and two namespaces to rule in."""
    kubectl("apply", "--server-side", "-k", str(ROOT / "crds"))
    for namespace in (SYSTEM, PLATFORM):
        kubectl("create", "namespace", namespace)
        kubectl(
            "create", "rolebinding", INSTALLER, "--clusterrole=cluster-admin", f"--user={INSTALLER}", "-n", namespace
        )


@pytest.fixture(scope="module")
def installed(two_namespaces: None, helm: Helm) -> None:  # noqa: ARG001 - else there is nowhere to install to
    helm("install", RELEASE, CHART, *IN_HOME, *AS_INSTALLER, *WAITING, values=SINGLE)


@pytest.fixture(scope="module")
def tenant(installed: None, api: Api, kubectl: Kubectl) -> Tenant:  # noqa: ARG001 - else nobody serves it
    return Tenant(Stage(api, kubectl, PLATFORM))


@pytest.mark.usefixtures("two_namespaces")
def test_cluster_wide_mode_is_not_his_to_install(helm: Helm) -> None:
    with pytest.raises(HelmError, match="forbidden"):
        helm("install", RELEASE, CHART, *IN_HOME, *AS_INSTALLER, "--dry-run=server", values=IMAGES)


def test_agents_get_what_was_sealed(tenant: Tenant) -> None:
    tenant.start()
    assert all(seen.environment for seen in tenant.seen().values())


@pytest.mark.usefixtures("installed")
def test_helm_test_seals_runs_an_agent_and_reads_what_it_saw(helm: Helm) -> None:
    said = helm("test", RELEASE, *IN_HOME, *AS_INSTALLER, "--logs", "--timeout", "3m")
    assert "ok: the agent saw what was sealed" in said


@pytest.mark.usefixtures("installed")
@pytest.mark.parametrize("account", [OPERATOR, REST_API])
def test_its_token_is_good_for_these_two_namespaces_only(account: str, api: Api, kubectl: Kubectl) -> None:
    bearer = api.with_token(api.token_of(SYSTEM, account))
    assert bearer.get(path("TheazoAgent", PLATFORM)).code == 200
    for kind in ("Namespace", "Pod", "Secret", "ConfigMap", "TheazoSession", "TheazoSecret", "TheazoAgent"):
        assert bearer.get(path(kind)).code == 403, kind
    assert bearer.get(path("Namespace", name=PLATFORM)).code == 403
    assert bearer.get(path("TheazoAgent", "default")).code == 403
    roles = kubectl("get", "clusterrole,clusterrolebinding", "-l", "app.kubernetes.io/part-of=theazo", "-o", "name")
    assert roles == ""


@pytest.mark.usefixtures("installed")
def test_he_can_remove_it_too(tenant: Tenant, helm: Helm, api: Api) -> None:
    before = tenant.seen()
    helm("uninstall", RELEASE, *IN_HOME, *AS_INSTALLER, *WAITING)
    wait_until("operator and API are gone", lambda: not api.get(path("Pod", SYSTEM)).ok()["items"], 60)
    assert [each["metadata"]["name"] for each in api.get(path("RoleBinding", PLATFORM)).ok()["items"]] == [INSTALLER]
    assert tenant.seen() == before
