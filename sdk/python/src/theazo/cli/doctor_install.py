"""Checks of what was installed: Kubernetes itself, our kinds, Deployments, master key, admission policies."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from theazo.cli.cluster import segment
from theazo.cli.doctor_scene import Scene
from theazo.cli.explain_facts import ready, to_get_ready
from theazo.cli.explain_state import condition
from theazo.cli.findings import Finding, fail, ok, warn
from theazo.cli.output import age

_VERSION, _KINDS = "v1alpha1", ("theazosessions", "theazosecrets", "theazoagents")
_LEAST_KUBERNETES = (1, 35)
_MAX_SKEW = 60  # seconds; the Date header has whole ones
_POLICIES = ("theazo-platforms", "theazo-pods", "theazo-secrets")
_MASTER_KEY = "theazo-master-key"
_INSTALL = "install it (docs/install.md), or your version of it again (docs/upgrade.md)"
_ADMISSION = "/apis/admissionregistration.k8s.io/v1"


def kubernetes(scene: Scene) -> Iterator[Finding]:
    """Whether the API server is new enough."""
    found = scene.cluster.get("/version", "read the version of Kubernetes") or {}
    numbers = [re.match(r"\d+", str(found.get(part))) for part in ("major", "minor")]
    if None in numbers:
        yield warn("kubernetes", "could not be checked: the API server says no version")
        return
    version = tuple(int(number[0]) for number in numbers if number)
    said, least = ".".join(map(str, version)), ".".join(map(str, _LEAST_KUBERNETES))
    if version < _LEAST_KUBERNETES:
        yield fail("kubernetes", f"the API server is of version {said}", f"upgrade Kubernetes to {least} or later")
    else:
        yield ok("kubernetes", f"version {said}")


def clock(scene: Scene) -> Iterator[Finding]:
    """Whether this machine's clock and the API server's agree: times and deadlines are compared."""
    there = scene.cluster.clock
    if there is None:
        yield warn("clock", "could not be checked: the API server says no time")
        return
    skew = round(abs((datetime.now(UTC) - there).total_seconds()))
    if skew > _MAX_SKEW:
        yield warn("clock", f"this machine and the API server are {skew} s apart", "set both by NTP")
    else:
        yield ok("clock", "this machine and the API server agree")


def crds(scene: Scene) -> Iterator[Finding]:
    """Whether our kinds are there and served in the version that this command line speaks."""
    wrong = []
    for kind in _KINDS:
        name = f"{kind}.theazo.dev"
        path = f"/apis/apiextensions.k8s.io/v1/customresourcedefinitions/{name}"
        found = scene.cluster.get(path, "read the CRDs")
        if found is None:
            wrong.append(f"{name} is missing")
        elif condition(found, "Established").get("status") != "True":
            wrong.append(f"{name} is not established")
        elif not any(each["name"] == _VERSION and each["served"] for each in found["spec"]["versions"]):
            wrong.append(f"{name} is not served as {_VERSION}")
    if wrong:
        yield fail("crds", "; ".join(wrong), _INSTALL)
    else:
        yield ok("crds", f"{len(_KINDS)} kinds, established and served as {_VERSION}")


def operator(scene: Scene) -> Iterator[Finding]:
    """Whether the one operator runs."""
    name = "theazo-operator"
    found = scene.deployment(name)
    if found is None:
        there = f"there is no Deployment {name} in {scene.home}"
        yield fail("operator", there, f"{_INSTALL}, or name its namespace with --operator-namespace")
    elif (found["spec"].get("replicas") or 0) > 1:
        yield fail(
            "operator",
            "more than one replica is asked for",
            f"kubectl -n {scene.home} scale --replicas=1 deployment/{name}",
        )
    elif ready(found):
        yield ok("operator", f"ready, {_images(found)}")
    else:
        yield fail("operator", f"not ready, {_images(found)}", to_get_ready(found, name, scene.home))


def api(scene: Scene) -> Iterator[Finding]:
    """Whether the REST API runs, which who uses kubectl alone can do without."""
    name = "theazo-api"
    found = scene.deployment(name)
    if found is None:
        yield warn("api", f"there is no Deployment {name} in {scene.home}, so no REST API", _INSTALL)
    elif ready(found):
        status = found.get("status") or {}
        yield ok("api", f"ready, {status['readyReplicas']} of {found['spec'].get('replicas')}, {_images(found)}")
    else:
        yield fail("api", f"not ready, {_images(found)}", to_get_ready(found, name, scene.home))


def _images(deployment: dict[str, Any]) -> str:
    containers = deployment["spec"]["template"]["spec"]["containers"]
    return ", ".join(f"image {each.get('image')}" for each in containers)


def master_key(scene: Scene) -> Iterator[Finding]:
    """Whether there is a master key. Asks for the Secret's metadata, so the key itself never comes here."""
    path = f"/api/v1/namespaces/{segment(scene.home)}/secrets/{_MASTER_KEY}"
    found = scene.cluster.get_metadata(path, "see whether there is a master key")
    if found is not None:
        created = found["metadata"].get("creationTimestamp")
        backup = "without a backup elsewhere every sealed value is lost with it: docs/backup.md"
        yield ok("master key", f"the Secret {_MASTER_KEY} is there, {age(created)} old", f"keep a backup: {backup}")
    elif _mounted(scene.deployment("theazo-operator")):
        yield warn("master key", "the operator reads it from a mounted directory, which can't be looked at from here")
    else:
        there = f"there is no Secret {_MASTER_KEY} in {scene.home}"
        yield fail(
            "master key",
            there,
            "on a first start the operator makes it, once it runs; else restore your backup of it (docs/backup.md)",
        )


def _mounted(deployment: dict[str, Any] | None) -> bool:
    containers = deployment["spec"]["template"]["spec"]["containers"] if deployment else []
    words = [word for each in containers for word in (*(each.get("command") or ()), *(each.get("args") or ()))]
    names = [entry.get("name") for each in containers for entry in each.get("env") or ()]
    return any(word.startswith("--master-key-dir") for word in words) or "THEAZO_MASTER_KEY_DIR" in names


def admission(scene: Scene) -> Iterator[Finding]:
    """Whether the admission policies are there, bound, and deny."""
    wrong = [problem for name in _POLICIES if (problem := _policy(scene, name))]
    if wrong:
        yield fail("admission", "; ".join(wrong), f"{_INSTALL}; without it others can make or use an agent's Secret")
    else:
        yield ok("admission", f"{len(_POLICIES)} policies, all bound to deny")


def _policy(scene: Scene, name: str) -> str | None:
    doing = "read the admission policies"
    policy = scene.cluster.get(f"{_ADMISSION}/validatingadmissionpolicies/{name}", doing)
    bound = scene.cluster.get(f"{_ADMISSION}/validatingadmissionpolicybindings/{name}", doing)
    if policy is None or bound is None:
        return f"the policy {name} {'is missing' if policy is None else 'is not bound'}"
    if policy["spec"].get("failurePolicy", "Fail") != "Fail":
        return f"the policy {name} lets pass what it can't judge"
    spec = bound["spec"]
    if spec.get("policyName") != name or "Deny" not in (spec.get("validationActions") or ()):
        return f"the policy {name} is bound, but not to deny"
    return f"the policy {name} is bound for some objects only" if _narrowed(spec) else None


def _narrowed(spec: dict[str, Any]) -> bool:
    """Whether a binding chooses objects: the API server fills in selectors that choose all."""
    return any(value not in ({}, "Equivalent") for value in (spec.get("matchResources") or {}).values())
