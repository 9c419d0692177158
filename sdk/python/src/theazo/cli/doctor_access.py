"""Checks of who can read Secrets: our own accounts, which must not, and everybody else in a platform."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from theazo.cli.cluster import items
from theazo.cli.doctor_scene import Scene
from theazo.cli.findings import Finding, fail, ok, warn

_READS = ("get", "list", "watch")
_RBAC = "/apis/rbac.authorization.k8s.io/v1"
_REVIEWS = "/apis/authorization.k8s.io/v1/subjectaccessreviews"
_KUBERNETES = "kube-system"


def own_rights(scene: Scene) -> Iterator[Finding]:
    """Whether operator and REST API were given more than they were made for: neither reads Secrets of platforms."""
    everywhere = [("", ""), *((name, "") for name in scene.names)]
    for account in ("theazo-operator", "theazo-api"):
        questions = [(namespace, name, verb) for namespace, name in everywhere for verb in _READS]
        if account == "theazo-api":
            questions += [(scene.home, "theazo-master-key", "get"), (scene.home, "", "list")]
        allowed = [each for each in questions if _may(scene, account, *each)]
        for namespace, name, verb in allowed:
            where = f"in {namespace}" if namespace else "in all namespaces"
            text = f"{account} may {verb} {f'the Secret {name}' if name else 'Secrets'} {where}, more than it was given"
            find = f"find it: kubectl get rolebindings,clusterrolebindings -A -o wide | grep {account}"
            yield fail("own rights", text, f"remove the binding that grants this; {find}")
        if not allowed:
            yield ok("own rights", f"{account} can't read Secrets of platforms")


def _may(scene: Scene, account: str, namespace: str, name: str, verb: str) -> bool:
    spec = {
        "user": f"system:serviceaccount:{scene.home}:{account}",
        "groups": ["system:serviceaccounts", f"system:serviceaccounts:{scene.home}", "system:authenticated"],
        "resourceAttributes": {"namespace": namespace, "name": name, "verb": verb, "resource": "secrets"},
    }
    body = {"apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview", "spec": spec}
    answer = scene.cluster.create(_REVIEWS, body, f"ask what {account} may do") or {}
    return bool((answer.get("status") or {}).get("allowed"))


@dataclass(frozen=True, slots=True, order=True)
class _Subject:
    """Who can read Secrets, and by which binding."""

    who: str
    through: str
    own: bool  # of Kubernetes itself


def readers(scene: Scene) -> Iterator[Finding]:
    """Who can read Secrets in each platform by RBAC, so the values of an agent while it starts."""
    names, doing = scene.names, "list who has which rights"
    roles = {_key(each): each.get("rules") or [] for each in _listed(scene, "clusterroles", doing)}
    roles |= {_key(each): each.get("rules") or [] for each in _listed(scene, "roles", doing)}
    everywhere = list(_subjects(_listed(scene, "clusterrolebindings", doing), roles))
    bindings = _listed(scene, "rolebindings", doing)
    own = sum(each.own for each in set(everywhere))
    rest = f"besides {own} of Kubernetes' own, and the group system:masters"
    yield _readers("all namespaces", everywhere, f", {rest}")
    for name in names:
        there = [each for each in bindings if each["metadata"]["namespace"] == name]
        yield _readers(name, _subjects(there, roles))


def _readers(where: str, found: Iterable[_Subject], rest: str = "") -> Finding:
    others = sorted({each for each in found if not each.own})
    if not others:
        return ok("readers", f"no binding lets anybody read Secrets in {where}{rest}")
    shown = "; ".join(f"{each.who} by {each.through}" for each in others)
    see_to = "each of them can read values while an agent starts: take the right from whom you don't trust with that"
    return warn("readers", f"Secrets in {where} can be read by {shown}{rest}", see_to)


def _listed(scene: Scene, kind: str, doing: str) -> list[dict[str, Any]]:
    return items(scene.cluster.get(f"{_RBAC}/{kind}", doing))


def _key(role: dict[str, Any]) -> tuple[str | None, str]:
    return role["metadata"].get("namespace"), role["metadata"]["name"]


def _subjects(bindings: Iterable[dict[str, Any]], roles: dict[tuple[str | None, str], Any]) -> Iterator[_Subject]:
    for each in bindings:
        role, namespace = each["roleRef"], each["metadata"].get("namespace")
        rules = roles.get((namespace if role["kind"] == "Role" else None, role["name"]), [])
        grants = [rule for rule in rules if _reads_secrets(rule)]
        if not grants:
            continue
        kind = "RoleBinding" if namespace else "ClusterRoleBinding"
        some = " (some, by name)" if all(rule.get("resourceNames") for rule in grants) else ""
        for subject in each.get("subjects") or ():
            if (subject["kind"], subject["name"]) != ("Group", "system:masters"):
                through = f"{kind} {each['metadata']['name']}{some}"
                yield _Subject(_who(subject, namespace), through, _is_kubernetes(subject))


def _reads_secrets(rule: dict[str, Any]) -> bool:
    return (
        bool({"", "*"} & set(rule.get("apiGroups") or ()))
        and bool({"secrets", "*"} & set(rule.get("resources") or ()))
        and bool({*_READS, "*"} & set(rule.get("verbs") or ()))
    )


def _who(subject: dict[str, Any], namespace: str | None) -> str:
    if subject["kind"] == "ServiceAccount":
        return f"ServiceAccount {subject.get('namespace') or namespace}/{subject['name']}"
    return f"{subject['kind']} {subject['name']}"


def _is_kubernetes(subject: dict[str, Any]) -> bool:
    if subject["kind"] == "ServiceAccount":
        return bool(subject.get("namespace") == _KUBERNETES)
    return bool(subject["kind"] == "User" and subject["name"].startswith("system:kube-"))
