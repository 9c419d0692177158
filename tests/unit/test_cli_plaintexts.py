"""What `theazo verify`, and so the pre-commit hook, refuses of objects that are no TheazoSecret, and what it passes."""

import random
import string
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.cli import theazo
from tests.support.cli_files import ENTRY, written
from theazo.rules import looks_like_a_value

PASSED = {"code": 0, "out": "", "err": ""}
LONG = "c4n4ry0123456789ABCDEFGHabcdefgh0123456789abcdef"
ISSUED = {
    "stripe": "sk_live_" + LONG[:24],
    "stripe-restricted": "rk_test_" + LONG[:24],
    "webhook": "whsec_" + LONG[:32],
    "github": "ghp_" + LONG[:36],
    "github-server": "ghs_" + LONG[:36],
    "github-pat": "github_pat_" + LONG[:40],
    "theazo": "th_live_" + LONG[:40],
    "aws": "AKIA" + LONG.upper()[:16],
    "hugging-face": "hf_" + LONG[:34],
    "anthropic": "sk-ant-api03-" + LONG,
    "openai": "sk-proj-" + LONG,
    "openai-old": "sk-" + LONG,
    "slack": "xoxb-" + LONG,
    "gitlab": "glpat-" + LONG[:20],
    "google": "AIza" + LONG[:35],
    "key": "-----BEGIN EC PRIVATE KEY-----",
}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "file.yaml"


def agent(path: Path, version: str = "theazo.dev/v1alpha1", kind: str | None = "TheazoAgent", **spec: Any) -> None:
    named = {} if kind is None else {"kind": kind}
    path.write_text(yaml.safe_dump({"apiVersion": version, **named, "metadata": {"name": "a"}, "spec": spec}))


def refused_without_a_canary(path: Path, *says: str) -> None:
    result = theazo("verify", path, "--quiet")
    assert (result.code, result.out) == (1, "")
    assert all(f"error: {path}{each}" in result.err for each in says), result.err
    assert len(result.err.splitlines()) == len(says)
    assert "c4n4ry" not in result.err.lower()
    assert "hunter2" not in result.err


@pytest.mark.parametrize(
    ("version", "kind"),
    [
        ("theazo.dev/v1alpha1", "theazosecret"),
        ("theazo.dev/v1alpha1", "TheazoSecrets"),
        ("theazo.dev/v1alpha1", None),
        ("theazo.dev/v2", "TheazoSecret"),
        ("theazo.dev", "TheazoSecret"),
        ("theazo.dew/v1alpha1", "TheazoSecret"),
    ],
)
def test_a_kind_that_our_group_does_not_have_is_refused(path: Path, version: str, kind: str | None) -> None:
    agent(path, version, kind, encryptedData={"A": "hunter2"})
    refused_without_a_canary(path, ": an object that is none of theazo.dev/v1alpha1")


@pytest.mark.parametrize(
    ("secrets", "says"),
    [
        ([{"name": "K", "value": "hunter2"}], ": declared secret 1 of a TheazoAgent: unknown field value"),
        ([{"name": "K"}, {"name": "L", "c4n4ry+": ""}], ": declared secret 2 of a TheazoAgent: unknown field (not"),
        ([{"name": "K=hunter2"}], ": declared secret 1 of a TheazoAgent: name: a secret's name is letters"),
        ([{"name": "K", "from": "sk_live_c4n4ry"}], ": declared secret 1 of a TheazoAgent: from: this looks like a"),
        ([{"name": ["hunter2"]}], ": declared secret 1 of a TheazoAgent: name: it is no text"),
        (["hunter2"], ": spec.secrets of a TheazoAgent is no list of"),
        ({"K": "hunter2"}, ": spec.secrets of a TheazoAgent is no list of"),
        ("hunter2", ": spec.secrets of a TheazoAgent is no list of"),
    ],
)
def test_an_agent_declares_names_and_nothing_else(path: Path, secrets: Any, says: str) -> None:
    agent(path, secrets=secrets)
    refused_without_a_canary(path, says)


