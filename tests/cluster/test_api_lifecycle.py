"""The REST API reads its own writes, loses none of them, and leaves nothing behind; what ends is over in seconds."""

import base64
import json
import random
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.api import Api, path
from tests.support.cli import theazo
from tests.support.cluster import SYSTEM, wait_until
from tests.support.manifests import entry as manifest_entry
from tests.support.manifests import secret
from tests.support.rest import SEALED_TYPE, Answer, Rest
from tests.support.sealing import keyring
from tests.support.service import ApiProcess
from tests.support.stage import AGENT, Stage
from theazo.sealing import Binding

pytestmark = [pytest.mark.cluster, pytest.mark.usefixtures("running_operator")]

SETS, NAMES, CLIENTS = 1000, 250, 32
ROUNDS = 12
FLUX = "kustomize-controller"


@pytest.fixture(scope="module")
def second(service_kubeconfig: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiProcess]:
    """Another instance of the API, beside the module's first one."""
    with ApiProcess(service_kubeconfig, tmp_path_factory.mktemp("second") / "log") as process:
        yield process


@pytest.fixture
def pair(rest: Rest, second: ApiProcess) -> tuple[Rest, Rest]:
    """Two clients of one platform, each at an instance of its own."""
    beside = Rest(second.url, rest.key)
    wait_until("the second instance serves the platform", lambda: beside.get("/v1/sealing-key").status == 200)
    return rest, beside


def test_what_was_written_is_read_at_once_by_all_instances(pair: tuple[Rest, Rest], stage: Stage, nowhere: str) -> None:
    agents = {}
    for number in range(ROUNDS):
        writer, reader = pair if number % 2 else reversed(pair)
        session = writer.open(f"user_{number % 3}")
        assert reader.get(f"/v1/sessions/{session}").ok(200)["id"] == session
        writer.set(session, {f"KEY_{number}": f"value {number}"})
        assert f"KEY_{number}" in reader.listed(session)
        agent = reader.start(session, [f"KEY_{number}"], nowhere)
        assert writer.agent(session, agent)["id"] == agent
        agents[agent] = {f"KEY_{number}": f"value {number}"}
    for agent in agents:
        stage.pod_of(agent)
    assert sorted(stage.values().values(), key=str) == sorted(agents.values(), key=str)
    for number in range(ROUNDS):
        writer, reader = pair if number % 2 else reversed(pair)
        session = writer.open(f"user_{number % 3}")
        writer.delete(f"/v1/sessions/{session}/secrets/KEY_{number}").ok(204)
        assert f"KEY_{number}" not in reader.listed(session)
        wanted = {"compute": nowhere, "secrets": [f"KEY_{number}"]}
        reader.post(f"/v1/sessions/{session}/agents", wanted).problem(422, "secret_not_found")


@dataclass(frozen=True, slots=True)
class Put:
    """One value that was set, and from when until when."""

    name: str
    value: str
    began: float
    ended: float


def test_sets_at_the_same_time_lose_nothing(pair: tuple[Rest, Rest], stage: Stage, api: Api) -> None:
    session = pair[0].open()
    names = [f"NAME_{number % NAMES}" for number in range(SETS)]
    random.Random(4).shuffle(names)  # noqa: S311 - an order

    def put(number: int) -> Put:
        value, client = f"value {number}", pair[number % 2]
        began = time.monotonic()
        client.set(session, {names[number]: value})
        return Put(names[number], value, began, time.monotonic())

    with ThreadPoolExecutor(CLIENTS) as pool:
        puts = list(pool.map(put, range(SETS)))
    found = stage.get("TheazoSecret", session)
    assert found is not None
    entries, sealing_id = found["spec"]["encryptedData"], pair[0].get(f"/v1/sessions/{session}").ok(200)["sealingId"]
    assert entries.keys() == set(names) == pair[1].listed(session).keys()
    keys = keyring(api)
    for name, entry in entries.items():
        value = keys.open(entry["ciphertext"], Binding(stage.name, session, sealing_id, name)).reveal().decode()
        (won,) = [each for each in puts if (each.name, each.value) == (name, value)]
        later = [each for each in puts if each.name == name and each.began > won.ended]
        assert not later, f"{later} came after {won}, and {won} is what is there"


def test_a_deleted_session_takes_all_it_has(rest: Rest, stage: Stage, nowhere: str) -> None:
    session, kept = rest.open("goes"), rest.open("stays")
    for each in (session, kept):
        rest.set(each, {"KEY": "value"})
    running, pending = rest.start(session, ["KEY"], restartPolicy="Always"), rest.start(session, ["KEY"], nowhere)
    stays = rest.start(kept, ["KEY"], nowhere)
    stage.running(running)
    pods = [stage.pod_of(agent)["metadata"]["name"] for agent in (running, pending)]
    stage.pod_of(stays)
    assert len(stage.values()) == 3
    rest.delete(f"/v1/sessions/{session}").ok(204)
    stage.gone(
        ("TheazoSession", session),
        ("TheazoSecret", session),
        *((AGENT, agent) for agent in (running, pending)),
        *(("Pod", pod) for pod in pods),
    )
    wait_until("only the other session's pod-scoped Secret lives", lambda: len(stage.values()) == 1)
    for where in ("", "/secrets", "/agents", f"/agents/{running}"):
        rest.get(f"/v1/sessions/{session}{where}").problem(404, "session_not_found")
    rest.delete(f"/v1/sessions/{session}").problem(404, "session_not_found")
    assert rest.listed(kept).keys() == {"KEY"}
    assert rest.agent(kept, stays)["id"] == stays


