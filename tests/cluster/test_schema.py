"""The API server takes good manifests of the three kinds and refuses wrong ones, each with what to do."""

import json
from typing import Any

import pytest

from tests.support.api import Api, Manifest, path
from tests.support.manifests import HEADER, LONGEST, agent, ciphertext, entry, secret, session
from tests.support.wrong import WRONG, Wrong

pytestmark = [pytest.mark.cluster, pytest.mark.usefixtures("installed")]


def test_there_are_enough_wrong_manifests() -> None:
    assert len(WRONG) >= 40


@pytest.mark.parametrize("wrong", [pytest.param(wrong, id=f"{wrong.manifest['kind']}-{wrong.id}") for wrong in WRONG])
def test_wrong_manifest_is_refused(api: Api, wrong: Wrong) -> None:
    namespaced = wrong.manifest | {"metadata": wrong.manifest["metadata"] | {"namespace": "default"}}
    reply = api.create(namespaced, dry_run=True)
    assert reply.code in {400, 422}, reply
    assert wrong.where in reply.message
    assert wrong.says in reply.message
    causes = reply.body.get("details", {}).get("causes", [])
    # The rules about the whole object have no field.
    assert len({cause["field"] for cause in causes} - {"<nil>"}) <= 1, "wrong in more than one way"


GOOD = {
    "session-least": session(),
    "session-full": session("s-" + "a" * 26, user="ü" * 256, sealingId="2026.05_A-1", ttlSeconds=31_536_000),
    "session-name-longest": session("a" * 52, user="u"),
    "secret-empty": secret(entries={}),
    "secret-64-KiB": secret(entries={"KEY": entry(ciphertext(LONGEST))}),
    "secret-256-names": secret(entries={f"K{i:0127}": entry() for i in range(256)}),
    "secret-900-KiB": secret(entries={f"K{i}": entry(ciphertext(3600)) for i in range(256)}),
    "secret-near-reserved": secret(entries={n: entry() for n in ("path", "PATHS", "LD", "PYTHONANYWHERE_TOKEN", "__")}),
    "secret-zone": secret(entries={"KEY": entry(createdAt="2026-05-01T12:00:00+02:00")}),
    "agent-least": agent(),
    "agent-full": agent(
        "a" * 52,
        secrets=["ONE", {"name": "TWO", "from": "PATH", "optional": True}],
        compute="python.large",
        command=["python3", "-c", "print('é')"],
        args=[""],
        resources={
            "requests": {"cpu": "500m", "memory": 1000},
            "limits": {
                "cpu": 1,
                "memory": "1Ki",
                "example.com/gpu": 0,
                "ephemeral-storage": "1e3",
                "hugepages-2Mi": "2Mi",
            },
        },
        restartPolicy="OnFailure",
        activeDeadlineSeconds=2_147_483_647,
        ttlSecondsAfterFinished=0,
        secretsDeadlineSeconds=5,
        startDeadlineSeconds=86_400,
    ),
    "agent-256-secrets": agent(secrets=[f"K{i:0127}" for i in range(256)]),
    "agent-longest-words": agent(command=["x" * 32_768] * 2, args=["\u00e9" * 32_768]),
    "agent-most-words": agent(command=["x" * 256] * 256, args=["y" * 256] * 256),
}


@pytest.mark.parametrize("good", [pytest.param(good, id=name) for name, good in GOOD.items()])
def test_good_manifest_is_taken_as_it_is(api: Api, good: Manifest) -> None:
    stored = api.create(good | {"metadata": good["metadata"] | {"namespace": "default"}}, dry_run=True).ok()
    defaults = {"restartPolicy", "secretsDeadlineSeconds", "startDeadlineSeconds"} - set(good["spec"])
    assert {key: value for key, value in stored["spec"].items() if key not in defaults | {"secrets"}} == {
        key: value for key, value in good["spec"].items() if key != "secrets"
    }
    declared = [{"optional": False} | item for item in good["spec"].get("secrets", [])]
    assert stored["spec"].get("secrets", []) == declared


