"""`theazo platforms`: makes namespaces platforms, lists them, and ends that."""

import json
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from cyclopts import App, Parameter

from theazo.cli.cluster import Cluster, ClusterOptions, items, segment
from theazo.cli.terminal import Misused, Refused, listed, out, say
from theazo.errors import InvalidName
from theazo.rules import check_platform

LABEL = "theazo.dev/platform"
KEY_LABEL = "theazo.dev/sealing-key"
BINDING = "theazo-operator"
PLATFORM_ROLE = "theazo-operator-platform"
# Whoever may create a pod in one of these may take over the cluster, or the master key.
NEVER_PLATFORMS = ("kube-system", "kube-public", "kube-node-lease")

app = App(
    name="platforms",
    help="Registers namespaces as platforms: the operator serves these and may write nowhere else.",
)

_KINDS = ("theazosessions", "theazosecrets", "theazoagents")


@dataclass(frozen=True, slots=True)
class Platform:
    """What `list` knows of one platform. `fingerprint` and `suite` are None until its key is published."""

    name: str
    createdAt: str  # noqa: N815 - a field of the output, where Kubernetes' spelling is expected
    phase: str
    bound: bool
    fingerprint: str | None
    suite: str | None


@app.command(
    help_epilogue="Examples:\n\n  kubectl create namespace acme\n  theazo platforms add acme globex\n",
)
def add(
    namespaces: Annotated[list[str], Parameter(metavar="NAMESPACE...")], /, *, cluster: ClusterOptions | None = None
) -> None:
    """Makes namespaces platforms; again is harmless.

    Labels the namespace with theazo.dev/platform, and binds the operator's rights
    in it by the RoleBinding theazo-operator. Needs the rights of an administrator.
    Nothing is changed unless all of them can be platforms.

    Args:
        namespaces: The namespaces. They exist, and none is the operator's or one of Kubernetes' own.
        cluster: Which cluster.
    """
    options = cluster or ClusterOptions()
    connection = Cluster(options)
    found = _namespaces(connection, namespaces, options.operator_namespace)
    for name, namespace in found.items():
        # The binding first: the operator looks at a namespace as soon as it has the label.
        path = f"/apis/rbac.authorization.k8s.io/v1/namespaces/{segment(name)}/rolebindings/{BINDING}"
        connection.apply(path, _binding(name, options), f"bind the operator's rights in {name}", force=True)
        if LABEL in _labels(namespace):
            out(f"platform {name} unchanged\n")
            continue
        connection.apply(f"/api/v1/namespaces/{segment(name)}", _labelled(namespace), f"label the namespace {name}")
        out(f"platform {name} added\n")


@app.command(
    name="list",
    help_epilogue="Examples:\n\n  theazo platforms list\n  theazo platforms list -o json\n",
)
def list_(
    *,
    output: Annotated[
        Literal["table", "wide", "name", "json", "yaml"], Parameter(name=["--output", "-o"], show_default=True)
    ] = "table",
    cluster: ClusterOptions | None = None,
) -> None:
    """Lists the platforms of a cluster, with the fingerprints to pin.

    Args:
        output: table, wide (a table with more columns), name (for kubectl), json or yaml.
        cluster: Which cluster.
    """
    options = cluster or ClusterOptions()
    platforms = _platforms(Cluster(options), options.operator_namespace)
    document = {"platforms": [asdict(platform) for platform in platforms]}
    if output == "json":
        out(f"{json.dumps(document, indent=2)}\n")
    elif output == "yaml":
        from theazo.cli import yaml_text  # noqa: PLC0415 - 70 ms that one format needs

        out(yaml_text.dump(document))
    elif output == "name":
        out("".join(f"namespace/{platform.name}\n" for platform in platforms))
    elif platforms:
        rows = [_row(platform, wide=output == "wide") for platform in platforms]
        heading = ("NAME", "AGE", "FINGERPRINT", "BOUND", "PHASE", "SUITE")
        out(listed([heading[: len(rows[0])], *rows]))
    else:
        say("note", "no platforms; `theazo platforms add NAMESPACE` makes one")


@app.command(help_epilogue="Examples:\n\n  theazo platforms remove acme\n")
def remove(
    namespaces: Annotated[list[str], Parameter(metavar="NAMESPACE...")],
    /,
    *,
    force: bool = False,
    cluster: ClusterOptions | None = None,
) -> None:
    """Ends that namespaces are platforms, and deletes nothing in them.

    Takes away the label and the RoleBinding of `add`. Sessions and sealed secrets
    stay, and work again once the namespace is added again. Refused while there are
    agents, whose pods and pod-scoped Secrets nobody would clean up any more.

    Args:
        namespaces: The platforms.
        force: Also with agents there.
        cluster: Which cluster.
    """
    connection = Cluster(cluster or ClusterOptions())
    found = _namespaces(connection, namespaces)
    counts = {name: [_count(connection, name, kind) for kind in _KINDS] for name in found}
    busy = [name for name, (_, _, agents) in counts.items() if agents]
    if busy and not force:
        raise Refused(
            *(
                f"platform {name} has {counts[name][2]} agents; delete them (kubectl -n {name} delete theazoagents "
                "--all), or leave their pods to yourself with --force"
                for name in busy
            )
        )
    for name, namespace in found.items():
        if LABEL in _labels(namespace):
            body = {"metadata": {"labels": {LABEL: None}}}
            connection.merge(f"/api/v1/namespaces/{segment(name)}", body, f"unlabel the namespace {name}")
        path = f"/apis/rbac.authorization.k8s.io/v1/namespaces/{segment(name)}/rolebindings/{BINDING}"
        connection.delete(path, f"remove the operator's rights in {name}")
        out(f"platform {name} removed\n" if LABEL in _labels(namespace) else f"{name} was no platform\n")
        sessions, secrets, agents = counts[name]
        left = f"{sessions} sessions, {secrets} sealed secrets of sessions, {agents} agents"
        say("note", f"{name} still has {left}; its sealing key stays, so they work again when it is added again")


