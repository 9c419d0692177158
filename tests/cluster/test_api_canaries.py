"""Values that are given to the REST API, in the right place and in all wrong ones, come to light nowhere."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from kubernetes.client import ApiClient

from tests.support.api import path
from tests.support.canaries import Places, append, found_in, seal_unchecked
from tests.support.cluster import REST_API, wait_until
from tests.support.misplaced import Client, cut_and_broken, misplaced, misplaced_in_bodies
from tests.support.operator import OperatorProcess
from tests.support.rest import SEALED_TYPE, Rest
from tests.support.sealing import public_key
from tests.support.service import ApiProcess
from tests.support.stage import AGENT, Stage
from theazo.sealing import Binding

pytestmark = pytest.mark.cluster

QUOTED = b'sk-Proj_"%41&+/\\'  # what escaping could change


@pytest.fixture(scope="module")
def running_operator(operator_kubeconfig: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[OperatorProcess]:
    with OperatorProcess(operator_kubeconfig, tmp_path_factory.mktemp("operator") / "log", level="DEBUG") as process:
        yield process


@pytest.fixture(scope="module")
def service(service_kubeconfig: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiProcess]:
    with ApiProcess(service_kubeconfig, tmp_path_factory.mktemp("api") / "log", level="DEBUG") as process:
        yield process


@pytest.fixture
def client(rest: Rest) -> Client:
    """The test's client, at the module's own API."""
    return Client(rest.url, rest.key)


def test_no_value_is_anywhere(
    client: Client,
    service: ApiProcess,
    running_operator: OperatorProcess,
    stage: Stage,
    api_client: ApiClient,
    nowhere: str,
) -> None:
    places = Places(api_client, running_operator, [service])
    session = client.open()
    set_and_use(client, stage, session, nowhere)
    for place, answer in misplaced(client, session):
        assert 400 <= answer.status < 500, (place, answer.status, answer.content[:300])
    misplaced_in_bodies(client, session)
    cut_and_broken(client, session)
    without_rights(client, stage, session)
    assert found_in(client.heard(), client.canaries) == []
    assert places.search(client.canaries, living=True) == []
    append(service.log, client.canaries[-1].value)
    assert places.search(client.canaries, living=True) == [f"REST API's log: {client.canaries[-1].name}"]


def set_and_use(client: Client, stage: Stage, session: str, nowhere: str) -> None:
    """The right place, by each way; agents that get values, and agents that fail over them."""
    where = f"/v1/sessions/{session}"
    values = {
        "PLAIN": client.fresh("plain", b""),
        "QUOTED": client.fresh("quoted", QUOTED),
        "LARGE": client.fresh("large", after=b"x" * 65_000),
    }
    client.set(session, values)
    client.set(session, {"PLAIN": client.fresh("overwriting", b"")})
    key, sealing_id = public_key(stage.api, stage.name), client.get(where).ok(200)["sealingId"]
    sealed = {
        name: seal_unchecked(
            client.fresh(name, **more).encode("latin-1"), Binding(stage.name, session, sealing_id, name), key
        )
        for name, more in {"SEALED": {}, "NUL": {"before": b"\0"}, "BYTES": {"after": b"\xff\xfe"}}.items()
    }
    client.post(f"{where}/secrets", {"sealingId": sealing_id, "secrets": sealed}, SEALED_TYPE).ok(204)
    agents = {
        "SandboxRunning": client.start(session, ["PLAIN", "QUOTED", "SEALED"], args=["$(PLAIN)"]),
        "InvalidValue": client.start(session, ["NUL", "BYTES"], nowhere),
        "SecretsTooLarge": client.start(session, [{"name": f"LARGE_{n}", "from": "LARGE"} for n in range(17)], nowhere),
        "SandboxNotStarted": client.start(session, ["PLAIN"], nowhere, startDeadlineSeconds=1),
    }
    for reason, agent in agents.items():
        comes_to(client, session, agent, reason)
    for read in ("", "/secrets", "/agents", "/agents?limit=1", "/agents?phase=Failed"):
        client.get(where + read).ok(200)
    client.get("/v1/sessions?limit=1").ok(200)
    client.delete(f"{where}/secrets/LARGE").ok(204)
    client.delete(f"{where}/agents/{agents['SecretsTooLarge']}").ok(204)
    stage.gone((AGENT, agents["SecretsTooLarge"]))


def comes_to(client: Client, session: str, agent: str, reason: str) -> None:
    wait_until(f"an agent is {reason}", lambda: client.agent(session, agent)["reason"] == reason, 60)


def without_rights(client: Client, stage: Stage, session: str) -> None:
    """The API server refuses what the API would write."""
    stage.api.delete(path("RoleBinding", stage.name, REST_API)).ok()
    where = f"/v1/sessions/{session}/secrets"
    wait_until("the API has no rights", lambda: client.post(where, {"A": client.fresh("without rights")}).status == 403)
    assert json.loads(client.answers[-1].content)["code"] == "platform_not_served"
