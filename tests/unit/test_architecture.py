"""Rules about the code itself that no other tool holds."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
OPERATOR = ROOT / "operator" / "theazo_operator"
SDK = ROOT / "sdk" / "python" / "src" / "theazo"
SOURCES = sorted([*OPERATOR.rglob("*.py"), *SDK.rglob("*.py")])
PRODUCT = sorted([*SOURCES, *(ROOT / "hack").rglob("*.py")])
TESTS = sorted((ROOT / "tests").rglob("*.py"))
# Lines; beyond that a file is about more than one thing, a function does more than one.
LONGEST_FILE, LONGEST_TESTS, LONGEST_FUNCTION = 250, 600, 40

# Where a plaintext may leave its SecretValue: into a cipher, out of one, and into the body of the one Secret.
REVEALS = {
    "theazo/_primitives.py",
    "theazo/rules.py",
    "theazo_operator/_primitives.py",
    "theazo_operator/reconcile/sandbox.py",
}


def name_of(path: Path) -> str:
    base = OPERATOR.parent if path.is_relative_to(OPERATOR) else SDK.parent
    return path.relative_to(base).as_posix()


def calls_of(method: str, path: Path) -> Iterator[ast.Attribute]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Attribute) and node.attr == method:
            yield node


def test_there_are_sources_to_look_at() -> None:
    assert {"theazo/sealing.py", "theazo_operator/opening.py"} <= {name_of(path) for path in SOURCES}


def test_plaintexts_are_revealed_where_they_must_be_and_nowhere_else() -> None:
    """Any use of the attribute counts, a call or not: `peek = value.reveal` would be a way round."""
    revealing = {name_of(path) for path in SOURCES if any(calls_of("reveal", path))}
    assert revealing == REVEALS


@pytest.mark.parametrize("name", sorted(REVEALS))
def test_a_revealed_plaintext_is_never_assigned(name: str) -> None:
    """A local variable would hold it for longer than the call, and show up in a traceback that prints those."""
    [path] = [each for each in SOURCES if name_of(each) == name]
    assigned = [
        node.lineno
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Assign | ast.AnnAssign | ast.NamedExpr)
        and isinstance(node.value, ast.Call)
        and isinstance(node.value.func, ast.Attribute)
        and node.value.func.attr == "reveal"
    ]
    assert assigned == []


def test_nothing_prints_and_no_traceback_is_logged() -> None:
    """`log.exception` and `exc_info` are safe by our formatter only; `print` has none."""
    offenders = [
        f"{name_of(path)}:{node.lineno}"
        for path in SOURCES
        if path.is_relative_to(OPERATOR)
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if (isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "print")
        or (isinstance(node, ast.Attribute) and node.attr in {"print_exc", "format_exc", "exception"} and _on_log(node))
    ]
    assert offenders == []


def _on_log(node: ast.Attribute) -> bool:
    return isinstance(node.value, ast.Name) and node.value.id in {"log", "logging", "logger", "traceback"}


def test_the_folder_named_operator_is_no_package() -> None:
    assert not (OPERATOR.parent / "__init__.py").exists()
    assert list(OPERATOR.parent.glob("*.py")) == []


def test_the_standard_librarys_operator_is_still_found_from_the_root() -> None:
    code = "import operator; print(operator.__file__); print(operator.add(1, 2))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    where, three = done.stdout.split()
    assert not Path(where).is_relative_to(ROOT)
    assert three == "3"


@pytest.mark.parametrize(
    ("paths", "longest"), [(PRODUCT, LONGEST_FILE), (TESTS, LONGEST_TESTS)], ids=["product", "tests"]
)
def test_files_are_about_one_thing(paths: list[Path], longest: int) -> None:
    lines = {str(path.relative_to(ROOT)): len(path.read_text(encoding="utf-8").splitlines()) for path in paths}
    assert lines
    assert {name: number for name, number in lines.items() if number > longest} == {}


Function = ast.FunctionDef | ast.AsyncFunctionDef


def without_docstring(function: Function) -> int:
    """How many lines a function has; what is read as documentation, or shown as a command's help, is no code."""
    whole = (function.end_lineno or 0) - function.lineno + 1
    first = function.body[0]
    told = ast.get_docstring(function) is not None
    return whole - ((first.end_lineno or 0) - first.lineno + 1 if told else 0)


def test_functions_do_one_thing() -> None:
    lines = {
        f"{path.relative_to(ROOT)}:{node.name}": without_docstring(node)
        for path in PRODUCT
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, Function)
    }
    assert lines
    assert {name: number for name, number in lines.items() if number > LONGEST_FUNCTION} == {}


def test_kopfs_handlers_are_adapters() -> None:
    tree = ast.parse((OPERATOR / "handlers.py").read_text(encoding="utf-8"))
    functions = [node for node in ast.walk(tree) if isinstance(node, ast.AsyncFunctionDef)]
    assert functions
    assert [each.name for each in functions if (each.end_lineno or 0) - each.lineno + 1 > 10] == []


def test_the_api_does_not_even_load_what_opens_values() -> None:
    """Nor kopf: its process is small, and nothing in it could open a value if it had a key."""
    code = "import sys, theazo_operator.api.__main__; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    loaded = set(done.stdout.split())
    assert "theazo_operator.api.service" in loaded
    assert not loaded & {"kopf", "kubernetes", "theazo_operator.opening", "theazo_operator._primitives"}