def test_defaults_of_an_agent(api: Api, platform: str) -> None:
    spec = api.create(agent(namespace=platform, secrets=["KEY"]), dry_run=True).ok()["spec"]
    assert spec["restartPolicy"] == "Never"
    assert spec["secretsDeadlineSeconds"] == spec["startDeadlineSeconds"] == 300
    assert spec["secrets"] == [{"name": "KEY", "optional": False}]


@pytest.mark.parametrize(
    "spoiled",
    [
        secret(entries={"KEY": entry("sk-live-canary-1")}),
        secret(entries={"KEY": entry("sk-live-canary-2" + "x" * LONGEST)}),
        secret(entries={"KEY": entry(HEADER + "sk-live-canary-3\n")}),
        secret(entries={"KEY": "sk-live-canary-4"}),
        secret(entries={"KEY=sk-live-canary-5": entry()}),
        secret(entries={"KEY": entry(value="sk-live-canary-6")}),
        secret(stringData={"KEY": "sk-live-canary-7"}),
        secret() | {"data": {"KEY": "sk-live-canary-8"}},
        secret() | {"status": {"failing": [{"name": "K", "reason": "sk-live-canary-9"}]}},
    ],
)
def test_a_value_that_was_not_sealed_is_neither_kept_nor_repeated(api: Api, platform: str, spoiled: Manifest) -> None:
    """The API server writes its refusals into its audit log, even where that has no bodies."""
    spoiled = spoiled | {"metadata": {"name": "alice", "namespace": platform}}
    strict, lax = api.create(spoiled), api.create(spoiled, strict=False)
    for reply in (strict, lax):
        assert "canary" not in json.dumps(reply.body), reply
    assert "canary" not in json.dumps(api.get(path("TheazoSecret", platform)).body)


@pytest.mark.parametrize(
    ("before", "change"),
    [
        (session(), {"user": "bob"}),
        (session(), {"sealingId": "new"}),
        (session(sealingId="old"), {"sealingId": "new"}),
        (session(sealingId="old"), {"sealingId": None}),
        (agent(), {"compute": "node"}),
        (agent(), {"sessionRef": {"name": "bob"}}),
        (agent(), {"secrets": [{"name": "KEY"}]}),
        (agent(secrets=["KEY"]), {"secrets": None}),
        (agent(), {"ttlSecondsAfterFinished": 5}),
        (agent(), {"restartPolicy": "Always"}),
    ],
)
def test_what_cannot_change_says_so(api: Api, platform: str, before: Manifest, change: dict[str, Any]) -> None:
    made = api.create(before | {"metadata": before["metadata"] | {"namespace": platform}}).ok()
    where = path(before["kind"], platform, before["metadata"]["name"])
    refused = api.merge(where, {"spec": change})
    assert refused.code == 422
    # Flux looks for these words before it deletes and creates again.
    assert "is immutable" in refused.message
    assert api.get(where).ok()["spec"] == made["spec"]


def test_what_can_change(api: Api, platform: str) -> None:
    api.create(session(namespace=platform)).ok()
    where = path("TheazoSession", platform, "alice")
    assert api.merge(where, {"spec": {"ttlSeconds": 60}}).ok()["spec"]["ttlSeconds"] == 60
    assert "ttlSeconds" not in api.merge(where, {"spec": {"ttlSeconds": None}}).ok()["spec"]
    api.create(secret(namespace=platform)).ok()
    where = path("TheazoSecret", platform, "alice")
    older = entry(updatedAt="2020-01-01T00:00:00Z")
    assert api.merge(where, {"spec": {"encryptedData": {"OPENAI_API_KEY": older}}}).ok(), "git revert"
    assert api.merge(where, {"spec": {"encryptedData": {"OPENAI_API_KEY": None}}}).ok()["spec"]["encryptedData"] == {}


def test_a_label_can_change_on_an_agent(api: Api, platform: str) -> None:
    api.create(agent(namespace=platform)).ok()
    assert api.merge(path("TheazoAgent", platform, "agent"), {"metadata": {"labels": {"team": "a"}}}).ok()
