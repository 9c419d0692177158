"""One installation from its first release on: upgraded, rolled back, removed and installed again, with agents at work.

Each fixture is the next thing that befalls it, so the tests go in the order of the file.
"""

import base64
import json
from typing import Any, NamedTuple

import pytest

from tests.install.support import (
    CHART,
    COLLECTED,
    HERE,
    IMAGES,
    IN_HOME,
    KINDS,
    RELEASE,
    WAITING,
    Helm,
    HelmError,
    leftovers,
    merged,
)
from tests.install.tenant import PLATFORM, VALUES, Seen, Tenant
from tests.support.api import Api, Manifest, path
from tests.support.cluster import OPERATOR, REST_API, SYSTEM, Kubectl, wait_until
from tests.support.stage import Stage

pytestmark = pytest.mark.cluster
FIRST = HERE / "charts" / "theazo-0.1.0.tgz"
AT_FIRST = merged(IMAGES, {"platforms": [PLATFORM]})
#: What an upgrade changes besides, so that operator, API and a compute are all replaced.
CHANGED = merged(
    AT_FIRST,
    {
        "operator": {"logLevel": "DEBUG", "resources": {"limits": {"memory": "300Mi"}}},
        "api": {"replicas": 1, "resources": {"limits": {"memory": "200Mi"}}},
        "computes": {"python": {"env": [{"name": "COMPUTE_VERSION", "value": "2"}]}, "node": None},
        "commonLabels": {"team": "platform"},
    },
)
MASTER_KEY = path("Secret", SYSTEM, "theazo-master-key")
SEALING_KEY = path("ConfigMap", SYSTEM, f"sealing-key-{PLATFORM}")


class Before(NamedTuple):
    """What was there before the first upgrade, and stays."""

    seen: dict[str, Seen]
    ended: tuple[Manifest, str]
    keys: list[Any]
    pods: set[str]


def keys(api: Api) -> list[Any]:
    """The master key, and what is published of it."""
    return [api.get(where).ok()["data"] for where in (MASTER_KEY, SEALING_KEY)]


def pods(tenant: Tenant) -> set[str]:
    return {item["metadata"]["uid"] for item in tenant.stage.list("Pod")}


@pytest.fixture(scope="module")
def tenant(api: Api, kubectl: Kubectl) -> Tenant:
    return Tenant(Stage(api, kubectl, PLATFORM))


@pytest.fixture(scope="module")
def installed(empty: None, helm: Helm) -> None:  # noqa: ARG001 - else something is there already
    helm("install", RELEASE, FIRST, *IN_HOME, "--create-namespace", *WAITING, values=AT_FIRST)


@pytest.fixture(scope="module")
def before(installed: None, tenant: Tenant, api: Api) -> Before:  # noqa: ARG001 - it has to be there
    tenant.start()
    return Before(tenant.seen(), tenant.ended(), keys(api), pods(tenant))


@pytest.fixture(scope="module")
def upgraded(before: Before, helm: Helm) -> None:  # noqa: ARG001 - agents are at work by then
    helm("upgrade", RELEASE, CHART, *IN_HOME, *WAITING, values=CHANGED)


@pytest.fixture(scope="module")
def rolled_back(upgraded: None, helm: Helm) -> None:  # noqa: ARG001 - it comes first
    helm("rollback", RELEASE, "1", *IN_HOME, *WAITING)


@pytest.fixture(scope="module")
def removed(rolled_back: None, helm: Helm) -> None:  # noqa: ARG001 - it comes first
    # What the release is now says what is kept of it, and that has to be today's chart.
    helm("upgrade", RELEASE, CHART, *IN_HOME, *WAITING, values=AT_FIRST)
    helm("uninstall", RELEASE, *IN_HOME, *WAITING)


@pytest.fixture(scope="module")
def again(removed: None, helm: Helm) -> None:  # noqa: ARG001 - it comes first
    helm("install", RELEASE, CHART, *IN_HOME, *WAITING, values=AT_FIRST)


def assert_undisturbed(tenant: Tenant, before: Before) -> None:
    """No agent was stopped, started again or told something else; of the one that ended the same is known."""
    assert tenant.seen() == before.seen
    assert tenant.ended() == before.ended
    assert before.pods <= pods(tenant)


def assert_serves(tenant: Tenant, agent: str) -> None:
    """An agent that comes now gets what was sealed at first; no other Pod was started."""
    known = pods(tenant)
    assert tenant.sees(agent) == VALUES
    assert len(pods(tenant) - known) == 1


@pytest.mark.usefixtures("installed")
def test_on_its_first_start_the_operator_makes_the_master_key(api: Api) -> None:
    key = api.get(MASTER_KEY).ok()
    assert list(key["data"]) == ["1"]
    assert len(base64.b64decode(key["data"]["1"])) == 32
    assert "ownerReferences" not in key["metadata"]
    assert key["metadata"]["labels"] == {"app.kubernetes.io/managed-by": "theazo"}, "it is not helm's"


