"""Where a document's blocks run: a copy of the repository, an environment of its own, and two programs in disguise."""

import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path

from hack.cluster import gotools, paths
from tests.support.cluster import ROOT

#: Of the machine's environment these would tell a document's commands what its reader's machine does not.
_NOT_PASSED = ("THEAZO_", "VIRTUAL_ENV", "PYTHON", "KUBECONFIG", "HELM_", "GNUPGHOME", "PYTEST_", "COVERAGE_", "MAKE")
_MAKE = """\
#!/bin/bash
for word in "$@"; do
  case " {targets} " in *" $word "*) exec {make} -n "$@" > /dev/null ;; esac
done
exec {make} "$@"
"""
# Docker builds nothing where it can pull nothing. There is no registry to push to: the cluster gets the image instead.
_DOCKER = """\
#!/bin/bash
set -euo pipefail
case $#-"$*" in
  "6-build --target "*" -t "*" .") archive={folder}/image-"${{5//[\\/:]/+}}" ;;
  "2-push "*) archive={folder}/image-"${{2//[\\/:]/+}}" ;;
  *) echo "docker: in documents it does two things: docker build --target TARGET -t NAME . and docker push NAME" >&2
     exit 1 ;;
esac
export HOME={home}
if [ "$1" = build ]; then exec python3 -m hack.cluster build-image "$3" "$5" "$archive"; fi
if [ ! -e "$archive" ]; then echo "docker: the document has not built $2" >&2; exit 1; fi
python3 -m hack.cluster load "$2" "$archive"
"""


def clone(target: Path) -> None:
    """Copy the repository's files, as a clone has them; and its virtual environment and cluster by a link."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        check=True,
    )
    for name in set(filter(None, listed.stdout.decode().split("\0"))):
        if (ROOT / name).is_file():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, target / name)
    for name in (".venv", ".cluster"):
        (target / name).symlink_to(ROOT / name)


def environment(folder: Path, kubeconfig: Path, elsewhere: Iterable[str]) -> dict[str, str]:
    """What a document's commands get: tools of the project, the test's cluster, a home of their own.

    The targets of make in `elsewhere` are only checked there.
    """
    home = folder / "home"
    home.mkdir()
    shutil.copy(kubeconfig, home / "kubeconfig")
    programs = _disguised(folder, elsewhere)
    tools = [programs, Path(sys.executable).parent, gotools.bin_dir("core"), gotools.bin_dir("extra")]
    old = Path.home()
    passed = {name: value for name, value in os.environ.items() if not name.startswith(_NOT_PASSED)}
    settings = {"NPM_CONFIG_USERCONFIG": old / ".npmrc", "NPM_CONFIG_CACHE": old / ".npm", "GOENV": _go_env()}
    return {
        **passed,
        **{name: str(value) for name, value in settings.items() if Path(value).exists()},
        "HOME": str(home),
        "GNUPGHOME": str(home / ".gnupg"),
        "KUBECONFIG": str(home / "kubeconfig"),
        "PATH": ":".join([*map(str, tools), os.environ["PATH"]]),
        "XDG_CACHE_HOME": str(paths.cache().parent),
        "UV_NO_SYNC": "1",  # the linked environment stays the repository's
        "LANG": "C.UTF-8",
        "TERM": "dumb",
    }


def make_keys(addresses: Iterable[str], variables: Mapping[str, str]) -> None:
    """Make a key pair of GnuPG for each address, as the document's reader has one."""
    home = Path(variables["GNUPGHOME"])
    home.mkdir(mode=0o700)
    for address in addresses:
        command = ["gpg", "--batch", "--quiet", "--passphrase", "", "--quick-generate-key", address]
        command += ["default", "default"]
        subprocess.run(command, env=dict(variables), check=True, capture_output=True)


def end_agents(variables: Mapping[str, str]) -> None:
    """End what GnuPG has started."""
    if Path(variables["GNUPGHOME"]).exists():
        subprocess.run(["gpgconf", "--kill", "all"], env=dict(variables), check=True, capture_output=True)


def _go_env() -> Path:
    config = Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config")
    return Path(os.environ.get("GOENV") or config / "go" / "env")


def _disguised(folder: Path, elsewhere: Iterable[str]) -> Path:
    programs = folder / "bin"
    programs.mkdir()
    make = shlex.quote(shutil.which("make") or "make")
    images, home = shlex.quote(str(folder)), shlex.quote(str(Path.home()))
    texts = {
        "make": _MAKE.format(make=make, targets=" ".join(elsewhere)),
        "docker": _DOCKER.format(home=home, folder=images),
    }
    for name, text in texts.items():
        (programs / name).write_text(text, encoding="utf-8")
        (programs / name).chmod(0o755)
    return programs
