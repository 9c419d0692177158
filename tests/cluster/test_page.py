"""What the user's page says, sentence by sentence, through the REST API and with real sandboxes."""

import importlib
import json
import re
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from hack.cluster import paths
from tests.support.rest import Rest
from tests.support.stage import IDLE, Stage, find

pytestmark = [pytest.mark.cluster, pytest.mark.usefixtures("running_operator")]

#: Each sentence of the page, and the tests that hold the product to it; in this module where none is named.
PAGE: Mapping[str, tuple[str, ...]] = {
    "per-session key-value pairs, injected as environment variables": (
        "test_the_values_of_a_session_are_its_agents_environment",
    ),
    "AES-256-GCM, with keys of each platform's own (HKDF)": (
        "test_no_platform_opens_what_is_sealed_to_another",
        "tests.unit.test_vectors_frozen.test_a_master_key_gives_the_frozen_key",
    ),
    "never logged, and never returned in API responses, logs or traces": (
        "tests.cluster.test_api_canaries.test_no_value_is_anywhere",
    ),
    "only agents that explicitly request a secret get it; none gets what it didn't declare": (
        "test_undeclared_foreign_and_misspelt_names_are_absent",
    ),
    "list gives names and createdAt, and never values": ("test_list_has_names_and_times_and_nothing_else",),
    "set again updates or adds": ("test_set_again_adds_and_updates",),
    "running agents keep the old value, new agents get the new one": ("test_running_agents_keep_and_new_ones_get",),
    "delete is permanent": (
        "tests.cluster.test_page_deletion.test_a_deleted_secret_is_gone_for_good",
        "tests.cluster.test_page_deletion.test_a_recreated_session_opens_nothing_old",
    ),
    "agents that declare a deleted secret fail": (
        "tests.cluster.test_page_deletion.test_agents_that_declare_a_deleted_secret_fail",
    ),
    "environment variables, and not arguments": ("test_values_are_in_no_command_line",),
    "never pass secrets as task input or agent instructions": ("test_the_documentation_warns_and_has_the_pages_order",),
    "three REST endpoints": ("test_the_three_endpoints_with_curl",),
}
VALUES = {
    "OPENAI_API_KEY": "sk-1234 $(STRIPE_SECRET) ${HOME}",
    "STRIPE_SECRET": "sk_live_«ключ»\n\ttwo lines",
    "DATABASE_URL": "postgres://user:pass@host:5432/db?a=b&c=%20",
}
SECTIONS = ["Setting", "Giving", "Listing", "Updating", "Deleting", "Environment"]
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{6})?Z")


def test_each_sentence_has_a_test() -> None:
    for sentence, tests in PAGE.items():
        for name in tests:
            module, _, function = name.rpartition(".")
            found = getattr(importlib.import_module(module or __name__), function, None)
            assert callable(found), f"{sentence}: there is no {name}"


def stored(stage: Stage, session: str) -> dict[str, Any]:
    """The entries of a session as they are in the cluster."""
    found = stage.get("TheazoSecret", session)
    assert found is not None
    return dict(found["spec"].get("encryptedData", {}))


def missing(rest: Rest, session: str, *names: str) -> dict[str, Any]:
    """The problem of an agent that declares these names."""
    wanted = {"compute": "python", "secrets": list(names)}
    return rest.post(f"/v1/sessions/{session}/agents", wanted).problem(422, "secret_not_found")


def test_the_values_of_a_session_are_its_agents_environment(rest: Rest, stage: Stage) -> None:
    sessions = {user: rest.open(user) for user in ("user_123", "user_456")}
    for user, session in sessions.items():
        rest.set(session, {name: f"{value} of {user}" for name, value in VALUES.items()})
    agents = {user: rest.start(session, [*VALUES]) for user, session in sessions.items()}
    for user, agent in agents.items():
        stage.running(agent)
        seen = stage.environment(agent)
        assert {name: seen[name] for name in VALUES} == {name: f"{value} of {user}" for name, value in VALUES.items()}
        shown = rest.agent(sessions[user], agent)
        assert (shown["phase"], shown["stalled"], shown["reason"]) == ("Running", False, "SandboxRunning")
        assert {row["name"]: row["updatedAt"] for row in shown["secrets"]} == {
            name: row["updatedAt"] for name, row in rest.listed(sessions[user]).items()
        }


