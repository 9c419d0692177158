"""What must be on the machine first; installed where that can be done, named with its remedy where not."""

from __future__ import annotations

import os
import re
import resource
import shutil
from pathlib import Path

from hack.cluster import gotools, paths
from hack.cluster.shell import ClusterError, digest, output, run, say, write_private

#: What the path without a registry needs: a file that tells that it is there, and the Debian package that brings it.
DEBIAN = {
    "podman": "podman",
    "buildah": "buildah",
    "runc": "runc",
    "mmdebstrap": "mmdebstrap",
    "iptables": "iptables",
    "/usr/lib/podman/netavark": "netavark",
    "/usr/lib/podman/aardvark-dns": "aardvark-dns",
    "/usr/share/keyrings/debian-archive-keyring.gpg": "debian-archive-keyring",
}
#: How many inotify instances a user may have, and what two nodes on one machine need. The kernel's default is 128.
INOTIFY = Path("/proc/sys/fs/inotify/max_user_instances")
INSTANCES = 512
SEARCH = f"{os.environ.get('PATH', '')}:/usr/local/sbin:/usr/sbin:/sbin"


def present(what: str) -> bool:
    """Tell whether a file or a program is there."""
    return Path(what).exists() if what.startswith("/") else shutil.which(what, path=SEARCH) is not None


def check_go() -> None:
    """Name Go if it is missing or older than the module files ask for."""
    wanted = re.search(r"^go (\d+\.\d+)", (gotools.GOMOD / "core" / "go.mod").read_text(), re.MULTILINE)
    need = wanted[1] if wanted else "1.26"
    if shutil.which("go") is None:
        raise ClusterError(
            f"Go is missing. Install Go {need} or newer (https://go.dev/doc/install) and put it on PATH."
        )
    have = output(["go", "env", "GOVERSION"], env={"GOTOOLCHAIN": "local"}).decode().strip().removeprefix("go")
    if [int(part) for part in have.split(".")[:2]] < [int(part) for part in need.split(".")[:2]]:
        auto = output(["go", "env", "GOTOOLCHAIN"]).decode().strip()
        if auto == "local":
            raise ClusterError(f"Go {have} is too old. Install Go {need} or newer (https://go.dev/doc/install).")


def install(packages: list[str]) -> None:
    """Install Debian packages, or say how to."""
    listed = " ".join(packages)
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        raise ClusterError(
            f"missing: {listed}. As root on Debian: apt-get install {listed}. "
            "Or have Docker or Podman pull images here; then none of them is needed."
        )
    say(f"installing {listed}")
    env = {"DEBIAN_FRONTEND": "noninteractive"}
    run(["apt-get", "update", "-qq"], env=env)
    run(["apt-get", "install", "-y", "-qq", "--no-install-recommends", *packages], env=env)


def write_containers_conf() -> None:
    """Fill in the project's settings for Podman from the limits in force."""
    # Podman and buildah lower their own limit of processes to the kernel's, and then may not raise it again.
    pids = int(Path("/proc/sys/kernel/pid_max").read_text())
    limits = {"@NOFILE@": (resource.RLIMIT_NOFILE, 1048576), "@NPROC@": (resource.RLIMIT_NPROC, pids)}
    text = (paths.DATA / "containers.conf").read_text()
    for mark, (what, most) in limits.items():
        hard = resource.getrlimit(what)[1]
        text = text.replace(mark, str(most if hard == resource.RLIM_INFINITY else min(hard, most)))
    text = text.replace("@CGROUPS@", "systemd" if Path("/run/systemd/system").is_dir() else "cgroupfs")
    target = paths.containers_conf()
    if not target.exists() or digest(target.read_bytes()) != digest(text):
        write_private(target, text.encode())


def allow_watches() -> None:
    """Raise the limit of inotify instances that the nodes of several clusters share, or say how to."""
    if not INOTIFY.exists():  # no Linux: then the nodes are in a machine of Docker's or Podman's own
        return
    have = int(INOTIFY.read_text())
    if have >= INSTANCES:
        return
    try:
        INOTIFY.write_text(str(INSTANCES))
    except OSError:
        say(
            f"warning: fs.inotify.max_user_instances is {have}, so a second cluster may not come up. "
            f"As root: sysctl -w fs.inotify.max_user_instances={INSTANCES}"
        )
    else:
        say(f"fs.inotify.max_user_instances is now {INSTANCES} (was {have}): two clusters need it")


def offline() -> None:
    """Make ready for a node image of the project's own: Debian's container tools, and root to use them."""
    if os.geteuid() != 0:
        raise ClusterError(
            "no node image can be pulled here, and building one needs root. Run this as root, "
            "or give Docker or Podman a way to pull (CLUSTER_PROVIDER=docker or podman says which)."
        )
    missing = [package for what, package in DEBIAN.items() if not present(what)]
    if missing:
        install(missing)
    # kind mounts it into the node; a kernel without modules has none.
    Path("/lib/modules").mkdir(parents=True, exist_ok=True)
    write_containers_conf()
