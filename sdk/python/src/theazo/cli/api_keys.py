"""`theazo api-keys`: makes keys of the REST API, lists them, and ends them."""

import base64
import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any

from cyclopts import App, Parameter

from theazo import api_key
from theazo.cli import registry
from theazo.cli.cluster import Cluster, ClusterOptions, segment
from theazo.cli.output import Output, age, show, spinner
from theazo.cli.terminal import Misused, Refused, out, say

SECRET = "theazo-api-keys"  # noqa: S105 - the name of a Secret
_MAX_DESCRIPTION = 256  # characters
_TRIES = 3  # a create that finds the Secret there patches it, and a patch that finds none creates it

app = App(name="api-keys", help="Makes, lists and revokes the keys that back ends call the REST API with.")


@dataclass(frozen=True, slots=True)
class _Entry:
    """What is stored of a key, but for its hash. None where somebody else wrote the entry."""

    id: str
    platform: str | None
    createdAt: str | None  # noqa: N815 - a field of the output, where Kubernetes' spelling is expected
    description: str | None


@app.command(
    help_epilogue="Examples:\n\n"
    "  theazo api-keys create --platform acme --description 'back end, staging'\n"
    "  theazo api-keys create --platform acme > theazo-api-key.txt\n"
)
def create(
    *,
    platform: Annotated[str, Parameter(name=["--platform", "-n"], metavar="NAMESPACE")],
    description: Annotated[str, Parameter(metavar="TEXT")] = "",
    cluster: ClusterOptions | None = None,
) -> None:
    """Makes a key for one platform and prints it, this once.

    Standard output gets the key and nothing else. The cluster stores a hash, from
    which nobody gets the key back. A client has it in THEAZO_API_KEY.

    Args:
        platform: The platform whose sessions the key is for.
        description: For people: who has the key. Everybody who may list keys sees it.
        cluster: Which cluster.
    """
    _check_description(description)
    options = cluster or ClusterOptions()
    connection = Cluster(options)
    namespace = registry.find(connection, registry.checked(platform))
    if namespace is None or registry.LABEL not in registry.labels(namespace):
        raise Refused(f"{platform} is no platform; `theazo platforms add {platform}` makes the namespace one")
    key_id, key = api_key.generate()
    entry = {
        "platform": platform,
        "hash": api_key.digest(key),
        "createdAt": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "description": description,
    }
    _store(connection, options.operator_namespace, key_id, json.dumps(entry))
    try:
        out(f"{key}\n")
    except (BrokenPipeError, Refused):
        # Nobody has seen it, so nobody can use it.
        _change(connection, options.operator_namespace, {key_id: None})
        raise
    say("note", f"this is key {key_id} of platform {platform}; it is not shown again. `theazo api-keys revoke` ends it")


@app.command(name="list", help_epilogue="Examples:\n\n  theazo api-keys list\n  theazo api-keys list -o json\n")
def list_(
    *,
    platform: Annotated[str | None, Parameter(name=["--platform", "-n"], metavar="NAMESPACE")] = None,
    output: Output = "table",
    cluster: ClusterOptions | None = None,
) -> None:
    """Lists the keys by their ids, never the keys or their hashes.

    Args:
        platform: Only those of one platform.
        output: table, wide (the same here), name (ids alone), json or yaml.
        cluster: Which cluster.
    """
    wanted = None if platform is None else registry.checked(platform)
    options = cluster or ClusterOptions()
    with spinner("Reading the keys"):
        stored = _read(Cluster(options), options.operator_namespace)
    found = [each for each in _entries(stored) if wanted in {None, each.platform}]
    show(
        output,
        ("ID", "PLATFORM", "AGE", "DESCRIPTION"),
        [(each.id, each.platform or "<invalid>", age(each.createdAt), each.description or "") for each in found],
        {"apiKeys": [_document(each) for each in found]},
        [each.id for each in found],
        wide=4,
    )
    if not found:
        say("note", "no API keys; `theazo api-keys create --platform NAMESPACE` makes one")
    if broken := sum(each.platform is None for each in found):
        say(
            "warning",
            f"{broken} entries are no API keys, so nobody can use them; `theazo api-keys revoke` removes them",
        )


