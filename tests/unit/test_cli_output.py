"""How commands show what they found."""

import io
import json
import os
import sys
from contextlib import redirect_stderr, redirect_stdout
from datetime import UTC, datetime, timedelta
from unittest.mock import patch

import pytest
import yaml

from theazo.cli.findings import Finding, fail, ok, warn, write
from theazo.cli.output import Format, age, document, show, spinner

HEADING = ("NAME", "AGE", "MORE")
ROWS: list[tuple[str, ...]] = [("a", "1d", "x"), ("long-one", "2s", "y")]
DOCUMENTS = {"things": [{"name": "a"}, {"name": "long-one", "none": None, "n": "y"}]}


def shown(output: Format, rows: list[tuple[str, ...]] = ROWS) -> str:
    with redirect_stdout(io.StringIO()) as stdout:
        show(output, HEADING, rows, DOCUMENTS, [f"thing/{row[0]}" for row in rows], wide=2)
    return stdout.getvalue()


def test_a_table_has_the_first_columns_and_wide_has_all() -> None:
    assert shown("table") == "NAME       AGE\na          1d\nlong-one   2s\n"
    assert shown("wide") == "NAME       AGE   MORE\na          1d    x\nlong-one   2s    y\n"


def test_other_forms_are_for_programs() -> None:
    assert shown("name") == "thing/a\nthing/long-one\n"
    assert json.loads(shown("json")) == DOCUMENTS == yaml.safe_load(shown("yaml"))


@pytest.mark.parametrize("output", ["table", "wide", "name"])
def test_nothing_found_prints_nothing(output: Format) -> None:
    assert shown(output, []) == ""


@pytest.mark.parametrize("output", ["table", "wide", "name"])
def test_no_cell_moves_the_cursor_or_makes_a_line(output: Format) -> None:
    text = shown(output, [("a\x1b[2Jb\nc", "1\r2", "\u2028")])
    assert "\x1b" not in text
    assert "\r" not in text
    assert len(text.splitlines()) == (1 if output == "name" else 2)


def test_a_document_alone() -> None:
    with redirect_stdout(io.StringIO()) as stdout:
        document("json", {"a": None})
    assert stdout.getvalue() == '{\n  "a": null\n}\n'


@pytest.mark.parametrize(
    ("past", "said"),
    [
        (timedelta(seconds=-5), "0s"),
        (timedelta(seconds=119), "119s"),
        (timedelta(seconds=120), "2m"),
        (timedelta(minutes=179), "179m"),
        (timedelta(hours=3), "3h"),
        (timedelta(hours=47), "47h"),
        (timedelta(hours=48), "2d"),
    ],
)
def test_ages_are_said_as_kubectl_says_them(past: timedelta, said: str) -> None:
    now = datetime(2026, 6, 1, tzinfo=UTC)
    assert age((now - past).strftime("%Y-%m-%dT%H:%M:%SZ"), now) == said


@pytest.mark.parametrize("text", [None, "", "yesterday", "2026-06-01T00:00:00"])
def test_an_age_that_nobody_knows(text: str | None) -> None:
    assert age(text) == "<unknown>"


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("stderr", "environ", "said"),
    [
        (io.StringIO, {}, ""),
        (Terminal, {"NO_COLOR": "1", "TERM": "xterm"}, "Reading …\n"),
        (Terminal, {"TERM": "dumb"}, "Reading …\n"),
    ],
)
def test_a_spinner_is_for_terminals_that_want_it(
    stderr: type[io.StringIO], environ: dict[str, str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with patch.dict(os.environ, environ), redirect_stderr(stderr()) as stream, spinner("Reading"):
        pass
    assert stream.getvalue() == said
    assert capsys.readouterr().out == ""


def test_a_spinner_turns_and_leaves_nothing_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("NO_COLOR", "FORCE_COLOR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm")
    with redirect_stderr(Terminal()) as stream, spinner("Reading"):
        pass
    assert "Reading" in stream.getvalue()
    assert stream.getvalue().endswith("\x1b[2K")


FINDINGS = (ok("one", "is there"), warn("two", "is odd"), fail("three", "is not\nthere", "make\x1b it"))


def written(stdout: io.TextIOBase, *findings: Finding) -> None:
    with redirect_stdout(stdout):
        write(findings or FINDINGS, before=["first"], after=["last"])


def text_in(encoding: str) -> str:
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding=encoding, newline="\n")
    written(stream)
    stream.flush()
    return raw.getvalue().decode(encoding)


def test_findings_have_marks_and_remedies() -> None:
    assert text_in("utf-8") == "first\n✓ one: is there\n! two: is odd\n✗ three: is not there\n  → make  it\nlast\n"


def test_marks_are_ascii_where_they_must() -> None:
    text = "first\n[ok]   one: is there\n[warn] two: is odd\n[fail] three: is not there\n  -> make  it\nlast\n"
    assert text_in("ascii") == text
    stdout = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    written(stdout, ok("é", "…"))  # does not fail


@pytest.mark.parametrize(("environ", "escapes"), [({}, 6), ({"NO_COLOR": "1"}, 0), ({"TERM": "dumb"}, 0)])
def test_marks_are_coloured_on_a_terminal_that_wants_it(environ: dict[str, str], escapes: int) -> None:
    stdout = Terminal()
    with patch.dict(os.environ, {"NO_COLOR": "", "TERM": "xterm", **environ}):
        written(stdout)
    assert stdout.getvalue().count("\x1b[") == escapes
    assert sys.stdout is not stdout