def test_agents_get_what_was_sealed(before: Before) -> None:
    assert {agent: seen.environment for agent, seen in before.seen.items()} == dict.fromkeys(Tenant.RUNNING, VALUES)
    assert before.ended[1] == VALUES["OPENAI_API_KEY"]


@pytest.mark.usefixtures("before")
def test_what_is_wrong_with_values_helm_says(helm: Helm) -> None:
    with pytest.raises(HelmError) as refused:
        helm("upgrade", RELEASE, CHART, *IN_HOME, values=merged(AT_FIRST, {"operator": {"logLvl": "DEBUG"}}))
    assert "at '/operator'" in str(refused.value)
    assert "'logLvl' not allowed" in str(refused.value)
    assert [each["revision"] for each in json.loads(helm("history", RELEASE, *IN_HOME, "-o", "json"))] == [1]


@pytest.mark.usefixtures("upgraded")
def test_an_upgrade_disturbs_no_agent(before: Before, tenant: Tenant) -> None:
    assert_undisturbed(tenant, before)


@pytest.mark.usefixtures("upgraded")
def test_an_upgrade_takes_hold(tenant: Tenant, api: Api) -> None:
    operator = api.get(path("Deployment", SYSTEM, OPERATOR)).ok()
    (container,) = operator["spec"]["template"]["spec"]["containers"]
    assert {"name": "THEAZO_LOG_LEVEL", "value": "DEBUG"} in container["env"]
    assert container["resources"]["limits"] == {"memory": "300Mi"}
    assert operator["metadata"]["labels"]["team"] == "platform"
    assert api.get(path("Deployment", SYSTEM, REST_API)).ok()["status"]["readyReplicas"] == 1
    assert api.get(path("PodTemplate", SYSTEM, "node")).code == 404
    assert_serves(tenant, "after-upgrade")
    assert tenant.stage.environment("after-upgrade")["COMPUTE_VERSION"] == "2"


@pytest.mark.usefixtures("upgraded")
def test_helm_test_seals_runs_an_agent_and_reads_what_it_saw(helm: Helm, api: Api) -> None:
    said = helm("test", RELEASE, *IN_HOME, "--logs", "--timeout", "3m")
    assert "ok: the agent saw what was sealed" in said
    namespace = path("Namespace", name="theazo-helm-test")
    wait_until("the platform of helm test is gone", lambda: api.get(namespace).code == 404, 60)


@pytest.mark.usefixtures("rolled_back")
def test_a_rollback_disturbs_no_agent(before: Before, tenant: Tenant, api: Api) -> None:
    assert_undisturbed(tenant, before)
    assert "team" not in api.get(path("Deployment", SYSTEM, OPERATOR)).ok()["metadata"]["labels"]
    assert api.get(path("PodTemplate", SYSTEM, "node")).code == 200
    assert_serves(tenant, "after-rollback")


@pytest.mark.usefixtures("removed")
def test_removing_the_release_takes_all_that_is_its(kubectl: Kubectl, api: Api) -> None:
    wait_until("operator and API are gone", lambda: not api.get(path("Pod", SYSTEM)).ok()["items"], 60)
    kinds = [f"customresourcedefinition.apiextensions.k8s.io/{kind}" for kind in KINDS]
    assert leftovers(kubectl) == sorted([*kinds, f"namespace/{PLATFORM}", f"namespace/{SYSTEM}"])
    ours = kubectl(
        "get", "role,rolebinding,serviceaccount,networkpolicy", "-A", "-l", "app.kubernetes.io/part-of=theazo"
    )
    assert ours == ""


@pytest.mark.usefixtures("removed")
def test_removing_the_release_leaves_what_is_the_users(before: Before, tenant: Tenant, api: Api) -> None:
    assert_undisturbed(tenant, before)
    assert keys(api) == before.keys
    assert tenant.stage.get("TheazoSession", "alice")
    assert set((tenant.stage.get("TheazoSecret", "alice") or {})["spec"]["encryptedData"]) == set(VALUES)


@pytest.mark.usefixtures("removed")
def test_without_an_operator_a_deleted_agent_takes_its_pod_with_it(tenant: Tenant, api: Api) -> None:
    pod = tenant.stage.status("after-upgrade")["podName"]
    api.delete(path("TheazoAgent", PLATFORM, "after-upgrade")).ok()
    tenant.stage.gone(("TheazoAgent", "after-upgrade"), ("Pod", pod), seconds=COLLECTED)
    tenant.stage.start("unseen", list(VALUES))  # by nobody, until there is an operator again


@pytest.mark.usefixtures("again")
def test_installed_again_it_knows_the_agents_of_before(before: Before, tenant: Tenant) -> None:
    tenant.stage.running("unseen")
    assert_undisturbed(tenant, before)


@pytest.mark.usefixtures("again")
def test_installed_again_old_secrets_open(before: Before, tenant: Tenant, api: Api) -> None:
    assert_serves(tenant, "after-return")
    assert keys(api) == before.keys
    tenant.stage.is_now("TheazoSecret", "alice", "AllEntriesOpen", "Current")