def test_a_deleted_agent_takes_its_sandbox(rest: Rest, stage: Stage, nowhere: str) -> None:
    session = rest.open()
    rest.set(session, {"KEY": "value"})
    agent, stays = (rest.start(session, ["KEY"], nowhere) for _ in range(2))
    pod = stage.pod_of(agent)["metadata"]["name"]
    stage.pod_of(stays)
    rest.delete(f"/v1/sessions/{session}/agents/{agent}").ok(204)
    stage.gone((AGENT, agent), ("Pod", pod))
    wait_until("its pod-scoped Secret is gone", lambda: len(stage.values()) == 1)
    rest.get(f"/v1/sessions/{session}/agents/{agent}").problem(404, "agent_not_found")
    assert [row["id"] for row in rest.get(f"/v1/sessions/{session}/agents").ok(200)["agents"]] == [stays]


def test_a_session_is_over_when_its_time_is(rest: Rest, stage: Stage) -> None:
    """At the second, also while the operator has not looked yet; and the user's next one is another."""
    session = rest.open(ttlSeconds=3)
    shown = rest.get(f"/v1/sessions/{session}").ok(200)
    assert shown["expiresAt"] > shown["createdAt"]
    rest.set(session, {"KEY": "value"})
    assert rest.post("/v1/sessions", {"user": "user_123", "ttlSeconds": 3600}).ok(200) == shown, "it keeps its own"
    found: list[Answer] = []

    def over() -> bool:
        found.append(rest.post(f"/v1/sessions/{session}/secrets", {"KEY": "again"}))
        return found[-1].status != 204

    wait_until("the session is over", over, 15)
    assert json.loads(found[-1].content)["code"] in {"session_ended", "session_not_found"}
    stage.gone(("TheazoSession", session), ("TheazoSecret", session))
    again = rest.post("/v1/sessions", {"user": "user_123"}).ok(201)
    assert (again["id"], again["expiresAt"]) == (session, None)
    assert again["sealingId"] != shown["sealingId"]
    assert rest.listed(session) == {}


def test_what_was_sealed_for_the_session_before_is_refused(rest: Rest, stage: Stage) -> None:
    session = rest.open()
    old = rest.get(f"/v1/sessions/{session}").ok(200)["sealingId"]
    body = {"sealingId": old, "secrets": {"KEY": stage.sealed("KEY", "value", session, old)}}
    rest.post(f"/v1/sessions/{session}/secrets", body, SEALED_TYPE).ok(204)
    rest.delete(f"/v1/sessions/{session}").ok(204)
    stage.gone(("TheazoSession", session), ("TheazoSecret", session))
    rest.open()
    rest.post(f"/v1/sessions/{session}/secrets", body, SEALED_TYPE).problem(409, "session_changed")
    assert rest.listed(session) == {}


def test_keys_are_made_listed_and_revoked(
    service: ApiProcess, rest: Rest, platform: str, kubeconfig: Path, api: Api
) -> None:
    def keys(*arguments: str) -> str:
        result = theazo("api-keys", *arguments, "--kubeconfig", kubeconfig)
        assert result.code == 0, result.err
        return result.out

    first, second = (keys("create", "--platform", platform, "--description", text).strip() for text in ("one", "two"))
    clients = [Rest(service.url, key) for key in (first, second)]
    for client in clients:
        wait_until("the key is served", lambda client=client: client.get("/v1/sessions").status == 200, 5)  # type: ignore[misc]  # no types in a lambda
    ids = [key.split("_")[2] for key in (first, second)]
    listed = keys("list", "--platform", platform)
    assert all(each in listed for each in (*ids, "one", "two"))
    stored = json.dumps(api.get(path("Secret", SYSTEM, "theazo-api-keys")).ok())
    for key in (first, second):
        for text in (key, key.rpartition("_")[2]):
            assert text not in listed
            assert text not in stored
            assert base64.b64encode(text.encode()).decode() not in stored
    assert f"API key {ids[0]} revoked" in keys("revoke", ids[0])
    wait_until("the revoked key is refused", lambda: clients[0].get("/v1/sessions").status in {401, 429}, 5)
    clients[1].get("/v1/sessions").ok(200)
    rest.get("/v1/sessions").ok(200)


def test_what_a_gitops_tool_keeps_is_not_changed(rest: Rest, stage: Stage) -> None:
    """By server-side apply's own record, after an apply with the field manager of Flux."""
    session = rest.open()
    sealing_id = rest.get(f"/v1/sessions/{session}").ok(200)["sealingId"]
    rest.set(session, {"OURS": "value"})
    kept = manifest_entry(stage.sealed("KEPT", "from Git", session, sealing_id))
    manifest = json.dumps(secret(session, stage.name, {"KEPT": kept}))
    apply = ("apply", "--server-side", f"--field-manager={FLUX}", "-f", "-")
    stage.kubectl(*apply, input=manifest)
    before = spec_of(stage, session)
    where = f"/v1/sessions/{session}/secrets"
    for values in ({"KEPT": "mine"}, {"OURS": "mine", "NEW": "mine", "KEPT": "mine"}):
        problem = rest.post(where, values).problem(409, "managed_elsewhere")
        assert "keeps KEPT" in problem["detail"]
    rest.delete(f"{where}/KEPT").problem(409, "managed_elsewhere")
    assert spec_of(stage, session) == before
    rest.set(session, {"OURS": "newer", "NEW": "new"})
    assert rest.listed(session).keys() == {"OURS", "NEW", "KEPT"}
    stage.kubectl(*apply, input=manifest)
    rest.delete(f"{where}/OURS").ok(204)
    assert rest.listed(session).keys() == {"NEW", "KEPT"}
    stage.is_now("TheazoSecret", session, "AllEntriesOpen", "Current")


def spec_of(stage: Stage, session: str) -> object:
    return (stage.get("TheazoSecret", session) or {})["spec"]
