"""What a sandbox is made of: the declared values and no others, in a Pod that can do no harm."""

import base64
import copy
import json
import re
from collections.abc import Mapping, Sequence
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
from theazo.secret_value import SecretValue
from theazo_operator.opening import Keyring
from theazo_operator.reasons import Reason
from theazo_operator.reconcile.hardening import harden
from theazo_operator.reconcile.sandbox import PodSecret, Sandbox, build, verbatim
from theazo_operator.reconcile.secrets import MAX_TOTAL, Refusal, Resolved, enumerate_names, open_entry, resolve
from theazo_operator.resources.agent import AgentSpec
from theazo_operator.resources.sandbox import Snapshot
from theazo_operator.resources.session import TheazoSecret

CANARY = "canary-5up3r-s3cr3t"
UPDATED = "2025-04-01T00:00:00.000001Z"


def spec_of(*declared: JSON | str, **more: Any) -> AgentSpec:
    names = [{"name": each} if isinstance(each, str) else each for each in declared]
    spec = agent(spec={"secrets": names, **more}).spec
    assert spec is not None
    return spec


def stored(**values: str) -> TheazoSecret:
    return secret({name: sealed_text(value.encode(), name) for name, value in values.items()})


def opened(spec: AgentSpec, sealed: TheazoSecret | None, keyring: Keyring = KEYRING) -> list[Resolved]:
    return resolve(spec, session(), sealed, keyring)


def made(
    spec: AgentSpec | None = None, *, template: JSON | None = None, values: Mapping[str, str] | None = None
) -> Sandbox:
    spec = spec if spec is not None else spec_of(*(values or {}))
    return build(agent(), spec, session(), compute(spec=template), opened(spec, stored(**(values or {}))))


def refusal_of(template: JSON, *declared: JSON | str) -> Refusal:
    with pytest.raises(Refusal) as caught:
        build(agent(), spec_of(*declared), session(), compute(spec=template), [])
    return caught.value


def data_of(made_secret: PodSecret | None) -> dict[str, str]:
    assert made_secret is not None
    data: dict[str, str] = json.loads(made_secret.to_json())["data"]
    return {name: base64.b64decode(text).decode() for name, text in data.items()}


# Resolving.


def test_only_declared_names_come_in() -> None:
    resolved = opened(spec_of("A", "C"), stored(A="1", B="2", C="3"))
    assert [(each.record.name, each.value.reveal()) for each in resolved] == [("A", b"1"), ("C", b"3")]


def test_from_names_the_secret_and_name_the_variable() -> None:
    [each] = opened(spec_of({"name": "KEY", "from": "A"}), stored(A="1", KEY="wrong"))
    assert (each.record.name, each.record.source, each.record.updated_at) == ("KEY", "A", UPDATED)
    assert each.value.reveal() == b"1"


def test_one_secret_can_be_two_variables() -> None:
    resolved = opened(spec_of("A", {"name": "B", "from": "A"}), stored(A="1"))
    assert [(each.record.name, each.value.reveal()) for each in resolved] == [("A", b"1"), ("B", b"1")]


@pytest.mark.parametrize(
    ("declared", "entries", "names"),
    [
        (["A"], {}, "secret A is"),
        (["A", "B", "C"], {"B": "2"}, "secrets A, C are"),
        ([{"name": "X", "from": "A"}], {"X": "1"}, "secret A is"),
        ([{"name": "A", "optional": False}], {}, "secret A is"),
    ],
    ids=["one", "two", "the one of `from`", "not optional"],
)
def test_a_missing_name_is_waited_for_and_named(declared: list[Any], entries: dict[str, str], names: str) -> None:
    with pytest.raises(Refusal) as caught:
        opened(spec_of(*declared), stored(**entries))
    assert (caught.value.reason, caught.value.waits) == (Reason.SECRET_NOT_FOUND, True)
    assert f"{names} not in session demo" in caught.value.message


def test_without_a_theazo_secret_every_name_is_missing() -> None:
    with pytest.raises(Refusal, match="secret A is not in session"):
        opened(spec_of("A"), None)
    assert opened(spec_of({"name": "A", "optional": True}), None) == []


