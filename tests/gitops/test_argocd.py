"""Argo CD itself, with a repository that holds examples/gitops: docs/gitops.md says what users can rely on."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import gitops_stories as stories
from tests.support.api import Api, Manifest
from tests.support.argocd import ArgoApp, ArgoCD
from tests.support.cluster import Kubectl
from tests.support.gitops import AGENT, Project
from tests.support.operator import OperatorProcess
from tests.support.stage import Stage

pytestmark = [pytest.mark.cluster, pytest.mark.usefixtures("running_operator")]
SERVER_SIDE = ("ServerSideApply=true",)


@pytest.fixture(scope="module")
def argocd(
    api: Api,
    kubectl: Kubectl,
    kubeconfig: Path,
    running_operator: OperatorProcess,  # noqa: ARG001 - it has to be there
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[ArgoCD]:
    with ArgoCD(api, kubectl, kubeconfig, tmp_path_factory.mktemp("argocd")) as running:
        yield running


@pytest.fixture
def project(argocd: ArgoCD, stage: Stage) -> Project:
    return Project(argocd.repository(stage.name), stage)


@pytest.fixture
def app(argocd: ArgoCD, project: Project) -> Iterator[ArgoApp]:
    app = argocd.app(project)
    yield app
    app.remove()


def applied_once(app: ArgoApp) -> None:
    """It is Synced by its first and only operation, and has taken nothing else for a part of it."""
    status = app.status()
    assert status["sync"]["status"] == "Synced"
    assert len(status["history"]) == 1
    assert [row["kind"] for row in status["resources"]] == ["TheazoAgent", "TheazoSecret", "TheazoSession"]


def metadata(project: Project) -> Manifest:
    """Of the agent in the cluster."""
    found: Manifest = (project.stage.get("TheazoAgent", AGENT) or {})["metadata"]
    return found


def test_a_new_value_reaches_the_next_agent(project: Project, app: ArgoApp) -> None:
    stories.a_new_value_reaches_the_next_agent(project, app)


def test_in_a_later_wave_an_agent_gets_the_value_of_its_own_commit(project: Project, app: ArgoApp) -> None:
    file = project.file("agent.yaml")
    text = file.read_text()
    file.write_text(text.replace("  annotations:\n", '  annotations:\n    argocd.argoproj.io/sync-wave: "1"\n'))
    stories.a_value_and_its_agent_come_in_one_commit(project, app)


def test_what_can_not_be_opened_is_degraded_and_heals(project: Project, app: ArgoApp) -> None:
    stories.what_can_not_be_opened_shows_and_heals(project, app)


def test_an_agent_that_comes_before_its_secret_gets_going(project: Project, app: ArgoApp) -> None:
    project.list(without="secret.yaml")
    app.progressing(project.push("no secret yet"), "TheazoAgent", "SecretNotFound")
    project.list("secret.yaml")
    stories.begins(project, app)


def test_nothing_is_healthy_before_the_operator_has_looked(
    project: Project, app: ArgoApp, running_operator: OperatorProcess
) -> None:
    running_operator.kill()
    try:
        project.seal("sk-first")
        revision = project.push("nobody looks")
        for kind in ("TheazoSession", "TheazoSecret", "TheazoAgent"):
            app.progressing(revision, kind, "Waiting for the operator")
    finally:
        running_operator.start()
    app.healthy(revision)


def test_what_leaves_the_repository_leaves_the_cluster(project: Project, argocd: ArgoCD) -> None:
    stories.what_leaves_goes(project, argocd.app(project))


def test_deleting_the_app_takes_everything(project: Project, argocd: ArgoCD) -> None:
    stories.all_goes_at_once(project, argocd.app(project))


@pytest.mark.parametrize("compare", ["ServerSideDiff=false", "ServerSideDiff=true"])
@pytest.mark.parametrize("options", [SERVER_SIDE, ()], ids=["server-side", "client-side"])
def test_there_is_no_permanent_diff(project: Project, argocd: ArgoCD, options: tuple[str, ...], compare: str) -> None:
    # The example's own annotation would have the agent applied by the client in any case.
    file = project.file("agent.yaml")
    file.write_text(
        file.read_text().replace("    argocd.argoproj.io/sync-options: Force=true,ServerSideApply=false\n", "")
    )
    app = argocd.app(project, options=options, compare=compare)
    stories.nothing_is_written_twice(project, app)
    applied_once(app)
    rows = metadata(project)["managedFields"]
    by = {row["operation"] for row in rows if row["manager"].startswith("argocd")}
    assert by == ({"Apply"} if options else {"Update"})
    app.remove()


@pytest.mark.parametrize("method", ["annotation", "label"])
def test_a_finished_agent_is_not_made_again(project: Project, argocd: ArgoCD, method: str) -> None:
    with argocd.tracking_by(method):
        app = argocd.app(project)
        stories.what_has_finished_stays(project, app)
        assert app.status()["health"]["status"] == "Healthy"
        applied_once(app)
        marks = {"annotation": "argocd.argoproj.io/tracking-id", "label": "app.kubernetes.io/instance"}
        assert marks[method] in metadata(project)[f"{method}s"]
        app.remove()


def test_an_expired_session_is_not_made_again(project: Project, app: ArgoApp) -> None:
    stories.what_has_expired_stays(project, app)
    applied_once(app)


def test_a_changed_agent_is_made_anew(project: Project, app: ArgoApp) -> None:
    stories.a_changed_agent_is_made_anew(project, app)


def test_a_pod_that_ends_badly_is_told_by_its_agent_alone(project: Project, app: ArgoApp) -> None:
    project.seal("sk-first")
    project.agent(AGENT, command=["python3", "-c", "raise SystemExit(3)"])
    app.failed(project.push("an agent that fails"), "TheazoAgent", "SandboxFailed")
    project.list(without="agent.yaml")
    app.healthy(project.push("without it"))
