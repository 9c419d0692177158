"""The node image, built of Debian packages and Go modules where kind's own cannot be pulled."""

from __future__ import annotations

import os
import re
import shutil
import tarfile
import tempfile
from pathlib import Path

from hack.cluster import archive, gotools, paths, rootfs
from hack.cluster.shell import digest, output, run, say, succeeds

REPOSITORY = "localhost/theazo/node"
#: What kube-proxy needs beside itself: the programs that it sets rules with and what they link with.
PROXY_PACKAGES = frozenset(
    [
        "iptables",
        "nftables",
        "conntrack",
        "kmod",
        "base-files",
        "libc6",
        "libgcc-s1",
        "libip4tc2",
        "libip6tc2",
        "libmnl0",
        "libnetfilter-conntrack3",
        "libnfnetlink0",
        "libnftnl11",
        "libnftables1",
        "libxtables12",
        "libedit2",
        "libbsd0",
        "libmd0",
        "libgmp10",
        "libjansson4",
        "libtinfo6",
        "libzstd1",
        "liblzma5",
        "libssl3",
        "zlib1g",
    ]
)
STATIC = ("kube-apiserver", "kube-controller-manager", "kube-scheduler", "etcd", "coredns")


def name() -> str:
    """Return the node image's name, tagged with a key over all that is in it."""
    here = Path(__file__)
    made_of = [paths.DATA / file for file in ("cni.conflist", "storage.yaml", "import-images.service", "setup-node.sh")]
    parts = [here, here.with_name("archive.py"), paths.DATA / "node.Dockerfile", *made_of]
    return f"{REPOSITORY}:{digest(*parts, gotools.key('core'), rootfs.NODE_SUITE, *rootfs.NODE_PACKAGES)}"


def place(source: Path, target: Path, mode: int) -> None:
    """Copy a file into the image's tree with a mode."""
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, target)
    target.chmod(mode)


def lay_kind_files(tree: Path) -> str:
    """Copy the files of kind's own base image, and return the name of the pause image that its containerd asks for."""
    base = gotools.module_dir("core", "sigs.k8s.io/kind") / "images" / "base" / "files"
    for file in base.rglob("*"):
        inside = file.relative_to(base)
        if file.is_file() and inside.parts[0] != "LICENSES":
            runs = "bin" in inside.parts
            place(file, tree / inside, 0o755 if runs else 0o644)
    asked = re.search(r'sandbox_image = "([^"]+)"', (base / "etc/containerd/config.toml").read_text())
    return asked[1] if asked else "registry.k8s.io/pause:3.10"


def lay_own_files(tree: Path, programs: Path) -> None:
    """Copy the programs and the project's own files to where kind's base image has them."""
    for tool in gotools.NODE:
        if tool not in STATIC and tool != "kube-proxy":
            place(programs / tool, tree / ("usr/bin" if tool.startswith("kube") else "usr/local/bin") / tool, 0o755)
    place(programs / "kubectl", tree / "usr/bin/kubectl", 0o755)
    place(paths.DATA / "cni.conflist", tree / "etc/cni/net.d/10-theazo.conflist", 0o644)
    place(paths.DATA / "storage.yaml", tree / "kind/manifests/default-storage.yaml", 0o644)
    place(paths.DATA / "import-images.service", tree / "etc/systemd/system/import-images.service", 0o644)
    place(paths.DATA / "setup-node.sh", tree / "kind/setup-node.sh", 0o755)
    (tree / "kind/version").write_text(gotools.kubernetes_version())


def pause_layer(target: Path) -> None:
    """Make the pause image's layer of catatonit, a static init of Debian's that can also just wait and reap."""
    with tarfile.open(rootfs.node_tar()) as tar:
        program = tar.extractfile("./usr/bin/catatonit")
        data = program.read() if program else b""
    with tarfile.open(target, "w") as layer:
        archive.add_bytes(layer, "pause", data, 0o755)


def proxy_layer(target: Path, programs: Path) -> None:
    """Make kube-proxy's layer: itself and Debian's iptables, whose names are links that no package owns."""
    with tarfile.open(target, "w") as tar:
        links = ("etc/alternatives/", "usr/sbin/iptables", "usr/sbin/ip6tables")
        rootfs.subset(rootfs.node_tar(), PROXY_PACKAGES, tar, links)
        archive.add_bytes(tar, "usr/local/bin/kube-proxy", (programs / "kube-proxy").read_bytes(), 0o755)


def lay_images(folder: Path, programs: Path, pause: str, work: Path) -> None:
    """Write the control plane's images, named as kubeadm of this version asks for them."""
    folder.mkdir(parents=True)
    asked: list[str | Path] = [
        programs / "kubeadm",
        "config",
        "images",
        "list",
        "--kubernetes-version",
        gotools.kubernetes_version(),
    ]
    wanted = {line.rpartition("/")[2].partition(":")[0]: line for line in output(asked).decode().split()}
    wanted["pause"] = pause
    for short, image in wanted.items():
        layer = work / f"{short}.layer.tar"
        config: dict[str, object] = {}
        if short == "pause":
            pause_layer(layer)
            config["Entrypoint"] = ["/pause", "-P"]
        elif short == "kube-proxy":
            proxy_layer(layer, programs)
        else:
            archive.layer_of_programs(layer, {f"usr/local/bin/{short}": programs / short})
            config["Entrypoint"] = [f"/usr/local/bin/{short}"]
        archive.write(folder / f"{short}.tar", [image], [layer], config)
        layer.unlink()


def prune(keep: str) -> None:
    """Remove node images of earlier versions: each takes a gigabyte. One in use stays."""
    env = paths.engine_env()
    listed = output(["podman", "images", "--format", "{{.Repository}}:{{.Tag}}", REPOSITORY], env=env).decode().split()
    for old in listed:
        if old != keep:
            succeeds(["podman", "rmi", old], env=env)


def build() -> str:
    """Build the node image if it is not there, and return its name."""
    image, env = name(), paths.engine_env()
    if succeeds(["podman", "image", "exists", image], env=env):
        return image
    programs = gotools.build("core", (*gotools.HOST, *gotools.NODE))
    root = rootfs.node_tar()
    say("building the node image, once per version, about 1 minute")
    with tempfile.TemporaryDirectory(prefix="node-image.", dir=paths.cache()) as folder:
        context = Path(folder)
        os.link(root, context / "rootfs.tar")
        tree = context / "files"
        pause = lay_kind_files(tree)
        lay_own_files(tree, programs)
        lay_images(tree / "kind/images", programs, pause, context)
        options: list[str | Path] = [
            "--isolation",
            "chroot",
            "--pull-never",
            "--layers=false",
            "-f",
            paths.DATA / "node.Dockerfile",
        ]
        run(["buildah", "bud", *options, "-t", image, context], env=env)
    prune(image)
    return image
