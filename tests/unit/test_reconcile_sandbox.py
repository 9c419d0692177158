"""What a sandbox is made of: the declared values and no others, in a Pod that can do no harm."""

import base64
import copy
import json
from collections.abc import Mapping
from functools import partial
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.builders import (
    AGENT_UID,
    JSON,
    KEYRING,
    NS,
    SESSION_UID,
    agent,
    compute,
    owner,
    sealed_text,
    secret,
    session,
)
from theazo_operator.opening import Keyring
from theazo_operator.reconcile.sandbox import PodSecret, Sandbox, build, verbatim
from theazo_operator.reconcile.secrets import Resolved, open_entry, resolve
from theazo_operator.resources.agent import AgentSpec
from theazo_operator.resources.sandbox import Snapshot
from theazo_operator.resources.session import TheazoSecret

CANARY = "canary-5up3r-s3cr3t"
UPDATED = "2025-04-01T00:00:00.000001Z"
NAME = "thz-" + "a" * 26


def spec_of(*declared: JSON | str, **more: Any) -> AgentSpec:
    names = [{"name": each} if isinstance(each, str) else each for each in declared]
    spec = agent(spec={"secrets": names, **more}).spec
    assert spec is not None
    return spec


def stored(**values: str) -> TheazoSecret:
    return secret({name: sealed_text(value.encode(), name) for name, value in values.items()})


def opened(spec: AgentSpec, sealed: TheazoSecret | None, keyring: Keyring = KEYRING) -> list[Resolved]:
    return resolve(spec, session(), sealed, partial(open_entry, keyring=keyring))


def made(
    spec: AgentSpec | None = None, *, template: JSON | None = None, values: Mapping[str, str] | None = None
) -> Sandbox:
    spec = spec if spec is not None else spec_of(*(values or {}))
    return build(agent(), spec, session(), compute(spec=template), opened(spec, stored(**(values or {}))), NAME)


def data_of(made_secret: PodSecret | None) -> dict[str, str]:
    assert made_secret is not None
    data: dict[str, str] = json.loads(made_secret.to_json())["data"]
    return {name: base64.b64decode(text).decode() for name, text in data.items()}


# What is created.


def test_the_pod_scoped_secret() -> None:
    sandbox = made(values={"A": "1", "B": "2"})
    assert sandbox.secret is not None
    body = json.loads(sandbox.secret.to_json())
    assert data_of(sandbox.secret) == {"A": "1", "B": "2"}
    assert body["immutable"] is True
    assert body["type"] == "theazo.dev/agent"
    assert body["metadata"]["namespace"] == NS
    assert body["metadata"]["ownerReferences"] == [owner()]
    assert body["metadata"]["labels"]["theazo.dev/agent-uid"] == AGENT_UID
    assert "annotations" not in body["metadata"]


def test_the_same_is_decided_from_the_same() -> None:
    """A decision draws no lots: the Secret's name is given."""
    template, spec = compute(), spec_of("A")
    one, other = (build(agent(), spec, session(), template, opened(spec, stored(A="1")), NAME) for _ in range(2))
    assert one.secret is not None
    assert other.secret is not None
    assert one.secret.name == NAME
    assert (one.secret.manifest, one.pod) == (other.secret.manifest, other.pod)


def test_the_pod() -> None:
    sandbox = made(values={"A": "1"})
    assert sandbox.secret is not None
    metadata = sandbox.pod["metadata"]
    snapshot = Snapshot.model_validate_json(metadata["annotations"].pop("theazo.dev/snapshot"))
    assert metadata == {
        "name": "job-0a1b2c3d",
        "namespace": NS,
        "labels": {
            "theazo.dev/agent-uid": AGENT_UID,
            "theazo.dev/agent": "job",
            "theazo.dev/session": "demo",
            "app.kubernetes.io/managed-by": "theazo",
        },
        "annotations": {"argocd.argoproj.io/ignore-healthcheck": "true"},
        "ownerReferences": [owner()],
    }
    assert snapshot.session_uid == SESSION_UID
    assert snapshot.compute.name == "python"
    assert [(each.name, each.source, each.updated_at) for each in snapshot.secrets] == [("A", "A", UPDATED)]
    [container] = sandbox.pod["spec"]["containers"]
    assert container["envFrom"] == [{"secretRef": {"name": sandbox.secret.name}}]


def test_only_the_sandbox_gets_the_secret() -> None:
    template = {
        "containers": [{"name": "sidecar"}, {"name": "sandbox"}],
        "initContainers": [{"name": "prepare"}, {"name": "proxy", "restartPolicy": "Always"}],
    }
    spec = made(template=template, values={"A": "1"}).pod["spec"]
    holders = [each["name"] for each in [*spec["containers"], *spec["initContainers"]] if "envFrom" in each]
    assert holders == ["sandbox"]


@pytest.mark.parametrize("declared", [[], [{"name": "A", "optional": True}]], ids=["none declared", "none there"])
def test_without_secrets_there_is_no_secret(declared: list[JSON]) -> None:
    sandbox = made(spec_of(*declared))
    assert sandbox.secret is None
    assert "envFrom" not in str(sandbox.pod)


def test_labels_of_the_agent_and_the_template_do_not_travel() -> None:
    """Argo CD and Flux would take what carries their labels for theirs, and prune it."""
    body = {
        "metadata": {"labels": {"x": "y"}, "annotations": {"x": "y"}},
        "spec": {"containers": [{"name": "sandbox"}]},
    }
    source = agent(labels={"argocd.argoproj.io/instance": "apps"}, annotations={"z": "z"})
    template = compute()
    sandbox = build(source, spec_of(), session(), type(template)(template.meta, body), [], NAME)
    assert {"x", "z", "argocd.argoproj.io/instance"}.isdisjoint(sandbox.pod["metadata"]["labels"])
    assert {"x", "z"}.isdisjoint(sandbox.pod["metadata"]["annotations"])


