"""The main job: a real sandbox holds exactly the declared values, and is a place that is fit to hold them."""

import json

import pytest

from tests.support.api import Api, path
from tests.support.cluster import wait_until
from tests.support.history import Audit, lives
from tests.support.stage import IDLE, NOWHERE, Stage, compute, find

pytestmark = [pytest.mark.cluster, pytest.mark.usefixtures("running_operator")]

# What a value may hold, and what a shell, a template or the kubelet might make something else of.
VALUES = {
    "PLAIN": "sk-1234",
    "REFERENCE": "$(PLAIN) $PLAIN ${PLAIN} $$(PLAIN) {{ PLAIN }} `id`",
    "LINES": "-----BEGIN KEY-----\n\tone = two\r\n-----END KEY-----\n",
    "UNICODE": "pässwörd «秘密» \U0001f511",
    "ONE": "x",
    "LARGEST": "y" * 65536,
}


def test_sandbox_holds_the_declared_values_and_nothing_else(stage: Stage) -> None:
    stage.open()
    stage.set(VALUES | {"OTHER": "canary-undeclared"})
    stage.start("bare")
    declared = [*VALUES, {"name": "RENAMED", "from": "PLAIN"}, {"name": "ABSENT", "optional": True}]
    stage.start("full", declared)
    assert [row["name"] for row in stage.running("full")["secrets"]] == [*VALUES, "RENAMED"]
    stage.running("bare")
    without, has = stage.environment("bare"), stage.environment("full")
    assert {name: has[name] for name in has.keys() - without.keys()} == VALUES | {"RENAMED": VALUES["PLAIN"]}
    # HOSTNAME is the Pod's name.
    assert {name: has[name] for name in without if name != "HOSTNAME"} == {
        name: value for name, value in without.items() if name != "HOSTNAME"
    }


def test_sessions_with_the_same_names_do_not_meet(stage: Stage) -> None:
    for user in ("alice", "bob"):
        stage.open(user)
        stage.set({"KEY": f"of-{user}", f"ONLY_{user.upper()}": f"only-{user}"}, user)
        stage.start(f"agent-{user}", ["KEY", {"name": "ONLY_BOB", "optional": True}], user)
    stage.start("foreign", ["KEY", "ONLY_BOB"], "alice")
    stage.start("misspelt", ["key"], "alice")
    for user in ("alice", "bob"):
        stage.running(f"agent-{user}")
    assert "only-bob" not in (alice := stage.environment("agent-alice")).values()
    assert alice["KEY"] == "of-alice"
    bob = stage.environment("agent-bob")
    assert (bob["KEY"], bob["ONLY_BOB"]) == ("of-bob", "only-bob")
    for agent, missing in (("foreign", "ONLY_BOB"), ("misspelt", "key")):
        status = stage.agent_is(agent, "SecretNotFound", "InProgress")
        assert f"secret {missing} is not in session alice" in find(status, "SecretsResolved")["message"]
        assert "podUID" not in status
    assert {item["metadata"]["labels"]["theazo.dev/agent"] for item in stage.list("Pod")} == {
        "agent-alice",
        "agent-bob",
    }


def test_no_value_gets_into_a_command_line(stage: Stage, api: Api) -> None:
    """The kubelet expands `$(NAME)` in command and args, and every process of the node can read a command line."""
    idle = IDLE[-1]
    with compute(api, sandbox={"command": [*IDLE[:2], idle, "$(KEY)"], "args": ["$$(KEY)", "$(KEY)"]}) as template:
        stage.open()
        stage.set({"KEY": "canary-value"})
        stage.start("own", ["KEY"], command=["python3", "-c", idle, "$(KEY)", "$$(KEY)"], args=["$(KEY)x"])
        stage.start("args", ["KEY"], compute=template, args=["a$(KEY)$(KEY)"])
        stage.start("template", ["KEY"], compute=template)
        expected = {
            "own": ["$(KEY)", "$$(KEY)", "$(KEY)x"],
            "args": ["$(KEY)", "a$(KEY)$(KEY)"],
            "template": ["$(KEY)", "$$(KEY)", "$(KEY)"],
        }
        for agent, words in expected.items():
            stage.running(agent)
            said = stage.run(agent, "sh", "-c", "cat /proc/*/cmdline")
            assert "\0".join([*IDLE[:2], idle, *words, ""]) in said
            assert "canary" not in said
            assert stage.environment(agent)["KEY"] == "canary-value"


def test_without_secrets_there_is_no_secret_and_no_reading(stage: Stage, nowhere: str) -> None:
    stage.open()
    since, audit = stage.version(), Audit()
    stage.start("bare", compute=nowhere)
    stage.start("nothing-there", [{"name": "KEY", "optional": True}], compute=nowhere)
    for agent, reason in (("bare", "NoneDeclared"), ("nothing-there", "Resolved")):
        assert "envFrom" not in stage.pod_of(agent)["spec"]["containers"][0]
        assert find(stage.status(agent), "SecretsResolved")["reason"] == reason
    assert lives(stage.api, stage.name, since) == []
    calls = audit.calls(stage.name)
    assert [call.name for call in calls if call.verb == "get"] == ["alice"], "the one for the optional secret"
    assert not [call for call in calls if call.what == "secrets"]


