"""A TheazoSecret tells its author whether every entry opens, before an agent needs one."""

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.support.api import Api, path
from tests.support.cluster import Kubectl, new_platform, wait_until
from tests.support.history import Audit
from tests.support.manifests import SHORTEST
from tests.support.operator import OperatorProcess
from tests.support.sealing import public_key
from tests.support.stage import Stage, find, kstatus

pytestmark = [pytest.mark.cluster, pytest.mark.usefixtures("running_operator")]
KIND = "TheazoSecret"


def verified(operator: OperatorProcess) -> float:
    """How many entries the operator has opened to verify them."""
    families = text_string_to_metric_families(operator.probe("metrics")[1])
    samples = (sample for family in families for sample in family.samples if sample.name == "theazo_openings_total")
    return sum(sample.value for sample in samples if sample.labels["purpose"] == "verify")


def test_every_entry_opens(stage: Stage) -> None:
    session = stage.open()
    stage.set({"ONE": "1", "TWO": "2"})
    status = stage.is_now(KIND, "alice", "AllEntriesOpen", "Current")
    assert status["entries"] == 2
    assert status["keyIds"] == [public_key(stage.api, stage.name).key_id]
    assert status["sessionUID"] == session["metadata"]["uid"]
    assert (status["failingCount"], status["failing"]) == (0, [])
    stage.put({"ONE": None, "TWO": None})
    wait_until("it is empty", lambda: stage.is_now(KIND, "alice", "AllEntriesOpen", "Current")["entries"] == 0)


def test_names_of_what_does_not_open_and_why(stage: Stage) -> None:
    stage.open()
    stage.set({"GOOD": "value"})
    bad = {f"BAD{i:02}": SHORTEST for i in range(22)}
    mixed = {
        "A_LENGTH": SHORTEST + "A",
        "A_MOVED": stage.sealed("GOOD", "value"),
        "A_NUL": stage.sealed("A_NUL", b"\0"),
    }
    stage.put(bad | mixed)
    status = stage.is_now(KIND, "alice", "EntriesDoNotOpen", "Failed")
    assert (status["entries"], status["failingCount"], len(status["failing"])) == (26, 25, 20)
    failing = {row["name"]: row["reason"] for row in status["failing"]}
    assert failing.pop("A_LENGTH") == "MalformedEnvelope"
    assert failing.pop("A_MOVED") == "CannotOpen"
    assert failing.pop("A_NUL") == "InvalidValue"
    assert set(failing.values()) == {"UnknownKey"}
    assert failing.keys() < bad.keys()
    assert set(status["keyIds"]) == {"0123456789abcdef", public_key(stage.api, stage.name).key_id}
    assert "A_LENGTH" in find(status, "Ready")["message"]
    assert " and 15 more" in find(status, "Ready")["message"]
    stage.put(dict.fromkeys(bad, None) | {"A_LENGTH": None})
    stage.set({"A_MOVED": "value", "A_NUL": "value"})
    assert stage.is_now(KIND, "alice", "AllEntriesOpen", "Current")["failing"] == []


def test_one_that_does_not_open_fails_no_agent_that_does_not_want_it(stage: Stage, nowhere: str) -> None:
    stage.open()
    stage.set({"GOOD": "value"})
    stage.put({"BAD": SHORTEST})
    stage.is_now(KIND, "alice", "EntriesDoNotOpen", "Failed")
    stage.start("a", ["GOOD"], compute=nowhere)
    stage.pod_of("a")
    assert list(stage.values().values()) == [{"GOOD": "value"}]


def test_only_what_changed_is_opened_again(stage: Stage, running_operator: OperatorProcess) -> None:
    stage.open()
    stage.set({f"K{i}": str(i) for i in range(30)})
    stage.is_now(KIND, "alice", "AllEntriesOpen", "Current")
    before = verified(running_operator)
    stage.set({"K7": "new"})
    audit = Audit()
    wait_until("it was looked at again", lambda: verified(running_operator) > before)
    assert verified(running_operator) == before + 1
    # A label is nobody's business here.
    stage.is_now(KIND, "alice", "AllEntriesOpen", "Current")
    where = path(KIND, stage.name, "alice")
    stage.api.merge(where, {"metadata": {"labels": {"team": "a"}}}).ok()
    stage.set({"K8": "new"})
    wait_until("it was looked at again", lambda: verified(running_operator) == before + 2)
    generation = stage.api.get(where).ok()["metadata"]["generation"]
    wait_until("it says so", lambda: stage.api.get(where).ok()["status"]["observedGeneration"] == generation)
    assert kstatus(stage.api.get(where).ok()) == "Current"
    assert [str(call) for call in audit.calls(stage.name)].count("get theazosecrets") <= 2


def test_where_there_is_no_session_or_no_platform(api: Api, kubectl: Kubectl) -> None:
    with new_platform(api, "plain", labelled=False) as name:
        stage = Stage(api, kubectl, name)
        stage.put({"KEY": SHORTEST})
        says = find(stage.is_now(KIND, "alice", "PlatformNotFound", "Failed"), "Ready")["message"]
        assert f"theazo platforms add {name}" in says
        api.merge(path("Namespace", name=name), {"metadata": {"labels": {"theazo.dev/platform": "true"}}}).ok()
        stage.is_now(KIND, "alice", "SessionNotFound", "InProgress")
        stage.open()
        stage.is_now(KIND, "alice", "EntriesDoNotOpen", "Failed")
