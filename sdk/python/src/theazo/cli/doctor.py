"""`theazo doctor`: is all installed right, and who else can read what."""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import asdict
from typing import Annotated, Literal

from cyclopts import App, Parameter

from theazo.cli import doctor_access, doctor_encryption, doctor_install, doctor_platforms
from theazo.cli.cluster import Cluster, ClusterOptions, Denied
from theazo.cli.doctor_scene import Scene, look
from theazo.cli.findings import Finding, unread, write
from theazo.cli.output import document, spinner
from theazo.cli.terminal import Refused

EXAMPLES = """\
Examples:

  theazo doctor
  theazo doctor -o json
"""

app = App(name="doctor", help_epilogue=EXAMPLES)

_Check = Callable[[Scene], Iterator[Finding]]
_CHECKS: dict[str, _Check] = {
    "kubernetes": doctor_install.kubernetes,
    "clock": doctor_install.clock,
    "crds": doctor_install.crds,
    "operator": doctor_install.operator,
    "api": doctor_install.api,
    "master key": doctor_install.master_key,
    "admission": doctor_install.admission,
    "platforms": doctor_platforms.bound,
    "sealing keys": doctor_platforms.sealing_keys,
    "pod security": doctor_platforms.pod_security,
    "own rights": doctor_access.own_rights,
    "readers": doctor_access.readers,
    "encryption": doctor_encryption.encryption,
}


@app.default
def doctor(
    *,
    output: Annotated[
        Literal["table", "json", "yaml"], Parameter(name=["--output", "-o"], show_default=True)
    ] = "table",
    cluster: ClusterOptions | None = None,
) -> None:
    """Checks an installation: what is there, what is bound, who can read Secrets.

    Reads only, and of the master key nothing but that it is there. What your account
    may not read is a warning. Exit code 0 if nothing failed, 1 otherwise.

    Args:
        output: table, json or yaml.
        cluster: Which cluster.
    """
    options = cluster or ClusterOptions()
    with spinner("Looking at the installation"):
        scene = look(Cluster(options), options.operator_namespace)
        findings = [finding for subject, check in _CHECKS.items() for finding in _checked(scene, subject, check)]
    counts = Counter(each.state for each in findings)
    if output == "table":
        write(findings, after=[f"{counts['ok']} ok, {counts['warn']} warnings, {counts['fail']} failures"])
    else:
        document(output, {"failed": bool(counts["fail"]), "checks": [asdict(each) for each in findings]})
    if counts["fail"]:
        raise Refused


def _checked(scene: Scene, subject: str, check: _Check) -> Iterator[Finding]:
    try:
        yield from check(scene)
    except Denied as denied:
        yield unread(subject, *denied.problems)
