"""A compute's template, as a sandbox: refused where it asks for what no sandbox may have, hardened in all else.

What a template asks for is never taken away silently. What it leaves open is set to Pod Security's "restricted".
"""

import copy
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from theazo_operator.reasons import Reason
from theazo_operator.reconcile.secrets import Refusal, enumerate_names
from theazo_operator.resources.sandbox import SANDBOX, Compute

_HOST_FIELDS = ("hostNetwork", "hostPID", "hostIPC")
# A process of another container could read the sandbox's environment from /proc.
_SHARING_FIELDS = ("shareProcessNamespace",)
_TOKEN_FIELDS = ("serviceAccountName", "serviceAccount", "automountServiceAccountToken")
_SELINUX_TYPES = frozenset({"", "container_t", "container_init_t", "container_kvm_t", "container_engine_t"})
_PLACEMENT_FIELDS = ("nodeName",)
_RESTART_FIELDS = ("restartPolicy", "restartPolicyRules")
_LONGEST_GRACE = 3600  # seconds: a sandbox must not outlive its session by more
_VOLUMES = frozenset({"emptyDir", "configMap", "downwardAPI", "persistentVolumeClaim", "ephemeral", "image"})
_PROJECTIONS = frozenset({"configMap", "downwardAPI"})
_NONROOT = 65532
TMP = "sandbox-tmp"


def harden(compute: Compute, variables: Collection[str]) -> dict[str, Any]:
    """Make a Pod spec of a template.

    Args:
        compute: the PodTemplate.
        variables: the names that the agent's secrets take in the environment of the container `sandbox`.

    Raises:
        Refusal: ComputeRefused or NameConflict, saying which field of the template has to go.
    """
    spec: dict[str, Any] = copy.deepcopy(dict(compute.template.get("spec") or {}))
    problems = [*_pod_problems(spec), *(problem for each in _containers(spec) for problem in _container_problems(each))]
    if problems:
        raise Refusal(
            Reason.COMPUTE_REFUSED,
            f"compute {compute.meta.key.name} is no sandbox, take this out of its template: {'; '.join(problems)}",
        )
    _check_conflicts(spec, variables)
    spec["automountServiceAccountToken"] = False
    spec["enableServiceLinks"] = False
    _harden_pod(spec.setdefault("securityContext", {}))
    for container in _containers(spec):
        _harden_container(container.setdefault("securityContext", {}))
    _add_tmp(spec, sandbox_container(spec))
    return spec


def sandbox_container(spec: Mapping[str, Any]) -> dict[str, Any]:
    """Find the one container that runs the agent and gets its secrets."""
    return next(each for each in spec["containers"] if each["name"] == SANDBOX)