def test_sandbox_is_hardened_where_the_namespace_demands_it(stage: Stage) -> None:
    labels = {"pod-security.kubernetes.io/enforce": "restricted", "pod-security.kubernetes.io/warn": "restricted"}
    stage.api.merge(path("Namespace", name=stage.name), {"metadata": {"labels": labels}}).ok()
    stage.open()
    stage.set({"KEY": "value"})
    stage.start("a", ["KEY"], metadata={"labels": {"app": "mine", "argocd.argoproj.io/instance": "mine"}})
    stage.running("a")
    look = "id -u; ls /var/run/secrets 2>&1; touch /x 2>&1; touch /tmp/x && cat /proc/1/status"
    said = stage.run("a", "sh", "-c", look)
    assert said.splitlines()[0] == "65532"
    assert "/var/run/secrets': No such file" in said
    assert "'/x': Read-only file system" in said
    assert "NoNewPrivs:\t1" in said
    assert "Seccomp:\t2" in said
    assert "CapEff:\t0000000000000000" in said
    pod = stage.pod_of("a")
    assert pod["metadata"]["annotations"].keys() == {
        "theazo.dev/snapshot",
        "argocd.argoproj.io/ignore-healthcheck",
    }
    assert pod["metadata"]["labels"] == {
        "theazo.dev/agent-uid": pod["metadata"]["ownerReferences"][0]["uid"],
        "theazo.dev/agent": "a",
        "theazo.dev/session": "alice",
        "app.kubernetes.io/managed-by": "theazo",
    }
    spec = pod["spec"]
    assert spec["enableServiceLinks"] is False
    assert spec["automountServiceAccountToken"] is False
    assert "value" not in json.dumps(pod["metadata"]) + json.dumps(spec).replace('"value"', "")


def test_only_the_container_named_sandbox_gets_them(stage: Stage, api: Api) -> None:
    image = "docker.io/library/python:3.13-slim"
    look = ["sh", "-c", "tr '\\0' '\\n' < /proc/1/environ | grep -c KEY; true"]
    helper = {"name": "helper", "image": image, "command": IDLE}
    init = {"name": "init", "image": image, "command": look}
    with compute(api, more=[helper], initContainers=[init]) as template:
        stage.open()
        stage.set({"KEY": "value"})
        stage.start("a", ["KEY"], compute=template)
        stage.running("a")
        wait_until("the helper runs", lambda: _is_running(stage, "helper"))
        assert "KEY" not in stage.environment("a", "helper")
        assert stage.environment("a")["KEY"] == "value"
        containers = stage.pod_of("a")["spec"]["containers"] + stage.pod_of("a")["spec"]["initContainers"]
        assert [each["name"] for each in containers if "envFrom" in each] == ["sandbox"]


def _is_running(stage: Stage, container: str) -> bool:
    states = stage.pod_of("a")["status"]["containerStatuses"]
    return any(each["name"] == container and "running" in each["state"] for each in states)


def test_template_and_agent_make_the_container_together(stage: Stage, api: Api) -> None:
    """As core/v1 has it: a command of the agent's own drops the template's args; resources are merged by name."""
    resources = {"requests": {"cpu": "10m", "memory": "32Mi"}, "limits": {"memory": "256Mi"}}
    with compute(api, sandbox={"args": ["template"], "resources": resources}, nodeSelector=NOWHERE) as template:
        stage.open()
        mine = {"requests": {"cpu": "20m"}, "limits": {"cpu": 1}}
        stage.start("a", compute=template, command=["true"], resources=mine, activeDeadlineSeconds=600)
        stage.start("b", compute=template, restartPolicy="Always")
        first, second = stage.pod_of("a")["spec"], stage.pod_of("b")["spec"]
        assert first["containers"][0]["command"] == ["true"]
        assert "args" not in first["containers"][0]
        assert first["containers"][0]["resources"] == {
            "requests": {"cpu": "20m", "memory": "32Mi"},
            "limits": {"cpu": "1", "memory": "256Mi"},
        }
        assert (first["restartPolicy"], first["activeDeadlineSeconds"]) == ("Never", 600)
        assert (second["restartPolicy"], second["containers"][0]["args"]) == ("Always", ["template"])
        used = stage.status("a")["compute"]
        assert (used["name"], used["namespace"]) == (template, "theazo-system")
        assert (
            used["resourceVersion"]
            == api.get(path("PodTemplate", "theazo-system", template)).ok()["metadata"]["resourceVersion"]
        )