def test_no_platform_opens_what_is_sealed_to_another(
    rest: Rest, foreign: Rest, stage: Stage, other_stage: Stage, nowhere: str
) -> None:
    """One operator, so one master key; the same user, so but for the platform the same session."""
    places = [(rest, stage, rest.open()), (foreign, other_stage, foreign.open())]
    assert len({session for _, _, session in places}) == 2
    assert len({client.get("/v1/sealing-key").ok(200)["keyId"] for client, _, _ in places}) == 2
    for client, _, session in places:
        client.set(session, {"KEY": "value", "MOVED": "mine"})
    entries = [stored(ground, session)["KEY"] for _, ground, session in places]
    for entry, (_, ground, session) in zip(reversed(entries), places, strict=True):
        change = json.dumps({"spec": {"encryptedData": {"MOVED": entry}}})
        ground.kubectl("patch", "theazosecret", session, "-n", ground.name, "--type=merge", "-p", change)
    for client, ground, session in places:
        agent = client.start(session, ["MOVED"], nowhere)
        assert find(ground.agent_is(agent, "UnknownKey", "Failed"), "SecretsResolved")["status"] == "False"
        assert client.agent(session, agent)["stalled"]
        assert ground.values() == {}
        ground.pod_of(client.start(session, ["KEY"], nowhere))
        assert list(ground.values().values()) == [{"KEY": "value"}]


def test_undeclared_foreign_and_misspelt_names_are_absent(
    rest: Rest, foreign: Rest, stage: Stage, other_stage: Stage
) -> None:
    alice, bob, theirs = rest.open("alice"), rest.open("bob"), foreign.open("alice")
    rest.set(alice, {"DECLARED": "one", "UNDECLARED": "two"})
    rest.set(bob, {"OF_BOB": "three", "DECLARED": "four"})
    foreign.set(theirs, {"OF_ANOTHER": "five", "DECLARED": "six"})
    for name in ("OF_BOB", "OF_ANOTHER", "declared", "DECLARED_", "DECLARE"):
        assert missing(rest, alice, "DECLARED", name)["missing"] == [name]
    strange = ("OF_BOB", "OF_ANOTHER", "declared")
    one = rest.start(alice, ["DECLARED", *({"name": name, "optional": True} for name in strange)])
    none, another = rest.start(alice), foreign.start(theirs, ["DECLARED"])
    for place, agent in ((stage, one), (stage, none), (other_stage, another)):
        place.running(agent)
    base, seen = stage.environment(none), stage.environment(one)
    assert seen.keys() - base.keys() == {"DECLARED"}
    assert seen["DECLARED"] == "one"
    assert not set(seen.values()) & {"two", "three", "four", "five", "six"}
    assert not set(base.values()) & {"one", "two", "three", "four", "five", "six"}
    assert other_stage.environment(another)["DECLARED"] == "six"


def test_list_has_names_and_times_and_nothing_else(rest: Rest, stage: Stage) -> None:
    session = rest.open()
    assert rest.get(f"/v1/sessions/{session}/secrets").ok(200) == {"secrets": []}
    rest.set(session, VALUES)
    before = rest.get(f"/v1/sessions/{session}/secrets").ok(200)
    assert before.keys() == {"secrets"}
    assert [row["name"] for row in before["secrets"]] == sorted(VALUES)
    for row in before["secrets"]:
        assert list(row) == ["name", "createdAt", "updatedAt"]
        assert TIME.fullmatch(row["createdAt"])
        assert TIME.fullmatch(row["updatedAt"])
    first = stored(stage, session)
    rest.set(session, {"OPENAI_API_KEY": "sk-new"})
    after = rest.listed(session)
    # To the microsecond, which the list does not show.
    assert stored(stage, session)["OPENAI_API_KEY"]["createdAt"] == first["OPENAI_API_KEY"]["createdAt"]
    for row in before["secrets"]:
        now = after[row["name"]]
        assert now["createdAt"] == row["createdAt"]
        assert (now["updatedAt"] > row["updatedAt"]) == (row["name"] == "OPENAI_API_KEY")


