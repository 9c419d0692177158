"""The main job: a real sandbox holds exactly the declared values."""

import pytest

from tests.support.api import Api, path
from tests.support.cluster import Kubectl, wait_until
from tests.support.manifests import agent, session
from tests.support.sealing import sealed_secret

pytestmark = [pytest.mark.cluster, pytest.mark.usefixtures("running_operator")]

PRINT = "import os; print(os.environ['A'], os.environ['BB'], os.environ.get('C'))"


def test_sandbox_holds_declared_values_only(platform: str, api: Api, kubectl: Kubectl) -> None:
    api.create(session("alice", platform)).ok()
    api.create(sealed_secret(api, platform, "alice", {"A": "one", "B": "$(A) two", "C": "three"})).ok()
    declared = ["A", {"name": "BB", "from": "B"}]
    api.create(agent("a", platform, "alice", declared, command=["python3", "-c", PRINT])).ok()
    where = path("TheazoAgent", platform, "a")
    wait_until("the agent has finished", lambda: api.get(where).ok().get("status", {}).get("phase") == "Succeeded", 60)
    status = api.get(where).ok()["status"]
    assert kubectl("logs", "-n", platform, status["podName"]) == "one $(A) two None\n"
    assert [row["name"] for row in status["secrets"]] == ["A", "BB"]
    assert api.get(path("Secret", platform)).ok()["items"] == []
