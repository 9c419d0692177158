from pathlib import Path
from typing import Any

import pytest

from tests.support.cli import KEY
from tests.support.cli_files import ENTRY, SPECIMEN, add, untouched, written


@pytest.fixture
def path(tmp_path: Path) -> Path:
    (tmp_path / "key").write_text(KEY.to_base64())
    return tmp_path / "secrets.yaml"


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"kind": "Secret"}, ["not a TheazoSecret"]),
        ({"apiVersion": "theazo.dev/v2"}, ["not a TheazoSecret"]),
        ({"metadata": {"name": "other", "namespace": "acme"}}, ["metadata.name is not demo"]),
        ({"metadata": {"name": "demo", "namespace": "other"}}, ["metadata.namespace is not acme"]),
        ({"metadata": {"name": "demo"}}, ["metadata.namespace is not acme"]),
        ({"metadata": {"name": "demo", "namespace": "acme", "uid": "1"}}, ["unknown field metadata.uid"]),
        ({"metadata": {"name": "demo", "namespace": "acme", "labels": {"a": {}}}}, ["label"]),
        ({"metadata": {"name": "demo", "namespace": "acme", "labels": ["a"]}}, ["a field that holds fields"]),
        ({"metadata": "demo"}, ["a field that holds fields"]),
        ({"status": {}, "extra": 1}, ["unknown field extra", "unknown field status"]),
        ({"spec": {"data": {"A": "c4n4ry"}}}, ["unknown field spec.data"]),
        ({"spec": {"encryptedData": {"A": "c4n4ry"}}}, ["entry A is no sealed value"]),
        ({"entries": {"A": {**ENTRY, "value": "c4n4ry"}}}, ["entry A has other fields"]),
        ({"entries": {"A": {"ciphertext": SPECIMEN}}}, ["entry A has other fields"]),
        ({"entries": {"A": {**ENTRY, "ciphertext": ["c4n4ry"]}}}, ["entry A has other fields"]),
        ({"entries": {"A": {**ENTRY, "ciphertext": "c4n4ry"}}}, ["entry A of the file", "no whole envelope"]),
        ({"entries": {"PATH": ENTRY}}, ["entry PATH of the file", "reserved"]),
        ({"entries": {"c4n4ry+": ENTRY}}, ["entry (not shown) of the file"]),
        ({"c4n4ry+": 1}, ["unknown field (not shown)"]),
    ],
)
def test_a_file_that_is_something_else_is_left_alone(path: Path, changes: dict[str, Any], words: list[str]) -> None:
    text = written(path, **changes)
    result = add(path, "NEW")
    untouched(path, result, text, *words)
    assert "c4n4ry" not in result.err


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("A=c4n4ry\n", "not a TheazoSecret"),
        ("A: 'c4n4ry\n", "secrets.yaml:2: not valid YAML; mend it"),
        ("x: *c4n4ry\n", "secrets.yaml:1: not valid YAML"),
        ("c4n4ry: 1\nc4n4ry: 2\n", "secrets.yaml:2: a key is given twice"),
        ("{[c4n4ry]: 1}\n", "not a manifest"),
        ("[" * 500, "not"),
        ("a: 1\n---\na: 2\n", "2 documents"),
        ("# x\0c4n4ry\n", "not valid YAML"),
    ],
)
def test_a_file_that_is_no_manifest_is_left_alone_and_not_quoted(path: Path, text: str, word: str) -> None:
    path.write_text(text)
    result = add(path, "NEW")
    untouched(path, result, text, word)
    assert "c4n4ry" not in result.err


def test_an_entry_given_twice_is_not_silently_one(path: Path) -> None:
    text = written(path).replace("    OLD:", "    OLD: &x {a: b}\n    OLD:")
    path.write_text(text)
    untouched(path, add(path, "NEW"), text, "a key is given twice")
