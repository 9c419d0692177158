import io

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from theazo import envfile


def pairs(text: str) -> list[tuple[str, str]]:
    lines = envfile.parse(text)
    assert not [line for line in lines if line.problem]
    return [(line.name, line.value.reveal().decode()) for line in lines]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("A=b", "b"),
        ("export A=b", "b"),
        ("\texport   A = b c \t", "b c"),
        ("A=", ""),
        ("A=''", ""),
        ("A=x=y==", "x=y=="),
        ("A=b'c\"d", "b'c\"d"),
        ("A=b#c", "b#c"),
        ("A=$HOME ${X} `x` \\n", "$HOME ${X} `x` \\n"),
        ("A='$HOME \\n # \"x\"'", '$HOME \\n # "x"'),
        ("A='two\nlines\n' # comment", "two\nlines\n"),
        ('A="$HOME # x"  # comment', "$HOME # x"),
        ('A="two\nlines"', "two\nlines"),
        (r'A="\n\r\t\"\\\$"', '\n\r\t"\\$'),
        ("A='two\r\nlines'\r\n", "two\nlines"),
        ("A=b\r\n", "b"),
        ("\ufeffA=b", "b"),
        ("A=é\u2028ü", "é\u2028ü"),
        ("# A=x\n\n  # A=y\nA=b\n#", "b"),
    ],
)
def test_what_a_line_means(text: str, value: str) -> None:
    assert pairs(text) == [("A", value)]


def test_every_line_counts_with_its_number() -> None:
    lines = envfile.parse("\n# x\nA='1\n2\n3'\nB=4\nA=5\nno-rule.for:names=6")
    assert [(line.number, line.name, line.value.reveal().decode()) for line in lines] == [
        (3, "A", "1\n2\n3"),
        (6, "B", "4"),
        (7, "A", "5"),
        (8, "no-rule.for:names", "6"),
    ]


@pytest.mark.parametrize(
    ("text", "numbers"),
    [
        ("A=1\nSECRET\nB=2\nSECRET SECRET=1", [2, 4]),
        ("A=-----BEGIN KEY-----\nSECRET\n+SECRET=\n-----END KEY-----", [2, 4]),
        ("=SECRET", [1]),
        ("'A'=SECRET", [1]),
        ("A=SECRET # SECRET", [1]),
        ("A=#SECRET", [1]),
        ("\nA='SECRET", [2]),
        ('\nA="SECRET\n\nB=SECRET', [2]),
        ('A="SECRET\\"', [1]),
        ('A="SECRET"SECRET\nB=1', [1]),
        ("A='it\\'s SECRET'\nB=1", [1]),
        ('A="\\SECRET\n"\nB', [1, 3]),
        ('A="SECRET\\\n"', [1]),
    ],
)
def test_a_problem_names_its_line_and_quotes_nothing(text: str, numbers: list[int]) -> None:
    lines = [line for line in envfile.parse(text) if line.problem]
    assert [line.number for line in lines] == numbers
    assert "SECRET" not in str(lines)
    assert all((line.name, len(line.value)) == ("", 0) for line in lines)


def test_a_line_does_not_show_its_value() -> None:
    lines = envfile.parse("A=SECRET\nB='SECRET'\nC=\ud800SECRET")
    assert [len(line.value) for line in lines] == [6, 6, 9]
    assert "SECRET" not in str(lines)


@pytest.mark.parametrize(
    ("data", "lines"),
    [
        (b"A=SECRET\nB=1", [(1, "A", ""), (2, "B", "")]),
        (b"A=1\nSECRET\nB=2", [(2, "", "is not NAME=VALUE; a value of several lines needs quotes")]),
        (b"A=1\nB=\xff", [(2, "", "not UTF-8; encode binary data, as base64 for example")]),
        (b"A=1\nB=" + b"x" * envfile.MAX_SIZE, [(2, "", "longer than 4 MiB, more than any session holds")]),
    ],
    ids=["good", "broken", "binary", "long"],
)
def test_a_file_is_all_its_lines_or_what_is_broken(data: bytes, lines: list[tuple[int, str, str]]) -> None:
    assert [(line.number, line.name, line.problem) for line in envfile.read(io.BytesIO(data))] == lines


@settings(deadline=None)
@given(st.dictionaries(st.from_regex(r"[A-Z_]{1,9}", fullmatch=True), st.text(), min_size=1))
def test_whatever_is_escaped_in_double_quotes_comes_back(values: dict[str, str]) -> None:
    def quoted(value: str) -> str:
        return '"' + value.replace("\\", "\\\\").replace('"', '\\"').replace("\r", "\\r") + '"'

    assert dict(pairs("".join(f"{name}={quoted(value)}\n" for name, value in values.items()))) == values


@settings(deadline=None)
@given(st.text())
def test_any_text_is_read_to_its_end(text: str) -> None:
    lines = envfile.parse(text)
    assert all(1 <= line.number <= text.count("\n") + 1 for line in lines)
    assert [line.number for line in lines] == sorted({line.number for line in lines})
