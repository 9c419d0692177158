"""A compute's template is refused or restricted, and never mended silently."""

import copy
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.builders import (
    JSON,
    agent,
    compute,
    secret,
    session,
)
from tests.unit.test_reconcile_sandbox import NAME, data_of, made, opened, spec_of
from tests.unit.test_reconcile_secrets import FixedKeyring
from theazo_operator.reasons import Reason
from theazo_operator.reconcile.hardening import harden
from theazo_operator.reconcile.sandbox import Sandbox, build
from theazo_operator.reconcile.secrets import Refusal


def refusal_of(template: JSON, *declared: JSON | str) -> Refusal:
    with pytest.raises(Refusal) as caught:
        build(agent(), spec_of(*declared), session(), compute(spec=template), [], NAME)
    return caught.value


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
    "node": (template_with({"nodeName": "control-plane"}), "nodeName"),
    "a grace without end": (
        template_with({"terminationGracePeriodSeconds": 10**11}),
        "terminationGracePeriodSeconds over 3600",
    ),
    "a restart of its own": (
        template_with(container={"restartPolicy": "Always"}),
        "restartPolicy of container sandbox",
    ),
    "rules of its own": (
        template_with(container={"restartPolicyRules": [{"action": "Restart"}]}),
        "restartPolicyRules of container sandbox",
    ),
    "the log's end in the status": (
        template_with(container={"terminationMessagePolicy": "FallbackToLogsOnError"}),
        "terminationMessagePolicy of container sandbox",
    ),
    "probe of another host": (
        template_with(init={"startupProbe": {"tcpSocket": {"host": "10.0.0.1", "port": 1}}}),
        "startupProbe.tcpSocket.host of container prepare",
    ),
    "hook to another host": (
        template_with(container={"lifecycle": {"preStop": {"httpGet": {"host": "metadata", "port": 80}}}}),
        "lifecycle.preStop.httpGet.host of container sandbox",
    ),
    "probe that prints": (
        template_with(container={"livenessProbe": {"exec": {"command": ["env"]}}}),
        "livenessProbe.exec of container sandbox",
    ),
    "hook that prints": (
        template_with(container={"lifecycle": {"postStart": {"exec": {"command": ["env"]}}}}),
        "lifecycle.postStart.exec of container sandbox",
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
    "probes and hooks of its own": template_with(
        container={"livenessProbe": {"httpGet": {"port": 80}}, "lifecycle": {"stopSignal": "SIGINT"}}
    ),
    "a sidecar with a probe": template_with(
        init={"restartPolicy": "Always", "startupProbe": {"exec": {"command": ["true"]}}}
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
    assert names_of(build(agent(), spec, session(), compute(), resolved, NAME)) == sorted(there & declared)
