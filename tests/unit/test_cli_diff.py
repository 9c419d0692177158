"""`theazo diff` says what differs between files and the cluster, by names and ages."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.cli import Api, fake_cluster, theazo
from tests.support.cli_files import ENTRY, written

CANARY = "hunter2-c4n4ry"
GROUP = "/apis/theazo.dev/v1alpha1"
STORED = f"{GROUP}/namespaces/acme/theazosecrets/demo"
LATER = "2030-01-01T00:00:00Z"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "secrets.yaml"


@pytest.fixture
def api(tmp_path: Path) -> Iterator[Api]:
    with fake_cluster(tmp_path) as fake:
        fake.objects[GROUP] = {"kind": "APIResourceList"}
        yield fake


@pytest.mark.parametrize(
    ("file", "stored", "difference"),
    [
        ({"A": ENTRY}, {"A": ENTRY}, "none"),
        ({"A": ENTRY}, {}, "only in the file"),
        ({}, {"A": ENTRY}, "only in the cluster"),
        ({"A": ENTRY}, {"A": ENTRY | {"ciphertext": "other", "updatedAt": LATER}}, "newer in the cluster"),
        ({"A": ENTRY | {"updatedAt": LATER}}, {"A": ENTRY | {"ciphertext": "other"}}, "newer in the file"),
        ({"A": ENTRY}, {"A": ENTRY | {"ciphertext": "other"}}, "sealed differently"),
        ({"A": ENTRY}, {"A": {"ciphertext": "other", "updatedAt": CANARY}}, "sealed differently"),
    ],
)
def test_a_difference_by_names_and_ages(
    path: Path, api: Api, file: dict[str, Any], stored: dict[str, Any], difference: str
) -> None:
    written(path, file)
    api.objects[STORED] = {"spec": {"encryptedData": stored}}
    result = theazo("diff", path, "--all", "-o", "json", "--kubeconfig", api.kubeconfig)
    assert result.code == (0 if difference == "none" else 3)
    [entry] = json.loads(result.out)["entries"]
    assert (entry["name"], entry["difference"]) == ("A", difference)
    assert "thz1" not in result.out + result.err
    assert "c4n4ry" not in result.out + result.err
    assert api.writes() == []
    shown = theazo("diff", path, "--kubeconfig", api.kubeconfig).out
    assert (difference in shown) == (difference != "none")


def test_without_an_object_in_the_cluster_all_is_only_in_the_file(path: Path, api: Api) -> None:
    written(path, {"A": ENTRY, "B": ENTRY})
    result = theazo("diff", path, "--kubeconfig", api.kubeconfig)
    assert result.code == 3
    assert result.out.count("only in the file") == 2
    assert result.err == "note: 2 of 2 entries differ\n"


@pytest.mark.parametrize(
    ("entries", "changes", "says"),
    [
        ({"A": ENTRY | {"updatedAt": CANARY}}, {}, "entry A: updatedAt is no time"),
        ({"A": ENTRY | {"createdAt": CANARY}}, {}, "entry A: createdAt is no time"),
        ({"A": ENTRY | {"ciphertext": CANARY}}, {}, "entry A: the ciphertext is no whole envelope"),
        ({}, {"metadata": {"name": "demo"}}, "metadata: a platform's name has"),
        ({}, {"kind": "theazosecret"}, "an object that is none of theazo.dev/v1alpha1"),
    ],
)
@pytest.mark.parametrize("output", ["table", "json", "yaml"])
def test_what_verify_refuses_is_compared_with_nothing(
    path: Path, api: Api, entries: dict[str, Any], changes: dict[str, Any], says: str, output: str
) -> None:
    written(path, entries, **changes)
    result = theazo("diff", path, "-o", output, "--kubeconfig", api.kubeconfig)
    assert (result.code, result.out, api.requests) == (1, "", [])
    assert f"error: {path}: {says}" in result.err
    assert "c4n4ry" not in result.err


def test_a_cluster_without_our_kinds_is_no_cluster_without_the_object(path: Path, api: Api) -> None:
    written(path, {"A": ENTRY})
    del api.objects[GROUP]
    result = theazo("diff", path, "--kubeconfig", api.kubeconfig)
    assert (result.code, result.out) == (1, "")
    assert "the cluster has no kinds of theazo.dev/v1alpha1; install Theazo there" in result.err


def test_a_file_without_a_theazosecret_is_told_so(path: Path, api: Api) -> None:
    path.write_text("apiVersion: v1\nkind: ConfigMap\n")
    result = theazo("diff", path, "--kubeconfig", api.kubeconfig)
    assert (result.code, result.out, result.err) == (0, "", "note: no TheazoSecret in this file\n")
