"""The command line: `python3 -m hack.gitops`. It makes ready all that the tests with Argo CD and Flux start."""

from __future__ import annotations

import argparse
import sys

from hack.cluster import paths, prereq
from hack.cluster.shell import ClusterError, locked, say
from hack.gitops import argocd_cm, build

#: A file that tells that a Debian package is there, and its name.
DEBIAN = {"git": "git", "redis-server": "redis-server"}


def ready() -> None:
    """Build what is missing, and print programs and versions."""
    prereq.check_go()
    if missing := [package for what, package in DEBIAN.items() if not prereq.present(what)]:
        prereq.install(missing)
    with locked(paths.cache() / "lock"):
        build.tools()
        for name in build.PROGRAMS:
            print(f"{build.build(name)} {build.required(name)}")


def main() -> int:
    """Run one command."""
    parser = argparse.ArgumentParser(prog="python3 -m hack.gitops", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("build", help="build the controllers, once per version").set_defaults(do=ready)
    text = "write gitops/argocd/argocd-cm.yaml anew from the health checks"
    commands.add_parser("argocd-cm", help=text).set_defaults(do=lambda: argocd_cm.TARGET.write_text(argocd_cm.text()))
    arguments = parser.parse_args()
    try:
        arguments.do()
    except ClusterError as error:
        say(f"error: {error}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
