"""What people and GitOps tools see of the three kinds through kubectl: apply, get, explain, wait, field selectors."""

import json

import pytest
import yaml

from tests.support.api import Api, Manifest, path
from tests.support.cluster import Kubectl, KubectlError
from tests.support.manifests import agent, ciphertext, condition, entry, secret, session

pytestmark = [pytest.mark.cluster, pytest.mark.usefixtures("installed")]
KINDS = ("TheazoSession", "TheazoSecret", "TheazoAgent")


def set_status(api: Api, where: str, **status: object) -> Manifest:
    return api.merge(f"{where}/status", {"status": status}).ok()


@pytest.mark.parametrize("kind", KINDS)
def test_explain_describes_every_field(kubectl: Kubectl, kind: str) -> None:
    text = kubectl("explain", kind, "--recursive")
    assert "<empty>" not in text
    field = {
        "TheazoSession": "spec.sealingId",
        "TheazoSecret": "spec.encryptedData",
        "TheazoAgent": "spec.secrets.from",
    }
    assert "DESCRIPTION" in (told := kubectl("explain", f"{kind}.{field[kind]}"))
    assert "<empty>" not in told


def test_names_people_type(kubectl: Kubectl) -> None:
    listed = kubectl("api-resources", "--api-group=theazo.dev", "--no-headers").splitlines()
    assert {tuple(line.split()[:2]) for line in listed} == {
        ("theazosessions", "tses"),
        ("theazosecrets", "tsec"),
        ("theazoagents", "tagt"),
    }
    assert len(kubectl("api-resources", "--categories=theazo", "-o", "name").split()) == 3


def test_server_side_apply_and_again(kubectl: Kubectl, platform: str) -> None:
    text = yaml.safe_dump_all([session(), secret(), agent(secrets=["OPENAI_API_KEY"])])
    assert kubectl("apply", "--server-side", "-n", platform, "-f", "-", input=text).count("serverside-applied") == 3
    versions = kubectl("get", "theazo", "-n", platform, "-o", "jsonpath={.items[*].metadata.resourceVersion}")
    kubectl("apply", "--server-side", "-n", platform, "-f", "-", input=text)
    again = kubectl("get", "theazo", "-n", platform, "-o", "jsonpath={.items[*].metadata.resourceVersion}")
    assert again == versions, "an apply of the same changes nothing"
    assert kubectl("diff", "--server-side", "-n", platform, "-f", "-", input=text) == ""


def test_two_managers_share_a_secret_entry_by_entry(api: Api, platform: str) -> None:
    git = secret(namespace=platform, entries={"FROM_GIT": entry()})
    api.apply(git, "git").ok()
    api.apply(secret(namespace=platform, entries={"FROM_API": entry()}), "theazo-api").ok()
    assert set(api.get(path("TheazoSecret", platform, "alice")).ok()["spec"]["encryptedData"]) == {
        "FROM_GIT",
        "FROM_API",
    }
    newer = secret(namespace=platform, entries={"FROM_GIT": entry(ciphertext(2000))})
    assert api.apply(newer, "theazo-api").code == 409, "an entry has one owner"
    managers = api.get(path("TheazoSecret", platform, "alice")).ok()["metadata"]["managedFields"]
    owned = {item["manager"]: item["fieldsV1"]["f:spec"]["f:encryptedData"] for item in managers}
    assert owned == {"git": {"f:FROM_GIT": {}}, "theazo-api": {"f:FROM_API": {}}}, "an entry is owned as a whole"
    api.apply(secret(namespace=platform, entries={}), "git").ok()
    assert set(api.get(path("TheazoSecret", platform, "alice")).ok()["spec"]["encryptedData"]) == {"FROM_API"}


def test_status_is_apart_from_spec(api: Api, platform: str) -> None:
    made = api.create(session(namespace=platform) | {"status": {"sealingId": "x"}}).ok()
    assert "status" not in made
    where = path("TheazoSession", platform, "alice")
    ready = condition("Ready", "True", "Active", observedGeneration=1)
    done = api.merge(f"{where}/status", {"spec": {"ttlSeconds": 5}, "status": {"conditions": [ready]}}).ok()
    assert done["status"]["conditions"] == [ready]
    assert done["spec"] == made["spec"]
    assert done["metadata"]["generation"] == 1


