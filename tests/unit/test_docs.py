"""What is written for people is held to the code: reasons, names, limits, manifests, commands, links."""

import re
import shlex
from collections.abc import Iterator
from itertools import takewhile
from pathlib import Path
from typing import Any

import pytest
import yaml

from hack.cluster.__main__ import parser as cluster_parser
from tests.support.docblocks import blocks
from tests.support.docs import DOCUMENTS, ROOT, Fence, anchors, fences, first_cells, inline_code, links, problems
from theazo import rules
from theazo.cli.app import app as theazo
from theazo_operator.api import problems as api_problems
from theazo_operator.reasons import Reason
from theazo_operator.reconcile.secrets import MAX_TOTAL

DOCS = ROOT / "docs"
#: Kinds of others that our documents show: they are parsed, and checked no further.
FOREIGN_KINDS = {"Application", "EncryptionConfiguration", "Kustomization", "PodTemplate", "ResourceQuota", "Role"}
SCHEMAS = {
    crd["spec"]["names"]["kind"]: crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    for path in sorted((ROOT / "crds").glob("theazo*.yaml"))
    for crd in yaml.safe_load_all(path.read_text(encoding="utf-8"))
}
TARGETS = set(re.findall(r"(?m)^([a-z][a-z-]*):", (ROOT / "Makefile").read_text(encoding="utf-8")))


def of_documents(language: str) -> list[Any]:
    return [
        pytest.param(fence, id=f"{path.relative_to(ROOT)}:{fence.line}")
        for path in DOCUMENTS
        for fence in fences(path)
        if fence.language == language
    ]


def test_every_reason_is_documented_and_nothing_else_is() -> None:
    documented = first_cells(DOCS / "reasons.md", r"[A-Z]\w+")
    assert set(documented) == {reason.value for reason in Reason}


def test_the_reserved_names_are_the_documented_ones() -> None:
    rows = [line for line in (DOCS / "names.md").read_text(encoding="utf-8").splitlines() if line.startswith("| ")][1:]
    documented = {
        cells[0]: (set(inline_code(cells[1])), set(inline_code(cells[2])))
        for cells in ([cell.strip() for cell in row.split("|")[1:4]] for row in rows)
    }
    assert documented == {group.why: (set(group.names), set(group.prefixes)) for group in rules.RESERVED}


@pytest.mark.parametrize(
    ("limit", "value"),
    [
        ("a name, in characters", f"{rules.MAX_NAME}"),
        ("a value, in bytes", f"1 to {rules.MAX_VALUE}"),
        ("names in a session", f"{rules.MAX_NAMES}"),
        ("ciphertext of a session, in bytes", f"{rules.MAX_CIPHERTEXT_TOTAL}"),
        (
            "names that an agent declares",
            f"{SCHEMAS['TheazoAgent']['properties']['spec']['properties']['secrets']['maxItems']}",
        ),
        ("values of one agent together, in bytes", f"{MAX_TOTAL}"),
    ],
)
def test_the_limits_are_the_documented_ones(limit: str, value: str) -> None:
    assert f"\n| {limit} | {value} |\n" in (DOCS / "secrets.md").read_text(encoding="utf-8")


def test_the_codes_of_problems_are_the_documented_ones() -> None:
    text = (DOCS / "api.md").read_text(encoding="utf-8")
    documented = [(int(status), code) for status, code in re.findall(r"(?m)^\| (\d{3}) \| `([a-z_]+)` \|", text)]
    assert sorted(documented) == sorted((kind.status, kind.code) for kind in api_problems.KINDS)


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_block_has_a_rule_by_which_it_is_run(path: Path) -> None:
    assert len(blocks(path)) == len(fences(path))


@pytest.mark.parametrize("fence", of_documents("yaml"))
def test_a_manifest_is_one_that_the_api_server_takes(fence: Fence) -> None:
    for manifest in yaml.safe_load_all(fence.text):
        if "kind" not in manifest:
            assert "as `" in fence.intro, "what is no manifest is saved as a file, for a command that reads it"
        elif manifest["kind"] not in FOREIGN_KINDS:
            assert manifest["apiVersion"] == "theazo.dev/v1alpha1"
            assert problems(manifest, SCHEMAS[manifest["kind"]], manifest["kind"]) == []


