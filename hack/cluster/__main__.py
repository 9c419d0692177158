"""The command line: `python3 -m hack.cluster COMMAND`."""

from __future__ import annotations

import argparse
import os
import shlex
import sys
from collections.abc import Callable
from pathlib import Path

from hack.cluster import gotools, images, kind, paths, prereq, provider
from hack.cluster.shell import ClusterError, locked, say

#: Commands that wait for no other: they change nothing, or lock by themselves once they must.
LOOKS = ("kubeconfig", "env", "logs", "up")


def print_env() -> None:
    """Print what a shell needs to use the cluster by hand: eval "$(python3 -m hack.cluster env)"."""
    folders = [str(paths.REPO / ".venv" / "bin"), str(gotools.bin_dir("core")), str(gotools.bin_dir("extra"))]
    old = [part for part in os.environ.get("PATH", "").split(":") if part not in folders]
    exports = {"PATH": ":".join([*folders, *old]), "KUBECONFIG": str(paths.kubeconfig())}
    if not paths.foreign():
        exports |= provider.env(provider.current())
    for name, value in exports.items():
        print(f"export {name}={shlex.quote(value)}")


def tools(names: list[str]) -> None:
    """Build tools that only some targets need, and print their folders."""
    prereq.check_go()
    print(":".join(dict.fromkeys(str(folder) for folder in gotools.build_any(names).values())))


def parser() -> argparse.ArgumentParser:
    """Describe the commands."""
    top = argparse.ArgumentParser(prog="python3 -m hack.cluster", description=__doc__)
    commands = top.add_subparsers(dest="command", required=True)

    def add(name: str, text: str, *arguments: str, do: Callable[[argparse.Namespace], None]) -> argparse.ArgumentParser:
        command = commands.add_parser(name, help=text)
        for argument in arguments:
            command.add_argument(argument)
        command.set_defaults(do=do)
        return command

    add("up", "bring the cluster up, or reuse it", do=lambda _: kind.up())
    add("down", "remove the cluster", do=lambda _: kind.down())
    add("kubeconfig", "print the kubeconfig's path", do=lambda _: print(paths.kubeconfig()))
    add("env", "print shell exports for use by hand", do=lambda _: print_env())
    add("load", "load an image archive", "image", "archive", do=lambda a: kind.load(a.image, Path(a.archive)))
    build = "build a target of the Dockerfile into an archive"
    add(
        "build-image",
        build,
        "target",
        "image",
        "archive",
        do=lambda a: images.build(a.target, a.image, Path(a.archive)),
    )
    sandbox = add("sandbox-image", "write a compute's image", do=lambda a: images.sandbox(a.compute, Path(a.archive)))
    sandbox.add_argument("compute", choices=images.SANDBOXES, nargs="?", default="python")
    sandbox.add_argument("archive")
    more = add("tools", "build helm, kubeconform, kube-score, kustomize, …", do=lambda a: tools(a.names))
    more.add_argument("names", nargs="+")
    logs = add("logs", "tell where logs are; copy the node's to FOLDER", do=lambda a: kind.logs(a.folder))
    logs.add_argument("folder", nargs="?", type=Path)
    return top


def main() -> int:
    """Run one command."""
    arguments = parser().parse_args()
    try:
        if arguments.command in LOOKS:
            arguments.do(arguments)
        else:
            with locked(paths.cache() / "lock"):
                arguments.do(arguments)
    except ClusterError as error:
        say(f"error: {error}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