@pytest.mark.parametrize(
    ("status", "serves"),
    [(None, True), ({}, True), ({"sessionUID": SESSION_UID}, True), ({"sessionUID": "an-ended-one"}, False)],
    ids=["new", "waiting", "this session's", "an ended one's"],
)
def test_what_an_ended_session_of_the_same_name_left_behind_is_not_used(status: JSON | None, serves: bool) -> None:  # noqa: FBT001
    sealed = secret({"A": sealed_text(b"1", "A")}, status=status)
    if serves:
        assert len(opened(spec_of("A"), sealed)) == 1
        return
    with pytest.raises(Refusal) as caught:
        opened(spec_of("A"), sealed)
    assert (caught.value.reason, caught.value.waits) == (Reason.SECRET_NOT_FOUND, True)


def test_an_optional_secret_that_is_missing_is_left_out() -> None:
    resolved = opened(spec_of("A", {"name": "B", "optional": True}), stored(A="1"))
    assert [each.record.name for each in resolved] == ["A"]


BROKEN = {
    "plaintext": (CANARY, Reason.MALFORMED_ENVELOPE),
    "empty": ("", Reason.MALFORMED_ENVELOPE),
    "of another name": (sealed_text(CANARY.encode(), "B"), Reason.CANNOT_OPEN),
    "of another session": (sealed_text(CANARY.encode(), "A", session_name="other"), Reason.CANNOT_OPEN),
    "of an older session": (sealed_text(CANARY.encode(), "A", sealing_id="before"), Reason.CANNOT_OPEN),
}


@pytest.mark.parametrize("optional", [False, True], ids=["required", "optional"])
@pytest.mark.parametrize(("text", "reason"), BROKEN.values(), ids=BROKEN.keys())
def test_what_does_not_open_fails_closed_also_when_optional(*, text: str, reason: Reason, optional: bool) -> None:
    with pytest.raises(Refusal) as caught:
        opened(spec_of({"name": "A", "optional": optional}), secret({"A": text}))
    assert (caught.value.reason, caught.value.waits) == (reason, False)
    assert caught.value.message.startswith("secret A: ")
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None
    assert CANARY not in f"{caught.value!r} {caught.value}"


def test_a_key_that_nobody_has_any_more() -> None:
    with pytest.raises(Refusal) as caught:
        opened(spec_of("A"), stored(A="1"), Keyring({1: b"\x09" * 32}))
    assert caught.value.reason == Reason.UNKNOWN_KEY


def test_the_sealing_id_of_the_session_counts() -> None:
    text = sealed_text(b"1", "A", sealing_id="x7")
    with pytest.raises(Refusal):
        opened(spec_of("A"), secret({"A": text}))
    entry = secret({"A": text}).entries["A"]
    assert open_entry(entry, session(spec={"sealingId": "x7"}), KEYRING) == SecretValue(b"1")


class FixedKeyring(Keyring):
    """Opens everything as a value of a given length: 1 MiB of real envelopes would take seconds."""

    def __init__(self, lengths: Mapping[str, int]) -> None:
        super().__init__({1: bytes(32)})
        self._lengths = lengths

    def open(self, ciphertext: str, binding: Any) -> SecretValue:  # noqa: ARG002
        return SecretValue(b"x" * self._lengths[binding.name])


@pytest.mark.parametrize("extra", [0, 1])
def test_the_limit_of_a_secret_is_exact(extra: int) -> None:
    lengths = {f"S{number}": 65536 for number in range(15)} | {"LAST": 65536 + extra}
    spec, sealed = spec_of(*lengths), secret(dict.fromkeys(lengths, ""))
    assert sum(lengths.values()) == MAX_TOTAL + extra == 2**20 + extra
    if not extra:
        assert len(opened(spec, sealed, FixedKeyring(lengths))) == 16
        return
    with pytest.raises(Refusal) as caught:
        opened(spec, sealed, FixedKeyring(lengths))
    assert caught.value.reason == Reason.SECRETS_TOO_LARGE
    assert str(2**20 + 1) in caught.value.message


def test_many_names_are_cut_short() -> None:
    assert (
        enumerate_names([f"N{number}" for number in range(12)]) == "N0, N1, N2, N3, N4, N5, N6, N7, N8, N9 and 2 more"
    )
    assert enumerate_names(["A", "B"]) == "A, B"


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


