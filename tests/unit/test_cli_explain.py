"""`theazo explain`: a verdict, facts with what to do, and nothing that could be a value."""

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.cli import KEY, KEY_PATH, Api, Result, config_map, fake_cluster, refused, theazo
from theazo.cli.explain_facts import to_get_ready
from theazo.cli.explain_reasons import MILESTONES, REASONS, WAITING
from theazo.cli.registry import binding

ROOT = Path(__file__).resolve().parents[2]
OURS = "/apis/theazo.dev/v1alpha1/namespaces/acme"
AGENT, SESSION, SEALED = (f"{OURS}/{path}" for path in ("theazoagents/a", "theazosessions/s", "theazosecrets/s"))
RBAC = "/apis/rbac.authorization.k8s.io/v1/namespaces/acme/rolebindings"
OPERATOR = "/apis/apps/v1/namespaces/theazo-system/deployments/theazo-operator"
COMPUTE = "/api/v1/namespaces/theazo-system/podtemplates/python"
POD, EVENTS = "/api/v1/namespaces/acme/pods/a-1", "/api/v1/namespaces/acme/events"
CANARY = "c4n4ry-Zq81x"


def ago(**span: float) -> str:
    return (datetime.now(UTC) - timedelta(**span)).strftime("%Y-%m-%dT%H:%M:%SZ")


def sealed_with(key_id: str) -> dict[str, str]:
    return {"ciphertext": f"thz1.xwing-sha256-aes256gcm.{key_id}.{CANARY}", "updatedAt": ago(days=1)}


def agent(phase: str = "Pending", kind: str = "Reconciling", reason: str = "SecretNotFound", **status: Any) -> Any:
    rows = [{"type": kind, "status": "True", "reason": reason, "message": f"the operator's word on {reason}"}]
    spec = {"sessionRef": {"name": "s"}, "compute": "python", "args": [CANARY], "command": [CANARY]}
    return {
        "metadata": {"name": "a", "uid": "uid-a"},
        "spec": {**spec, "secrets": [{"name": "A"}, {"name": "B", "from": "C"}, {"name": "D", "optional": True}]},
        "status": {"phase": phase, "conditions": rows, "firstObservedTime": ago(minutes=5), **status},
    }


def pod(**status: Any) -> dict[str, Any]:
    spec = {"containers": [{"name": "sandbox", "args": [CANARY]}]}
    return {"metadata": {"name": "a-1", "uid": "uid-p"}, "spec": spec, "status": {"phase": "Pending", **status}}


@pytest.fixture
def api(tmp_path: Path) -> Iterator[Api]:
    """All is well but the agent, which is new."""
    with fake_cluster(tmp_path) as fake:
        fake.objects |= {
            AGENT: agent(),
            SESSION: {"metadata": {"name": "s", "uid": "uid-s", "creationTimestamp": ago(days=1)}, "spec": {}},
            SEALED: {"spec": {"encryptedData": {name: sealed_with(KEY.key_id) for name in "AC"}}, "status": {}},
            KEY_PATH: config_map(),
            OPERATOR: {"status": {"readyReplicas": 1}},
            COMPUTE: {"metadata": {"name": "python", "namespace": "theazo-system"}},
            "/api/v1/namespaces/acme": {"metadata": {"name": "acme", "labels": {"theazo.dev/platform": "true"}}},
            **{f"{RBAC}/{name}": binding("acme", name, "theazo-system") for name in ("theazo-operator", "theazo-api")},
        }
        yield fake


def explain(api: Api, *arguments: str) -> Result:
    result = theazo("explain", "a", "-n", "acme", *arguments, "--kubeconfig", api.kubeconfig)
    assert CANARY not in result.out + result.err
    return result


def lines(api: Api, code: int = 1) -> list[str]:
    result = explain(api)
    assert (result.code, result.err) == (code, ""), result
    found: list[str] = result.out.splitlines()
    # Each failure has its remedy.
    for line, after in zip(found, [*found[1:], ""], strict=True):
        assert not line.startswith("[fail]") or after.startswith("  -> "), line
    return found


def failures(api: Api, code: int = 1) -> list[str]:
    return [line.removeprefix("[fail] ") for line in lines(api, code) if line.startswith("[fail]")]


