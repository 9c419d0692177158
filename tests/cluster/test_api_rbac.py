"""What the REST API may do and what it may not: on the API server with its own token, and for the bearer of a key."""

from typing import Any

import pytest

from tests.cluster.test_rbac import LOOK, rights
from tests.support.api import Api, Manifest, Reply, path
from tests.support.cluster import REST_API, SYSTEM, wait_until
from tests.support.manifests import agent, secret, session
from tests.support.rest import SEALED_TYPE, Answer, Rest
from tests.support.sandboxes import ordinary_secret, pod_scoped_secret, sandbox
from tests.support.service import KEYS, new_api_key
from tests.support.stage import Stage

pytestmark = [pytest.mark.cluster, pytest.mark.usefixtures("installed")]

KINDS = ("TheazoSession", "TheazoSecret", "TheazoAgent")
IN_PLATFORMS = {
    *((plural, verb) for plural in ("theazosessions", "theazoagents") for verb in ("get", "list", "create", "delete")),
    ("theazoagents", "watch"),
    *(("theazosecrets", verb) for verb in ("get", "create", "patch", "delete")),
}
AT_HOME = {(f"secrets {KEYS}", "get"), ("podtemplates", "get")}
DRY = {"dryRun": "All"}


@pytest.fixture(scope="module")
def stolen(api: Api) -> Api:
    """The API server for who has the REST API's token."""
    return api.with_token(api.token_of(SYSTEM, REST_API))


def assert_no_right(reply: Reply) -> None:
    """Refused by RBAC, and nothing of the object in the answer."""
    assert reply.code == 403, reply.body
    assert f"system:serviceaccount:{SYSTEM}:{REST_API}" in reply.message
    assert " cannot " in reply.message


def test_its_rights_are_these_and_no_others(stolen: Api, api: Api, platform: str) -> None:
    account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "anybody", "namespace": platform}}
    api.create(account).ok()
    anybody = api.with_token(api.token_of(platform, "anybody"))
    for namespace, more in (("default", set()), ("kube-system", set()), (platform, IN_PLATFORMS), (SYSTEM, AT_HOME)):
        assert rights(stolen, namespace) == more | rights(anybody, namespace), namespace


def test_of_all_secrets_it_reads_the_hashes_of_keys(stolen: Api, api: Api, platform: str) -> None:
    new_api_key(api, platform)
    assert stolen.get(path("Secret", SYSTEM, KEYS)).ok()["metadata"]["name"] == KEYS
    api.create(ordinary_secret(SYSTEM)).ok()
    try:
        for name in ("theazo-master-key", "database", "any"):
            assert_no_right(stolen.get(path("Secret", SYSTEM, name)))
    finally:
        api.delete(path("Secret", SYSTEM, "database")).ok()
    api.create(ordinary_secret(platform)).ok()
    assert_no_right(stolen.get(path("Secret", platform, "database")))
    for namespace in ("", SYSTEM, platform, "kube-system"):
        where = path("Secret", namespace)
        assert_no_right(stolen.get(where))
        assert_no_right(stolen.get(where, watch="true"))
        assert_no_right(stolen.get(where, fieldSelector=f"metadata.name={KEYS}"))


def test_no_write_of_a_secret_answers_with_one(stolen: Api, api: Api, platform: str) -> None:
    """Not even of the one that it may read: who has its token makes no key."""
    new_api_key(api, platform)
    api.create(ordinary_secret(platform)).ok()
    for namespace, name in ((SYSTEM, KEYS), (SYSTEM, "theazo-master-key"), (platform, "database")):
        where = path("Secret", namespace, name)
        for query in (DRY, {}):
            assert_no_right(stolen.delete(where, **query))
            assert_no_right(stolen.delete(path("Secret", namespace), **query))
        assert_no_right(stolen.merge(where, {"metadata": {"labels": {"a": "b"}}}, dry_run=True))
        assert_no_right(stolen.request("PUT", where, ordinary_secret(namespace), query=DRY))
    for manifest in (ordinary_secret(platform), ordinary_secret(SYSTEM), pod_scoped_secret(platform)):
        assert_no_right(stolen.create(manifest, dry_run=True))


