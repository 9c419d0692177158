import os
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
import yaml

from tests.support.cli import KEY, KEYRING, Result, theazo
from theazo.cli import manifest
from theazo.cli.terminal import Refused
from theazo.rules import MAX_CIPHERTEXT_TOTAL
from theazo.sealing import Binding, seal
from theazo.secret_value import SecretValue

SPECIMEN = seal(SecretValue(b"old"), Binding("acme", "demo", "i", "OLD"), KEY)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    (tmp_path / "key").write_text(KEY.to_base64())
    return tmp_path / "secrets.yaml"


def add(path: Path, name: str, value: bytes = b"v") -> Result:
    arguments = ("seal", "-n", "acme", "--session", "demo", "--sealing-id", "i", "--public-key", path.parent / "key")
    return theazo(*arguments, "--stdin", name, "-f", path, stdin=value)


def entries_of(path: Path) -> dict[str, dict[str, str]]:
    found: dict[str, dict[str, str]] = yaml.safe_load(path.read_text())["spec"]["encryptedData"]
    return found


def written(path: Path, entries: Any = None, **changes: Any) -> str:
    """Puts a good manifest into the file, with what is said changed."""
    entry = {"ciphertext": SPECIMEN, "createdAt": "2025-05-01T10:00:00.000000Z", "updatedAt": "2025-05-02T10:00:00Z"}
    document = {
        "apiVersion": "theazo.dev/v1alpha1",
        "kind": "TheazoSecret",
        "metadata": {"name": "demo", "namespace": "acme"},
        "spec": {"encryptedData": {"OLD": entry} if entries is None else entries},
    }
    text = yaml.safe_dump({**document, **changes}, sort_keys=False, width=10**6)
    path.write_text(text)
    return text


def test_a_new_file_is_made_and_holds_what_standard_output_would(path: Path) -> None:
    result = add(path, "A")
    assert (result.code, result.out) == (0, "")
    assert "wrote 1 sealed of 1 entries" in result.err
    found = yaml.safe_load(path.read_text())
    assert list(found) == ["apiVersion", "kind", "metadata", "spec"]
    assert set(found["spec"]["encryptedData"]) == {"A"}


def test_adding_keeps_every_byte_of_the_others(path: Path) -> None:
    add(path, "A")
    before = path.read_text()
    add(path, "B")
    assert path.read_text().startswith(before)
    assert list(entries_of(path)) == ["A", "B"]


def test_overwriting_keeps_created_at_and_moves_updated_at(path: Path) -> None:
    written(path)
    add(path, "OLD", b"new")
    entry = entries_of(path)["OLD"]
    assert KEYRING.open(entry["ciphertext"], Binding("acme", "demo", "i", "OLD")).reveal() == b"new"
    assert entry["createdAt"] == "2025-05-01T10:00:00.000000Z"
    assert re.fullmatch(r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", entry["updatedAt"])
    assert entry["updatedAt"] > "2025-05-02T10:00:00Z"


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("2026-01-01T00:00:00.000000Z", "2026-06-01T00:00:00.000000Z"),
        ("2026-06-01T00:00:00.000000Z", "2026-06-01T00:00:00.000001Z"),
        ("2026-06-01T00:00:00.000000999Z", "2026-06-01T00:00:00.000001Z"),
        ("2027-01-01T00:00:00.123456Z", "2027-01-01T00:00:00.123457Z"),
        ("2027-01-01T00:00:00Z", "2027-01-01T00:00:00.000001Z"),
        ("2027-01-01T02:00:00+02:00", "2027-01-01T00:00:00.000001Z"),
    ],
)
def test_updated_at_grows_whatever_the_clock_says(old: str, new: str) -> None:
    entry = {"ciphertext": SPECIMEN, "createdAt": old, "updatedAt": old}
    base = manifest.Manifest("demo", "acme", {"OLD": entry}, {})
    result = base.with_sealed({"OLD": SPECIMEN}, datetime(2026, 6, 1, tzinfo=UTC))
    assert result.entries["OLD"]["updatedAt"] == new


@pytest.mark.parametrize("old", ["yesterday", "2026-06-01T00:00:00", "9999-12-31T23:59:59.999999Z", ""])
def test_an_updated_at_that_nothing_can_follow(path: Path, old: str) -> None:
    text = written(path, {"OLD": {"ciphertext": SPECIMEN, "createdAt": old, "updatedAt": old}})
    refused(path, add(path, "OLD"), text, "entry OLD of the file: updatedAt")
    assert add(path, "NEW").code == 0


def test_labels_annotations_and_the_comments_at_the_top_stay(path: Path) -> None:
    metadata = {"name": "demo", "namespace": "acme", "labels": {"a": "true"}, "annotations": {"b": "ü # 1"}}
    path.write_text(f"# who to ask\n\n---\n# é\n{written(path, metadata=metadata)}")
    result = add(path, "A")
    assert "warning" not in result.err
    assert path.read_text().startswith("# who to ask\n\n---\n# é\napiVersion: ")
    assert yaml.safe_load(path.read_text())["metadata"] == metadata
    assert "ü # 1" in path.read_text()


def test_comments_further_down_are_missed_loudly(path: Path) -> None:
    path.write_text(written(path).replace("spec:", "# rotate in May\nspec:"))
    assert "warning: " in add(path, "A").err


@pytest.mark.parametrize("text", ["", "\n", "# only a comment\n", "---\n"])
def test_an_empty_file_is_filled(path: Path, text: str) -> None:
    path.write_text(text)
    assert add(path, "A").code == 0
    assert path.read_text().startswith(f"{text}apiVersion: ")


