import os
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
import yaml

from tests.support.cli import KEY, KEYRING, theazo
from tests.support.cli_files import ENTRY, SPECIMEN, add, entries_of, untouched, written
from theazo.cli import manifest
from theazo.cli.terminal import Refused
from theazo.rules import MAX_CIPHERTEXT_TOTAL
from theazo.sealing import Binding


@pytest.fixture
def path(tmp_path: Path) -> Path:
    (tmp_path / "key").write_text(KEY.to_base64())
    return tmp_path / "secrets.yaml"


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


def test_the_longest_name_comes_back(path: Path) -> None:
    for name in ("A" * 128, "B"):
        assert add(path, name).code == 0
    assert list(entries_of(path)) == ["A" * 128, "B"]


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
    untouched(path, add(path, "OLD"), text, "entry OLD of the file: updatedAt")
    assert add(path, "NEW").code == 0


def test_labels_annotations_and_the_comments_at_the_top_stay(path: Path) -> None:
    long = f"ü # {'long ' * 99}1"
    metadata = {"name": "demo", "namespace": "acme", "labels": {"a": "true"}, "annotations": {"b": long}}
    path.write_text(f"# who to ask\n\n---\n# é\n{written(path, metadata=metadata)}")
    result = add(path, "A")
    assert "warning" not in result.err
    assert path.read_text().startswith("# who to ask\n\n---\n# é\napiVersion: ")
    assert yaml.safe_load(path.read_text())["metadata"] == metadata
    assert long in path.read_text()  # in one line, or each editor would fold it anew


@pytest.mark.parametrize(
    ("old", "new"),
    [("spec:", "# May\nspec:"), ("OLD:", "OLD: # May"), ("00Z'", "00Z' # May"), ("spec:", "spec:  # May")],
)
def test_comments_further_down_are_missed_loudly(path: Path, old: str, new: str) -> None:
    path.write_text(written(path).replace(old, new))
    result = add(path, "A")
    assert result.code == 0
    assert "warning: " in result.err


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


def test_what_cannot_be_written_is_refused_and_nothing_is_left_behind(path: Path) -> None:
    text = written(path)
    with patch.object(Path, "replace", side_effect=OSError(28, "No space left on device")):
        untouched(path, add(path, "NEW"), text, "No space left on device", "nothing was changed")


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
    untouched(path, add(path, "NEW"), text, "257 names")
    assert add(path, "N7").code == 0


def test_above_200_kib_server_side_apply_is_advised(path: Path) -> None:
    assert "warning" not in add(path, "A", b"x" * 65000).err
    assert "warning" not in add(path, "B", b"x" * 65000).err
    result = add(path, "C", b"x" * 65000)
    assert result.code == 0
    assert re.search(r"warning: \d+ KiB of ciphertext.*--server-side", result.err)