def test_it_has_no_pods_config_maps_or_status(stolen: Api, platform: str) -> None:
    for verb in LOOK:
        assert_no_right(stolen.get(path("Pod", platform), **({"watch": "true"} if verb == "watch" else {})))
    assert_no_right(stolen.create(sandbox(platform), dry_run=True))
    assert_no_right(stolen.delete(path("Pod", platform, "any"), **DRY))
    assert_no_right(stolen.get(path("Pod", platform, "any", "log")))
    assert_no_right(stolen.request("POST", path("Pod", platform, "any", "exec")))
    key = path("ConfigMap", SYSTEM, f"sealing-key-{platform}")
    assert_no_right(stolen.merge(key, {"data": {"publicKey": "mine"}}, dry_run=True))
    assert_no_right(stolen.delete(key, **DRY))
    name = {"name": "any", "namespace": SYSTEM}
    assert_no_right(stolen.create({"apiVersion": "v1", "kind": "ConfigMap", "metadata": name}, dry_run=True))
    template = {"apiVersion": "v1", "kind": "PodTemplate", "metadata": name, "template": {"spec": {"containers": []}}}
    assert_no_right(stolen.create(template, dry_run=True))
    for kind in KINDS:
        assert_no_right(stolen.merge(path(kind, platform, "any", "status"), {"status": {}}, dry_run=True))
    for kind in ("TheazoSession", "TheazoAgent"):
        assert_no_right(stolen.merge(path(kind, platform, "any"), {"spec": {}}, dry_run=True))
    for account in ("default", "theazo-operator"):
        token = path("ServiceAccount", SYSTEM if account == "theazo-operator" else platform, account, "token")
        assert_no_right(stolen.request("POST", token, {"spec": {}}))
    assert_no_right(stolen.get(path("RoleBinding", platform)))
    assert_no_right(stolen.get(path("Namespace")))


@pytest.mark.parametrize("namespace", ["default", "kube-system", SYSTEM])
def test_outside_platforms_it_makes_and_sees_nothing(stolen: Api, namespace: str) -> None:
    for manifest in (session(namespace=namespace), secret(namespace=namespace), agent(namespace=namespace)):
        assert_no_right(stolen.create(manifest, dry_run=True))
        assert_no_right(stolen.get(path(manifest["kind"], namespace, "any")))
        assert_no_right(stolen.get(path(manifest["kind"], namespace)))
        assert_no_right(stolen.delete(path(manifest["kind"], namespace, "any"), **DRY))
    for kind in KINDS:
        assert_no_right(stolen.get(path(kind)))


def _everything(rest: Rest, sid: str, aid: str, name: str) -> dict[str, Answer]:
    """All that can be asked about one session, by what it is."""
    where = f"/v1/sessions/{sid}"
    sealed = {"sealingId": "any", "secrets": {name: "thz1.x.y.z"}}
    return {
        "GET session": rest.get(where),
        "GET secrets": rest.get(f"{where}/secrets"),
        "POST secrets": rest.post(f"{where}/secrets", {name: "mine"}),
        "POST sealed secrets": rest.post(f"{where}/secrets", sealed, SEALED_TYPE),
        "DELETE secret": rest.delete(f"{where}/secrets/{name}"),
        "GET agents": rest.get(f"{where}/agents"),
        "POST agents": rest.post(f"{where}/agents", {"compute": "python", "secrets": [name]}),
        "GET agent": rest.get(f"{where}/agents/{aid}"),
        "DELETE agent": rest.delete(f"{where}/agents/{aid}"),
        "DELETE session": rest.delete(where),
    }


