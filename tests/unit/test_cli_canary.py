"""A value never shows up beside the ciphertext: not in an error, not in a fault's traceback, on whatever path."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest

from tests.support.cli import KEY, Result, fake_cluster, theazo

CANARY = "c4n4ry-Zq81x"
RAW = CANARY.encode()
TARGET = ("-n", "acme", "--session", "demo", "--sealing-id", "i")


@pytest.fixture
def run(tmp_path: Path) -> Any:
    (tmp_path / "key").write_text(KEY.to_base64())

    def call(*arguments: str | Path, **options: Any) -> Result:
        return theazo("seal", *TARGET, "--public-key", tmp_path / "key", *arguments, **options)

    return call


def silent(result: Result, code: int = 1) -> None:
    assert result.code == code, result.err
    assert result.out == ""
    assert result.err
    for text in (CANARY, CANARY.removeprefix("c4n4ry-"), CANARY[::-1]):
        assert text not in result.err


BAD_VALUES: Mapping[str, bytes] = {
    "NUL": RAW + b"\0",
    "not UTF-8": RAW + b"\xff",
    "too long": RAW * 6000,
}


@pytest.mark.parametrize("value", BAD_VALUES.values(), ids=BAD_VALUES)
@pytest.mark.parametrize("form", [b"A=%s", b"A='%s'", b'A="%s"', b"B=1\nA=%s\nC=2"])
def test_a_bad_value_in_an_env_file(run: Any, form: bytes, value: bytes) -> None:
    silent(run("--env-file", "-", stdin=form % value))


@pytest.mark.parametrize("value", BAD_VALUES.values(), ids=BAD_VALUES)
def test_a_bad_value_on_standard_input(run: Any, value: bytes) -> None:
    silent(run("--stdin", "A", stdin=value))


@pytest.mark.parametrize("value", [BAD_VALUES["not UTF-8"], BAD_VALUES["too long"]], ids=["not UTF-8", "too long"])
def test_a_bad_value_in_the_environment(run: Any, value: bytes) -> None:
    silent(run("--from-env", "A", environ={"A": value.decode(errors="surrogateescape")}))


@pytest.mark.parametrize(
    "text",
    [
        CANARY,
        f"A={CANARY}\nA={CANARY}",
        f"PATH={CANARY}",
        f"lower-case={CANARY}",
        f"1A={CANARY}",
        f"{CANARY}=1",
        f"{CANARY}+/=",
        f"={CANARY}",
        f"A={CANARY} # {CANARY}",
        f"A='{CANARY}",
        f'A="{CANARY}\\x{CANARY}"',
        f"A='{CANARY}' {CANARY}",
        f'A="-----BEGIN KEY-----\n{CANARY}\n',
        f"A=-----BEGIN KEY-----\n{CANARY.replace('-', '')}=\n-----END KEY-----",
        f"A={CANARY}\nB",
    ],
    ids=lambda text: f"{len(text)} characters",  # the id is in the path that messages name
)
def test_a_bad_line(run: Any, tmp_path: Path, text: str) -> None:
    (tmp_path / ".env").write_text(text)
    silent(run("--env-file", tmp_path / ".env"))


@pytest.mark.parametrize(
    ("code", "arguments"),
    [
        (2, [f"A={CANARY}"]),
        (2, [CANARY]),
        (2, ["--stdin", f"A={CANARY}"]),
        (2, ["--from-env", f"A={CANARY}"]),
        (2, ["--prompt", f"A={CANARY}"]),
        (2, ["--from-env", "A", CANARY]),
        (2, [f"--A={CANARY}"]),
        (2, [f"--{CANARY}"]),
        (2, [f"-A{CANARY}"]),
        (2, [f"--keep-newline={CANARY}", "--stdin", "A"]),
        (2, ["--fingerprint", CANARY, "--stdin", "A"]),
        (2, ["--", f"A={CANARY}"]),
        (1, ["--stdin", CANARY]),
        (1, ["--from-env", CANARY]),
        (1, ["--prompt", CANARY]),
        (1, ["--env-file", f"A={CANARY}"]),
        (1, ["--env-file", CANARY]),
        (1, ["--env-file", f"{CANARY}\0"]),
        (1, ["--env-file", CANARY * 400]),
    ],
)
def test_a_value_in_the_wrong_place_of_the_command_line(run: Any, code: int, arguments: list[str]) -> None:
    silent(run(*arguments, stdin=RAW), code)


@pytest.mark.parametrize("arguments", [[f"A={CANARY}"], ["--stdin", "A", f"A={CANARY}"], [f"--A={CANARY}"]])
def test_a_value_as_an_argument_is_explained(run: Any, arguments: list[str]) -> None:
    result = run(*arguments)
    assert "a value is never given as an argument" in result.err
    assert "--env-file" in result.err


@pytest.mark.parametrize("arguments", [[CANARY], ["platforms", CANARY], ["platforms", "list", "-o", CANARY], ["sael"]])
def test_other_commands_repeat_no_argument_either(arguments: list[str]) -> None:
    silent(theazo(*arguments), 2)


def test_a_good_value_beside_another_problem(run: Any, tmp_path: Path) -> None:
    silent(run("--stdin", "A", "--from-env", "UNSET_1", stdin=RAW))
    silent(run("--stdin", "A", "--fingerprint", "0" * 16, stdin=RAW))
    silent(run("--stdin", "A", "-f", tmp_path, stdin=RAW))
    silent(run("--stdin", "A", "-f", tmp_path / "none" / "x", stdin=RAW))
    (tmp_path / ".env").write_text(f"A={CANARY}")
    silent(run("--stdin", "A", "-f", tmp_path / ".env", stdin=RAW))
    silent(run("--stdin", "A", "--public-key", tmp_path / ".env", stdin=RAW), 2)
    with patch.object(Path, "replace", side_effect=OSError(28, "No space left on device")):
        silent(run("--stdin", "A", "-f", tmp_path / "out", stdin=RAW))
    assert not (tmp_path / "out").exists()


def test_a_key_file_that_is_an_env_file(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text(f"A={CANARY}\nB: {{")
    silent(theazo("seal", *TARGET, "--public-key", tmp_path / ".env", "--stdin", "A", stdin=RAW))


def test_without_a_cluster(tmp_path: Path) -> None:
    with fake_cluster(tmp_path) as api:
        arguments = ("seal", *TARGET, "--kubeconfig", api.kubeconfig, "--stdin", "A")
        silent(theazo(*arguments, stdin=RAW))
    silent(theazo(*arguments, stdin=RAW))


@pytest.mark.parametrize("place", ["theazo.sealing.seal", "theazo.cli.seal.gather", "theazo.cli.inputs.check_value"])
def test_a_fault_of_the_program_shows_where_but_not_what(run: Any, place: str) -> None:
    with patch(place, side_effect=RuntimeError(CANARY)):
        result = run("--stdin", "A", stdin=RAW)
    silent(result)
    assert "a fault of this program (RuntimeError)" in result.err
    assert "cli/seal.py" in result.err


def test_an_interrupt_shows_nothing_at_all(run: Any) -> None:
    with patch("theazo.sealing.seal", side_effect=KeyboardInterrupt(CANARY)):
        silent(run("--stdin", "A", stdin=RAW), 130)


def test_what_is_sealed_is_not_seen_in_what_comes_out(run: Any) -> None:
    result = run("--stdin", "A", stdin=RAW)
    assert result.code == 0
    assert CANARY not in result.out + result.err
