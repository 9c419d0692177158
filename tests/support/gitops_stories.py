"""What has to come out the same with every GitOps tool, told once."""

from tests.support.cluster import wait_until
from tests.support.gitops import AGENT, SESSION, App, Project

VALUE = "OPENAI_API_KEY"


def begins(project: Project, app: App) -> str:
    """The example, sealed for this platform, becomes healthy; returns the revision."""
    project.seal("sk-first")
    revision = project.push("begin")
    app.healthy(revision)
    assert project.stage.environment(AGENT)[VALUE] == "sk-first"
    return revision


def a_new_value_reaches_the_next_agent(project: Project, app: App) -> None:
    begins(project, app)
    project.seal("sk-second")
    app.healthy(project.push("another value"))
    project.agent("next")
    app.healthy(project.push("an agent that gets it"))
    assert project.stage.environment("next")[VALUE] == "sk-second"
    assert project.stage.environment(AGENT)[VALUE] == "sk-first"


def a_value_and_its_agent_come_in_one_commit(project: Project, app: App) -> None:
    begins(project, app)
    project.seal("sk-second")
    project.agent("next")
    app.healthy(project.push("another value, and an agent that gets it"))
    assert project.stage.environment("next")[VALUE] == "sk-second"


def what_can_not_be_opened_shows_and_heals(project: Project, app: App) -> None:
    project.seal("sk-first")
    project.corrupt()
    revision = project.push("not the ciphertext that was sealed")
    app.failed(revision, "TheazoAgent", "CannotOpen")
    app.failed(revision, "TheazoSecret", "EntriesDoNotOpen")
    assert not project.stage.list("Pod")
    project.seal("sk-second")
    app.healthy(project.push("sealed again"))
    assert project.stage.environment(AGENT)[VALUE] == "sk-second"


def what_leaves_goes(project: Project, app: App) -> None:
    _begins_with_a_secret_that_stays(project, app)
    project.list(without="agent.yaml")
    app.healthy(project.push("no agent any more"))
    project.stage.gone(("TheazoAgent", AGENT))
    wait_until("the agent's Pod and Secret are gone", lambda: not _left(project, "Pod", "Secret"), 60)
    project.list("agent.yaml")
    app.healthy(project.push("an agent again"))
    assert project.stage.values()
    project.leave()
    app.healthy(project.push("nothing of ours"))
    wait_until("everything is gone", lambda: not project.versions() and not _left(project, "Pod", "Secret"), 60)
    app.remove()


def all_goes_at_once(project: Project, app: App) -> None:
    _begins_with_a_secret_that_stays(project, app)
    app.remove()
    assert not project.versions()
    wait_until("the agent's Pod and Secret are gone", lambda: not _left(project, "Pod", "Secret"), 60)


def _begins_with_a_secret_that_stays(project: Project, app: App) -> None:
    project.seal("sk-first")
    # It may be restarted, so that its Secret lives as long as its Pod.
    project.agent(AGENT, restartPolicy="OnFailure")
    app.healthy(project.push("begin"))
    assert project.stage.values()


def nothing_is_written_twice(project: Project, app: App) -> None:
    begins(project, app)
    before = project.versions()
    for _ in range(3):
        app.again()
    assert project.versions() == before


def what_has_finished_stays(project: Project, app: App) -> None:
    project.seal("sk-first")
    project.agent(AGENT, command=["python3", "-c", "pass"], ttlSecondsAfterFinished=1)
    app.healthy(project.push("an agent that ends at once"))
    project.stage.agent_is(AGENT, "Completed", "Current", 60)
    uid = project.uid("TheazoAgent", AGENT)
    wait_until("the agent's Pod and Secret are gone", lambda: not _left(project, "Pod", "Secret"), 60)
    for _ in range(3):
        app.again()
    assert project.uid("TheazoAgent", AGENT) == uid
    assert project.stage.status(AGENT)["phase"] == "Succeeded"
    assert not _left(project, "Pod", "Secret")


def what_has_expired_stays(project: Project, app: App) -> None:
    project.seal("sk-first")
    project.change("session.yaml", ttlSeconds=5)
    revision = project.push("a session of five seconds")
    app.failed(revision, "TheazoSession", "Expired")
    app.failed(revision, "TheazoAgent", "SessionExpired")
    before = _uids(project)
    wait_until("the agent's Pod and Secret are gone", lambda: not _left(project, "Pod", "Secret"), 60)
    for _ in range(3):
        app.again()
    assert _uids(project) == before
    assert not _left(project, "Pod", "Secret")


def _uids(project: Project) -> list[str]:
    names = {"TheazoSession": SESSION, "TheazoSecret": SESSION, "TheazoAgent": AGENT}
    return [project.uid(kind, name) for kind, name in names.items()]


def a_changed_agent_is_made_anew(project: Project, app: App) -> None:
    begins(project, app)
    before = project.uid("TheazoAgent", AGENT)
    project.agent(AGENT, secrets=[{"name": "KEY", "from": VALUE}])
    app.healthy(project.push("under another name"))
    assert project.uid("TheazoAgent", AGENT) != before
    project.stage.running(AGENT)
    assert project.stage.environment(AGENT)["KEY"] == "sk-first"


def _left(project: Project, *kinds: str) -> list[str]:
    return [f"{kind} {item['metadata']['name']}" for kind in kinds for item in project.stage.list(kind)]
