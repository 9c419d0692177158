"""The runner of documents: what it takes for a block, what it does with it, and that it fails where a document does."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import docscripts
from tests.support.cluster import wait_until
from tests.support.docblocks import Block, DocumentError, blocks, namespaces, recipients, takes_platform
from tests.support.docmatch import json_problem, text_problem
from tests.support.docs import Fence
from tests.support.docsession import Printed, Shell


def document(folder: Path, *parts: str) -> Path:
    """A document of paragraphs and blocks; a block is given as `language` and its text, with a line break between."""
    written = folder / "document.md"
    written.write_text("\n\n".join(parts) + "\n", encoding="utf-8")
    return written


def fenced(language: str, text: str) -> str:
    return f"```{language}\n{text}\n```"


SH = fenced("sh", "cat values.json")
JSON = fenced("json", "{}")


def test_each_block_gets_its_rule(tmp_path: Path) -> None:
    parts = ["# Title", "Save this as `values.json`, beside it:", JSON, SH, JSON, "And:", fenced("text", "{}")]
    parts += ["## More", fenced("yaml", "kind: Role"), fenced("python", "1"), fenced("ts", "1")]
    found = blocks(document(tmp_path, *parts))
    assert [(block.do, block.name, block.after) for block in found] == [
        ("save", "values.json", -1),
        ("sh", "", -1),
        ("printed", "", 1),
        ("printed", "", 1),
        ("manifest", "", -1),
        ("python", "", -1),
        ("ts", "", -1),
    ]
    assert [block.fence.section for block in found] == [1, 1, 1, 1, 2, 2, 2]


@pytest.mark.parametrize(
    ("parts", "says"),
    [
        ([fenced("", "ls")], "no rule says what is done with ``"),
        ([fenced("js", "1")], "no rule says what is done with `js`"),
        ([fenced("dotenv", "A=1")], "no rule says what is done with `dotenv`"),
        ([fenced("toml", "a = 1"), SH], "no rule says what is done with `toml`"),
        ([fenced("text", "hello")], "nothing above, under the same heading, prints this"),
        ([SH, "## More", JSON], "nothing above, under the same heading, prints this"),
        (["Save this as `values.json`:", JSON], "values.json is saved, and nothing below uses it"),
        (["Save this as `values.json`:", fenced("sh", "ls")], "`values.json` is no name for a file of sh"),
        (["Save this as `../values.json`:", JSON, SH], "`../values.json` is no name for a file of json"),
        (["- an item", "  ```sh\n  ls\n  ```"], "document.md:3: code outside of blocks"),
        (["~~~\nls\n~~~"], "document.md:1: code outside of blocks"),
        (["```sh title=x\nls\n```"], "document.md:1: code outside of blocks"),
        (["Run:", "    make test"], "document.md:3: code outside of blocks"),
        (["<pre>make test</pre>"], "document.md:1: code outside of blocks"),
    ],
)
def test_a_block_that_nothing_would_run_is_refused(tmp_path: Path, parts: list[str], says: str) -> None:
    with pytest.raises(DocumentError) as refused:
        blocks(document(tmp_path, *parts))
    assert says in str(refused.value)


def test_a_sentence_that_only_mentions_a_file_saves_none(tmp_path: Path) -> None:
    parts = ["It has the same form as `values.json`. Then:", fenced("sh", "ls"), "As `-` it is read.", SH]
    assert [block.do for block in blocks(document(tmp_path, *parts))] == ["sh", "sh"]


def test_what_a_document_needs_is_read_from_it(tmp_path: Path) -> None:
    text = "kubectl create namespace acme\nkubectl create ns globex\ngpg --encrypt --recipient ops@example.com < a > b"
    found = blocks(document(tmp_path, fenced("sh", text)))
    assert namespaces(found) == {"acme", "globex"}
    assert recipients(found) == {"ops@example.com"}
    assert not takes_platform(found)
    assert takes_platform(blocks(document(tmp_path, fenced("ts", "1"))))
    assert not takes_platform(blocks(document(tmp_path, fenced("ts", "1"), fenced("sh", "kubectl create namespace a"))))


@pytest.mark.parametrize(
    ("expected", "printed", "same"),
    [
        ("a b\n", "a   b\n", True),
        ("a b\n", "first\na b\n\n", True),
        ("a b\n", "a b\nlast\n", False),
        ("a b\n", "a c\n", False),
        ("a b\n", "a b c\n", False),
        ("a 2s\n", "a 13s\n", True),
        ("a s-…\n", "a s-abc\n", True),
        ("a …\n", "a b c d\n", True),
        ("a …\n", "b b\n", False),
        ("a\n…\nb\n", "a\n1\n2\nb\n", True),
        ("a\n…\nb\n", "a\nb\n", True),
        ("a\n…\nb\n", "a\n1\n", False),
        ("a\n", "", False),
    ],
)
def test_a_text_is_compared_by_its_words(expected: str, printed: str, same: bool) -> None:  # noqa: FBT001 - a column
    assert (text_problem(expected, printed) == "") is same


@pytest.mark.parametrize(
    ("expected", "printed", "problem"),
    [
        ('{"a": "x", "b": [1]}', '{"b":[2,3],"a":"y"}', ""),
        ('{"a": 1}', 'HTTP/1.1 200 OK\n\n{"b": 0}{"a": 2}\n', ""),
        ("[]", "[]", ""),
        ('{"a": null}', '{"a": null}', ""),
        ('{"a": 1}', '{"a": "1"}', "it.a is a text, and a number is shown"),
        ('{"a": 1}', '{"a": true}', "it.a is a boolean, and a number is shown"),
        ('{"a": null}', '{"a": "x"}', "it.a is a text, and null is shown"),
        ('{"a": {"b": 1}}', '{"a": {}}', "it.a has no `b`"),
        ('{"a": 1}', '{"a": 1, "c": 2}', "it has `c`, which is not shown"),
        ('{"a": [{"b": 1}]}', '{"a": [{"b": 1}, {"c": 1}]}', "it.a[1] has no `b`"),
        ('{"a": [1, "x"]}', '{"a": ["y", 2, null]}', "it.a[2] is null, and a number is shown"),
        ('{"a": [1]}', '{"a": []}', "it.a is empty"),
        ('{"a": []}', '{"a": [1]}', "it.a is not empty"),
        ("{}", "{} and more", "what was printed does not end with JSON"),
        ("{}", "", "what was printed does not end with JSON"),
    ],
)
def test_json_is_compared_by_its_structure(expected: str, printed: str, problem: str) -> None:
    assert json_problem(expected, printed) == problem


def test_json_that_is_none_is_said() -> None:
    with pytest.raises(ValueError, match="Expecting"):
        json_problem('{"a": …}', "{}")


@pytest.fixture
def shell(tmp_path: Path) -> Iterator[Shell]:
    session = Shell(tmp_path, {"PATH": "/usr/bin:/bin", "HOME": str(tmp_path)}, tmp_path)
    yield session
    session.close()


def test_the_blocks_of_a_shell_share_what_they_set(shell: Shell, tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    assert shell.run("a=1; export B=$'2\\n3'\ncd there; echo said >&2") == Printed("", "said\n", done=True)
    assert shell.run('echo "$a $B"') == Printed("1 2\n3\n", "", done=True)
    assert (shell.environment["B"], shell.cwd) == ("2\n3", tmp_path / "there")
    assert "a" not in shell.environment


@pytest.mark.parametrize("text", ["echo a\nfalse\necho b", "echo a\nfalse | cat\necho b", 'echo a\n: "$unset"\necho b'])
def test_a_shell_ends_at_the_first_failure(shell: Shell, text: str) -> None:
    printed = shell.run(text)
    assert (printed.out, printed.done) == ("a\n", False)
    assert "line 2: " in printed.err
    assert not shell.run("echo c").done


def test_questions_at_the_terminal_are_answered_alike(shell: Shell) -> None:
    ask = "printf 'Value of A: ' > /dev/tty; read -r x; echo \"$x\""
    first, again = shell.run(ask), shell.run(ask.replace("Value of", "Once more,"))
    assert first.out.startswith("typed-")
    assert again.out == first.out
    assert shell.run(ask.replace("A: ", "B: ")).out not in ("", first.out)


def test_what_runs_in_the_background_ends_with_the_document(tmp_path: Path) -> None:
    session = Shell(tmp_path, {"PATH": "/usr/bin:/bin"}, tmp_path)
    try:
        printed = session.run('tail -f /dev/null & echo "$!"')
        process = Path("/proc", printed.out.strip(), "cmdline")
        wait_until("tail runs", lambda: process.read_bytes().startswith(b"tail"))
    finally:
        session.close()
    wait_until("tail has ended", lambda: not process.exists() or process.read_bytes() == b"")


def test_the_blocks_of_python_are_one_program_with_the_shells_environment(
    tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    where = tmp_path / "document.md"
    session = docscripts.python(tmp_path, {"PATH": "/usr/bin:/bin"}, Path("/"))
    request.addfinalizer(session.close)

    def run(text: str, line: int = 1, **environment: str) -> Printed:
        return docscripts.run(session, Block(where, Fence("python", text, line), "python"), environment, tmp_path)

    assert run("import os\ndef f(): return os.environ['A'], os.getcwd()") == Printed("", "", done=True)
    assert run("print(*f())", A="1") == Printed(f"1 {tmp_path}\n", "", done=True)
    where.write_text("\n\nassert not 'here'\n")
    failed = run("assert not 'here'", 3)
    assert not failed.done
    assert f"\"{where}\", line 3, in <module>\n    assert not 'here'" in failed.err
    assert session.close() == 1


def test_python_is_the_projects(tmp_path: Path) -> None:
    session = docscripts.python(tmp_path, {}, tmp_path)
    block = Block(tmp_path, Fence("python", "import sys, theazo; print(sys.executable)", 1), "python")
    assert docscripts.run(session, block, {}, tmp_path).out == f"{sys.executable}\n"
    assert session.close() == 0
