"""What is known of the cluster, and that of what is gone nothing is kept."""

from typing import Any

import pytest

from tests.support.aio import aio
from tests.support.builders import KEYRING, NS, agent_body, sealed_text, secret_body, session_body
from tests.support.rig import JOB, Rig
from theazo_operator.controllers.secrets import SecretController
from theazo_operator.controllers.world import Agents
from theazo_operator.kube import resource as kind
from theazo_operator.resources.meta import Key

DEMO = Key(NS, "demo")


def versioned(version: int, **given: Any) -> dict[str, Any]:
    body = agent_body(**given)
    body["metadata"]["resourceVersion"] = str(version)
    return body


def test_agents_are_known_by_their_session() -> None:
    agents = Agents()
    assert agents.put(versioned(1))
    assert not agents.put(versioned(1))
    assert list(agents.of_session(DEMO)) == [JOB]
    agents.remove(JOB)
    agents.remove(JOB)
    assert list(agents.of_session(DEMO)) == []
    assert list(agents) == []


def test_of_sessions_without_agents_nothing_is_kept() -> None:
    agents = Agents()
    for number in range(3):
        agents.put(versioned(number, spec={"sessionRef": {"name": f"s-{number}"}}))
        assert len(agents._by_session) == 1
    agents.remove(JOB)
    assert not agents._by_session


def test_a_namesake_in_another_session_is_listed_there_only() -> None:
    agents = Agents()
    agents.put(versioned(1))
    agents.put(versioned(2, uid="another-uid", spec={"sessionRef": {"name": "other"}}))
    assert list(agents.of_session(DEMO)) == []
    assert list(agents.of_session(Key(NS, "other"))) == [JOB]


@pytest.mark.parametrize("status", [{"podUID": "p"}, {"phase": "Failed"}, {"phase": "Succeeded"}])
def test_of_an_agent_that_needs_no_pod_any_more_its_words_are_not_kept(status: dict[str, Any]) -> None:
    agents = Agents()
    long = {"command": ["python"], "args": ["x" * 1000], "resources": {"limits": {"cpu": "1"}}}
    agents.put(versioned(1, spec=long))
    before = agents.get(JOB)
    agents.put(versioned(2, spec=long, status=status))
    after = agents.get(JOB)
    assert before is not None
    assert before.spec is not None
    assert before.spec.args == ("x" * 1000,)
    assert after is not None
    assert after.spec is not None
    assert (after.spec.command, after.spec.args, after.spec.resources) == (None, None, None)
    assert after.spec.secrets == before.spec.secrets
    assert "xxx" not in repr(after)


@aio
async def test_of_a_theazo_secret_that_is_gone_nothing_is_kept() -> None:
    rig = Rig()
    controller = SecretController(rig.kube, rig.world, KEYRING)
    rig.world.sessions.put(session_body())
    for _ in range(2):
        body = rig.kube.put(kind.THEAZO_SECRETS, secret_body({"A": sealed_text(b"1", "A")}))
        rig.world.secrets.put(body)
        await controller.reconcile(DEMO)
        assert list(controller._seen) == [DEMO]
        rig.world.secrets._removed(DEMO)
        await controller.reconcile(DEMO)
        assert not controller._seen


@aio
async def test_a_namesake_of_a_theazo_secret_is_looked_at_anew() -> None:
    """Its record may speak of keys that this process does not have, whatever the one before it said."""
    rig = Rig()
    controller = SecretController(rig.kube, rig.world, KEYRING)
    rig.world.secrets.put(rig.kube.objects["theazosecrets", NS, "demo"])
    await controller.reconcile(DEMO)
    verified = rig.kube.objects["theazosecrets", NS, "demo"]
    namesake = {**verified, "metadata": {**verified["metadata"], "uid": "another-uid"}}
    namesake["status"] = {**verified["status"], "keyIds": ["0" * 16]}
    rig.kube.taken()
    rig.world.secrets.put(rig.kube.put(kind.THEAZO_SECRETS, namesake))
    await controller.reconcile(DEMO)
    assert rig.kube.taken() == ["GET theazosecrets", "PATCH theazosecrets"]
    assert list(controller._seen) == [DEMO]