def test_every_reason_of_the_docs_has_words() -> None:
    text = (ROOT / "docs" / "reasons.md").read_text()
    section = text.partition("Why an entry does not open")[2]
    documented = set(re.findall(r"^\| `(\w+)` \|", section, re.MULTILINE))
    assert documented == set(REASONS) | MILESTONES
    fields = dict.fromkeys(("agent", "platform", "session", "compute", "home"), "x")
    for words in REASONS.values():
        assert words.what.format_map(fields)
        assert "{" not in words.remedy.format_map(fields)
    assert all(remedy.format_map(fields) for remedy in WAITING.values())
    well = {"SandboxRunning", "Completed"}
    assert {reason for reason, words in REASONS.items() if not words.remedy} == well


@pytest.mark.parametrize("reason", sorted(set(REASONS) - {"SandboxRunning", "Completed"}))
@pytest.mark.parametrize(("phase", "kind"), [("Pending", "Reconciling"), ("Pending", "Stalled"), ("Failed", "Stalled")])
def test_a_verdict_says_what_and_what_to_do(api: Api, reason: str, phase: str, kind: str) -> None:
    api.objects[AGENT] = agent(phase, kind, reason)
    verdict, said, remedy, *_ = lines(api)
    state = {"Reconciling": "is not running yet, for 5m", "Stalled": "is stuck, for 5m"}[kind]
    assert verdict.startswith(f"agent a of platform acme {'failed' if phase == 'Failed' else state}: ")
    assert said == f"The operator says: the operator's word on {reason}"
    assert remedy.startswith("What to do: ")


def test_all_is_well_around_it(api: Api) -> None:
    assert failures(api) == []
    text = "\n".join(lines(api))
    assert f"[ok]   sealing key: published, with the fingerprint {KEY.key_id}" in text
    assert f"[ok]   secret: B (from C) is set, sealed with key {KEY.key_id}" in text
    assert "[ok]   secret: D is not set, and optional" in text
    assert "[warn]" not in text


@pytest.mark.parametrize(("phase", "reason"), [("Running", "SandboxRunning"), ("Succeeded", "Completed")])
def test_what_runs_or_ran_is_well(api: Api, phase: str, reason: str) -> None:
    given = [{"name": "A", "from": "A", "updatedAt": "2026-01-01T00:00:00Z"}]
    status = {"podName": "a-1", "podUID": "uid-p", "secrets": given, "startTime": ago(hours=4)}
    api.objects[AGENT] = agent(phase, "Ready", reason, **status)
    del api.objects[SEALED], api.objects[SESSION], api.objects[COMPUTE]  # nothing of it matters any more
    state = {"name": "sandbox", "state": {"running": {}}}
    api.objects[POD] = pod(phase="Running", containerStatuses=[state])
    text = "\n".join(lines(api, code=0))
    assert "[fail]" not in text
    assert "What to do" not in text
    assert "[ok]   secrets: given to the sandbox: A (set 2026-01-01T00:00:00Z)" in text
    assert text.splitlines()[0] in {
        "agent a of platform acme runs, since 4h",
        "agent a of platform acme succeeded: the sandbox ended with exit code 0",
    }


MISSING: dict[str, tuple[str, str]] = {
    "/api/v1/namespaces/acme": ("platform", "has no label theazo.dev/platform"),
    f"{RBAC}/theazo-operator": ("rights", "theazo-operator is not bound in acme"),
    KEY_PATH: ("sealing key", "no sealing key of acme is published"),
    OPERATOR: ("operator", "there is no Deployment theazo-operator"),
    SESSION: ("session", "there is no session s"),
    SEALED: ("secret", "A is not set in session s"),
    COMPUTE: ("compute", "there is no PodTemplate python in theazo-system"),
}


@pytest.mark.parametrize("path", MISSING)
def test_what_is_missing_is_said(api: Api, path: str) -> None:
    del api.objects[path]
    subject, text = MISSING[path]
    assert any(line.startswith(f"{subject}: ") and text in line for line in failures(api))


@pytest.mark.parametrize("path", MISSING)
def test_what_may_not_be_read_is_said_and_left_out(api: Api, path: str) -> None:
    api.answers["GET", path] = (403, {"message": "forbidden"})
    assert failures(api) == []
    assert [line for line in lines(api) if "could not be checked" in line]


