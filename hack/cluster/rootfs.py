"""Debian root file systems, and the images made of them that stand in for those that cannot be pulled."""

from __future__ import annotations

import tarfile
from collections.abc import Mapping
from pathlib import Path

from hack.cluster import archive, paths
from hack.cluster.shell import digest, making, run, say

#: Debian 12 for the node: newer systemd refuses cgroup v1.
NODE_SUITE = "bookworm"
NODE_PACKAGES = [
    "systemd",
    "dbus",
    "conntrack",
    "iptables",
    "nftables",
    "iproute2",
    "ethtool",
    "util-linux",
    "mount",
    "kmod",
    "procps",
    "jq",
    "curl",
    "ca-certificates",
    "runc",
    "containernetworking-plugins",
    "libseccomp2",
    "catatonit",
]
PYTHON_SUITE = "trixie"
PYTHON_PACKAGES = ["python3", "python3-pip", "python3-venv", "ca-certificates", "tzdata", "netbase", "media-types"]
#: What the final image has: a Python, what it links with, certificates, time zones; no shell and no package manager.
DISTROLESS = frozenset(
    [
        "base-files",
        "ca-certificates",
        "gcc-14-base",
        "libbz2-1.0",
        "libc6",
        "libcrypt1",
        "libexpat1",
        "libffi8",
        "libgcc-s1",
        "liblzma5",
        "libncursesw6",
        "libpython3.13-minimal",
        "libpython3.13-stdlib",
        "libreadline8t64",
        "libsqlite3-0",
        "libssl3t64",
        "libstdc++6",
        "libtinfo6",
        "libuuid1",
        "libzstd1",
        "media-types",
        "netbase",
        "python3.13-minimal",
        "tzdata",
        "zlib1g",
    ]
)
PYTHON_NAMES = ("docker.io/library/python:3.13-slim-trixie", "docker.io/library/python:3.13-slim")
DISTROLESS_NAME = "gcr.io/distroless/python3-debian13:nonroot"
NONROOT = 65532
CERTIFICATES = "/etc/ssl/certs/ca-certificates.crt"
EXCLUDED = ("/usr/share/doc/*", "/usr/share/man/*", "/usr/share/info/*", "/usr/share/locale/*", "/usr/share/lintian/*")


def debian(suite: str, packages: list[str]) -> Path:
    """Make a Debian root file system from packages, once per list of them, and return its tar."""
    target = paths.cache() / f"rootfs-{digest(suite, *packages, *EXCLUDED)}.tar"
    if not target.exists():
        say(f"making a root file system of Debian {suite}, once, about 20 s")
        slim = [f"--dpkgopt=path-exclude={pattern}" for pattern in EXCLUDED]
        with making(target) as made:
            include = f"--include={','.join(packages)}"
            run(["mmdebstrap", "--quiet", "--variant=minbase", *slim, include, suite, made])
    return target


def node_tar() -> Path:
    """Return the node's root file system."""
    return debian(NODE_SUITE, NODE_PACKAGES)


def owned(rootfs: Path, packages: frozenset[str]) -> set[str]:
    """Return the names of all files that some packages own in a root file system, by its package manager's lists."""
    names: set[str] = set()
    with tarfile.open(rootfs) as tar:
        for member in tar:
            folder, _, file = member.name.removeprefix("./").rpartition("/")
            package = file.removesuffix(".list").partition(":")[0]
            if folder == "var/lib/dpkg/info" and file.endswith(".list") and package in packages:
                listed = tar.extractfile(member)
                names |= {line.lstrip("/") for line in listed.read().decode().splitlines()} if listed else set()
    # Packages name some files by /lib and the like, which are links into /usr in a merged system.
    return names | {f"usr/{name}" for name in names if name.split("/")[0] in {"bin", "sbin", "lib", "lib64"}}


def subset(rootfs: Path, packages: frozenset[str], tar: tarfile.TarFile, also: tuple[str, ...] = ()) -> None:
    """Copy some packages' files, and whatever lies under some further names, into another tar."""
    names = owned(rootfs, packages) | {"bin", "sbin", "lib", "lib64"}
    archive.copy_members(rootfs, tar, lambda name: name in names or name.startswith(also))


