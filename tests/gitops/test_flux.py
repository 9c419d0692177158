"""Flux's kustomize-controller itself, with a repository that holds examples/gitops."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import gitops_stories as stories
from tests.support.api import Api
from tests.support.cluster import ROOT, Kubectl, bind, install
from tests.support.flux import NAMESPACE, Flux, FluxApp
from tests.support.gitops import AGENT, AGENTS, Project
from tests.support.operator import OperatorProcess
from tests.support.stage import Stage

NO_PODS = '[{"op": "add", "path": "/spec/replicas", "value": 0}]'
VERSIONS = 'jsonpath={range .items[*]}{.kind} {.metadata.name} {.metadata.uid} {.metadata.resourceVersion}{"\\n"}{end}'
#: All that the kustomization has; it fails where one is missing.
_GET = ("get", "-k", str(ROOT / "manifests" / "default"))

pytestmark = [pytest.mark.cluster, pytest.mark.usefixtures("running_operator")]


@pytest.fixture(scope="module")
def flux(
    api: Api,
    kubectl: Kubectl,
    kubeconfig: Path,
    running_operator: OperatorProcess,  # noqa: ARG001 - it has to be there
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Flux]:
    with Flux(api, kubectl, kubeconfig, tmp_path_factory.mktemp("flux")) as running:
        yield running


@pytest.fixture
def project(flux: Flux, stage: Stage) -> Project:
    return Project(flux.repository(stage.name), stage)


@pytest.fixture
def app(flux: Flux, project: Project) -> Iterator[FluxApp]:
    app = flux.app(project)
    yield app
    app.remove()


def test_a_new_value_reaches_the_next_agent(project: Project, app: FluxApp) -> None:
    stories.a_new_value_reaches_the_next_agent(project, app)


def test_in_a_folder_that_depends_on_it_an_agent_gets_the_value_of_its_own_commit(
    project: Project, app: FluxApp, flux: Flux
) -> None:
    project.agents_apart()
    agents = flux.app(project, "-agents", path=f"./{AGENTS}", dependsOn=[{"name": project.stage.name}])
    stories.begins(project, agents)
    # So that it would be seen if the agent came first.
    app.change(suspend=True)
    project.seal("sk-second")
    project.agent("next")
    revision = project.push("another value, and an agent that gets it")
    agents.held_back(revision)
    app.change(suspend=False)
    agents.healthy(revision)
    assert project.stage.environment("next")[stories.VALUE] == "sk-second"
    agents.remove()


def test_what_can_not_be_opened_fails_at_once_and_heals(project: Project, flux: Flux) -> None:
    # The fix heals the agent a moment after it was applied. If Flux looks in between, it looks again at the next retry.
    app = flux.app(project, retryInterval="2s")
    stories.what_can_not_be_opened_shows_and_heals(project, app)
    app.remove()


def test_an_agent_that_comes_before_its_secret_gets_going(project: Project, app: FluxApp) -> None:
    project.list(without="secret.yaml")
    app.waits(project.push("no secret yet"))
    project.stage.agent_is(AGENT, "SecretNotFound", "InProgress")
    project.list("secret.yaml")
    stories.begins(project, app)


def test_nothing_is_healthy_before_the_operator_has_looked(
    project: Project, flux: Flux, running_operator: OperatorProcess
) -> None:
    # The least time that Flux takes.
    app = flux.app(project, timeout="30s", retryInterval="1s")
    running_operator.kill()
    try:
        project.seal("sk-first")
        revision = project.push("nobody looks")
        app.is_late(revision, "TheazoAgent", "TheazoSecret", "TheazoSession")
    finally:
        running_operator.start()
    app.healthy(revision)
    project.stage.agent_is(AGENT, "SandboxRunning", "Current")
    app.remove()


def test_without_the_guides_expressions_flux_does_not_wait_for_the_operator(
    project: Project, flux: Flux, running_operator: OperatorProcess
) -> None:
    # If this fails one day, Flux waits by itself, and the guide can do without them.
    app = flux.app(project, healthCheckExprs=[])
    running_operator.kill()
    try:
        project.seal("sk-first")
        app.healthy(project.push("nobody looks"))
        assert not project.stage.status(AGENT)
    finally:
        running_operator.start()
    app.remove()


def test_what_leaves_the_repository_leaves_the_cluster(project: Project, flux: Flux) -> None:
    stories.what_leaves_goes(project, flux.app(project))


def test_deleting_the_kustomization_takes_everything(project: Project, flux: Flux) -> None:
    stories.all_goes_at_once(project, flux.app(project))


def test_there_is_no_permanent_diff(project: Project, app: FluxApp) -> None:
    stories.nothing_is_written_twice(project, app)
    assert _created_only(app)


def test_a_finished_agent_is_not_made_again(project: Project, app: FluxApp) -> None:
    stories.what_has_finished_stays(project, app)
    assert _created_only(app)


def test_an_expired_session_is_not_made_again(project: Project, flux: Flux) -> None:
    # Flux looks when it reconciles, and not when an object changes.
    app = flux.app(project, interval="2s")
    stories.what_has_expired_stays(project, app)
    assert _created_only(app)
    app.remove()


@pytest.mark.parametrize("everywhere", [False, True], ids=["by-annotation", "by-spec"])
def test_a_changed_agent_is_made_anew(project: Project, flux: Flux, everywhere: bool) -> None:  # noqa: FBT001 - a parameter of the test
    if everywhere:
        file = project.file("agent.yaml")
        file.write_text(file.read_text().replace("    kustomize.toolkit.fluxcd.io/force: enabled\n", ""))
    app = flux.app(project, force=everywhere)
    stories.a_changed_agent_is_made_anew(project, app)
    app.remove()


def test_an_account_that_may_edit_in_the_platform_is_enough(project: Project, flux: Flux, api: Api) -> None:
    name = project.stage.name
    api.create({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": name, "namespace": NAMESPACE}}).ok()
    bind(api, name, "flux", "edit", (NAMESPACE, name))
    app = flux.app(project, serviceAccountName=name)
    stories.what_leaves_goes(project, app)


def test_the_operator_itself_comes_from_git(flux: Flux, api: Api, kubectl: Kubectl) -> None:
    repository = flux.repository("theazo")
    for name in ("crds", "manifests"):
        shutil.copytree(ROOT / name, repository.path(name))
    # No Pods: the tests' own operator runs beside the cluster, and nothing can be pulled from the guide's registry.
    app = flux.operator(repository, patches=[{"target": {"kind": "Deployment"}, "patch": NO_PODS}])
    try:
        app.healthy(repository.push("install"))
        assert "image: registry.example.com/theazo-operator:0.1.0\n" in kubectl(*_GET, "-o", "yaml")
        before = kubectl(*_GET, "-o", VERSIONS)
        app.again()
        assert kubectl(*_GET, "-o", VERSIONS) == before
        app.remove()
        # All is still there: kubectl would say what is not.
        kubectl(*_GET)
    finally:
        install(kubectl, api, replicas=0)


def _created_only(app: FluxApp) -> bool:
    return [line.split()[-1] for line in app.changes()] == ["created"] * 3