@pytest.mark.parametrize(
    ("path", "change", "text"),
    [
        (f"{RBAC}/theazo-operator", {"subjects": []}, "theazo-operator is not bound"),
        (OPERATOR, {"status": {}}, "not ready, so nothing changes"),
        (SESSION, {"metadata": {"uid": "uid-s", "deletionTimestamp": ago(), "creationTimestamp": ago()}}, "deleted"),
        (SESSION, {"spec": {"ttlSeconds": 86399}}, "the ttlSeconds of s are over"),
        (SEALED, {"status": {"sessionUID": "older"}}, "is of an ended session of that name"),
        (
            SEALED,
            {"status": {"failing": [{"name": "C", "reason": "CannotOpen"}]}},
            "B (from C) does not open: CannotOp",
        ),
        (SEALED, {"status": {"failing": [{"name": "C", "reason": f"No {CANARY}"}]}}, "does not open: Unknown"),
    ],
)
def test_what_is_wrong_is_said(api: Api, path: str, change: dict[str, Any], text: str) -> None:
    api.objects[path] = {**api.objects[path], **change}
    assert any(text in line for line in failures(api)), failures(api)


def test_without_its_operator_nothing_changes(api: Api) -> None:
    api.objects[OPERATOR] = {"status": {"readyReplicas": 0}}
    assert lines(api)[0].endswith("; and the operator is not ready, so nothing changes until it is")


def test_an_agent_that_nobody_looked_at(api: Api) -> None:
    del api.objects[AGENT]["status"]
    assert lines(api)[0] == "agent a of platform acme is not running: the operator has not looked at it yet"
    api.objects["/api/v1/namespaces/acme"]["metadata"]["labels"] = {}
    assert lines(api)[0] == "agent a of platform acme is not running: the namespace acme is no platform"


def test_an_agent_that_goes_away(api: Api) -> None:
    api.objects[AGENT]["metadata"]["deletionTimestamp"] = ago()
    assert lines(api)[0] == "agent a of platform acme is being deleted"


def test_an_unknown_reason_is_said_as_it_is(api: Api) -> None:
    api.objects[AGENT] = agent(reason="BrandNew")
    verdict, said, *_ = lines(api)
    assert verdict.endswith("is not running yet, for 5m: its reason is BrandNew")
    assert said == "The operator says: the operator's word on BrandNew"


def test_an_older_key_and_a_platforms_own_compute_are_worth_a_word(api: Api) -> None:
    api.objects[SEALED]["spec"]["encryptedData"]["A"] = sealed_with("0" * 16)
    api.objects["/api/v1/namespaces/acme/podtemplates/python"] = {"metadata": {"namespace": "acme"}}
    del api.objects[COMPUTE], api.objects[f"{RBAC}/theazo-api"]
    warned = [line for line in lines(api) if line.startswith("[warn]")]
    assert [line.split()[1] for line in warned] == ["rights:", "secret:", "compute:"]
    assert f"sealed with key {'0' * 16} and not the published {KEY.key_id}" in warned[1]
    assert failures(api) == []


@pytest.fixture
def started(api: Api) -> Api:
    api.objects[AGENT] = agent(reason="SandboxStarting", podName="a-1", podUID="uid-p")
    api.objects[POD] = pod()
    return api


@pytest.mark.parametrize("reason", WAITING)
def test_why_a_container_waits(started: Api, reason: str) -> None:
    waits = {"name": "sandbox", "restartCount": 2, "state": {"waiting": {"reason": reason, "message": CANARY}}}
    started.objects[POD] = pod(containerStatuses=[waits])
    text = "\n".join(lines(started))
    assert f"container: the container sandbox waits: {reason}, restarted 2 times\n  -> " in text


