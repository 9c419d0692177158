"""`theazo platforms`: makes namespaces platforms, lists them, and ends that."""

from dataclasses import asdict
from typing import Annotated, Any

from cyclopts import App, Parameter

from theazo.cli.cluster import Cluster, ClusterOptions, items, segment
from theazo.cli.output import Output, age, show, spinner
from theazo.cli.registry import LABEL, WHOSE, Platform, binding, binding_path, checked, find, labels, platforms
from theazo.cli.terminal import Refused, out, say

# Whoever may create a pod in one of these may take over the cluster, or the master key.
NEVER_PLATFORMS = ("kube-system", "kube-public", "kube-node-lease")

app = App(
    name="platforms",
    help="Registers namespaces as platforms: the operator serves these and may write nowhere else.",
)

_KINDS = ("theazosessions", "theazosecrets", "theazoagents")


@app.command(
    help_epilogue="Examples:\n\n  kubectl create namespace acme\n  theazo platforms add acme globex\n",
)
def add(
    namespaces: Annotated[list[str], Parameter(metavar="NAMESPACE...")], /, *, cluster: ClusterOptions | None = None
) -> None:
    """Makes namespaces platforms; again is harmless.

    Labels the namespace with theazo.dev/platform, and binds the rights of operator
    and REST API in it by the RoleBindings theazo-operator and theazo-api. Needs the
    rights of an administrator. Nothing is changed unless all of them can be platforms.

    Args:
        namespaces: The namespaces. They exist, and none is the operator's or one of Kubernetes' own.
        cluster: Which cluster.
    """
    options = cluster or ClusterOptions()
    connection = Cluster(options)
    found = _namespaces(connection, namespaces, options.operator_namespace)
    for name, namespace in found.items():
        # The bindings first: the operator looks at a namespace as soon as it has the label.
        for account, whose in WHOSE.items():
            body = binding(name, account, options.operator_namespace)
            connection.apply(binding_path(name, account), body, f"bind {whose} rights in {name}", force=True)
        if LABEL in labels(namespace):
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
    output: Output = "table",
    cluster: ClusterOptions | None = None,
) -> None:
    """Lists the platforms of a cluster, with the fingerprints to pin.

    Args:
        output: table, wide (a table with more columns), name (for kubectl), json or yaml.
        cluster: Which cluster.
    """
    options = cluster or ClusterOptions()
    with spinner("Reading the platforms"):
        found = platforms(Cluster(options), options.operator_namespace)
    show(
        output,
        ("NAME", "AGE", "FINGERPRINT", "BOUND", "PHASE", "SUITE"),
        [_row(platform) for platform in found],
        {"platforms": [asdict(platform) for platform in found]},
        [f"namespace/{platform.name}" for platform in found],
        wide=4,
    )
    if not found:
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

    Takes away the label and the RoleBindings of `add`. Sessions and sealed secrets
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
        if LABEL in labels(namespace):
            body = {"metadata": {"labels": {LABEL: None}}}
            connection.merge(f"/api/v1/namespaces/{segment(name)}", body, f"unlabel the namespace {name}")
        for account, whose in WHOSE.items():
            connection.delete(binding_path(name, account), f"remove {whose} rights in {name}")
        out(f"platform {name} removed\n" if LABEL in labels(namespace) else f"{name} was no platform\n")
        sessions, secrets, agents = counts[name]
        left = f"{sessions} sessions, {secrets} sealed secrets of sessions, {agents} agents"
        say("note", f"{name} still has {left}; its sealing key stays, so they work again when it is added again")


def _namespaces(cluster: Cluster, names: list[str], operator_namespace: str | None = None) -> dict[str, dict[str, Any]]:
    """All of the namespaces, or a refusal that names every one that isn't there or, given the operator's, isn't fit."""
    problems, found = [], {}
    for name in names:
        namespace = find(cluster, checked(name))
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


def _labelled(namespace: dict[str, Any]) -> dict[str, Any]:
    # With the UID an apply can't create the namespace, should it be deleted right now.
    metadata = {key: namespace["metadata"][key] for key in ("name", "uid")}
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {**metadata, "labels": {LABEL: "true"}}}


def _row(platform: Platform) -> tuple[str, ...]:
    bound = "yes" if platform.bound else "no"
    key = (platform.fingerprint or "<none>", bound, platform.phase, platform.suite or "<none>")
    return (platform.name, age(platform.createdAt), *key)


def _count(cluster: Cluster, platform: str, kind: str) -> int:
    path = f"/apis/theazo.dev/v1alpha1/namespaces/{segment(platform)}/{kind}"
    # One object and how many more there are: none where the kinds are not installed.
    found = cluster.get(path, f"count the {kind} of {platform}", limit="1")
    return len(items(found)) + int(((found or {}).get("metadata") or {}).get("remainingItemCount") or 0)
