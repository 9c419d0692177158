"""`theazo diff`: what a sealed file and the cluster have of each other, by names and ages."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, ClassVar

from cyclopts import App, Parameter

from theazo.cli import sealed_files
from theazo.cli.cluster import Cluster, ClusterOptions, segment
from theazo.cli.manifest import Manifest
from theazo.cli.manifest_fields import API_VERSION
from theazo.cli.output import Output, age, moment, show
from theazo.cli.terminal import Refused, say

HEADING = ("SESSION", "NAME", "FILE", "CLUSTER", "DIFFERENCE", "PLATFORM")
_SAME = "none"
_GROUP = f"/apis/{API_VERSION}"
EXAMPLES = """\
Examples:

  theazo diff secrets.yaml
  theazo diff secrets.yaml -o json
"""

app = App(name="diff", help_epilogue=EXAMPLES)


class Different(Refused):
    """They differ: no failure, but an exit code of its own for scripts."""

    code: ClassVar[int] = 3


@app.default
def diff(
    files: Annotated[list[Path], Parameter(metavar="FILE...", allow_leading_hyphen=True)],
    /,
    *,
    all_entries: Annotated[bool, Parameter(name=["--all", "-a"])] = False,
    output: Output = "table",
    cluster: ClusterOptions | None = None,
) -> None:
    """Compares sealed files with the cluster, by names and ages and never by values.

    The same value sealed twice is two ciphertexts, so a difference says when each was
    set and not whether the values differ. Exit code 0 without differences, 3 with.
    What `theazo verify` refuses in a file is refused here too.

    Args:
        files: Manifests as YAML or JSON, - for standard input.
        all_entries: Also show entries that are the same.
        output: table, wide (a table with more columns), name, json or yaml.
        cluster: Which cluster.
    """
    sealed, problems = sealed_files.read(files)
    if problems:
        raise Refused(*problems)
    if not sealed:
        say("note", sealed_files.none_in(files))
        return
    connection = Cluster(cluster or ClusterOptions())
    found = [entry for file in sealed for entry in _compare(file.manifest, connection)]
    shown_ones = [each for each in found if all_entries or each["difference"] != _SAME]
    _show(output, shown_ones)
    differences = sum(each["difference"] != _SAME for each in found)
    if differences:
        say("note", f"{differences} of {len(found)} entries differ")
        raise Different
    say("note", f"no differences in {len(found)} entries")


def _compare(file: Manifest, cluster: Cluster) -> list[dict[str, Any]]:
    there: Mapping[str, Mapping[str, str]] = (_stored(file, cluster).get("spec") or {}).get("encryptedData") or {}
    return [
        {
            "platform": file.namespace,
            "session": file.name,
            "name": name,
            "file": _time(file.entries.get(name)),
            "cluster": _time(there.get(name)),
            "difference": _difference(file.entries.get(name), there.get(name)),
        }
        for name in sorted({*file.entries, *there})
    ]


def _stored(file: Manifest, cluster: Cluster) -> dict[str, Any]:
    path = f"{_GROUP}/namespaces/{segment(file.namespace)}/theazosecrets/{segment(file.name)}"
    found = cluster.get(path, f"read the sealed values of session {file.name} of platform {file.namespace}")
    if found is None and cluster.get(_GROUP, f"ask for the kinds of {API_VERSION}") is None:
        raise Refused(f"the cluster has no kinds of {API_VERSION}; install Theazo there, or say which cluster you mean")
    return found or {}


def _time(entry: Mapping[str, str] | None) -> str | None:
    """When an entry was set. What is no time is not shown: it may be anything."""
    updated = (entry or {}).get("updatedAt")
    return updated if moment(updated) else None


def _difference(file: Mapping[str, str] | None, stored: Mapping[str, str] | None) -> str:
    if file is None:
        return "only in the cluster"
    if stored is None:
        return "only in the file"
    if file["ciphertext"] == stored.get("ciphertext"):
        return _SAME
    ours, theirs = (moment(each.get("updatedAt")) for each in (file, stored))
    if ours is None or theirs is None or ours == theirs:
        return "sealed differently"
    return "newer in the file" if ours > theirs else "newer in the cluster"


def _show(output: Output, found: list[dict[str, Any]]) -> None:
    rows: list[tuple[str, ...]] = [
        (each["session"], each["name"], _age(each["file"]), _age(each["cluster"]), each["difference"], each["platform"])
        for each in found
    ]
    names = [f"{each['session']}/{each['name']}" for each in found]
    show(output, HEADING, rows, {"entries": found}, names, wide=5)


def _age(updated: str | None) -> str:
    return "<none>" if updated is None else age(updated)
