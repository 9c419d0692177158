"""Building the project's images, and the image that sandboxes run."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from hack.cluster import nodejs, paths, prereq, provider, rootfs
from hack.cluster.archive import image_id
from hack.cluster.shell import ClusterError, making, output, run, say, succeeds

#: By compute: the image that its sandboxes run, and how to make a stand-in for it.
SANDBOXES: dict[str, tuple[str, Callable[[], Path]]] = {
    "python": (rootfs.PYTHON_NAMES[1], rootfs.python_image),
    "node": (nodejs.NAME, nodejs.image),
}
REVISION = "org.opencontainers.image.revision"
#: Settings by which pip and uv find packages here; a build needs them and the image must not keep them.
PASSED = (
    "PIP_INDEX_URL",
    "PIP_EXTRA_INDEX_URL",
    "PIP_DEFAULT_TIMEOUT",
    "UV_INDEX_URL",
    "UV_DEFAULT_INDEX",
    "UV_HTTP_TIMEOUT",
)


def load_base(archive: Path, names: tuple[str, ...]) -> None:
    """Give buildah a base image under the names by which a Dockerfile asks for it, unless it has this very one."""
    env = paths.engine_env()
    wanted = image_id(archive)
    for name in names:
        have = ["podman", "image", "inspect", "--format", "{{.Id}}", name]
        if not succeeds(have, env=env) or output(have, env=env).decode().strip() != wanted:
            run(["podman", "load", "--quiet", "--input", archive], env=env)
            return


def write_archive(image: str, target: Path) -> None:
    """Write an image of Podman's and buildah's store as an archive."""
    with making(target.absolute()) as made:
        run(["buildah", "push", "--quiet", image, f"docker-archive:{made}:{image}"], env=paths.engine_env())


def revision() -> str:
    """Return the commit that an image is of, marked where files differ from it; nothing where there is no commit."""
    asked = ["git", "describe", "--always", "--abbrev=40", "--exclude=*", "--dirty"]
    try:
        return output(asked, cwd=paths.REPO).decode().strip()
    except ClusterError:
        return ""


def mark_revision(build: list[str], image: str, env: dict[str, str] | None = None) -> None:
    """Label an image with its commit; `build` is the command that builds images here."""
    # As an instruction that holds it literally, and last. Buildah (Podman too) compares instructions as they are
    # written: an argument of the Dockerfile, or `--label`, may leave the revision of an earlier build in the image.
    dockerfile = f'FROM {image}\nLABEL {REVISION}="{revision()}"\n'
    run([*build, "-f", "-", "-t", image, "hack/image"], env=env, cwd=paths.REPO, stdin=dockerfile.encode())


def build_offline(target: str, image: str, archive: Path) -> None:
    """Build with buildah, from base images made of Debian packages."""
    prereq.offline()
    load_base(rootfs.python_image(), rootfs.PYTHON_NAMES)
    load_base(rootfs.distroless_image(), (rootfs.DISTROLESS_NAME,))
    # The machine's certificates, since the way to its package index may go by one of its own.
    options = [
        "--isolation",
        "chroot",
        "--pull-never",
        "--target",
        target,
        "--volume",
        "/etc/ssl/certs:/etc/ssl/certs:ro",
    ]
    for name in PASSED:
        if name in os.environ:
            options += ["--env", f"{name}={os.environ[name]}", "--unsetenv", name]
    run(["buildah", "bud", "--layers", *options, "-t", image, "."], env=paths.engine_env(), cwd=paths.REPO)
    mark_revision(["buildah", "bud", "--layers", "--pull-never"], image, paths.engine_env())
    write_archive(image, archive)


def build(target: str, image: str, archive: Path) -> None:
    """Build a target of the repository's Dockerfile and write it as an archive that kind loads."""
    say(f"building the image {image}")
    archive.parent.mkdir(parents=True, exist_ok=True)
    way = provider.current()
    if way == "offline":
        build_offline(target, image, archive)
        return
    run([way, "build", "--target", target, "-t", image, "."], cwd=paths.REPO)
    mark_revision([way, "build"], image)
    save(way, image, archive)


def save(engine: str, image: str, archive: Path) -> None:
    """Write an image of Docker's or Podman's as an archive."""
    with making(archive.absolute()) as made:
        made.write_bytes(output([engine, "save", image]))


def sandbox(compute: str, archive: Path) -> None:
    """Write an archive of the image that a compute's sandboxes run."""
    archive.parent.mkdir(parents=True, exist_ok=True)
    image, stand_in = SANDBOXES[compute]
    way = provider.current()
    if way != "offline":
        run([way, "pull", image])
        save(way, image, archive)
        return
    prereq.offline()
    made = stand_in()
    with making(archive.absolute()) as link:
        # A link, for the cached archive is never changed in place.
        link.symlink_to(made)