def test_a_name_is_never_used_twice_and_cannot_be_guessed() -> None:
    names = {one.secret.name for one in (made(values={"A": "1"}) for _ in range(20)) if one.secret is not None}
    assert len(names) == 20
    assert all(re.fullmatch(r"thz-[a-z2-7]{26}", name) for name in names)


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
    sandbox = build(source, spec_of(), session(), type(template)(template.meta, body), [])
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
    build(agent(), spec_of(args=["x"]), session(), subject, [])
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


# Hardening.


def template_with(pod: JSON | None = None, container: JSON | None = None, *, init: JSON | None = None) -> JSON:
    template = {"containers": [{"name": "sandbox", **(container or {})}], **(pod or {})}
    return {**template, "initContainers": [{"name": "prepare", **init}]} if init else template


def volume(**kind: Any) -> JSON:
    return template_with({"volumes": [{"name": "v", **kind}]})


def projected(**source: Any) -> JSON:
    return volume(projected={"sources": [{"configMap": {"name": "c"}}, source]})


def context(**fields: Any) -> JSON:
    return template_with(container={"securityContext": fields})


REFUSED: dict[str, tuple[JSON, str]] = {
    "no container": ({}, "one container named sandbox"),
    "no sandbox": ({"containers": [{"name": "main"}]}, "one container named sandbox"),
    "two sandboxes": ({"containers": [{"name": "sandbox"}, {"name": "sandbox"}]}, "one container named sandbox"),
    "hostNetwork": (template_with({"hostNetwork": True}), "hostNetwork"),
    "hostPID": (template_with({"hostPID": True}), "hostPID"),
    "hostIPC": (template_with({"hostIPC": True}), "hostIPC"),
    "shareProcessNamespace": (template_with({"shareProcessNamespace": True}), "shareProcessNamespace"),
    "serviceAccountName": (template_with({"serviceAccountName": "admin"}), "serviceAccountName"),
    "serviceAccount": (template_with({"serviceAccount": "admin"}), "serviceAccount"),
    "token": (template_with({"automountServiceAccountToken": True}), "automountServiceAccountToken"),
    "hostPath": (volume(hostPath={"path": "/"}), "volume v (hostPath)"),
    "secret": (volume(secret={"secretName": "s"}), "volume v (secret)"),
    "csi": (volume(csi={"driver": "secrets-store.csi.k8s.io"}), "volume v (csi)"),
    "nfs": (volume(nfs={"server": "s", "path": "/"}), "volume v (nfs)"),
    "a volume of the future": (volume(teleport={}), "volume v (teleport)"),
    "projected token": (projected(serviceAccountToken={"path": "t"}), "volume v (projected serviceAccountToken)"),
    "projected secret": (projected(secret={"name": "s"}), "volume v (projected secret)"),
    "projected certificate": (projected(podCertificate={}), "volume v (projected podCertificate)"),
    "envFrom secret": (
        template_with(container={"envFrom": [{"secretRef": {"name": "s"}}]}),
        "envFrom of container sandbox",
    ),
    "envFrom config": (
        template_with(container={"envFrom": [{"configMapRef": {"name": "s"}}]}),
        "envFrom of container sandbox",
    ),
    "init envFrom": (template_with(init={"envFrom": [{"secretRef": {"name": "s"}}]}), "envFrom of container prepare"),
    "secretKeyRef": (
        template_with(container={"env": [{"name": "X", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}}]}),
        "env X of container sandbox (secretKeyRef)",
    ),
    "hostPort": (template_with(container={"ports": [{"containerPort": 1, "hostPort": 1}]}), "hostPort"),
    "subPathExpr": (
        template_with(container={"volumeMounts": [{"name": "v", "mountPath": "/v", "subPathExpr": "$(A)"}]}),
        "subPathExpr of container sandbox",
    ),
    "privileged": (context(privileged=True), "privileged of container sandbox"),
    "init privileged": (
        template_with(init={"securityContext": {"privileged": True}}),
        "privileged of container prepare",
    ),
    "escalation": (context(allowPrivilegeEscalation=True), "allowPrivilegeEscalation of container sandbox"),
    "capabilities": (context(capabilities={"add": ["NET_BIND_SERVICE"]}), "added capabilities"),
    "procMount": (context(procMount="Unmasked"), "procMount"),
    "writable root": (context(readOnlyRootFilesystem=False), "readOnlyRootFilesystem: false"),
    "container as root": (context(runAsUser=0), "runAsUser: 0"),
    "container may be root": (context(runAsNonRoot=False), "runAsNonRoot: false"),
    "container seccomp": (context(seccompProfile={"type": "Unconfined"}), "seccompProfile"),
    "container seccomp of the node": (context(seccompProfile={"type": "Localhost"}), "seccompProfile"),
    "container AppArmor": (context(appArmorProfile={"type": "Unconfined"}), "appArmorProfile"),
    "container SELinux type": (context(seLinuxOptions={"type": "spc_t"}), "seLinuxOptions"),
    "container SELinux user": (context(seLinuxOptions={"user": "system_u"}), "seLinuxOptions"),
    "container SELinux role": (context(seLinuxOptions={"role": "sysadm_r"}), "seLinuxOptions"),
    "container of the Windows host": (context(windowsOptions={"hostProcess": True}), "windowsOptions.hostProcess"),
    "pod as root": (template_with({"securityContext": {"runAsUser": 0}}), "runAsUser: 0 in securityContext"),
    "pod may be root": (template_with({"securityContext": {"runAsNonRoot": False}}), "runAsNonRoot: false"),
    "pod seccomp": (template_with({"securityContext": {"seccompProfile": {"type": "Unconfined"}}}), "seccompProfile"),
    "pod AppArmor": (
        template_with({"securityContext": {"appArmorProfile": {"type": "Unconfined"}}}),
        "appArmorProfile",
    ),
    "pod sysctls": (template_with({"securityContext": {"sysctls": [{"name": "a", "value": "b"}]}}), "sysctls"),
}


