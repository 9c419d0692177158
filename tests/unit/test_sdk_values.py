from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from theazo._core.values import Values
from theazo._sources import checked, collect
from theazo.errors import ConfigurationError, InvalidName, InvalidValue
from theazo.rules import MAX_VALUE
from theazo.sealing import Binding
from theazo.secret_value import SecretValue
from theazo_operator.opening import Keyring

KEYRING = Keyring({1: bytes(range(32))})
Given = Mapping[str, Any] | None


def found(values: Any = None, env_file: Any = None, from_env: Any = (), required: Any = ()) -> dict[str, bytes]:
    """What would be set, as the operator sees it."""
    sealed = checked(collect(values, env_file, from_env, required)).sealed(
        "acme", "demo", "i", KEYRING.public_key("acme")
    )
    return {name: KEYRING.open(text, Binding("acme", "demo", "i", name)).reveal() for name, text in sealed.items()}


def test_values_of_every_kind() -> None:
    given_ = {"A": "text", "B": b"bytes", "C": SecretValue(b"secret")}
    assert found(given_) == {"A": b"text", "B": b"bytes", "C": b"secret"}


@given(
    st.dictionaries(
        st.from_regex(r"X_[A-Z]{1,5}", fullmatch=True),
        st.text(st.characters(exclude_characters="\0", codec="utf-8"), min_size=1),
        min_size=1,
        max_size=3,
    )
)
def test_every_text_arrives(values: dict[str, str]) -> None:
    assert found(values) == {name: value.encode() for name, value in values.items()}


def test_an_env_file(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("# x\nexport A=1\nB='two\nlines'\n")
    assert found(env_file=tmp_path / ".env") == {"A": b"1", "B": b"two\nlines"}
    assert found(env_file=str(tmp_path / ".env"), required=["B"])


def test_variables_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("A_1", "ü$x")
    assert found(from_env=["A_1"]) == {"A_1": "ü$x".encode()}


def test_all_sources_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".env").write_text("B=2")
    monkeypatch.setenv("C_1", "3")
    assert found({"A": "1"}, tmp_path / ".env", ["C_1"], ["A", "B", "C_1"]) == {"A": b"1", "B": b"2", "C_1": b"3"}


def test_everything_that_is_missing_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("C_1", raising=False)
    (tmp_path / ".env").write_text("B=2")
    with pytest.raises(ConfigurationError, match=r"no value for N, C_1, Z; nothing was set") as caught:
        found({"A": "1", "N": None}, tmp_path / ".env", ["C_1"], ["A", "B", "C_1", "Z"])
    assert caught.value.missing == ("N", "C_1", "Z")


@pytest.mark.parametrize("given_", [None, {}])
def test_nothing_at_all(given_: Given, tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("# only a comment\n")
    for source in (None, tmp_path / ".env"):
        with pytest.raises(ConfigurationError, match="no value to set"):
            found(given_, source)


@pytest.mark.parametrize(
    ("values", "kind", "words"),
    [
        ({"a-b": "x"}, InvalidName, "letters, digits"),
        ({"": "x"}, InvalidName, "letters, digits"),
        ({"A" * 129: "x"}, InvalidName, "128"),
        ({"PATH": "x"}, InvalidName, "PATH is reserved"),
        ({"A": ""}, InvalidValue, "A: the value has 0 bytes"),
        ({"A": "x\0"}, InvalidValue, "A: the value holds a NUL"),
        ({"A": b"\xff"}, InvalidValue, "A: the value is not UTF-8"),
        ({"A": "x\ud800"}, InvalidValue, "A: the value is not valid Unicode"),
        ({"A": "x" * (MAX_VALUE + 1)}, InvalidValue, "A: the value has 65537 bytes"),
        ({"A": 5}, TypeError, "the value of A is str, bytes or SecretValue, not int"),
        ({"A": ["x"]}, TypeError, "not list"),
        ({5: "x"}, TypeError, "a secret's name is a str, not int"),
        ([("A", "x")], TypeError, "a mapping"),
        ("A=x", TypeError, "a mapping"),
        ({f"N{n}": "x" for n in range(257)}, ConfigurationError, "257 names"),
    ],
    ids=lambda found: getattr(
        found, "__name__", str(found)[:20].replace("\0", "0").encode("ascii", "replace").decode()
    ),
)
def test_what_is_refused(values: Any, kind: type[Exception], words: str) -> None:
    with pytest.raises(kind, match=words) as caught:
        found(values)
    assert caught.value.__context__ is None


@pytest.mark.parametrize("text", ["A", "A='x", 'A="\\x"', "A=x # y"])
def test_an_env_file_with_a_broken_line(tmp_path: Path, text: str) -> None:
    (tmp_path / ".env").write_text(f"B=1\n{text}")
    with pytest.raises(ConfigurationError, match=r"\.env:2: "):
        found(env_file=tmp_path / ".env")


def test_a_name_that_an_env_file_has_twice(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("A=1\nA=2")
    with pytest.raises(ConfigurationError, match="A is given twice; keep one"):
        found(env_file=tmp_path / ".env")
    with pytest.raises(ConfigurationError, match="A is given twice"):
        found({"A": "1"}, from_env=["A"])


def test_files_that_are_none(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "none", "a\0b", "x" * 5000, 5):
        with pytest.raises(ConfigurationError, match="env_file: cannot read it") as caught:
            found(env_file=path)
        assert caught.value.__context__ is None
        assert str(path) == "5" or str(path) not in str(caught.value)
    (tmp_path / ".env").write_bytes(b"A=1\nB=\xff")
    with pytest.raises(ConfigurationError, match=r"\.env:2: not UTF-8"):
        found(env_file=tmp_path / ".env")
    (tmp_path / ".env").write_bytes(b"A" * (4 * 1024 * 1024 + 1))
    with pytest.raises(ConfigurationError, match="longer than 4 MiB"):
        found(env_file=tmp_path / ".env")


@pytest.mark.parametrize("names", ["AB", "A"])
def test_one_text_where_a_list_belongs(names: str) -> None:
    with pytest.raises(TypeError, match="lists of names"):
        found({"A": "1"}, from_env=names)
    with pytest.raises(TypeError, match="lists of names"):
        found({"A": "1"}, required=names)


@pytest.mark.parametrize("name", ["a-b", "sk-live-1", "", "x\ud800", 5])
def test_a_name_that_cannot_be_one_is_not_shown(name: Any) -> None:
    with pytest.raises((ConfigurationError, InvalidName, TypeError)) as caught:
        found({"A": "1"}, from_env=[name])
    assert str(name) in {"", "5"} or str(name) not in str(caught.value)
    with pytest.raises(ConfigurationError) as caught:
        found({"A": "1"}, required=[name])
    assert str(name) in {"", "5"} or str(name) not in str(caught.value)


def test_what_they_are_is_not_to_be_seen() -> None:
    values = Values()
    values.add("A", SecretValue(b"c4n4ry"))
    assert repr(values) == "<1 values>"
    assert not hasattr(values, "__dict__")
