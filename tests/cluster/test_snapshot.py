"""What an agent was given when it started is what it keeps; what is set or deleted later counts for new agents."""

import json

import pytest

from tests.support.stage import Stage, find

pytestmark = [pytest.mark.cluster, pytest.mark.usefixtures("running_operator")]


def updated(stage: Stage, session: str = "alice") -> dict[str, str]:
    """When each value of a session was last set, as its TheazoSecret says."""
    secret = stage.get("TheazoSecret", session)
    assert secret is not None
    return {name: entry["updatedAt"] for name, entry in secret["spec"]["encryptedData"].items()}


def test_set_and_delete_count_for_new_agents_only(stage: Stage) -> None:
    stage.open()
    stage.set({"KEY": "old", "GONE": "gone", "SAME": "same"})
    first = updated(stage)
    stage.start("before", ["KEY", {"name": "ALIAS", "from": "GONE"}, "SAME"])
    # Deleted and overwritten before the sandbox runs, but after it was made.
    stage.pod_of("before")
    stage.set({"KEY": "new"})
    stage.put({"GONE": None})
    second = updated(stage)
    assert first["KEY"] < second["KEY"]
    assert first["SAME"] == second["SAME"]
    stage.start("after", ["KEY", {"name": "ALIAS", "from": "GONE", "optional": True}, "SAME"])
    stage.start("needs", ["KEY", "GONE"], secretsDeadlineSeconds=1)
    before, after = stage.running("before"), stage.running("after")
    assert before["secrets"] == [
        {"name": "KEY", "from": "KEY", "updatedAt": first["KEY"]},
        {"name": "ALIAS", "from": "GONE", "updatedAt": first["GONE"]},
        {"name": "SAME", "from": "SAME", "updatedAt": first["SAME"]},
    ]
    assert after["secrets"] == [
        {"name": "KEY", "from": "KEY", "updatedAt": second["KEY"]},
        {"name": "SAME", "from": "SAME", "updatedAt": second["SAME"]},
    ]
    old, new = stage.environment("before"), stage.environment("after")
    assert (old["KEY"], old["ALIAS"], old["SAME"]) == ("old", "gone", "same")
    assert (new["KEY"], new.get("ALIAS"), new["SAME"]) == ("new", None, "same")
    refused = stage.agent_is("needs", "SecretNotFound", "Failed")
    assert "secret GONE is not in session alice" in find(refused, "Ready")["message"]
    assert stage.status("before") == before, "nothing of this was news to the first"


def test_the_pod_carries_what_it_was_made_from(stage: Stage, nowhere: str) -> None:
    session = stage.open()
    stage.set({"KEY": "canary-value"})
    stage.start("a", ["KEY"], compute=nowhere)
    pod, status = stage.pod_of("a"), stage.status("a")
    carried = json.loads(pod["metadata"]["annotations"]["theazo.dev/snapshot"])
    assert carried == {
        "sessionUID": session["metadata"]["uid"],
        "compute": status["compute"],
        "secrets": [{"name": "KEY", "from": "KEY", "updatedAt": updated(stage)["KEY"]}],
    }
    assert status["secrets"] == carried["secrets"]
    assert status["podUID"] == pod["metadata"]["uid"]
    assert "canary" not in json.dumps([pod, status])


def test_one_agent_gets_values_of_one_write(stage: Stage, nowhere: str) -> None:
    """`set` of several is one write of one object, and an agent reads that object once: it never sees a half."""
    stage.open()
    stage.set({"ONE": "0", "TWO": "0"})
    for i in range(1, 9):
        stage.set({"ONE": str(i), "TWO": str(i)})
        stage.start(f"a{i}", ["ONE", "TWO"], compute=nowhere)
    for i in range(1, 9):
        stage.pod_of(f"a{i}")
    held = list(stage.values().values())
    assert len(held) == 8
    assert all(values["ONE"] == values["TWO"] for values in held)
