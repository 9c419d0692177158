"""What lies in the images, and what must not."""

import base64
import hashlib
import json
import os
import re
import stat
import tomllib
from pathlib import Path, PurePosixPath

import pytest

from hack.cluster import images
from hack.cluster.images import PASSED, REVISION, revision
from hack.sbom.image import Image
from hack.sbom.parts import APP, distributions
from tests.image.support import ROOT, Built, built

SHELLS = {
    "sh",
    "ash",
    "bash",
    "busybox",
    "csh",
    "dash",
    "fish",
    "ksh",
    "mksh",
    "rbash",
    "tcsh",
    "toybox",
    "yash",
    "zsh",
}
MANAGERS = {"apk", "apt", "apt-get", "dnf", "dpkg", "dpkg-deb", "easy_install", "pip", "pip3", "rpm", "uv", "yum"}
BUILDERS = {"as", "c++", "cargo", "cc", "clang", "g++", "gcc", "go", "ld", "make", "perl", "py3compile", "rustc"}
FETCHERS = {"curl", "ftp", "git", "nc", "ncat", "netcat", "scp", "ssh", "wget"}
#: What wheels bring, and an interpreter never reads; hack/image/settle.sh leaves it out.
NOT_READ = re.compile(
    r"\.(c|h|pyx|pxd|pxi|pyi|gitignore)$|/(tests?|bin)/|/test_[^/]+\.py$|/_testcapi[^/]+\.so$|/\.lock$"
)
FLAGS = slice(4, 8)  # of bytecode: 1 is "by the source's hash, and never compared"


def test_it_starts_our_program_as_nobody(it: Built) -> None:
    config = it.image.config["config"]
    assert config["User"] == "65532:65532"
    module = {"operator": "theazo_operator", "api": "theazo_operator.api"}[it.name]
    assert config["Entrypoint"] == ["/usr/bin/python3.13", "-m", module]
    assert not config.get("Cmd")
    assert not config.get("Volumes")


def test_its_labels_tell_what_it_is(it: Built) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    found = it.image.config["config"]["Labels"]
    labels = {name.removeprefix("org.opencontainers.image."): value for name, value in found.items()}
    assert labels["title"] == f"theazo-{it.name}"
    assert labels["version"] == project["version"]
    assert labels["licenses"] == project["license"]
    assert labels["description"]
    assert labels["revision"].removesuffix("-dirty") == revision().removesuffix("-dirty")