@pytest.mark.parametrize("empty", [{"spec": {}}, {"spec": None}, {"spec": {"encryptedData": {}}}])
def test_a_manifest_without_entries_is_filled(path: Path, empty: dict[str, Any]) -> None:
    written(path, **empty)
    assert add(path, "A").code == 0
    assert list(entries_of(path)) == ["A"]


def test_the_files_mode_and_links_to_it_stay(path: Path) -> None:
    written(path)
    path.chmod(0o640)
    link = path.with_name("link.yaml")
    link.symlink_to(path.name)
    assert add(link, "A").code == 0
    assert link.is_symlink()
    assert path.stat().st_mode & 0o777 == 0o640
    assert set(entries_of(path)) == {"OLD", "A"}


def test_a_new_file_gets_the_mode_that_the_umask_says(path: Path) -> None:
    before = os.umask(0o027)
    try:
        add(path, "A")
    finally:
        os.umask(before)
    assert path.stat().st_mode & 0o777 == 0o640


def refused(path: Path, result: Result, text: str, *words: str) -> None:
    assert (result.code, result.out) == (1, "")
    assert all(word in result.err for word in words), result.err
    assert path.read_text() == text
    assert {each.name for each in path.parent.iterdir()} == {"key", path.name}


ENTRY = {"ciphertext": SPECIMEN, "createdAt": "2025-05-01T10:00:00Z", "updatedAt": "2025-05-01T10:00:00Z"}


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
        ({"spec": {"encryptedData": {"A": "c4n4ry"}}}, ["a field that holds fields"]),
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
    refused(path, result, text, *words)
    assert "c4n4ry" not in result.err


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("A=c4n4ry\n", "not a TheazoSecret"),
        ("A: 'c4n4ry\n", "secrets.yaml:2: not valid YAML"),
        ("x: *c4n4ry\n", "secrets.yaml:1: not valid YAML"),
        ("c4n4ry: 1\nc4n4ry: 2\n", "secrets.yaml:2: a key is given twice"),
        ("{[c4n4ry]: 1}\n", "not a manifest"),
        ("[" * 5000, "not"),
        ("a: 1\n---\na: 2\n", "2 documents"),
        ("# x\0c4n4ry\n", "not valid YAML"),
    ],
)
def test_a_file_that_is_no_manifest_is_left_alone_and_not_quoted(path: Path, text: str, word: str) -> None:
    path.write_text(text)
    result = add(path, "NEW")
    refused(path, result, text, word)
    assert "c4n4ry" not in result.err


def test_an_entry_given_twice_is_not_silently_one(path: Path) -> None:
    text = written(path).replace("    OLD:", "    OLD: &x {a: b}\n    OLD:")
    path.write_text(text)
    refused(path, add(path, "NEW"), text, "a key is given twice")


def test_what_cannot_be_written_is_refused_and_nothing_is_left_behind(path: Path) -> None:
    text = written(path)
    with patch.object(Path, "replace", side_effect=OSError(28, "No space left on device")):
        refused(path, add(path, "NEW"), text, "No space left on device", "nothing was changed")


@pytest.mark.parametrize(
    ("target", "word"), [(".", "not a regular file"), ("key/x", "Not a directory"), ("missing/x", "no directory")]
)
def test_a_path_that_no_file_can_have(path: Path, target: str, word: str) -> None:
    key = path.parent / "key"
    arguments = ("seal", "-n", "acme", "--session", "demo", "--sealing-id", "i", "--public-key", key, "--stdin", "A")
    result = theazo(*arguments, "-f", path.parent / target, stdin=b"v")
    assert (result.code, result.out) == (1, "")
    assert word in result.err


def test_a_file_that_changed_meanwhile_is_not_overwritten(path: Path) -> None:
    written(path)
    found = manifest.read(path, "demo", "acme").with_sealed({"A": SPECIMEN}, datetime.now(UTC))
    text = written(path, {})
    with pytest.raises(Refused, match="changed by somebody else"):
        manifest.write(path, found)
    assert path.read_text() == text
    path.unlink()
    with pytest.raises(Refused, match="changed by somebody else"):
        manifest.write(path, found)


def test_a_session_has_at_most_256_names_and_900_kib() -> None:
    base = manifest.Manifest.empty("demo", "acme")
    now = datetime.now(UTC)
    assert len(base.with_sealed(dict.fromkeys(map(str, range(256)), "x"), now).entries) == 256
    with pytest.raises(Refused, match="257 names"):
        base.with_sealed(dict.fromkeys(map(str, range(257)), "x"), now)
    base.with_sealed({"A": "x" * MAX_CIPHERTEXT_TOTAL}, now)
    with pytest.raises(Refused, match="900 KiB"):
        base.with_sealed({"A": "x" * MAX_CIPHERTEXT_TOTAL, "B": "x"}, now)


def test_too_many_names_for_the_file_are_refused(path: Path) -> None:
    text = written(path, {f"N{number}": ENTRY for number in range(256)})
    refused(path, add(path, "NEW"), text, "257 names")
    assert add(path, "N7").code == 0


def test_above_200_kib_server_side_apply_is_advised(path: Path) -> None:
    assert "warning" not in add(path, "A", b"x" * 65000).err
    assert "warning" not in add(path, "B", b"x" * 65000).err
    result = add(path, "C", b"x" * 65000)
    assert result.code == 0
    assert re.search(r"warning: \d+ KiB of ciphertext.*--server-side", result.err)
