"""`theazo verify` says what is wrong with a file and shows no plaintext."""

import json
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.cli import KEY, KEYRING, config_map, theazo
from tests.support.cli_files import ENTRY, SPECIMEN, written

CANARY = "sk_live_c4n4ry"
SOPS = "ENC[AES256_GCM,data:p673,iv:YY=,tag:UQ==,type:str]"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "secrets.yaml"


def test_a_good_file_is_described(path: Path) -> None:
    written(path, {"OLD": ENTRY})
    result = theazo("verify", path, "-o", "json")
    assert (result.code, result.err) == (0, "")
    assert json.loads(result.out) == {
        "secrets": [
            {
                "file": str(path),
                "platform": "acme",
                "session": "demo",
                "name": "OLD",
                "keyId": KEY.key_id,
                "updatedAt": ENTRY["updatedAt"],
                "bytes": 3,
            }
        ]
    }


def test_quiet_says_nothing_of_what_is_well_nor_of_others_objects(path: Path) -> None:
    written(path, {"OLD": ENTRY})
    with path.open("a") as file:
        file.write("---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata: {A: b}\n--- text\n")
    assert theazo("verify", path, "--quiet") == theazo("verify", "--quiet", path)
    assert theazo("verify", path, "--quiet").__dict__ == {"code": 0, "out": "", "err": ""}


@pytest.mark.parametrize(
    ("entries", "changes", "says"),
    [
        ({"A": ENTRY | {"ciphertext": CANARY}}, {}, "entry A: the ciphertext is no whole envelope"),
        ({"A": ENTRY | {"ciphertext": SPECIMEN[:-2]}}, {}, "entry A: the ciphertext is no whole envelope"),
        ({"A": CANARY}, {}, "entry A is no sealed value; seal it"),
        ({"A": {**ENTRY, "value": CANARY}}, {}, "entry A has other fields"),
        ({CANARY: ENTRY}, {}, "entry (not shown): this looks like a value"),
        ({"a-b c4n4ry": ENTRY}, {}, "entry (not shown): a secret's name is letters"),
        ({"PATH": ENTRY}, {}, "entry PATH: PATH is reserved"),
        ({"A": ENTRY | {"updatedAt": "yesterday c4n4ry"}}, {}, "entry A: updatedAt is no time"),
        ({"A": ENTRY | {"createdAt": CANARY}}, {}, "entry A: createdAt is no time"),
        ({"A": ENTRY | {"updatedAt": "2025-05-01T10:00:00"}}, {}, "entry A: updatedAt is no time"),
        ({}, {"stringData": {"A": CANARY}}, "unknown field stringData"),
        ({}, {"spec": {"encryptedData": {}, "data": {"A": CANARY}}}, "unknown field spec.data"),
        ({}, {"metadata": {"namespace": "acme"}}, "metadata: a session's name has"),
        ({}, {"metadata": {"name": "demo"}}, "metadata: a platform's name has"),
    ],
)
@pytest.mark.parametrize("options", [(), ("--quiet",)])
def test_what_is_no_sealed_value_is_refused_and_not_shown(
    path: Path, entries: dict[str, Any], changes: dict[str, Any], says: str, options: tuple[str, ...]
) -> None:
    written(path, entries, **changes)
    result = theazo("verify", path, *options)
    assert (result.code, result.out) == (1, "")
    assert f"error: {path}: {says}" in result.err
    assert "c4n4ry" not in result.err


def test_a_template_is_passed_over_unless_it_names_a_theazosecret(path: Path) -> None:
    # As in the folder of a chart, which the hook is given too.
    template = "{{ if .Values.a }}\napiVersion: v1\nkind: Secret\n{{ end }}\n"
    path.write_text(template)
    assert theazo("verify", path, "--quiet").__dict__ == {"code": 0, "out": "", "err": ""}
    path.write_text(template.replace("Secret\n", "TheazoSecret\n"))
    result = theazo("verify", path, "--quiet")
    assert (result.code, result.err.startswith(f"error: {path}")) == (1, True)


@pytest.mark.parametrize("kind", ["Secret", "SecretList", "!!str TheazoSecret", '"Secret"'])
def test_what_may_hold_values_and_can_not_be_read_is_refused(path: Path, kind: str) -> None:
    path.write_text(f"apiVersion: v1\nkind: {kind}\nstringData:\n  A: {CANARY}\n  A: {CANARY}\n")
    result = theazo("verify", path, "--quiet")
    assert (result.code, result.err.startswith(f"error: {path}")) == (1, True)
    assert "c4n4ry" not in result.err