def _containers(spec: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    yield from spec.get("containers") or ()
    yield from spec.get("initContainers") or ()


def _pod_problems(spec: Mapping[str, Any]) -> Iterator[str]:
    if [each.get("name") for each in spec.get("containers") or ()].count(SANDBOX) != 1:
        yield f"it needs one container named {SANDBOX}"
    for field in (*_HOST_FIELDS, *_SHARING_FIELDS, *_TOKEN_FIELDS, *_PLACEMENT_FIELDS):
        if spec.get(field):
            yield field
    for container in spec.get("containers") or ():
        # The Secret goes when the sandbox runs: a restart that the agent did not ask for would find none.
        yield from (f"{each} of container {container.get('name')}" for each in _RESTART_FIELDS if container.get(each))
    if (spec.get("terminationGracePeriodSeconds") or 0) > _LONGEST_GRACE:
        yield f"terminationGracePeriodSeconds over {_LONGEST_GRACE}"
    for volume in spec.get("volumes") or ():
        yield from _volume_problems(volume)
    yield from _user_problems("securityContext", spec.get("securityContext") or {})


def _volume_problems(volume: Mapping[str, Any]) -> Iterator[str]:
    name, kinds = volume.get("name"), {kind for kind in volume if kind != "name"}
    if "projected" in kinds:
        kinds.discard("projected")
        sources = {kind for source in (volume["projected"] or {}).get("sources") or () for kind in source}
        yield from (f"volume {name} (projected {kind})" for kind in sorted(sources - _PROJECTIONS))
    yield from (f"volume {name} ({kind})" for kind in sorted(kinds - _VOLUMES))


def _container_problems(container: Mapping[str, Any]) -> Iterator[str]:
    name = container.get("name")
    if container.get("envFrom"):
        yield f"envFrom of container {name}"
    for variable in container.get("env") or ():
        if "secretKeyRef" in (variable.get("valueFrom") or {}):
            yield f"env {variable.get('name')} of container {name} (secretKeyRef)"
    # The kubelet expands it with the container's environment: a value would become the name of a directory.
    if name == SANDBOX and any(mount.get("subPathExpr") for mount in container.get("volumeMounts") or ()):
        yield f"subPathExpr of container {name}"
    if any(port.get("hostPort") for port in container.get("ports") or ()):
        yield f"hostPort of container {name}"
    if container.get("terminationMessagePolicy", "File") != "File":
        yield f"terminationMessagePolicy of container {name}"  # the end of its log would stand in the Pod's status
    yield from _handler_problems(container)
    yield from _privilege_problems(name, container.get("securityContext") or {})


def _privilege_problems(name: object, context: Mapping[str, Any]) -> Iterator[str]:
    for field in ("privileged", "allowPrivilegeEscalation"):
        if context.get(field):
            yield f"{field} of container {name}"
    if (context.get("capabilities") or {}).get("add"):
        yield f"added capabilities of container {name}"
    if context.get("procMount", "Default") != "Default":
        yield f"procMount of container {name}"
    if context.get("readOnlyRootFilesystem") is False:
        yield f"readOnlyRootFilesystem: false of container {name}"
    yield from _user_problems(f"securityContext of container {name}", context)


def _handler_problems(container: Mapping[str, Any]) -> Iterator[str]:
    """Probes and hooks: a host is asked in the node's name, and what an exec prints ends up in a Kubernetes Event."""
    name = container.get("name")
    handlers = {probe: container.get(probe) for probe in ("livenessProbe", "readinessProbe", "startupProbe")}
    handlers |= {f"lifecycle.{hook}": handler for hook, handler in (container.get("lifecycle") or {}).items()}
    for field, handler in handlers.items():
        if not isinstance(handler, Mapping):
            continue  # absent, or a stop signal
        for kind in ("httpGet", "tcpSocket"):
            if (handler.get(kind) or {}).get("host"):
                yield f"{field}.{kind}.host of container {name}"
        if name == SANDBOX and "exec" in handler:
            yield f"{field}.exec of container {name}"


def _user_problems(where: str, context: Mapping[str, Any]) -> Iterator[str]:
    if context.get("runAsUser") == 0:
        yield f"runAsUser: 0 in {where}"
    if context.get("runAsNonRoot") is False:
        yield f"runAsNonRoot: false in {where}"
    if (context.get("seccompProfile") or {}).get("type", "RuntimeDefault") != "RuntimeDefault":
        yield f"seccompProfile in {where}"
    if context.get("sysctls"):
        yield f"sysctls in {where}"
    if (context.get("appArmorProfile") or {}).get("type") == "Unconfined":
        yield f"appArmorProfile in {where}"
    selinux = context.get("seLinuxOptions") or {}
    if selinux.get("user") or selinux.get("role") or selinux.get("type", "") not in _SELINUX_TYPES:
        yield f"seLinuxOptions in {where}"
    if (context.get("windowsOptions") or {}).get("hostProcess"):
        yield f"windowsOptions.hostProcess in {where}"


def _check_conflicts(spec: Mapping[str, Any], variables: Collection[str]) -> None:
    """`env` would win over `envFrom`, and the agent would see a value that it did not ask for."""
    taken = [each["name"] for each in sandbox_container(spec).get("env") or () if each.get("name") in variables]
    if taken:
        raise Refusal(
            Reason.NAME_CONFLICT,
            f"the compute's template sets {enumerate_names(taken)} itself: "
            "declare the secret under another name, with `from`",
        )


def _harden_pod(context: dict[str, Any]) -> None:
    context.setdefault("runAsUser", _NONROOT)
    context.setdefault("runAsGroup", _NONROOT)
    context.setdefault("fsGroup", _NONROOT)
    context["runAsNonRoot"] = True
    context["seccompProfile"] = {"type": "RuntimeDefault"}


def _harden_container(context: dict[str, Any]) -> None:
    context["runAsNonRoot"] = True
    context["privileged"] = False
    context["allowPrivilegeEscalation"] = False
    context["readOnlyRootFilesystem"] = True
    context["capabilities"] = {"drop": ["ALL"]}
    context["seccompProfile"] = {"type": "RuntimeDefault"}


def _add_tmp(spec: dict[str, Any], container: dict[str, Any]) -> None:
    """A read-only root needs one place to write, unless the template has put something there itself."""
    mounts = container.setdefault("volumeMounts", [])
    if any(mount.get("mountPath", "").rstrip("/") == "/tmp" for mount in mounts):  # noqa: S108 - the sandbox's own
        return
    mounts.append({"name": TMP, "mountPath": "/tmp"})  # noqa: S108
    spec.setdefault("volumes", []).append({"name": TMP, "emptyDir": {}})