@pytest.mark.parametrize(("template", "says"), REFUSED.values(), ids=REFUSED.keys())
def test_a_compute_that_is_no_sandbox_is_refused(template: JSON, says: str) -> None:
    refusal = refusal_of(template)
    assert (refusal.reason, refusal.waits) == (Reason.COMPUTE_REFUSED, False)
    assert says in refusal.message
    assert "compute python" in refusal.message


def test_all_that_is_wrong_is_said_at_once() -> None:
    message = refusal_of(template_with({"hostNetwork": True, "hostPID": True}, {"envFrom": [{}]})).message
    assert all(each in message for each in ("hostNetwork", "hostPID", "envFrom of container sandbox"))


ACCEPTED: dict[str, JSON] = {
    "volumes": template_with(
        {
            "volumes": [
                {"name": "a", "emptyDir": {}},
                {"name": "b", "configMap": {"name": "c"}},
                {"name": "c", "downwardAPI": {}},
                {"name": "d", "persistentVolumeClaim": {"claimName": "c"}},
                {"name": "e", "ephemeral": {}},
                {"name": "f", "projected": {"sources": [{"configMap": {"name": "c"}}, {"downwardAPI": {}}]}},
                {"name": "g"},
            ]
        }
    ),
    "what is off anyway": template_with(
        {"hostNetwork": False, "automountServiceAccountToken": False, "serviceAccountName": ""},
        {"securityContext": {"privileged": False, "procMount": "Default", "readOnlyRootFilesystem": True}},
    ),
    "a user of its own": template_with({"securityContext": {"runAsUser": 1000, "runAsGroup": 0, "fsGroup": 1000}}),
    "profiles that are the default": context(
        seccompProfile={"type": "RuntimeDefault"},
        appArmorProfile={"type": "RuntimeDefault"},
        seLinuxOptions={"type": "container_t", "level": "s0:c1,c2"},
    ),
    "env": template_with(
        container={"env": [{"name": "X", "value": "1"}, {"name": "Y", "valueFrom": {"fieldRef": {}}}]}
    ),
    "a path of the pod's own in another container": template_with(init={"volumeMounts": [{"subPathExpr": "$(POD)"}]}),
}