def secret(**fields: Any) -> str:
    return yaml.safe_dump({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "a"}} | fields)


@pytest.mark.parametrize(
    "fields",
    [
        {"data": {"A": CANARY, "B": "${B}", "C": ""}},
        {"stringData": {"A": CANARY}},
        {"stringData": {"A": f"${{A:-{CANARY}}}"}},
        {"data": {"A": CANARY, "B": SOPS}, "sops": {"mac": "x"}},
        {"stringData": {"A": f"ENC[{CANARY}]"}},
    ],
    ids=["data", "stringData", "default", "beside-sops", "as-if-by-sops"],
)
def test_a_secret_with_values_is_refused_and_they_are_not_shown(path: Path, fields: dict[str, Any]) -> None:
    path.write_text(secret(**fields))
    result = theazo("verify", path)
    assert (result.code, result.out) == (1, "")
    assert result.err.startswith(f"error: {path}: entry A of a Secret is for all to read who have the file; seal it")
    assert len(result.err.splitlines()) == 1
    assert "c4n4ry" not in result.err


@pytest.mark.parametrize(
    "fields",
    [
        {"data": {"A": SOPS}, "sops": {"mac": "x"}},
        {"stringData": {"A": "${A}"}},
        {"data": ""},
    ],
    ids=["sops", "filled-in", "empty"],
)
def test_a_secret_without_readable_values_is_not(path: Path, fields: dict[str, Any]) -> None:
    path.write_text(secret(**fields))
    assert theazo("verify", path, "--quiet").__dict__ == {"code": 0, "out": "", "err": ""}


def test_a_list_of_secrets_is_looked_into(path: Path) -> None:
    items = [{"metadata": {"name": "a"}, "stringData": {"A": CANARY}}]
    path.write_text(yaml.safe_dump({"apiVersion": "v1", "kind": "SecretList", "items": items}))
    assert f"error: {path}: entry A of a Secret" in theazo("verify", path).err


def test_a_list_is_looked_into(path: Path) -> None:
    written(path, {"A": CANARY})
    items = [yaml.safe_load(path.read_text())]
    path.write_text(yaml.safe_dump({"apiVersion": "v1", "kind": "List", "items": items}))
    assert f"error: {path}: entry A is no sealed value" in theazo("verify", path).err


def test_a_file_that_can_not_be_read_keeps_none_of_the_others_back(path: Path) -> None:
    written(path, {"A": CANARY})
    assert len(theazo("verify", path.with_name("nowhere.yaml"), path).err.splitlines()) == 2


def test_every_file_is_looked_at_and_every_problem_named(path: Path) -> None:
    other = path.with_name("other.yaml")
    written(path, {"A": ENTRY | {"ciphertext": "x"}, "B": ENTRY | {"ciphertext": "y"}})
    written(other, {"C": "z"})
    result = theazo("verify", path, other)
    assert [line.partition("entry ")[2][0] for line in result.err.splitlines()] == ["A", "B", "C"]


def test_a_key_can_be_asked_for(path: Path) -> None:
    written(path, {"OLD": ENTRY})
    key = path.with_name("key.yaml")
    key.write_text(yaml.safe_dump(config_map()))
    assert theazo("verify", path, "--public-key", key).code == 0
    assert theazo("verify", path, "--fingerprint", KEY.key_id.upper()).code == 0
    other = theazo("verify", path, "--fingerprint", "0" * 16)
    assert other.code == 1
    assert f"entry OLD is sealed to key {KEY.key_id}, not to {'0' * 16}" in other.err
    assert "nothing was done" in theazo("verify", path, "--public-key", key, "--fingerprint", "0" * 16).err
    foreign = KEYRING.public_key("globex")
    key.write_text(foreign.to_base64())
    assert f"not to {foreign.key_id}" in theazo("verify", path, "--public-key", key).err


