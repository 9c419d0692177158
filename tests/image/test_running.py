"""The images as they run: read-only, without a network, without any right."""

import json
import os
import subprocess
from functools import cache
from pathlib import Path
from typing import Any

from hack.cluster import paths, prereq, provider
from tests.image.support import Built

#: Everything of ours that an image is for; each leaves out what the other has dependencies for.
LOOK = """
import errno, importlib, importlib.metadata, json, os, pkgutil, subprocess
import theazo_operator
def imported(name):
    api = name.startswith("theazo_operator.api")
    return api if NAME == "api" else not api
walked = pkgutil.walk_packages(theazo_operator.__path__, "theazo_operator.")
names = [each.name for each in walked if imported(each.name)]
for name in names:
    if not name.endswith("__main__"):
        importlib.import_module(name)
writing = {}
for folder in ("/", "/app", "/home/nonroot", "/usr/lib/python3.13", "/tmp", "/var/tmp"):
    try:
        open(os.path.join(folder, "x"), "w").close()
    except OSError as error:
        writing[folder] = errno.errorcode[error.errno]
    else:
        writing[folder] = "written"
try:
    subprocess.run("true", shell=True)
    shell = "started"
except OSError as error:
    shell = errno.errorcode[error.errno]
print(json.dumps({
    "uid": os.getuid(), "gid": os.getgid(), "groups": os.getgroups(),
    "names": names, "writing": writing, "shell": shell,
    "distributions": {each.name: each.version for each in importlib.metadata.distributions()},
}))
"""


@cache
def engine() -> tuple[str, dict[str, str]]:
    way = provider.current()
    if way == "offline":
        prereq.offline()
    return "docker" if way == "docker" else "podman", paths.engine_env()


@cache
def loaded(archive: Path) -> str:
    """The name of the image in an archive, which the engine then has."""
    program, settings = engine()
    load = [program, "load", "--quiet", "--input", str(archive)]
    said = subprocess.run(load, env={**os.environ, **settings}, capture_output=True, text=True, check=True).stdout
    return said.strip().rpartition(" ")[2]


def run(it: Built, *arguments: str, entrypoint: tuple[str, ...] = ()) -> str:
    program, settings = engine()
    hardened = ["--read-only", "--cap-drop=all", "--security-opt=no-new-privileges", "--network=none"]
    temporary = ["--read-only-tmpfs=false"] if program == "podman" else []
    command = [program, "run", "--rm", *hardened, *temporary, *entrypoint, loaded(it.archive), *arguments]
    done = subprocess.run(command, env={**os.environ, **settings}, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_it_needs_nothing_to_write_to_and_no_right(it: Built) -> None:
    text = run(it, "-c", f"NAME = {it.name!r}\n{LOOK}", entrypoint=("--entrypoint", "/usr/bin/python3.13"))
    found: dict[str, Any] = json.loads(text)
    assert (found["uid"], found["gid"], found["groups"]) == (65532, 65532, [65532])
    assert set(found["writing"].values()) == {"EROFS"}
    assert found["shell"] == "ENOENT"
    assert len(found["names"]) > 10
    listed = {each["name"]: each["version"] for each in it.components("pypi").values()}
    assert {name.lower().replace("_", "-"): version for name, version in found["distributions"].items()} == listed


def test_its_program_starts(it: Built) -> None:
    assert run(it, "--help").startswith(f"usage: theazo-{it.name} ")
