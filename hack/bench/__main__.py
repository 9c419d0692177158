"""The command line: `python -m hack.bench [--small] [--only PART] [--json FILE] [--audit-log FILE]`.

It judges nothing.
"""

import argparse
import json
import sys
from pathlib import Path

from aiohttp import ClientError

from hack.bench import report
from hack.bench.counts import AuditLog
from hack.bench.measure import measure
from hack.bench.rest_measure import measure_rest
from hack.bench.rest_report import rest_table
from hack.bench.sizes import FULL, SMALL, NotMeasured
from hack.bench.stage import staged
from hack.cluster import paths
from hack.cluster.shell import ClusterError, say
from tests.support.cluster import Kubectl, KubectlError
from theazo_operator.kube.errors import KubeError

OPERATOR, REST = "operator", "rest"


def parse() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m hack.bench", description=__doc__)
    parser.add_argument("--small", action="store_true", help="a few agents only: whether it works, not how fast")
    parser.add_argument("--only", choices=[OPERATOR, REST], help="leave the other part out")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures there too")
    parser.add_argument(
        "--audit-log",
        type=Path,
        metavar="FILE",
        help="the API server's, to count requests (known for the project's own cluster)",
    )
    return parser.parse_args()


def cluster() -> Path:
    """Find the kubeconfig of the project's own cluster, or of the one that the caller brought."""
    paths.refuse_foreign("install the product there, scale its operator to 0 and fill it with agents")
    found = paths.kubeconfig()
    if not found.exists():
        raise NotMeasured(f"{found} is not there; run: make cluster")
    return found


def audit_log(given: Path | None) -> AuditLog | None:
    """Find the audit log. Of a cluster that the caller brought it is not known, and then no requests are counted."""
    if given is None and paths.foreign():
        say("requests are not counted: name this cluster's audit log with --audit-log")
        return None
    found = given or paths.audit_log()
    if not found.is_file():
        raise NotMeasured(f"there is no audit log {found}")
    return AuditLog(found)


def main() -> int:
    """Measure, and tell. Exit code 1 only where something could not be measured."""
    arguments = parse()
    sizes = SMALL if arguments.small else FULL
    try:
        kubeconfig, audit = cluster(), audit_log(arguments.audit_log)
        with staged(kubeconfig) as stage:
            measured = measure(stage, sizes, audit) if arguments.only != REST else None
            rest = measure_rest(stage, sizes, audit) if arguments.only != OPERATOR else None
    except (NotMeasured, ClusterError, KubectlError, KubeError, ClientError, AssertionError) as error:
        say(f"error: not measured: {error}")
        return 1
    tables = [*([report.table(measured, sizes)] if measured else ()), *([rest_table(rest)] if rest else ())]
    print("\n\n".join(tables))
    if arguments.json:
        server = json.loads(Kubectl(kubeconfig)("version", "-o", "json"))["serverVersion"]["gitVersion"]
        arguments.json.write_text(report.as_json(measured, rest, sizes, server), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