@pytest.mark.parametrize(("days", "code"), [("0", 1), ("100", 1), ("36500", 0)])
def test_an_age_can_be_asked_for(path: Path, days: str, code: int) -> None:
    written(path, {"OLD": ENTRY})
    result = theazo("verify", path, "--max-age", days)
    assert result.code == code
    assert ("entry OLD was set" in result.err) == bool(code)


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["/nowhere.yaml"], 1, "there is no such file"),
        (["/"], 1, "is not a regular file"),
        (["/dev/null", "--fingerprint", "12"], 2, "--fingerprint takes 16 hex digits"),
        (["/dev/null"], 1, "is not a regular file"),
        (["/dev/null", "--max-age", "-1"], 2, "--max-age takes a number of days"),
        (["/dev/null", "--max-age", "36501"], 2, "--max-age takes a number of days, 0 to 36500"),
        (["/dev/null", "--max-age", "999999999999"], 2, "--max-age takes a number of days, 0 to 36500"),
        ([], 2, "is missing"),
    ],
)
def test_wrong_arguments(arguments: list[str], code: int, says: str) -> None:
    result = theazo("verify", *arguments)
    assert (result.code, result.out) == (code, "")
    assert says in result.err


def test_a_table_says_for_which_platform_too(path: Path) -> None:
    written(path, {"OLD": ENTRY})
    heading, row = theazo("verify", path).out.splitlines()
    assert heading.split() == ["FILE", "PLATFORM", "SESSION", "NAME", "KEY", "SET", "BYTES"]
    assert row.split()[1:5] == ["acme", "demo", "OLD", KEY.key_id]


def test_standard_input_is_a_file_too(path: Path) -> None:
    good = written(path, {"OLD": ENTRY}).encode()
    result = theazo("verify", "-", "-o", "name", stdin=good)
    assert (result.code, result.out, result.err) == (0, "demo/OLD\n", "")
    assert theazo("verify", path, "-", "--quiet", stdin=good).code == 0
    result = theazo("verify", "-", stdin=written(path, {"OLD": CANARY}).encode())
    assert result.err.startswith("error: standard input: entry OLD is no sealed value")


def test_json_is_read_too(path: Path) -> None:
    document = yaml.safe_load(written(path, {"OLD": ENTRY}))
    file = path.with_suffix(".json")
    file.write_text(json.dumps(document, indent="\t"))
    assert theazo("verify", file, "-o", "name").out == "demo/OLD\n"
    file.write_text(json.dumps(document | {"stringData": {"A": CANARY}}, indent="\t"))
    assert "unknown field stringData" in theazo("verify", file).err
    file.write_text('{"kind": "Secret", "apiVersion": "v1", "data": {"A": "c4n4ry"}, "data": {}}')
    result = theazo("verify", file)
    assert (result.code, "a key is given twice" in result.err, "c4n4ry" in result.err) == (1, True, False)


@pytest.mark.parametrize(("ahead", "code"), [(timedelta(hours=20), 0), (timedelta(days=2), 1)])
def test_a_time_that_is_to_come_is_refused(path: Path, ahead: timedelta, code: int) -> None:
    written(path, {"OLD": ENTRY | {"updatedAt": (datetime.now(UTC) + ahead).strftime("%Y-%m-%dT%H:%M:%S.%fZ")}})
    result = theazo("verify", path, "--quiet")
    assert (result.code, "entry OLD has an updatedAt that is to come" in result.err) == (code, bool(code))


def test_a_ciphertext_under_two_names_is_refused(path: Path) -> None:
    other = path.with_name("other.yaml")
    written(path, {"OLD": ENTRY, "COPY": ENTRY})
    written(other, {"OLD": ENTRY})
    result = theazo("verify", path, other, "--quiet")
    assert (result.code, len(result.err.splitlines())) == (1, 1)
    assert f"{path}: entry COPY has the ciphertext of entry OLD of session demo" in result.err


def test_a_session_twice_in_a_file_is_refused_and_in_two_files_not(path: Path) -> None:
    text, other = written(path, {"OLD": ENTRY}), path.with_name("other.yaml")
    other.write_text(text)
    assert theazo("verify", path, other, "--quiet").code == 0
    path.write_text(f"{text}---\n{text}")
    result = theazo("verify", path, "--quiet")
    assert (result.code, "session demo of platform acme is there twice" in result.err) == (1, True)


def test_no_option_promises_what_another_command_does() -> None:
    shown = re.sub(r"\W+", " ", theazo("verify", "--help").out)
    assert "Default the ConfigMap" not in shown
    assert "Seal only if" not in shown