def test_set_again_adds_and_updates(rest: Rest, stage: Stage, nowhere: str) -> None:
    session = rest.open()
    rest.set(session, {"A": "first"})
    rest.set(session, {"B": "second"})
    assert rest.listed(session).keys() == {"A", "B"}
    rest.set(session, {"A": "third", "C": "fourth"})
    assert rest.listed(session).keys() == {"A", "B", "C"}
    stage.pod_of(rest.start(session, ["A", "B", "C"], nowhere))
    assert list(stage.values().values()) == [{"A": "third", "B": "second", "C": "fourth"}]


def test_running_agents_keep_and_new_ones_get(rest: Rest, stage: Stage) -> None:
    session = rest.open()
    rest.set(session, VALUES)
    old = rest.start(session, [*VALUES])
    stage.running(old)
    rest.set(session, {"OPENAI_API_KEY": "sk-new-key"})
    new = rest.start(session, [*VALUES])
    stage.running(new)
    for agent, value in ((old, VALUES["OPENAI_API_KEY"]), (new, "sk-new-key")):
        seen = stage.environment(agent)
        assert {name: seen[name] for name in VALUES} == VALUES | {"OPENAI_API_KEY": value}
    given = {agent: rest.agent(session, agent)["secrets"][0]["updatedAt"] for agent in (old, new)}
    assert given[old] < given[new] == rest.listed(session)["OPENAI_API_KEY"]["updatedAt"]


def test_values_are_in_no_command_line(rest: Rest, stage: Stage) -> None:
    """Neither of a process in the sandbox nor of one on its node, even where the arguments ask for it."""
    session = rest.open()
    rest.set(session, {"KEY": "canary-of-the-page"})
    idle = IDLE[-1]
    agent = rest.start(session, ["KEY"], command=["python3", "-c", idle, "$(KEY)"], args=["mark-of-the-page", "$(KEY)"])
    stage.running(agent)
    assert stage.environment(agent)["KEY"] == "canary-of-the-page"
    inside = stage.run(agent, "sh", "-c", "cat /proc/*/cmdline")
    outside = paths.node_exec("sh", "-c", "cat /proc/[0-9]*/cmdline 2>/dev/null; true").decode()
    for said in (inside, outside):
        assert "$(KEY)\0mark-of-the-page\0$(KEY)" in said
        assert "canary-of-the-page" not in said


def test_the_documentation_warns_and_has_the_pages_order() -> None:
    text = (paths.REPO / "docs" / "secrets.md").read_text(encoding="utf-8")
    assert "Never pass secrets as task input or agent instructions" in " ".join(text.split())
    sections = re.findall(r"^## (\w+)", text, re.MULTILINE)
    assert sections[: len(SECTIONS)] == SECTIONS


def test_the_three_endpoints_with_curl(rest: Rest, tmp_path: Path) -> None:
    """As in the documentation: the key from a file and the values from standard input, so that no `ps` shows them."""
    session = rest.open()
    header = tmp_path / "header"
    header.touch(mode=0o600)
    header.write_text(f"Authorization: Bearer {rest.key}\n")
    where = f"{rest.url}/v1/sessions/{session}/secrets"

    def curl(*options: str, body: str | None = None) -> tuple[str, str]:
        command = ["curl", "--silent", "--show-error", "-H", f"@{header}", "-w", "\n%{http_code}", *options]
        said = subprocess.run(command, input=body, capture_output=True, text=True, check=True)
        text, _, code = said.stdout.rpartition("\n")
        return code, text

    json_body = ("--json", "@-")
    assert curl(*json_body, where, body=json.dumps(VALUES)) == ("204", "")
    code, text = curl(where)
    assert (code, [row["name"] for row in json.loads(text)["secrets"]]) == ("200", sorted(VALUES))
    assert curl("-X", "DELETE", f"{where}/OPENAI_API_KEY") == ("204", "")
    assert curl("-X", "DELETE", f"{where}/OPENAI_API_KEY")[0] == "404"
    assert rest.listed(session).keys() == {"STRIPE_SECRET", "DATABASE_URL"}