@pytest.mark.parametrize("template", ACCEPTED.values(), ids=ACCEPTED.keys())
def test_a_compute_that_is_a_sandbox_is_taken(template: JSON) -> None:
    hardened = harden(compute(spec=copy.deepcopy(template)), ["A"])
    assert (
        "env" not in template["containers"][0] or hardened["containers"][0]["env"] == template["containers"][0]["env"]
    )
    assert [each for each in hardened["volumes"] if each["name"] != "sandbox-tmp"] == template.get("volumes", [])


def test_all_that_a_template_leaves_open_is_restricted() -> None:
    hardened = harden(compute(spec=template_with(init={"image": "x"})), [])
    [sandbox], [prepare] = hardened["containers"], hardened["initContainers"]
    assert hardened["automountServiceAccountToken"] is False
    assert hardened["enableServiceLinks"] is False
    profile = {"type": "RuntimeDefault"}
    user = {"runAsUser": 65532, "runAsGroup": 65532, "fsGroup": 65532}
    assert hardened["securityContext"] == {**user, "runAsNonRoot": True, "seccompProfile": profile}
    restricted = {
        "runAsNonRoot": True,
        "privileged": False,
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
        "seccompProfile": profile,
    }
    assert sandbox["securityContext"] == prepare["securityContext"] == restricted
    assert sandbox["volumeMounts"] == [{"name": "sandbox-tmp", "mountPath": "/tmp"}]  # noqa: S108
    assert hardened["volumes"] == [{"name": "sandbox-tmp", "emptyDir": {}}]


def test_a_users_own_choice_within_the_limits_stays() -> None:
    own = {"securityContext": {"runAsUser": 1000, "fsGroup": 7}}
    template = template_with(own, {"securityContext": {"runAsUser": 1001, "capabilities": {"drop": ["CHOWN"]}}})
    hardened = harden(compute(spec=template), [])
    assert hardened["securityContext"]["runAsUser"] == 1000
    assert hardened["securityContext"]["fsGroup"] == 7
    assert hardened["containers"][0]["securityContext"]["runAsUser"] == 1001
    assert hardened["containers"][0]["securityContext"]["capabilities"] == {"drop": ["ALL"]}


@pytest.mark.parametrize("path", ["/tmp", "/tmp/"])  # noqa: S108
def test_a_templates_own_tmp_stays(path: str) -> None:
    mount = {"name": "mine", "mountPath": path}
    template = template_with({"volumes": [{"name": "mine", "emptyDir": {}}]}, {"volumeMounts": [mount]})
    hardened = harden(compute(spec=template), [])
    assert hardened["containers"][0]["volumeMounts"] == [mount]
    assert hardened["volumes"] == [{"name": "mine", "emptyDir": {}}]


@pytest.mark.parametrize(
    "declared",
    [["A"], [{"name": "A", "from": "B"}], [{"name": "A", "optional": True}], ["B", "A"]],
    ids=["plain", "renamed", "optional and not there", "one of two"],
)
def test_a_declared_name_that_the_template_sets_too(declared: list[Any]) -> None:
    refusal = refusal_of(template_with(container={"env": [{"name": "A", "value": "1"}]}), *declared)
    assert (refusal.reason, refusal.waits) == (Reason.NAME_CONFLICT, False)
    assert "sets A itself" in refusal.message


def test_a_name_that_the_template_sets_elsewhere_is_free() -> None:
    template = template_with(container={"env": [{"name": "OTHER", "value": "1"}]}, init={"env": [{"name": "A"}]})
    sandbox = made(template=template, values={"A": "1"})
    assert data_of(sandbox.secret) == {"A": "1"}


def names_of(sandbox: Sandbox) -> Sequence[str]:
    return sorted(data_of(sandbox.secret)) if sandbox.secret else []


@given(st.sets(st.sampled_from("ABCDE")), st.sets(st.sampled_from("ABCDE")))
def test_an_agent_never_has_more_or_less_than_it_declared(there: set[str], declared: set[str]) -> None:
    lengths = dict.fromkeys("ABCDE", 1)
    spec = spec_of(*({"name": name, "optional": True} for name in sorted(declared)))
    resolved = opened(spec, secret(dict.fromkeys(sorted(there), "")), FixedKeyring(lengths))
    assert names_of(build(agent(), spec, session(), compute(), resolved)) == sorted(there & declared)
