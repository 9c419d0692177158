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


@pytest.mark.parametrize("field", ["createdAt", "updatedAt"])
@pytest.mark.parametrize("old", ["c4n4ry", "2026-06-01T00:00:00", "2026-06-01cT00:00:00Z", "2026-13-01T00:00:00Z", ""])
@pytest.mark.parametrize("name", ["OLD", "NEW"])
def test_what_is_no_time_is_neither_kept_nor_shown(path: Path, field: str, old: str, name: str) -> None:
    text = written(path, {"OLD": ENTRY | {field: old}})
    result = add(path, name)
    untouched(path, result, text, f"entry OLD of the file: {field} is no time")
    assert "c4n4ry" not in result.err


def test_an_updated_at_that_nothing_can_follow(path: Path) -> None:
    text = written(path, {"OLD": ENTRY | {"updatedAt": "9999-12-31T23:59:59.999999Z"}})
    untouched(path, add(path, "OLD"), text, "nothing is later than its updatedAt")
    assert add(path, "NEW").code == 0


def test_labels_annotations_and_the_comments_at_the_top_stay(path: Path) -> None:
    long = f"ü # {'long ' * 99}1"
    metadata = {"name": "demo", "namespace": "acme", "labels": {"a": "true"}, "annotations": {"b": long}}
    heading = "# who to ask\n\n---\n# é\n"
    path.write_text(heading + written(path, {}, metadata=metadata))
    result = add(path, "A")
    assert "warning" not in result.err
    assert path.read_text().startswith(f"{heading}apiVersion: ")
    assert yaml.safe_load(path.read_text())["metadata"] == metadata
    assert long in path.read_text()  # in one line, or each editor would fold it anew


STYLED = f"""\
%YAML 1.1
--- # the beginning
kind: TheazoSecret  # not a Secret
apiVersion: "theazo.dev/v1alpha1"
metadata: {{namespace: acme, name: demo}}
spec:
    # since May
    encryptedData:
        # asked for by Bob
        FIRST: {{updatedAt: "2025-05-02T10:00:00Z", createdAt: 2025-05-01T10:00:00Z, ciphertext: {SPECIMEN}}} # 1
        OLD:  # 2
            updatedAt: '2025-05-02T10:00:00Z'  # 3
            createdAt: '2025-05-01T10:00:00Z'
            ciphertext: {SPECIMEN}  # 4
        # the end
"""


@pytest.mark.parametrize("begin", ["", "\ufeff"], ids=["", "bom"])
@pytest.mark.parametrize("newline", ["\n", "\r\n"], ids=["lf", "crlf"])
@pytest.mark.parametrize("name", ["FIRST", "OLD"])
def test_sealing_again_changes_a_ciphertext_and_a_time_and_no_other_byte(
    path: Path, name: str, newline: str, begin: str
) -> None:
    text = begin + STYLED.replace("\n", newline)
    path.write_bytes(text.encode())
    result = add(path, name, b"new")
    assert (result.code, "warning" in result.err) == (0, False)
    now = path.read_bytes().decode()
    entry = yaml.load(now, yaml.BaseLoader)["spec"]["encryptedData"][name]  # noqa: S506 - it makes texts only
    assert KEYRING.open(entry["ciphertext"], Binding("acme", "demo", "i", name)).reveal() == b"new"
    before, found, after = text.partition(f"{name}:")
    for new, old in ((entry["ciphertext"], SPECIMEN), (entry["updatedAt"], "2025-05-02T10:00:00Z")):
        after = after.replace(old, new, 1)
    assert now == before + found + after


@pytest.mark.parametrize("newline", ["\n", "\r\n"], ids=["lf", "crlf"])
@pytest.mark.parametrize("end", ["", "        # the end\n"], ids=["end", "comment"])
def test_a_new_entry_stands_behind_the_last_and_nothing_else_changes(path: Path, newline: str, end: str) -> None:
    text = STYLED.replace("        # the end\n", "").rstrip("\n") + ("\n" + end if end else "")
    path.write_bytes(text.replace("\n", newline).encode())
    result = add(path, "NEW")
    assert (result.code, "warning" in result.err) == (0, False)
    now = path.read_bytes().decode()
    assert now.count("\n") == now.count(newline)
    lines, before = now.splitlines(), text.splitlines()
    place = len(STYLED.splitlines()) - 1
    assert lines[:place] + lines[place + 4 :] == before
    assert [line.split(":")[0] for line in lines[place : place + 4]] == [
        "        NEW",
        *(f"          {field}" for field in ("ciphertext", "createdAt", "updatedAt")),
    ]
    assert list(yaml.safe_load(now)["spec"]["encryptedData"]) == ["FIRST", "OLD", "NEW"]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("encryptedData:\n", "encryptedData: {  # May\n"),
        ("OLD:", "OLD: &x"),
        ("ciphertext: thz1", "ciphertext: &x thz1"),
    ],
    ids=["flow", "alias", "scalar-alias"],
)
def test_what_can_not_be_kept_is_missed_loudly_and_still_right(path: Path, old: str, new: str) -> None:
    text = written(path).replace("spec:", "# May\nspec:").replace(old, new)
    if "{" in new:
        text = re.sub(r"(OLD):\n(.*)\n(.*)\n(.*)\n", r"\1: {\2,\3,\4}}\n", text)
    elif new.startswith("OLD"):
        text += "    COPY: *x\n"
    else:
        text += "    COPY: {ciphertext: *x, createdAt: '2025-05-01T10:00:00Z', updatedAt: '2025-05-01T10:00:00Z'}\n"
    path.write_text(text)
    before = entries_of(path)
    name = "A" if "{" in new else "OLD"
    result = add(path, name)
    assert (result.code, "written anew" in result.err) == (0, True)
    assert {key: entry for key, entry in entries_of(path).items() if key != name} == {
        key: dict(entry) for key, entry in before.items() if key != name
    }


def test_windows_line_ends_are_missed_loudly_where_they_can_not_be_kept(path: Path) -> None:
    path.write_bytes(written(path, {}).replace("\n", "\r\n").encode())
    result = add(path, "A")
    assert (result.code, "written anew" in result.err) == (0, True)


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