@pytest.mark.parametrize(
    ("status", "text"),
    [
        ({"conditions": [{"type": "PodScheduled", "status": "False", "reason": "Unschedulable"}]}, "Unschedulable"),
        ({"containerStatuses": [{"name": "x", "state": {"waiting": {"reason": f"Bad {CANARY}"}}}]}, "waits: Unknown"),
        ({"initContainerStatuses": [{"name": "i", "state": {"terminated": {"exitCode": 3}}}]}, "exit code 3"),
        ({"containerStatuses": [{"name": "x", "state": {"terminated": {"exitCode": 1, "message": CANARY}}}]}, "code 1"),
    ],
)
def test_what_keeps_a_pod(started: Api, status: dict[str, Any], text: str) -> None:
    started.objects[POD] = pod(**status)
    assert any(text in line for line in failures(started)), failures(started)


def test_a_pod_that_is_gone(started: Api) -> None:
    del started.objects[POD]
    assert failures(started) == ["pod: the Pod a-1 is gone"]
    started.objects[AGENT] = agent("Failed", "Stalled", "SandboxLost", podName="a-1")
    started.objects[AGENT]["status"]["conditions"].append({"type": "Finished", "status": "True", "reason": "x"})
    assert failures(started) == []


def test_events_show_reason_and_count_and_only_the_schedulers_words(started: Api) -> None:
    def event(reason: str, message: str, **more: Any) -> dict[str, Any]:
        mine = {"involvedObject": {"uid": "uid-p"}, "type": "Warning", "reason": reason, "message": message}
        return {**mine, **more}

    events = [
        event("Failed", CANARY, count=2),
        event("Failed", CANARY, series={"count": 3}),
        event("FailedScheduling", "0/1 nodes are available\x1b[2J"),
        event("Scheduled", "x", type="Normal"),
        event("BackOff", "x", involvedObject={"uid": "another pod's"}),
        event(f"No {CANARY}", "x"),
    ]
    started.objects[EVENTS] = {"items": events}
    found = [line for line in lines(started) if "event: " in line]
    assert found == [
        "[warn] event: Failed, 5 times",
        "[warn] event: FailedScheduling, 1 times: 0/1 nodes are available [2J",
        "[warn] event: Unknown, 1 times",
    ]
    assert started.requests[-1].query == {"fieldSelector": "involvedObject.kind=Pod,involvedObject.name=a-1"}


def test_other_forms(api: Api) -> None:
    del api.objects[SEALED]
    result = explain(api, "-o", "json")
    found = json.loads(result.out)
    assert (result.code, result.err) == (1, "")
    assert found == yaml.safe_load(explain(api, "-o", "yaml").out)
    assert (found["agent"], found["phase"], found["reason"], found["well"]) == ("a", "Pending", "SecretNotFound", False)
    assert {each["state"] for each in found["facts"]} == {"ok", "fail"}
    assert all(set(each) == {"state", "subject", "text", "remedy"} for each in found["facts"])


def test_wrong_inputs(api: Api) -> None:
    for arguments, words, code in (
        (("explain", "b", "-n", "acme"), ("there is no agent b in platform acme", "kubectl get theazoagents"), 1),
        (("explain", "a", "-n", "other"), ("there is no agent a in platform other",), 1),
        (("explain", CANARY.upper(), "-n", "acme"), ("an agent's name",), 2),
        (("explain", "a", "-n", "A"), ("a platform's name",), 2),
        (("explain", "-n", "acme"), ("AGENT is missing",), 2),
        (("explain", "a", "-n", "acme", "-o", "wide"), ("--output can't have this value",), 2),
    ):
        result = theazo(*arguments, "--kubeconfig", api.kubeconfig)
        refused(result, *words, code=code)
        assert len(result.err.splitlines()) == 1
        assert CANARY.upper() not in result.err
    api.answers["GET", AGENT] = (403, {"message": "forbidden"})
    refused(explain(api), "cannot read the agent a: your account may not do that")


@pytest.mark.parametrize(
    ("asked", "remedy"),
    [
        ({"replicas": 0}, "it is scaled to 0: kubectl -n sys scale --replicas=1 deployment/x"),
        ({"replicas": 1}, "see why: kubectl -n sys get pods; kubectl -n sys logs deployment/x"),
        ({}, "see why: kubectl -n sys get pods; kubectl -n sys logs deployment/x"),
    ],
)
def test_what_to_do_about_a_deployment_that_is_not_ready(asked: dict[str, Any], remedy: str) -> None:
    assert to_get_ready({"spec": asked}, "x", "sys") == remedy