def test_the_check_of_manifests_finds_what_is_wrong() -> None:
    spec = {"sessionRef": {}, "compute": 1, "secrets": [{"name": "A" * 129, "form": "B"}], "restartPolicy": "Once"}
    found = problems({"kind": "TheazoAgent", "spec": spec}, SCHEMAS["TheazoAgent"], "TheazoAgent")
    assert found == [
        "TheazoAgent.spec.sessionRef: name is missing",
        "TheazoAgent.spec.compute: not a string",
        "TheazoAgent.spec.secrets[0].name: too long",
        "TheazoAgent.spec.secrets[0].form: unknown",
        "TheazoAgent.spec.restartPolicy: not one of Never, OnFailure, Always",
    ]


def commands(text: str) -> Iterator[list[str]]:
    lines = iter(text.replace("\\\n", " ").splitlines())
    for line in lines:
        whole = line
        while _is_open(whole):
            whole += f"\n{next(lines)}"
        # What is piped or substituted belongs to other programs.
        lexer = shlex.shlex("" if "$(" in whole else whole, posix=True, punctuation_chars=True)
        lexer.whitespace_split = True
        yield list(takewhile(lambda word: not set(word) <= set("();<>|&"), lexer))


def _is_open(text: str) -> bool:
    try:
        shlex.split(text, comments=True)
    except ValueError:
        return True
    return False


def is_known(words: list[str]) -> bool:
    """Whether a command line of ours would be understood. Those of others are not judged."""
    match words:
        case ["make", *targets]:
            return set(targets) <= TARGETS
        case ["theazo", *arguments]:
            theazo.parse_args(arguments, exit_on_error=False, print_error=False)  # raises what is wrong
        case ["python3", "-m", "hack.cluster", *arguments]:
            cluster_parser().parse_args(arguments)
    return True


@pytest.mark.parametrize("fence", of_documents("sh"))
def test_a_command_is_one_that_there_is(fence: Fence) -> None:
    for words in commands(fence.text):
        assert is_known(words), words


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_command_in_the_text_is_one_that_there_is(path: Path) -> None:
    for code in inline_code(path.read_text(encoding="utf-8")):
        words = shlex.split(code) if re.match(r"(make|theazo) [a-z]", code) else []
        if words[:1] == ["theazo"]:
            # In the text the arguments are often left out: the command itself has to be there.
            words = [*[word for word in words if re.fullmatch(r"[a-z-]+", word)], "--help"]
        assert is_known(words), code


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_link_leads_somewhere(path: Path) -> None:
    for link in links(path):
        target, _, anchor = link.partition("#")
        there = (path.parent / target).resolve() if target else path
        assert there.is_relative_to(ROOT), link
        assert there.exists(), link
        assert not anchor or anchor in anchors(there), link


def test_what_the_product_points_to_is_there() -> None:
    places = [*(ROOT / "crds").glob("*.yaml"), *(ROOT / "manifests").rglob("*.yaml")]
    places += [*(ROOT / "operator").rglob("*.py"), *(ROOT / "sdk" / "python" / "src").rglob("*.py")]
    named = {name for place in places for name in re.findall(r"docs/[\w-]+\.md", place.read_text(encoding="utf-8"))}
    assert named
    assert [name for name in sorted(named) if not (ROOT / name).exists()] == []


def test_files_and_folders_in_the_text_are_there() -> None:
    folders = "crds|docs|hack|manifests|operator|sdk|tests"
    for path in DOCUMENTS:
        for code in inline_code(path.read_text(encoding="utf-8")):
            if re.fullmatch(rf"({folders})(/[\w.-]+)*/?", code):
                assert (ROOT / code).exists(), f"{path.name}: {code}"
