"""`theazo verify` says what is wrong with a file and shows no plaintext; `theazo diff` says what differs."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.cli import KEY, KEYRING, Api, config_map, fake_cluster, theazo
from tests.support.cli_files import ENTRY, SPECIMEN, written

CANARY = "sk_live_c4n4ry"
SOPS = "ENC[AES256_GCM,data:p673,iv:YY=,tag:UQ==,type:str]"
STORED = "/apis/theazo.dev/v1alpha1/namespaces/acme/theazosecrets/demo"
LATER = "2030-01-01T00:00:00Z"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "secrets.yaml"


@pytest.fixture
def api(tmp_path: Path) -> Iterator[Api]:
    with fake_cluster(tmp_path) as fake:
        yield fake


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
        ({"A": ENTRY | {"updatedAt": "yesterday"}}, {}, "entry A: updatedAt is no time"),
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
        (["/dev/null", "--max-age", "-1"], 2, "--max-age takes a number of days"),
        ([], 2, "is missing"),
    ],
)
def test_wrong_arguments(arguments: list[str], code: int, says: str) -> None:
    result = theazo("verify", *arguments)
    assert (result.code, result.out) == (code, "")
    assert says in result.err


@pytest.mark.parametrize(
    ("file", "stored", "difference"),
    [
        ({"A": ENTRY}, {"A": ENTRY}, "none"),
        ({"A": ENTRY}, {}, "only in the file"),
        ({}, {"A": ENTRY}, "only in the cluster"),
        ({"A": ENTRY}, {"A": ENTRY | {"ciphertext": "other", "updatedAt": LATER}}, "newer in the cluster"),
        ({"A": ENTRY | {"updatedAt": LATER}}, {"A": ENTRY | {"ciphertext": "other"}}, "newer in the file"),
        ({"A": ENTRY}, {"A": ENTRY | {"ciphertext": "other"}}, "sealed differently"),
        ({"A": ENTRY}, {"A": {"ciphertext": "other", "updatedAt": "no time"}}, "sealed differently"),
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
    assert api.writes() == []
    shown = theazo("diff", path, "--kubeconfig", api.kubeconfig).out
    assert (difference in shown) == (difference != "none")


def test_without_an_object_in_the_cluster_all_is_only_in_the_file(path: Path, api: Api) -> None:
    written(path, {"A": ENTRY, "B": ENTRY})
    result = theazo("diff", path, "--kubeconfig", api.kubeconfig)
    assert result.code == 3
    assert result.out.count("only in the file") == 2
    assert result.err == "note: 2 of 2 entries differ; kubectl apply --server-side makes them as in the file\n"