def test_no_plaintext_in_the_pod_or_in_any_repr() -> None:
    sandbox = made(spec_of("A", args=["$(A)"]), values={"A": CANARY})
    encoded = base64.b64encode(CANARY.encode()).decode()
    assert data_of(sandbox.secret) == {"A": CANARY}
    assert sandbox.secret is not None
    everything = [
        json.dumps(sandbox.pod),
        repr(sandbox),
        repr(sandbox.secret),
        str(sandbox.secret),
        repr(sandbox.secret.manifest),
    ]
    everything += [repr(opened(spec_of("A"), stored(A=CANARY))), repr(stored(A=CANARY))]
    assert not [text for text in everything if CANARY in text or encoded in text]


# What the agent sets.


TEMPLATE: JSON = {
    "activeDeadlineSeconds": 99,
    "restartPolicy": "Always",
    "containers": [
        {
            "name": "sandbox",
            "command": ["run", "$HOME"],
            "args": ["$(A)"],
            "resources": {"limits": {"cpu": "1", "memory": "1Gi"}, "requests": {"cpu": "1"}},
        }
    ],
}


@pytest.mark.parametrize(
    ("given_spec", "expected"),
    [
        ({}, {"command": ["run", "$$HOME"], "args": ["$$(A)"]}),
        ({"command": ["x"]}, {"command": ["x"]}),
        ({"args": ["y"]}, {"command": ["run", "$$HOME"], "args": ["y"]}),
        ({"args": []}, {"command": ["run", "$$HOME"], "args": []}),
        ({"command": ["x", "$(A)"], "args": ["$$(B)", "$"]}, {"command": ["x", "$$(A)"], "args": ["$$$$(B)", "$$"]}),
    ],
    ids=["neither", "command", "args", "no args", "both"],
)
def test_command_and_args(given_spec: JSON, expected: JSON) -> None:
    [container] = made(spec_of(**given_spec), template=copy.deepcopy(TEMPLATE)).pod["spec"]["containers"]
    assert {name: container[name] for name in ("command", "args") if name in container} == expected


def test_resources_replace_those_of_the_same_name() -> None:
    spec = spec_of(resources={"limits": {"cpu": 2}, "requests": {"memory": "1Gi"}})
    [container] = made(spec, template=copy.deepcopy(TEMPLATE)).pod["spec"]["containers"]
    assert container["resources"] == {
        "limits": {"cpu": 2, "memory": "1Gi"},
        "requests": {"cpu": "1", "memory": "1Gi"},
    }


def test_restart_policy_and_deadline() -> None:
    by_template = made(template=copy.deepcopy(TEMPLATE)).pod["spec"]
    assert (by_template["restartPolicy"], by_template["activeDeadlineSeconds"]) == ("Never", 99)
    spec = spec_of(restartPolicy="OnFailure", activeDeadlineSeconds=5)
    by_agent = made(spec, template=copy.deepcopy(TEMPLATE)).pod["spec"]
    assert (by_agent["restartPolicy"], by_agent["activeDeadlineSeconds"]) == ("OnFailure", 5)


def test_the_template_is_not_changed() -> None:
    template = copy.deepcopy(TEMPLATE)
    subject = compute(spec=template)
    build(agent(), spec_of(args=["x"]), session(), subject, [], NAME)
    assert template == TEMPLATE


# `$`, beside the kubelet's own algorithm.


def kubelet_expands(text: str, variables: Mapping[str, str]) -> str:
    """k8s.io/kubernetes/third_party/forked/golang/expansion, told again: `$$` is `$`, `$(NAME)` a value if any."""
    result, position = "", 0
    while position < len(text):
        if text[position] != "$" or position + 1 == len(text):
            result += text[position]
            position += 1
        elif text[position + 1] == "$":
            result += "$"
            position += 2
        elif text[position + 1] == "(" and ")" in text[position + 2 :]:
            end = text.index(")", position + 2)
            name = text[position + 2 : end]
            result += variables.get(name, f"$({name})")
            position = end + 1
        else:
            result += text[position : position + 2]
            position += 2
    return result


@pytest.mark.parametrize(
    ("text", "expanded"),
    [
        ("$(A)", CANARY),
        ("$$(A)", "$(A)"),
        ("$$$(A)", f"${CANARY}"),
        ("$(B)", "$(B)"),
        ("$(A", "$(A"),
        ("$", "$"),
        ("$x", "$x"),
    ],
)
def test_the_oracle_expands_as_the_kubelet_does(text: str, expanded: str) -> None:
    assert kubelet_expands(text, {"A": CANARY}) == expanded


@pytest.mark.parametrize(
    "word", ["", "$", "$$", "$(A)", "$$(A)", "$$$(A)", "$($(A))", "a$(A)b", "$(", "$()", "x$", "${A}", "$A", "$(A)$(A)"]
)
def test_words_reach_the_sandbox_verbatim(word: str) -> None:
    assert kubelet_expands(verbatim(word), {"A": CANARY, "": CANARY}) == word


@given(st.text(st.sampled_from("$()AB x")) | st.text())
def test_any_word_reaches_the_sandbox_verbatim(word: str) -> None:
    assert kubelet_expands(verbatim(word), {"A": CANARY, "B": CANARY, "": CANARY}) == word
