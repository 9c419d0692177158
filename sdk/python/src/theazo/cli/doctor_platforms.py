"""Checks of each platform: its bindings, its sealing key, and what its Pods may do."""

from collections.abc import Iterator

from theazo.cli import registry
from theazo.cli.cluster import Denied
from theazo.cli.doctor_scene import Scene
from theazo.cli.findings import Finding, fail, ok, warn
from theazo.cli.keys import published
from theazo.cli.terminal import Refused

_ENFORCE = "pod-security.kubernetes.io/enforce"


def bound(scene: Scene) -> Iterator[Finding]:
    """Whether operator and REST API have their rights in each platform."""
    if not scene.names:
        yield warn("platforms", "there are none", "theazo platforms add NAMESPACE")
        return
    for name, whose in registry.WHOSE.items():
        there = registry.bound(scene.cluster, name, scene.home)
        lacking = [each for each in scene.names if each not in there]
        for each in lacking:
            yield fail(
                "platforms", f"{each} has no RoleBinding {name} with {whose} rights", f"theazo platforms add {each}"
            )
        if not lacking:
            yield ok("platforms", f"{_all(scene)} bound to {name}")


def sealing_keys(scene: Scene) -> Iterator[Finding]:
    """Whether each platform has a published key that is whole and of the suite that we seal with."""
    wrong = False
    for name in scene.names:
        try:
            published(scene.cluster, scene.home, name)
        except Denied:
            raise
        except Refused as refusal:
            wrong = True
            yield fail("sealing keys", "; ".join(refusal.problems), "see that the operator is ready")
    if scene.names and not wrong:
        yield ok("sealing keys", f"{_all(scene)} with a published key")


def pod_security(scene: Scene) -> Iterator[Finding]:
    """Whether Pods of a platform are kept from reading the memory of sandboxes on their node."""
    levels = {each["metadata"]["name"]: registry.labels(each).get(_ENFORCE) for each in scene.platforms or ()}
    weak = {name: level for name, level in levels.items() if level not in {"baseline", "restricted"}}
    for name, level in weak.items():
        text = f"{name} enforces {level or 'no'} Pod Security level, so privileged Pods there can read sandboxes"
        yield warn("pod security", text, f"kubectl label namespace {name} {_ENFORCE}=baseline --overwrite")
    if scene.names and not weak:
        yield ok("pod security", f"{_all(scene)} at least baseline")


def _all(scene: Scene) -> str:
    return f"{len(scene.names)} of {len(scene.names)} platforms"