@pytest.mark.parametrize("credential", ISSUED.values(), ids=ISSUED)
@pytest.mark.parametrize("form", ["{}", "--token={}", "-H 'Authorization: Bearer {}'", "https://u:{}@example.com/"])
def test_a_credential_in_an_argument_is_refused(path: Path, credential: str, form: str) -> None:
    path.write_text(
        "apiVersion: theazo.dev/v1alpha1\nkind: TheazoAgent\nmetadata: {name: a}\nspec:\n  args:\n"
        f"    - {yaml.safe_dump(form.format(credential), width=10**6).splitlines()[0]}\n"
    )
    refused_without_a_canary(path, ":6: this looks like a credential")


def test_a_credential_in_a_comment_or_an_annotation_of_ours_is_refused(path: Path) -> None:
    metadata = {"name": "demo", "namespace": "acme", "annotations": {"old": ISSUED["github"]}}
    path.write_text(f"# was {ISSUED['stripe']}\n{written(path, {'OLD': ENTRY}, metadata=metadata)}")
    refused_without_a_canary(path, ":1: this looks like a credential", ":8: this looks like a credential")


def test_what_is_known_in_the_place_of_a_name_is_known_within_a_text(path: Path) -> None:
    names = [each for each in ISSUED.values() if looks_like_a_value(each)]
    assert len(names) >= 9
    path.write_text("kind: TheazoAgent\napiVersion: theazo.dev/v1alpha1\n" + "".join(f"# {each}\n" for each in names))
    refused_without_a_canary(path, *(f":{line}: this looks" for line in range(3, 3 + len(names))))


def test_an_ordinary_agent_passes(path: Path) -> None:
    agent(
        path,
        sessionRef={"name": "alice"},
        compute="python",
        secrets=[{"name": "DB", "from": "DATABASE_URL"}, {"name": "SENTRY_DSN", "optional": True}, {"name": "${N}"}],
        command=["python", "-m", "agent", "--model=gpt-4", "--model", "claude-sonnet-4-5-20250929"],
        args=[
            f"registry.example.com/agent@sha256:{'0123456789abcdef' * 4}",
            "--key=$OPENAI_API_KEY",
            "--publishable=pk_live_" + LONG[:24],
            "--like=sk_live_...",
            "--like=sk-...",
            "--id=7f3a9c52-0b1e-4d2f-9a68-51c0d7e4b3aa",
            "--commit=" + "0123456789abcdef" * 2,
            "hf_hub_download('sk-learn/ghp_pages')",
        ],
    )
    assert theazo("verify", path, "--quiet").__dict__ == PASSED
    path.write_text("apiVersion: theazo.dev/v1alpha1\nkind: TheazoSession\nmetadata: {name: a}\nspec: {user: u}\n")
    assert theazo("verify", path, "--quiet").__dict__ == PASSED


def test_an_envelope_is_no_credential_whatever_its_letters_say(path: Path) -> None:
    chance = random.Random(1)  # noqa: S311 - the same letters each time
    alphabet = string.ascii_letters + string.digits + "-_"
    letters = "".join(chance.choices(alphabet, k=200))
    lines = [f"#{{}}thz1.x.{'0' * 16}.{letters}{each}{letters}\n" for each in ISSUED.values() if " " not in each]
    path.write_text("kind: TheazoSession\napiVersion: theazo.dev/v1alpha1\n" + "".join(lines).replace("{}", " "))
    assert theazo("verify", path, "--quiet").__dict__ == PASSED


