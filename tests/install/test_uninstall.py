"""Whatever is deleted first, and whether or not the operator still runs, nothing is left half deleted."""

from collections.abc import Callable, Iterator

import pytest

from tests.install.support import (
    CHART,
    COLLECTED,
    IMAGES,
    IN_HOME,
    KINDS,
    RELEASE,
    WAITING,
    Helm,
    empty_cluster,
    leftovers,
    merged,
)
from tests.install.tenant import PLATFORM, Tenant
from tests.support.api import Api, path
from tests.support.cluster import OPERATOR, PLATFORM_LABEL, ROOT, SYSTEM, Kubectl, bind, wait_until
from tests.support.stage import AGENT, Stage

pytestmark = pytest.mark.cluster
KUSTOMIZATION = str(ROOT / "manifests" / "default")
LIMIT = "--timeout=90s"
KINDS_TOO = merged(
    IMAGES,
    {
        "platforms": [PLATFORM],
        "api": {"enabled": False},
        "crds": {"keep": False},
        # A namespace with Pods waits for half the time that they may take to end, however soon they do.
        "computes": {"python": {"podSpec": {"terminationGracePeriodSeconds": 2}}},
    },
)
#: What no deletion of a namespace or a kind takes along. Nothing keeps it.
CLUSTER_SCOPED = "validatingadmissionpolicies,validatingadmissionpolicybindings,clusterroles,clusterrolebindings"
OURS = ("-l", "app.kubernetes.io/part-of=theazo")


@pytest.fixture
def cleared(empty: None, kubectl: Kubectl) -> Iterator[None]:  # noqa: ARG001 - empty before the first
    """Emptied after each test, so that one that fails does not spoil the next."""
    yield
    empty_cluster(kubectl)


@pytest.fixture
def tenant(cleared: None, helm: Helm, kubectl: Kubectl, api: Api) -> Tenant:  # noqa: ARG001 - else something is there
    """Agents in every state that may keep something, under a release that does not keep the kinds."""
    helm("install", RELEASE, CHART, *IN_HOME, "--create-namespace", *WAITING, values=KINDS_TOO)
    return at_work(kubectl, api)


def at_work(kubectl: Kubectl, api: Api) -> Tenant:
    tenant = Tenant(Stage(api, kubectl, PLATFORM))
    tenant.start()
    tenant.stage.start("waiting", ["NOT_THERE"])
    return tenant


def stop_operator(kubectl: Kubectl, api: Api) -> None:
    kubectl("scale", f"deployment/{OPERATOR}", *IN_HOME, "--replicas=0")
    wait_until("no operator runs", lambda: not api.get(path("Pod", SYSTEM)).ok()["items"], 60)


def delete_platform(kubectl: Kubectl, _: Stage) -> None:
    kubectl("delete", "namespace", PLATFORM, LIMIT)


def delete_home(kubectl: Kubectl, _: Stage) -> None:
    kubectl("delete", "namespace", SYSTEM, LIMIT)


def delete_kinds(kubectl: Kubectl, stage: Stage) -> None:
    kubectl("delete", "customresourcedefinitions", *KINDS, LIMIT)
    nothing_left_of_agents(stage)


def nothing_left_of_agents(stage: Stage) -> None:
    """Their owner's kind is not there any more, so that nobody can be asked for it; they have to go all the same."""
    wait_until("no Pod of an agent is left", lambda: not stage.list("Pod"), COLLECTED)
    wait_until("no Secret of an agent is left", lambda: not stage.list("Secret"), COLLECTED)


STEPS: dict[str, Callable[[Kubectl, Stage], None]] = {
    "platform": delete_platform,
    "kinds": delete_kinds,
    "home": delete_home,
}
#: Each step comes first once, and before and after each other. Deleting its namespace stops the operator by itself.
CASES = [
    (("platform", "kinds", "home"), "running"),
    (("platform", "kinds", "home"), "stopped"),
    (("kinds", "home", "platform"), "running"),
    (("kinds", "home", "platform"), "stopped"),
    (("home", "platform", "kinds"), "running"),
]


@pytest.mark.parametrize(
    ("order", "operator"), CASES, ids=lambda each: each if isinstance(each, str) else "-".join(each)
)
def test_deleted_in_any_order_nothing_hangs(
    order: tuple[str, ...], operator: str, tenant: Tenant, kubectl: Kubectl, api: Api
) -> None:
    if operator == "stopped":
        stop_operator(kubectl, api)
    for step in order:
        STEPS[step](kubectl, tenant.stage)
    kubectl("delete", CLUSTER_SCOPED, *OURS, LIMIT)
    assert leftovers(kubectl) == []


def test_helm_takes_the_kinds_too_where_they_are_not_kept(tenant: Tenant, helm: Helm, kubectl: Kubectl) -> None:
    helm("uninstall", RELEASE, *IN_HOME, *WAITING)
    nothing_left_of_agents(tenant.stage)
    assert leftovers(kubectl) == [f"namespace/{PLATFORM}", f"namespace/{SYSTEM}"]
    delete_platform(kubectl, tenant.stage)
    delete_home(kubectl, tenant.stage)


def test_kubectl_takes_what_it_has_applied(cleared: None, kubectl: Kubectl, api: Api) -> None:  # noqa: ARG001 - else something is there
    kubectl("apply", "--server-side", "-k", KUSTOMIZATION)
    kubectl("rollout", "status", f"deployment/{OPERATOR}", *IN_HOME, "--timeout=120s")
    kubectl("create", "namespace", PLATFORM)
    bind(api, PLATFORM, OPERATOR, f"{OPERATOR}-platform", (SYSTEM, OPERATOR))
    kubectl("label", "namespace", PLATFORM, f"{PLATFORM_LABEL}=true")
    tenant = at_work(kubectl, api)
    kubectl("delete", "-k", KUSTOMIZATION, LIMIT)
    nothing_left_of_agents(tenant.stage)
    assert leftovers(kubectl) == [f"namespace/{PLATFORM}"]
    delete_platform(kubectl, tenant.stage)


def test_an_orphaning_deletion_waits_for_the_operator_or_for_the_documented_command(
    tenant: Tenant, helm: Helm, kubectl: Kubectl, api: Api
) -> None:
    """The one thing that may wait, since what it would leave is a Secret with values that nobody clears up."""
    stop_operator(kubectl, api)
    stage, agents = tenant.stage, Tenant.RUNNING
    kubectl("delete", AGENT, *agents, "-n", PLATFORM, "--cascade=orphan", "--wait=false")
    assert all("deletionTimestamp" in (stage.get(AGENT, agent) or {})["metadata"] for agent in agents)
    assert len(stage.values()) == 1
    kubectl("delete", "pods,secrets", "-n", PLATFORM, "-l", "theazo.dev/agent-uid", LIMIT)
    stage.gone(*((AGENT, agent) for agent in agents), seconds=COLLECTED)
    helm("uninstall", RELEASE, *IN_HOME, *WAITING)
    nothing_left_of_agents(stage)
    assert leftovers(kubectl) == [f"namespace/{PLATFORM}", f"namespace/{SYSTEM}"]