@app.command(
    help_epilogue="Examples:\n\n  theazo api-keys revoke abcdefgh2345\n"
    "  theazo api-keys list -n acme -o name | xargs theazo api-keys revoke\n"
)
def revoke(ids: Annotated[list[str], Parameter(metavar="ID...")], /, *, cluster: ClusterOptions | None = None) -> None:
    """Ends keys, within seconds and for good.

    Revokes every key that is there, also if another id is unknown, and then fails.

    Args:
        ids: The ids of keys, as `list` shows them.
        cluster: Which cluster.
    """
    # An id is in the key's text, so a whole key is easily given by mistake. It isn't repeated.
    if any(api_key.API_KEY_PATTERN.fullmatch(each) for each in ids):
        raise Misused(
            "revoke takes ids, not keys: 12 characters between th_live_ and the next '_'. Nothing was revoked"
        )
    options = cluster or ClusterOptions()
    connection = Cluster(options)
    stored = _read(connection, options.operator_namespace)
    there = [each for each in dict.fromkeys(ids) if each in stored]
    if there:
        _change(connection, options.operator_namespace, dict.fromkeys(there))
    out("".join(f"API key {each} revoked\n" for each in there))
    unknown = [
        f"there is no API key {each}"
        if api_key.API_KEY_ID_PATTERN.fullmatch(each)
        else "an argument is no API key's id"
        for each in dict.fromkeys(ids)
        if each not in stored
    ]
    if unknown:
        raise Refused(*(f"{problem}; `theazo api-keys list` shows all" for problem in unknown))


def _check_description(text: str) -> None:
    if len(text) > _MAX_DESCRIPTION or not text.isprintable():
        raise Misused(f"--description takes one line of at most {_MAX_DESCRIPTION} characters")
    if api_key.API_KEY_PATTERN.search(text):
        raise Misused("--description holds an API key; it is for people and not secret. Nothing was made")


def _store(cluster: Cluster, namespace: str, key_id: str, entry: str) -> None:
    """Adds one entry and touches no other, so that several may do it at the same time, the first one included."""
    data = {key_id: base64.b64encode(entry.encode()).decode("ascii")}
    body = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": SECRET, "labels": {"app.kubernetes.io/managed-by": "theazo"}},
        "type": "Opaque",
        "data": data,
    }
    for _ in range(_TRIES):
        if _change(cluster, namespace, data):
            return
        if registry.find(cluster, namespace) is None:
            raise Refused(f"there is no namespace {namespace}; install Theazo, or name it with --operator-namespace")
        if cluster.create(f"/api/v1/namespaces/{segment(namespace)}/secrets", body, "create the Secret of API keys"):
            return
    raise Refused(f"the Secret {SECRET} in {namespace} comes and goes; nothing was stored. Try again")


def _change(cluster: Cluster, namespace: str, data: dict[str, Any]) -> bool:
    """Whether the Secret is there; then it was changed in the entries of `data`, of which None removes one."""
    return cluster.merge(_path(namespace), {"data": data}, "change the Secret of API keys") is not None


def _read(cluster: Cluster, namespace: str) -> dict[str, str]:
    found = cluster.get(_path(namespace), "read the Secret of API keys")
    return (found or {}).get("data") or {}


def _path(namespace: str) -> str:
    return f"/api/v1/namespaces/{segment(namespace)}/secrets/{SECRET}"


def _entries(stored: dict[str, str]) -> Iterable[_Entry]:
    for key_id, encoded in sorted(stored.items()):
        try:
            entry = json.loads(base64.b64decode(encoded))
        except ValueError:
            entry = None
        # A whole key that somebody put in the place of its id is not shown.
        shown = "<invalid>" if api_key.API_KEY_PATTERN.fullmatch(key_id) else key_id
        entry = entry if isinstance(entry, dict) and api_key.API_KEY_ID_PATTERN.fullmatch(key_id) else {}
        texts = [text if isinstance(text := entry.get(name), str) else None for name in _Entry.__slots__[1:]]
        yield _Entry(shown, *texts)


def _document(entry: _Entry) -> dict[str, str | None]:
    return {name: getattr(entry, name) for name in _Entry.__slots__}