def test_a_file_with_no_object_of_ours_is_not_searched(path: Path) -> None:
    path.write_text(f"apiVersion: v1\nkind: ConfigMap\ndata: {{secret: {ISSUED['stripe']}}}\n")
    assert theazo("verify", path, "--quiet").__dict__ == PASSED


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("apiVersion: v1\nkind: Secret\nstringData: [hunter2]\n", ": stringData of a Secret is no mapping"),
        ("apiVersion: v1\nkind: Secret\nstringdata: {A: hunter2}\n", ": entry A of a Secret"),
        ("apiVersion: v1\nkind: Secret\ndata: {A: [hunter2]}\n", ": entry A of a Secret"),
        ("kind: Secret\nstringData: {A: hunter2}\n", ": entry A of a Secret"),
        ("apiVersion: v1\nkind: secret\nstringData: {A: hunter2}\n", ": entry A of a Secret"),
        ("kind: List\nitems:\n- kind: List\n  items: [{kind: Secret, data: {A: hunter2}}]\n", ": entry A of a Secret"),
    ],
    ids=["no-mapping", "case", "nested", "no-version", "kind-case", "list-in-list"],
)
def test_a_secret_in_an_odd_form_is_refused(path: Path, text: str, says: str) -> None:
    path.write_text(text)
    refused_without_a_canary(path, says)


def bomb(levels: int, top: str) -> str:
    lines = ["l0: &l0 hunter2\n", *(f"l{n}: &l{n} [{', '.join([f'*l{n - 1}'] * 10)}]\n" for n in range(1, levels))]
    return "".join(lines) + top.replace("LAST", f"*l{levels - 1}")


@pytest.mark.parametrize(
    ("top", "says"),
    [
        ("apiVersion: v1\nkind: Secret\nstringData: {A: LAST}\n", ": entry A of a Secret"),
        ("apiVersion: v1\nkind: Secret\nstringData: LAST\n", ": stringData of a Secret"),
        ("apiVersion: theazo.dev/v1alpha1\nkind: LAST\n", ": an object that is none of"),
        ("apiVersion: theazo.dev/v1alpha1\nkind: TheazoSecret\nmetadata: {name: LAST}\n", ": unknown field"),
    ],
    ids=["value", "field", "kind", "name"],
)
def test_aliases_that_stand_for_millions_of_texts_are_not_counted_out(path: Path, top: str, says: str) -> None:
    path.write_text(bomb(30, top))
    result = theazo("verify", path, "--quiet")
    assert (result.code, f"error: {path}{says}" in result.err, "hunter2" in result.err) == (1, True, False), result.err


def test_lists_that_hold_one_another_come_to_an_end(path: Path) -> None:
    items = "".join(f"- &l{n} {{kind: List, items: [{', '.join([f'*l{n - 1}'] * 10)}]}}\n" for n in range(1, 30))
    path.write_text(f"kind: List\nitems:\n- &l0 {{kind: Secret, data: {{A: hunter2}}}}\n{items}")
    result = theazo("verify", path, "--quiet")
    assert (result.code, ": entry A of a Secret" in result.err, "hunter2" in result.err) == (1, True, False)


@pytest.mark.parametrize(
    "data",
    [b"a: \xe9\n", "a: b # a secret\n".encode("utf-16"), b"a: b\n" * 1024**2, b"# secret\na: b\n" * 400_000],
    ids=["latin", "utf-16", "long", "long-with-the-word"],
)
def test_a_file_that_holds_no_secret_blocks_no_commit(path: Path, data: bytes) -> None:
    path.write_bytes(data)
    assert theazo("verify", path, "--quiet").__dict__ == PASSED


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"kind: Secret\nstringData: {A: hunter2\xe9}\n", "not a text file in UTF-8"),
        ("kind: Secret\nstringData: {A: hunter2}\n".encode("utf-16"), "not a text file in UTF-8"),
        (b"kind: Secret\nstringData: {A: hunter2}\n" + b"# x\n" * 1024**2, "is longer than any TheazoSecret"),
    ],
    ids=["latin", "utf-16", "long"],
)
def test_a_secret_in_a_file_that_is_not_read_is_refused(path: Path, data: bytes, says: str) -> None:
    path.write_bytes(data)
    result = theazo("verify", path, "--quiet")
    assert (result.code, says in result.err, "hunter2" in result.err) == (1, True, False)
