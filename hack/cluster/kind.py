"""Bringing the cluster up, keeping it, loading images into it and taking it down."""

from __future__ import annotations

import base64
import json
import os
import secrets
import shutil
import sys
from pathlib import Path

from hack.cluster import gotools, nodeimage, paths, prereq, provider
from hack.cluster.archive import image_id
from hack.cluster.shell import ClusterError, digest, locked, output, run, say, succeeds, write_private

#: How long the node may take to be ready; on two busy cores it is about half a minute.
WAIT = "300s"


def program(tool: str) -> Path:
    """Return kind's or kubectl's path."""
    return gotools.bin_dir("core") / tool


def answers(kubeconfig: Path) -> bool:
    """Tell whether a cluster is there, and its API server and its node are ready."""
    if not kubeconfig.exists():
        return False
    kubectl: list[str | Path] = [program("kubectl"), "--kubeconfig", kubeconfig, "--request-timeout=5s"]
    try:
        output([*kubectl, "get", "--raw", "/readyz"], timeout=15)
        node = json.loads(output([*kubectl, "get", "node", paths.node_name(), "-o", "json"], timeout=15))
    except ClusterError:
        return False
    return any(each["type"] == "Ready" and each["status"] == "True" for each in node["status"]["conditions"])


def cluster_key(way: str) -> str:
    """Return the key over all that the cluster is made of: another key means that it is another cluster."""
    image = nodeimage.name() if way == "offline" else provider.KIND_IMAGE
    return digest(way, image, *(paths.DATA / file for file in ("kind.yaml", "encryption.yaml", "audit-policy.yaml")))


def usable(way: str | None) -> bool:
    """Tell whether the cluster is there, is what it would be if made now, and works."""
    mark = paths.state() / "key"
    asked = os.environ.get("CLUSTER_PROVIDER", way)
    if way is None or asked != way or not mark.exists() or mark.read_text() != cluster_key(way):
        return False
    return answers(paths.state() / "kubeconfig")


def write_state() -> None:
    """Make the cluster's own folder: a new encryption key, and an audit log that this user may read."""
    state = paths.state()
    shutil.rmtree(state, ignore_errors=True)
    (state / "audit").mkdir(parents=True)
    # Made here so that it belongs to whoever runs this: the API server, which is root, then only appends.
    (state / "audit" / "audit.log").touch(mode=0o600)
    key = base64.b64encode(secrets.token_bytes(32)).decode()
    encryption = (paths.DATA / "encryption.yaml").read_text().replace("@KEY@", key)
    write_private(state / "apiserver" / "encryption.yaml", encryption.encode())
    shutil.copyfile(paths.DATA / "audit-policy.yaml", state / "apiserver" / "audit-policy.yaml")


def create(way: str) -> None:
    """Make the cluster anew, after removing what is left of an earlier one."""
    own = way == "offline"
    image = nodeimage.build() if own else provider.KIND_IMAGE
    env = provider.env(way)
    delete(way)
    write_state()
    say(f"creating the cluster {paths.cluster_name()}, about half a minute")
    config = (paths.DATA / "kind.yaml").read_text()
    filled = {"@NAME@": paths.cluster_name(), "@OWN_CNI@": str(own).lower(), "@STATE@": str(paths.state())}
    for mark, value in filled.items():
        config = config.replace(mark, value)
    (paths.state() / "kind.yaml").write_text(config)
    # Recorded first, so that a killed creation is still found and removed.
    (paths.state() / "provider").write_text(way)
    options: list[str | Path] = ["--config", paths.state() / "kind.yaml", "--image", image, "--wait", WAIT]
    run([program("kind"), "create", "cluster", *options, "--kubeconfig", paths.state() / "kubeconfig"], env=env)
    (paths.state() / "kubeconfig").chmod(0o600)
    (paths.state() / "key").write_text(cluster_key(way))


def delete(way: str) -> None:
    """Remove the cluster, its state and its kubeconfig."""
    env = provider.env(way)
    names = output([program("kind"), "get", "clusters"], env=env).decode().split()
    if paths.cluster_name() in names:
        say(f"removing the cluster {paths.cluster_name()}")
        scratch = paths.cache() / "kubeconfig.removed"
        run([program("kind"), "delete", "cluster", "--name", paths.cluster_name(), "--kubeconfig", scratch], env=env)
        scratch.unlink(missing_ok=True)
    shutil.rmtree(paths.state(), ignore_errors=True)


def renew() -> None:
    """Make the cluster in the way that works now, whatever is left of an earlier one."""
    way = provider.detect()
    if way == "offline":
        prereq.offline()
    prereq.allow_watches()
    recorded = provider.recorded()
    if recorded and recorded != way:
        delete(recorded)
    create(way)
    say(f"the cluster {paths.cluster_name()} is up")


def up() -> None:
    """Bring the cluster up, or find that it is."""
    prereq.check_go()
    gotools.build("core", gotools.HOST)
    given = paths.foreign()
    if given:
        if not succeeds(
            [program("kubectl"), "--kubeconfig", given, "--request-timeout=10s", "get", "--raw", "/readyz"]
        ):
            raise ClusterError(f"the cluster of CLUSTER_KUBECONFIG={given} does not answer")
        return
    if not usable(provider.recorded()):
        with locked(paths.cache() / "lock"):
            # Whoever held the lock may have made it.
            if not usable(provider.recorded()):
                renew()
    write_private(paths.kubeconfig(), (paths.state() / "kubeconfig").read_bytes())


def down() -> None:
    """Remove the cluster; one that the caller brought only when told that this is meant."""
    paths.refuse_foreign("forget it")
    if paths.foreign():
        say("a cluster that this project did not make is left as it is: remove it with what made it")
        return
    way = provider.recorded()
    if way is None:
        say("there is no cluster to remove")
    else:
        prereq.check_go()
        gotools.build("core", ("kind",))
        delete(way)
    shutil.rmtree(paths.kubeconfig().parent, ignore_errors=True)


def loaded(image: str, archive: Path) -> bool:
    """Tell whether the node has this very image under this name."""
    ask = ("crictl", "inspecti", "--output", "go-template", "--template", "{{.status.id}}", image)
    try:
        return paths.node_exec(*ask).decode().strip().removeprefix("sha256:") == image_id(archive)
    except ClusterError:
        return False


def load(image: str, archive: Path) -> None:
    """Load an image archive into the node, unless it is there."""
    if not archive.exists():
        raise ClusterError(f"{archive} is not there")
    if paths.foreign():
        raise ClusterError("images of a cluster given by CLUSTER_KUBECONFIG are loaded by its own means")
    if loaded(image, archive):
        return
    way = provider.current()
    run([program("kind"), "load", "image-archive", archive, "--name", paths.cluster_name()], env=provider.env(way))


def logs(target: Path | None) -> None:
    """Tell where things are, and copy the node's logs to a folder if one is given."""
    print(f"kubeconfig: {paths.kubeconfig()}")
    print(f"audit log:  {paths.audit_log()}")
    print(f"node:       {paths.engine()} exec {paths.node_name()} …")
    print(f"etcd:       {paths.ETCD_DATA} on the node")
    if target:
        command: list[str | Path] = [program("kind"), "export", "logs", target, "--name", paths.cluster_name()]
        run(command, env=provider.env(provider.current()))
        print(f"node logs:  {target}", file=sys.stdout)