def _namespaces(cluster: Cluster, names: list[str], operator_namespace: str | None = None) -> dict[str, dict[str, Any]]:
    """All of the namespaces, or a refusal that names every one that isn't there or, given the operator's, isn't fit."""
    problems, found = [], {}
    for name in names:
        try:
            check_platform(name)
        except InvalidName as error:
            raise Misused(str(error)) from None
        namespace = cluster.get(f"/api/v1/namespaces/{segment(name)}", f"read the namespace {name}")
        if namespace is None:
            problems.append(f"there is no namespace {name}; create it with: kubectl create namespace {name}")
        elif operator_namespace is not None and (problem := _unfit(name, namespace, operator_namespace)):
            problems.append(problem)
        else:
            found[name] = namespace
    if problems:
        raise Refused(*problems)
    return found


def _unfit(name: str, namespace: dict[str, Any], operator_namespace: str) -> str | None:
    if name in NEVER_PLATFORMS:
        return f"{name} belongs to Kubernetes and can't be a platform; choose a namespace of the platform's own"
    if name == operator_namespace:
        return f"{name} is the operator's namespace and can't be a platform; choose a namespace of the platform's own"
    if namespace["metadata"].get("deletionTimestamp"):
        return f"the namespace {name} is being deleted; wait for its end and create it again"
    return None


def _labels(namespace: dict[str, Any]) -> dict[str, str]:
    return namespace["metadata"].get("labels") or {}


def _labelled(namespace: dict[str, Any]) -> dict[str, Any]:
    # With the UID an apply can't create the namespace, should it be deleted right now.
    metadata = {key: namespace["metadata"][key] for key in ("name", "uid")}
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {**metadata, "labels": {LABEL: "true"}}}


def _binding(name: str, options: ClusterOptions) -> dict[str, Any]:
    account = {"kind": "ServiceAccount", "name": "theazo-operator", "namespace": options.operator_namespace}
    return {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "RoleBinding",
        "metadata": {"name": BINDING, "namespace": name},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": PLATFORM_ROLE},
        "subjects": [account],
    }


def _platforms(cluster: Cluster, operator_namespace: str) -> list[Platform]:
    namespaces = items(cluster.get("/api/v1/namespaces", "list the namespaces", labelSelector=LABEL))
    path = f"/api/v1/namespaces/{segment(operator_namespace)}/configmaps"
    config_maps = items(cluster.get(path, "list the sealing keys", labelSelector=KEY_LABEL))
    keys = {data["platform"]: data for each in config_maps if "platform" in (data := each.get("data") or {})}
    path, selector = "/apis/rbac.authorization.k8s.io/v1/rolebindings", f"metadata.name={BINDING}"
    bindings = items(cluster.get(path, "list the operator's rights", fieldSelector=selector))
    bound = {each["metadata"]["namespace"] for each in bindings if each["roleRef"]["name"] == PLATFORM_ROLE}
    return [
        Platform(
            name=(name := namespace["metadata"]["name"]),
            createdAt=namespace["metadata"]["creationTimestamp"],
            phase=(namespace.get("status") or {}).get("phase", ""),
            bound=name in bound,
            fingerprint=keys.get(name, {}).get("keyId"),
            suite=keys.get(name, {}).get("suite"),
        )
        for namespace in namespaces
    ]


def _row(platform: Platform, *, wide: bool) -> tuple[str, ...]:
    bound = "yes" if platform.bound else "no"
    cells = (platform.name, _age(platform.createdAt, datetime.now(UTC)), platform.fingerprint or "<none>", bound)
    return (*cells, platform.phase, platform.suite or "<none>") if wide else cells


def _age(created: str, now: datetime) -> str:
    """How long ago, in about two digits of one unit, as kubectl says it."""
    seconds = max(0, int((now - datetime.fromisoformat(created)).total_seconds()))
    for unit, length, least in (("d", 86400, 2), ("h", 3600, 3), ("m", 60, 2)):
        if seconds >= least * length:
            return f"{seconds // length}{unit}"
    return f"{seconds}s"


def _count(cluster: Cluster, platform: str, kind: str) -> int:
    path = f"/apis/theazo.dev/v1alpha1/namespaces/{segment(platform)}/{kind}"
    # One object and how many more there are: none where the kinds are not installed.
    found = cluster.get(path, f"count the {kind} of {platform}", limit="1")
    return len(items(found)) + int(((found or {}).get("metadata") or {}).get("remainingItemCount") or 0)
