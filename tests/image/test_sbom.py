"""The bill of materials beside each image: all that is in the image, and nothing else."""

import json
import re
import subprocess
from pathlib import PurePosixPath
from typing import Any

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from packageurl import PackageURL

from hack.sbom.document import write
from hack.sbom.image import Image
from hack.sbom.parts import APP, Lock
from tests.image.support import OURS, ROOT, Built

#: As the Dockerfile says to uv.
EXPORT = {
    "operator": ("--prune", "httpx2", "--prune", "pycparser"),
    "api": ("--prune", "httpx2", "--prune", "pycparser", "--extra", "api", "--prune", "kopf"),
}
#: Files that come from no package: what those who make a base write, and what its packages make when installed.
MADE = re.compile(
    r"/etc/(passwd|group|nsswitch\.conf|host\.conf|localtime|os-release|debian_version|ld\.so\.(cache|conf))$"
    r"|/etc/(ssl/certs|ld\.so\.conf\.d)/|/usr/share/doc/|/var/lib/dpkg/status\.d/|/usr/bin/python3?$"
)
STATUS = "/var/lib/dpkg/status.d"
BOTH = ("cryptography", "pydantic-core")


def problem(document: dict[str, Any]) -> str:
    found = JsonStrictValidator(SchemaVersion.V1_6).validate_str(json.dumps(document))
    return "" if found is None else str(found)


def test_it_is_valid(it: Built) -> None:
    assert it.sbom["specVersion"] == "1.6"
    assert problem(it.sbom) == ""


def test_an_invalid_one_would_be_found(it: Built) -> None:
    broken = it.sbom
    broken["components"][0]["hashes"] = [{"alg": "SHA-256", "content": "none"}]
    assert "none" in problem(broken)


def test_it_is_of_this_image_and_the_same_each_time(it: Built) -> None:
    subject = it.sbom["metadata"]["component"]
    assert [each["content"] for each in subject["hashes"]] == [it.image.id]
    assert {each["value"] for each in subject["properties"]} == {layer.diff_id for layer in it.image.layers}
    assert write(it.image, Lock(ROOT / "uv.lock")) == it.text


def folders(image: Image, *under: str) -> dict[str, str]:
    """The distributions in an image by the names of their folders, with their versions."""
    matches = (re.search(r"/([^/]+)-([^/-]+)\.(dist|egg)-info/", name) for name in image.files(*under or "/"))
    return {match[1].replace("_", "-").lower(): match[2] for match in matches if match}


def test_every_distribution_is_in_it_and_it_names_no_other(it: Built) -> None:
    listed = it.components("pypi")
    assert {name: each["version"] for name, each in listed.items()} == folders(it.image)
    for name, each in listed.items():
        assert PackageURL.from_string(each["purl"]) == PackageURL("pypi", name=name, version=each["version"])
    assert listed.keys() >= {*OURS, "aiohttp", "cryptography", {"operator": "kopf", "api": "starlette"}[it.name]}


def test_everything_importable_belongs_to_one_of_them(it: Built) -> None:
    owned = set()
    for record in [name for name in it.image.files("/") if name.endswith(".dist-info/RECORD")]:
        (name,) = folders(it.image, record)
        assert name in it.components("pypi")
        lines = it.image.read(record).decode().splitlines()
        owned |= {f"{APP}/{line.rsplit(',', 2)[0].strip(chr(34))}" for line in lines}
    assert {name for name in it.image.files(APP) if not name.endswith(".pyc")} - owned == set()
    # The interpreter looks nowhere else: what lies outside belongs to Debian's packages, as the next test says.
    assert "PYTHONPATH=/app" in it.image.config["config"]["Env"]


def test_every_other_file_belongs_to_a_package_of_debians_in_it(it: Built) -> None:
    listed = it.components("deb")
    owned: set[str] = set()
    for name, each in listed.items():
        status = it.image.read(f"{STATUS}/{name}").decode()
        assert f"\nVersion: {each['version']}\n" in status
        conffiles = re.findall(r"(?m)^ (/\S+) [0-9a-f]{32}", status)
        sums = f"{STATUS}/{name}.md5sums"
        lines = it.image.read(sums).decode().splitlines() if sums in it.image.members else []
        owned |= {*conffiles, *(f"/{line.split(maxsplit=1)[1]}" for line in lines)}
    owned |= {f"/usr{name}" for name in owned}
    others = set(it.image.files("/")) - set(it.image.files(APP))
    assert [name for name in sorted(others - owned) if not MADE.match(name)] == []
    assert {PurePosixPath(name).name for name in it.image.files(STATUS) if "." not in PurePosixPath(name).name} <= {
        *listed
    }


def test_it_names_the_system_and_python(it: Built) -> None:
    listed = {each["name"]: each for each in it.sbom["components"]}
    assert (listed["debian"]["type"], listed["debian"]["version"]) == ("operating-system", "13")
    python = listed["python"]
    assert python["cpe"] == f"cpe:2.3:a:python:python:{python['version']}:*:*:*:*:*:*:*"
    assert listed["python3.13-minimal"]["version"].startswith(f"{python['version']}-")
    assert {"libc6", "libssl3t64", "libpython3.13-stdlib", "ca-certificates", "tzdata"} <= listed.keys()


@pytest.mark.parametrize("name", BOTH)
def test_it_names_what_wheels_bundle(it: Built, name: str) -> None:
    bundled = {each["name"] for each in it.components("pypi")[name]["components"]}
    assert {"cryptography": "openssl", "pydantic-core": "pyo3"}[name] in bundled


def test_it_agrees_with_the_lock(it: Built) -> None:
    """uv's own bill of materials is of the lock alone: what should be there, with the hashes of all wheels."""
    command = ["hack/uv", "export", "--frozen", "--no-dev", "--no-emit-workspace", "--python", "3.13"]
    options = ["--format", "cyclonedx1.5", "--preview-features", "sbom-export", "--quiet", *EXPORT[it.name]]
    done = subprocess.run([*command, *options], cwd=ROOT, capture_output=True, text=True, check=True)
    locked = {each["name"]: each for each in json.loads(done.stdout)["components"]}
    here = {name: each for name, each in it.components("pypi").items() if name not in OURS}
    needed = {name for name, each in locked.items() if not _only_elsewhere(each)}
    assert {name: locked[name]["purl"] for name in needed} == {name: each["purl"] for name, each in here.items()}
    for name, each in here.items():
        (wheel,) = each["externalReferences"]
        assert wheel in locked[name]["externalReferences"], name
        assert each["hashes"] == wheel["hashes"]
        assert wheel["url"].endswith(".whl")


def _only_elsewhere(component: dict[str, Any]) -> bool:
    """Whether a component is for another system or Python only, by its marker."""
    markers = [each["value"] for each in component.get("properties", []) if each["name"] == "uv:package:marker"]
    return any("sys_platform == 'win32'" in marker or "python_full_version < " in marker for marker in markers)


def test_what_needs_what_is_in_it(it: Built) -> None:
    needs = {each["ref"]: set(each.get("dependsOn", [])) for each in it.sbom["dependencies"]}
    purls = {name: each["purl"] for name, each in it.components("pypi").items()}
    assert needs["image"] == {each["bom-ref"] for each in it.sbom["components"]}
    assert needs[purls["cryptography"]] == {purls["cffi"]}
    assert purls["theazo"] in needs[purls["theazo-operator"]]