def test_its_revision_is_never_one_of_an_earlier_build(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for commit in ("0" * 40, "1" * 40, "0" * 40):
        monkeypatch.setattr(images, "revision", lambda commit=commit: commit)
        images.build("operator", "theazo-operator:revision", tmp_path / "operator.tar")
        found = Image.open(tmp_path / "operator.tar").config["config"]["Labels"]
        assert found[REVISION] == commit


def test_no_program_is_in_it_but_python(it: Built) -> None:
    names = {PurePosixPath(name).name for name, member in it.image.members.items() if not member.isdir()}
    assert names & (SHELLS | MANAGERS | BUILDERS | FETCHERS) == set()
    assert [name for name in it.image.files("/") if re.search(r"/pip(-[^/]+\.whl|/__init__\.py)$", name)] == []
    assert "python3.13" in names


def test_nothing_in_it_gives_rights(it: Built) -> None:
    members = it.image.members.items()
    assert [name for name, member in members if member.mode & (stat.S_ISUID | stat.S_ISGID)] == []
    assert [name for name, member in members if any("capability" in key for key in member.pax_headers)] == []
    assert [name for name, member in members if member.isdev()] == []


def test_nothing_in_it_may_be_changed_by_who_runs_it(it: Built) -> None:
    members = [(name, member) for name, member in it.image.members.items() if not member.issym()]
    shared = [name for name, member in members if member.mode & stat.S_IWOTH and not member.mode & stat.S_ISVTX]
    owned = [name for name, member in members if (member.uid, member.gid) != (0, 0)]
    assert shared == []
    assert owned in ([], ["/home/nonroot"], ["/home", "/home/nonroot"])


def test_nothing_in_it_is_a_surplus(it: Built) -> None:
    assert [name for name in it.image.files(APP) if NOT_READ.search(name)] == []
    assert [name for name in it.image.members if name.startswith(("/src", "/opt/"))] == []


def test_every_module_is_compiled_and_nothing_else(it: Built) -> None:
    files = set(it.image.files(APP))
    sources = {name for name in files if name.endswith(".py")}
    compiled = {name for name in files if name.endswith(".pyc")}
    expected = {
        str(path.parent / "__pycache__" / f"{path.stem}.cpython-313.pyc") for path in map(PurePosixPath, sources)
    }
    assert compiled == expected
    for name in compiled:
        data = it.image.read(name)
        assert int.from_bytes(data[FLAGS], "little") == 1, name
        source = str(PurePosixPath(name).parent.parent / f"{PurePosixPath(name).name.partition('.')[0]}.py")
        assert source.encode() in data, f"{name} doesn't name its source by where it is in the image"


def test_each_file_is_the_one_that_its_wheel_has(it: Built) -> None:
    left_out = set()
    for name in [name for name in it.image.files(APP) if name.endswith("/RECORD")]:
        for line in it.image.read(name).decode().splitlines():
            path, digest, _ = (part.strip('"') for part in line.rsplit(",", 2))
            inside = str(PurePosixPath(APP, path))
            if inside not in it.image.members:
                left_out.add(inside)
            elif digest:
                found = base64.urlsafe_b64encode(hashlib.sha256(it.image.read(inside)).digest()).rstrip(b"=")
                assert digest == f"sha256={found.decode()}", inside
    assert [name for name in left_out if not NOT_READ.search(name)] == []


def test_nothing_tells_of_where_it_was_built(it: Built) -> None:
    config = json.dumps(it.image.config)
    assert [name for name in (*PASSED, "PIP_CERT", "PROXY", "proxy") if f"{name}=" in config] == []
    private = [value for name in PASSED if len(value := os.environ.get(name, "")) > len("http://")]
    told = [str(ROOT), "/opt/build", "/ours/", *private]
    for layer in it.image.layers:
        assert [text for text in told if text.encode() in layer.data or text in config] == []
    assert [name for name in it.image.files(APP) if name.endswith(("/direct_url.json", "/uv_cache.json"))] == []


def test_two_builds_differ_in_no_layer(it: Built) -> None:
    """As far as one build can tell: no time of its own is in what it adds, nor who built it."""
    base, *added = it.image.layers
    assert base.data
    assert len(added) == 2
    for layer in added:
        members = layer.tar().getmembers()
        assert {(member.mtime, member.uid, member.gid, member.uname) for member in members} == {(0, 0, 0, "")}


def test_our_own_layer_is_one_for_both_and_small() -> None:
    operator, api = (built(name).image.layers for name in ("operator", "api"))
    assert operator[0].diff_id == api[0].diff_id
    assert operator[-1].diff_id == api[-1].diff_id
    assert operator[-1].compressed < 1_000_000


def parts(image: Image) -> dict[str, int]:
    """What docs/image.md tells of an image, in megabytes: what a registry has, and what is on a node."""
    return {
        "compressed": sum(layer.compressed for layer in image.layers),
        "unpacked": image.size("/"),
        "of it Debian and Python": image.size("/") - image.size(APP),
        "of it packages": image.size(APP) - _ours(image),
        "of it ours": _ours(image),
    }


def _ours(image: Image) -> int:
    return image.size("/app/theazo", "/app/theazo_operator")


def test_it_is_as_small_as_the_document_says(it: Built) -> None:
    text = (ROOT / "docs" / "image.md").read_text(encoding="utf-8")
    column = {"operator": 0, "api": 1}[it.name]
    for part, found in parts(it.image).items():
        (row,) = re.findall(rf"(?m)^\| {part} \| ([\d.]+) MB \| ([\d.]+) MB \|$", text)
        said = float(row[column])
        assert abs(found / 1e6 - said) < max(0.1, said / 20), (
            f"{part}: {found / 1e6:.1f} MB, and docs/image.md says {said}"
        )


def test_the_packages_are_the_documented_ones(it: Built) -> None:
    text = (ROOT / "docs" / "image.md").read_text(encoding="utf-8")
    column = {"operator": 0, "api": 1}[it.name]
    rows = re.findall(r"(?m)^\| `([a-z0-9-]+)` \| ([a-z ]+) \| ([a-z ]+) \|", text)
    said = {row[0] for row in rows if row[1 + column] == "yes"}
    assert said == {each.name for each in distributions(it.image)}
