"""Files of manifests as `theazo verify` and `theazo diff` read them: their TheazoSecrets, and all that is wrong.

Nothing of a TheazoSecret in which something is wrong comes out of here: what is shown of others is no plaintext.
"""

import re
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from theazo.cli import manifest_file, yaml_text
from theazo.cli.manifest import Manifest, of_document
from theazo.cli.manifest_fields import KIND, problem_with, shown
from theazo.cli.plaintexts import credentials_in, is_ours, problems_of
from theazo.cli.terminal import Refused
from theazo.errors import InvalidName
from theazo.rules import check_platform, check_session

STANDARD_INPUT = "-"

# Whatever is refused here has one of these words, so that other files cost nothing.
_CONCERNS = re.compile(rb"secret|theazo", re.IGNORECASE)
# Of files that aren't YAML as they are. Helm makes YAML of a chart's templates, and the values come from elsewhere.
_SECRETS = re.compile(r"\bkind\b.{0,20}\bSecret(List)?\b")
_SEALED = re.compile(rf"\bkind\b.{{0,20}}\b{KIND}(List)?\b")


class SealedFile(NamedTuple):
    """A TheazoSecret with nothing wrong in it, and the file that it is in."""

    where: str
    manifest: Manifest


def read(paths: Sequence[Path]) -> tuple[list[SealedFile], list[str]]:
    """Every good TheazoSecret in these files, `-` being standard input, and everything that is wrong in any of them."""
    found, problems = list[SealedFile](), list[str]()
    for path in paths:
        where = "standard input" if str(path) == STANDARD_INPUT else str(path)
        try:
            text, documents = _documents(path, where)
        except Refused as refusal:
            problems += refusal.problems
            continue
        manifests = list[Manifest]()
        for document in documents:
            try:
                manifests += _manifests(document, where)
            except Refused as refusal:
                problems += refusal.problems
        problems += [f"{where}: {why}" for why in _twice(manifests)]
        if any(map(is_ours, documents)):
            problems += [
                f"{where}:{line}: this looks like a credential; take it out, and replace it where it was issued"
                for line in credentials_in(text)
            ]
        found += [SealedFile(where, each) for each in manifests]
    return found, problems


def none_in(paths: Sequence[Path]) -> str:
    """What to say where there is none."""
    return f"no {KIND} in {'this file' if len(paths) == 1 else 'these files'}"


def _documents(path: Path, where: str) -> tuple[str, list[dict[str, Any]]]:
    """A file's text and objects; neither of one that has nothing to do with us or with Secrets."""
    raw = _content(path)
    bare = raw.replace(b"\0", b"")  # UTF-16 as well
    if not _CONCERNS.search(bare):
        return "", []
    try:
        text = manifest_file.decoded(raw, where)
        return text, [each for document in yaml_text.load(text, where) for each in yaml_text.objects(document)]
    except Refused:
        if _may_hold_values(bare.decode(errors="replace")):
            raise
        return "", []


def _content(path: Path) -> bytes:
    try:
        return sys.stdin.buffer.read() if str(path) == STANDARD_INPUT else manifest_file.content(path)
    except FileNotFoundError:
        raise Refused(f"cannot read {path}: there is no such file") from None
    except OSError as error:
        raise Refused(f"cannot read standard input: {error.strerror}") from None


def _may_hold_values(text: str) -> bool:
    is_template = 0 <= text.find("{{") < text.rfind("}}")
    return bool(_SEALED.search(text) or (_SECRETS.search(text) and not is_template))


def _manifests(document: dict[str, Any], where: str) -> list[Manifest]:
    problems = [f"{where}: {why}" for why in problems_of(document)]
    if not problems and document.get("kind") == KIND:
        read = of_document(document, where)
        problems = [f"{where}: {why}" for why in _against(read)]
        if not problems:
            return [read]
    if problems:
        raise Refused(*problems)
    return []


def _against(read: Manifest) -> Iterator[str]:
    for name, entry in read.entries.items():
        if why := problem_with(name, entry):
            yield f"entry {shown(name)}: {why}"
    try:
        check_session(read.name)
        check_platform(read.namespace)
    except InvalidName as error:
        yield f"metadata: {error}; both are what the values are sealed for"


def _twice(manifests: Sequence[Manifest]) -> Iterator[str]:
    """Of one file only: a copy in another may be for another cluster."""
    seen = set[tuple[str, str]]()
    for each in manifests:
        if (each.namespace, each.name) in seen:
            yield f"session {each.name} of platform {each.namespace} is there twice, and the last one wins; keep one"
        seen.add((each.namespace, each.name))
