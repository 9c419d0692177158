"""What is done with each fenced block of a document. A block that no rule covers is an error: none is exempt."""

import re
from pathlib import Path
from typing import Literal, NamedTuple

from tests.support.docs import Fence, fences, unfenced_code

Do = Literal["save", "sh", "python", "ts", "printed", "manifest"]
#: What the name of a saved file looks like, so that no sentence makes a file by accident of a block that is to be run.
_SAVED = {
    "dotenv": r"[\w.-]*\.env",
    "js": r"[\w./-]+\.m?js",
    "json": r"[\w./-]+\.json",
    "python": r"[\w./-]+\.py",
    "sh": r"[\w./-]+\.sh",
    "ts": r"[\w./-]+\.m?ts",
    "yaml": r"[\w./-]+\.ya?ml",
}
#: What is done with a block that is not saved.
_DONE: dict[str, Do] = {
    "json": "printed",
    "python": "python",
    "sh": "sh",
    "text": "printed",
    "ts": "ts",
    "yaml": "manifest",
}
RUN = ("sh", "python", "ts")


class DocumentError(Exception):
    """A document does not come out as it says; the text names document, line and block."""


class Block(NamedTuple):
    """A block, and what is done with it."""

    document: Path
    fence: Fence
    do: Do
    #: The file's name, of a block that is saved.
    name: str = ""
    #: The block that prints what this one shows: its place in the document's list.
    after: int = -1

    def error(self, why: str, printed: str = "") -> DocumentError:
        """What went wrong here, with the block, and with what was printed."""
        text = f"{self.document.name}:{self.fence.line}: {why}\n\n{_indented(self.fence.text)}"
        return DocumentError(f"{text}\nprinted:\n{_indented(printed)}" if printed else text)


def blocks(document: Path) -> list[Block]:
    """All blocks of a document, in order.

    Raises:
        DocumentError: if a block has no rule, or one that can't be kept.
    """
    if strays := unfenced_code(document):
        raise DocumentError(
            f"{document.name}:{strays[0]}: code outside of blocks with three backticks at a line's start"
        )
    found: list[Block] = []
    for fence in fences(document):
        found.append(_block(document, fence, found))
    for number, block in enumerate(found):
        if block.do == "save" and not _used(block, found[number + 1 :]):
            raise block.error(f"{block.name} is saved, and nothing below uses it")
    return found


def namespaces(found: list[Block]) -> set[str]:
    """The namespaces that a document makes."""
    texts = [block.fence.text for block in found if block.do == "sh"]
    return {name for text in texts for name in re.findall(r"kubectl create (?:namespace|ns) ([\w-]+)", text)}


def takes_platform(found: list[Block]) -> bool:
    """Whether a document takes for granted what it does not make: a platform, its API key and the API's address."""
    return not namespaces(found) and any(block.do in ("python", "ts") for block in found)


def recipients(found: list[Block]) -> set[str]:
    """The addresses that a document encrypts for: its reader has keys for them."""
    texts = [block.fence.text for block in found if block.do == "sh"]
    return {name for text in texts for name in re.findall(r"gpg .*--recipient (\S+@\S+)", text)}


def _block(document: Path, fence: Fence, before: list[Block]) -> Block:
    named = re.search(r"\bas `([^`]+)`[^`.]*:$", fence.intro)
    pattern = _SAVED.get(fence.language)
    if named and pattern:
        block = Block(document, fence, "save", named[1])
        if not re.fullmatch(pattern, named[1]) or named[1].startswith("/") or ".." in named[1]:
            raise block.error(f"`{named[1]}` is no name for a file of {fence.language}")
        return block
    if fence.language not in _DONE:
        raise Block(document, fence, "save").error(
            f"no rule says what is done with `{fence.language}`; save it (as `NAME`:), or use {', '.join(_DONE)}"
        )
    block = Block(document, fence, _DONE[fence.language])
    if block.do != "printed":
        return block
    after = max((number for number, other in enumerate(before) if other.do in RUN), default=-1)
    if after < 0 or before[after].fence.heading != fence.heading:
        raise block.error("nothing above, under the same heading, prints this")
    return block._replace(after=after)


def _used(saved: Block, later: list[Block]) -> bool:
    name = saved.name.rpartition("/")[2]
    texts = [block.fence.text for block in later if block.do in (*RUN, "save")]
    return any(name in text or (name == "kustomization.yaml" and " -k " in text) for text in texts)


def _indented(text: str) -> str:
    return "".join(f"    {line}\n" for line in text.rstrip().splitlines())