@pytest.mark.parametrize(
    ("status", "says"),
    [
        ({"conditions": [condition("Ready", "true", "Active")]}, "supported values"),
        ({"conditions": [condition("Ready", "True", "not a word")]}, "should match"),
        ({"conditions": [condition("Ready", "True", "")]}, "at least 1 chars long"),
        ({"conditions": [condition("Ready", "True", "Active")] * 2}, "Duplicate value"),
        ({"conditions": [condition("Ready", "True", "Active", "m" * 32_769)]}, "may not be more than 32768"),
        ({"conditions": [{"type": "Ready", "status": "True"}]}, "Required value"),
        ({"phase": "Done"}, "supported values"),
        ({"secrets": [{"name": "KEY", "from": "KEY", "updatedAt": "today"}]}, "date-time"),
        ({"compute": {"name": "python"}}, "Required value"),
    ],
)
def test_wrong_status_is_refused(api: Api, platform: str, status: Manifest, says: str) -> None:
    api.create(agent(namespace=platform)).ok()
    reply = api.merge(path("TheazoAgent", platform, "agent", "status"), {"status": status})
    assert reply.code == 422
    assert says in reply.message


def test_wait_and_columns(api: Api, kubectl: Kubectl, platform: str) -> None:
    for made in (session(namespace=platform), secret(namespace=platform), agent(namespace=platform)):
        api.create(made).ok()
    with pytest.raises(KubectlError, match="timed out"):
        kubectl("wait", "--for=condition=Ready", "tagt/agent", "-n", platform, "--timeout=1s")
    set_status(
        api,
        path("TheazoSession", platform, "alice"),
        conditions=[condition("Ready", "True", "Active")],
        expirationTime="2030-01-01T00:00:00Z",
        sealingId="alice",
    )
    set_status(
        api,
        path("TheazoSecret", platform, "alice"),
        conditions=[condition("Ready", "False", "EntriesDoNotOpen", "seal KEY anew")],
        entries=3,
        failingCount=1,
        keyIds=["0123456789abcdef"],
        failing=[{"name": "KEY", "reason": "UnknownKey"}],
    )
    set_status(
        api,
        path("TheazoAgent", platform, "agent"),
        conditions=[condition("Ready", "True", "SandboxRunning", "it runs")],
        phase="Running",
        podName="agent-01234567",
        exitCode=0,
    )
    kubectl("wait", "--for=condition=Ready", "tses/alice", "tagt/agent", "-n", platform, "--timeout=10s")
    kubectl("wait", "--for=jsonpath={.status.phase}=Running", "tagt/agent", "-n", platform, "--timeout=10s")

    def table(kind: str, *options: str) -> list[list[str]]:
        return [line.split() for line in kubectl("get", kind, "-n", platform, *options).splitlines()]

    heads, row = table("tses")
    assert heads == ["NAME", "USER", "READY", "REASON", "EXPIRES", "AGE"]
    assert row[:-1] == ["alice", "alice", "True", "Active", "2030-01-01T00:00:00Z"]
    heads, row = table("tsec", "-o", "wide")
    assert heads == ["NAME", "READY", "REASON", "ENTRIES", "FAILING", "AGE", "KEYS", "MESSAGE"]
    assert row[1:5] == ["False", "EntriesDoNotOpen", "3", "1"]
    assert row[6:] == ['["0123456789abcdef"]', "seal", "KEY", "anew"]
    heads, row = table("tagt")
    assert heads == ["NAME", "SESSION", "COMPUTE", "PHASE", "READY", "REASON", "AGE"]
    assert row[:-1] == ["agent", "alice", "python", "Running", "True", "SandboxRunning"]
    heads, row = table("tagt", "-o", "wide")
    assert heads[-3:] == ["POD", "EXIT", "MESSAGE"]
    assert row[-4:] == ["agent-01234567", "0", "it", "runs"]


def test_agents_can_be_selected_by_session_and_phase(api: Api, kubectl: Kubectl, platform: str) -> None:
    for name, user, phase in (("a", "alice", "Running"), ("b", "alice", "Failed"), ("c", "bob", "Running")):
        api.create(agent(name, platform, session_name=user)).ok()
        set_status(api, path("TheazoAgent", platform, name), phase=phase)

    def names(selector: str) -> set[str]:
        text = kubectl("get", "tagt", "-n", platform, "--field-selector", selector, "-o", "json")
        return {item["metadata"]["name"] for item in json.loads(text)["items"]}

    assert names("status.phase=Running") == {"a", "c"}
    assert names("spec.sessionRef.name=alice") == {"a", "b"}
    assert names("spec.sessionRef.name=alice,status.phase!=Failed") == {"a"}