def statuses(rootfs: Path, packages: frozenset[str]) -> dict[str, bytes]:
    """Return what the package manager knows of some packages, in files as distroless images have them."""
    found: dict[str, bytes] = {}
    with tarfile.open(rootfs) as tar:
        for member in tar:
            folder, _, file = member.name.removeprefix("./").rpartition("/")
            read = tar.extractfile(member) if folder.startswith("var/lib/dpkg") and member.isreg() else None
            package = file.removesuffix(".md5sums").partition(":")[0]
            if read and folder == "var/lib/dpkg" and file == "status":
                paragraphs = (
                    paragraph.strip() + b"\n" for paragraph in read.read().split(b"\n\n") if paragraph.strip()
                )
                by_name = {text.partition(b"\n")[0].partition(b": ")[2].decode(): text for text in paragraphs}
                found |= {name: text for name, text in by_name.items() if name in packages}
            elif read and file.endswith(".md5sums") and package in packages:
                found[f"{package}.md5sums"] = read.read()
    return {f"var/lib/dpkg/status.d/{name}": data for name, data in sorted(found.items())}


def python_layer(target: Path) -> Path:
    """Make the layer with Python, pip and a shell; what the official image has under /usr/local is there too."""
    with tarfile.open(target, "w") as tar:
        # The official image lets pip install into the system; Debian's mark against that is left out.
        source = debian(PYTHON_SUITE, PYTHON_PACKAGES)
        archive.copy_members(source, tar, lambda name: not name.endswith("EXTERNALLY-MANAGED"))
        for name in ("python", "python3", "python3.13"):
            archive.add_link(tar, f"usr/local/bin/{name}", "/usr/bin/python3.13")
        archive.add_link(tar, "usr/local/bin/pip", "/usr/bin/pip3")
    return target


def distroless_layer(target: Path) -> Path:
    """Make the layer without a shell, with the user that the final image runs as."""
    people = {
        "etc/passwd": "root:x:0:0:root:/root:/sbin/nologin\n"
        f"nonroot:x:{NONROOT}:{NONROOT}:nonroot:/home/nonroot:/sbin/nologin\n",
        "etc/group": f"root:x:0:\nnonroot:x:{NONROOT}:\n",
        "etc/nsswitch.conf": "hosts: files dns\n",
    }
    with tarfile.open(target, "w") as tar:
        for name, text in people.items():
            archive.add_bytes(tar, name, text.encode())
        archive.add_folder(tar, "tmp", 0o1777)
        archive.add_folder(tar, "home/nonroot", 0o700, NONROOT)
        for name in ("python", "python3"):
            archive.add_link(tar, f"usr/bin/{name}", "/usr/bin/python3.13")
        source = debian(PYTHON_SUITE, PYTHON_PACKAGES)
        for name, data in statuses(source, DISTROLESS).items():
            archive.add_bytes(tar, name, data)
        subset(source, DISTROLESS, tar, ("etc/ssl/certs/", "etc/localtime", "etc/ld.so"))
    return target


def python_image() -> Path:
    """Return an archive of the image that builds the operator's and that sandboxes run; one under two names."""
    return image("python", PYTHON_NAMES, {"Cmd": ["python3"]})


def distroless_image() -> Path:
    """Return an archive of the base of the operator's image."""
    entry = {"Entrypoint": ["/usr/bin/python3.13"], "User": str(NONROOT), "WorkingDir": "/home/nonroot"}
    return image("distroless", (DISTROLESS_NAME,), entry)


def image(kind: str, names: tuple[str, ...], config: Mapping[str, object]) -> Path:
    """Make one of the two images, once per content of this module."""
    target = paths.cache() / f"image-{kind}-{digest(Path(__file__), Path(archive.__file__))}.tar"
    if not target.exists():
        env = [archive.PATH, "LANG=C.UTF-8", f"SSL_CERT_FILE={CERTIFICATES}"]
        if kind == "python":
            env.append(f"PIP_CERT={CERTIFICATES}")
        with making(target) as made:
            make = python_layer if kind == "python" else distroless_layer
            archive.write(made, names, [make(made.parent / "layer.tar")], {"Env": env, **config})
    return target
