"""No command that goes through the API shows a value, a key, or what may be one."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.cli import Result, theazo
from tests.support.sdk import served
from theazo.testing import API_KEY, FakeTheazo

CANARY = "c4n4ryZq81x"
RAW = CANARY.encode()
USER = ("--user", "user_123")


@pytest.fixture
def environ() -> Iterator[dict[str, str]]:
    with served(FakeTheazo("acme")) as found:
        yield found


def silent(result: Result, code: int) -> None:
    assert result.code == code, result.err
    for text in (CANARY, API_KEY, API_KEY[8:]):
        assert text not in result.err + result.out


@pytest.mark.parametrize(
    ("code", "arguments"),
    [
        (0, ["secrets", "set", *USER, "--stdin", "A"]),
        (1, ["secrets", "set", *USER, "--stdin", CANARY + "-"]),
        (2, ["secrets", "set", *USER, f"A={CANARY}"]),
        (2, ["secrets", "set", *USER, CANARY]),
        (2, ["secrets", "set", *USER, f"--A={CANARY}"]),
        (2, ["secrets", "set", *USER, "--stdin", f"A={CANARY}"]),
        (2, ["secrets", "set", *USER, "--stdin", "A", "--required", f"A={CANARY}"]),
        (1, ["secrets", "set", *USER, "--env-file", CANARY]),
        (2, ["secrets", "delete", f"A={CANARY}", *USER]),
        (2, ["secrets", CANARY]),
        (2, ["agents", "create", "python", *USER, "--secret", f"A={CANARY}"]),
        (2, ["agents", "create", "python", *USER, "--optional-secret", f"A={CANARY}"]),
        (2, ["agents", "create", "python", *USER, "--secret", f"A:{CANARY}-"]),
        (2, ["agents", "create", "python", *USER, f"A={CANARY}"]),
        (2, ["agents", "create", "python", *USER, "--limit", CANARY]),
        (2, ["agents", "create", "python", *USER, "--restart-policy", CANARY]),
        (2, ["agents", "list", *USER, "--phase", CANARY]),
        (1, ["sessions", "get", "--user", CANARY]),
        (2, ["sessions", "get", "--session", CANARY]),
        (2, ["sessions", "list", "--base-url", f"http://u:{CANARY}@x"]),
        (2, ["sessions", "list", "--base-url", CANARY]),
        (2, ["sessions", "list", "--api-key-file", API_KEY]),
        (2, ["sessions", "list", "--api-key-file", f"{API_KEY}\0"]),
    ],
)
def test_a_value_or_key_in_any_place(environ: dict[str, str], code: int, arguments: list[str]) -> None:
    silent(theazo(*arguments, stdin=RAW, environ=environ), code)


@pytest.mark.parametrize("arguments", [[f"A={CANARY}"], ["--stdin", "A", f"A={CANARY}"], [f"--A={CANARY}"]])
def test_a_value_as_an_argument_is_explained(environ: dict[str, str], arguments: list[str]) -> None:
    result = theazo("secrets", "set", *USER, *arguments, environ=environ)
    assert "a value is never given as an argument" in result.err


def test_a_key_file_that_is_none(environ: dict[str, str], tmp_path: Path) -> None:
    for number, text in enumerate((RAW, RAW * 9999, b"\xff" + RAW, f"{API_KEY}\n{API_KEY}".encode(), b"")):
        (tmp_path / str(number)).write_bytes(text)
        silent(theazo("sessions", "list", "--api-key-file", tmp_path / str(number), environ=environ), 2)


def test_a_fault_of_the_program_shows_where_but_not_what(
    environ: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fault(*_: object) -> None:
        raise RuntimeError(CANARY)

    monkeypatch.setattr("theazo._core.values.seal", fault)
    result = theazo("secrets", "set", *USER, "--stdin", "A", stdin=RAW, environ=environ)
    silent(result, 1)
    assert "a fault of this program (RuntimeError)" in result.err