@pytest.mark.usefixtures("running_operator")
def test_no_key_reaches_into_another_platform(rest: Rest, foreign: Rest, other_stage: Stage, nowhere: str) -> None:
    """What is another's is answered as what is not there, to the letter."""
    ground, theirs = other_stage, foreign.open("user_of_theirs")
    foreign.set(theirs, {"KEY": "value"})
    agent_id = foreign.start(theirs, ["KEY"], nowhere)
    ground.pod_of(agent_id)
    before = [ground.get(kind, name) for kind, name in zip(KINDS, (theirs, theirs, agent_id), strict=True)]
    absent = "s-" + "a" * 26
    asked, plain = _everything(rest, theirs, agent_id, "KEY"), _everything(rest, absent, "a-" + "a" * 26, "KEY")
    for what, answer in asked.items():
        problem, control = answer.problem(404, "session_not_found"), plain[what].problem(404, "session_not_found")
        assert {**problem, "requestId": ""} == {**control, "requestId": ""}, what
    own = rest.open("user_of_theirs")
    rest.get(f"/v1/sessions/{own}/agents/{agent_id}").problem(404, "agent_not_found")
    rest.delete(f"/v1/sessions/{own}/agents/{agent_id}").problem(404, "agent_not_found")
    rest.delete(f"/v1/sessions/{own}/secrets/KEY").problem(404, "secret_not_found")
    assert [row["id"] for row in rest.get("/v1/sessions").ok(200)["sessions"]] == [own]
    assert [row["id"] for row in rest.get("/v1/sessions?user=user_of_theirs").ok(200)["sessions"]] == [own]
    assert rest.get(f"/v1/sessions/{own}/agents").ok(200)["agents"] == []
    assert [ground.get(kind, name) for kind, name in zip(KINDS, (theirs, theirs, agent_id), strict=True)] == before
    assert foreign.listed(theirs).keys() == {"KEY"}


@pytest.mark.usefixtures("running_operator")
def test_nor_into_another_session_of_its_own(rest: Rest, nowhere: str) -> None:
    alice, bob = rest.open("alice"), rest.open("bob")
    for each in (alice, bob):
        rest.set(each, {"KEY": "value", f"OF_{'BOB' if each == bob else 'ALICE'}": "value"})
    of_bob = rest.start(bob, ["KEY"], nowhere)
    for answer in (
        rest.get(f"/v1/sessions/{alice}/agents/{of_bob}"),
        rest.delete(f"/v1/sessions/{alice}/agents/{of_bob}"),
    ):
        answer.problem(404, "agent_not_found")
    rest.delete(f"/v1/sessions/{alice}/secrets/OF_BOB").problem(404, "secret_not_found")
    assert rest.get(f"/v1/sessions/{alice}/agents").ok(200)["agents"] == []
    assert rest.listed(bob).keys() == {"KEY", "OF_BOB"}
    key = {"Idempotency-Key": "the-same"}
    wanted: dict[str, Any] = {"compute": nowhere, "secrets": ["KEY"]}
    made: list[Manifest] = [rest.post(f"/v1/sessions/{each}/agents", wanted, **key).ok(201) for each in (alice, bob)]
    assert made[0]["id"] != made[1]["id"], "an idempotency key is its session's own"


@pytest.mark.usefixtures("running_operator")
def test_a_key_without_its_platform_does_nothing(rest: Rest, platform: str, api: Api) -> None:
    """`theazo platforms remove` takes the API's rights there."""
    session_id = rest.open()
    api.delete(path("RoleBinding", platform, REST_API)).ok()

    def answers() -> set[int]:
        where = f"/v1/sessions/{session_id}"
        return {
            rest.get("/v1/sessions").status,
            rest.get(where).status,
            rest.post(where + "/secrets", {"A": "b"}).status,
        }

    wait_until("the rights are gone", lambda: answers() == {403})
    rest.get("/v1/sessions").problem(403, "platform_not_served")
    rest.get(f"/v1/sessions/{session_id}").problem(403, "platform_not_served")
    rest.post("/v1/sessions", {"user": "another"}).problem(403, "platform_not_served")
