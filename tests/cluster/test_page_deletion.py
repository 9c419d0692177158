"""What the user's page says of deleting: it is permanent, and agents that declare what was deleted fail."""

import json

import pytest

from tests.cluster.test_page import VALUES, missing, stored
from tests.support.rest import Rest
from tests.support.stage import AGENT, Stage, find

pytestmark = [pytest.mark.cluster, pytest.mark.usefixtures("running_operator")]


def test_a_deleted_secret_is_gone_for_good(rest: Rest, stage: Stage) -> None:
    session = rest.open()
    rest.set(session, VALUES)
    running = rest.start(session, [*VALUES])
    stage.running(running)
    ciphertext = stored(stage, session)["OPENAI_API_KEY"]["ciphertext"]
    rest.delete(f"/v1/sessions/{session}/secrets/OPENAI_API_KEY").ok(204)
    rest.delete(f"/v1/sessions/{session}/secrets/OPENAI_API_KEY").problem(404, "secret_not_found")
    assert rest.listed(session).keys() == VALUES.keys() - {"OPENAI_API_KEY"}
    assert ciphertext not in json.dumps(stage.get("TheazoSecret", session))
    assert "OPENAI_API_KEY" not in stored(stage, session)
    assert stage.environment(running)["OPENAI_API_KEY"] == VALUES["OPENAI_API_KEY"]
    rest.set(session, {"OPENAI_API_KEY": "sk-another"})
    assert rest.listed(session)["OPENAI_API_KEY"]["createdAt"] > rest.listed(session)["STRIPE_SECRET"]["createdAt"]


def test_agents_that_declare_a_deleted_secret_fail(rest: Rest, stage: Stage, nowhere: str) -> None:
    session = rest.open()
    rest.set(session, {"KEPT": "one", "DELETED": "two"})
    rest.delete(f"/v1/sessions/{session}/secrets/DELETED").ok(204)
    problem = missing(rest, session, "KEPT", "DELETED")
    assert problem["missing"] == ["DELETED"]
    assert "the session lacks DELETED" in problem["detail"]
    assert stage.list(AGENT) == [], "the API says so at once, and makes no agent"
    spec = {"sessionRef": {"name": session}, "compute": nowhere, "secretsDeadlineSeconds": 5}
    manifest = {
        "apiVersion": "theazo.dev/v1alpha1",
        "kind": AGENT,
        "metadata": {"name": "by-kubectl", "namespace": stage.name},
        "spec": spec | {"secrets": [{"name": "KEPT"}, {"name": "DELETED"}]},
    }
    stage.kubectl("apply", "--server-side", "-f", "-", input=json.dumps(manifest))
    assert find(stage.agent_is("by-kubectl", "SecretNotFound", "InProgress", 4), "Stalled") == {}
    status = stage.agent_is("by-kubectl", "SecretNotFound", "Failed", 15)
    assert "secret DELETED is not in session" in find(status, "SecretsResolved")["message"]
    shown = rest.agent(session, "by-kubectl")
    assert (shown["phase"], shown["reason"], shown["stalled"]) == ("Pending", "SecretNotFound", True)
    assert (stage.list("Pod"), stage.values()) == ([], {})


def test_a_recreated_session_opens_nothing_old(rest: Rest, stage: Stage, nowhere: str) -> None:
    session = rest.open()
    rest.set(session, {"KEY": "of the old one"})
    old = stored(stage, session)["KEY"]["ciphertext"]
    sealing_id = rest.get(f"/v1/sessions/{session}").ok(200)["sealingId"]
    rest.delete(f"/v1/sessions/{session}").ok(204)
    stage.gone(("TheazoSession", session), ("TheazoSecret", session))
    assert rest.open() == session, "the same user has the same session"
    assert rest.get(f"/v1/sessions/{session}").ok(200)["sealingId"] != sealing_id
    assert rest.listed(session) == {}
    stage.put({"KEY": old}, session)
    agent = rest.start(session, ["KEY"], nowhere)
    stage.agent_is(agent, "CannotOpen", "Failed")
    assert (rest.agent(session, agent)["stalled"], stage.values()) == (True, {})
