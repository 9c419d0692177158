"""A TheazoSecret in a file, and `theazo seal` adding to it."""

from pathlib import Path
from typing import Any

import yaml

from tests.support.cli import KEY, Result, theazo
from theazo.sealing import Binding, seal
from theazo.secret_value import SecretValue

SPECIMEN = seal(SecretValue(b"old"), Binding("acme", "demo", "i", "OLD"), KEY)


ENTRY = {"ciphertext": SPECIMEN, "createdAt": "2025-05-01T10:00:00Z", "updatedAt": "2025-05-01T10:00:00Z"}


def add(path: Path, name: str, value: bytes = b"v") -> Result:
    arguments = ("seal", "-n", "acme", "--session", "demo", "--sealing-id", "i", "--public-key", path.parent / "key")
    return theazo(*arguments, "--stdin", name, "-f", path, stdin=value)


def entries_of(path: Path) -> dict[str, dict[str, str]]:
    found: dict[str, dict[str, str]] = yaml.safe_load(path.read_text())["spec"]["encryptedData"]
    return found


def written(path: Path, entries: Any = None, **changes: Any) -> str:
    """Puts a good manifest into the file, with what is said changed."""
    entry = {"ciphertext": SPECIMEN, "createdAt": "2025-05-01T10:00:00.000000Z", "updatedAt": "2025-05-02T10:00:00Z"}
    document = {
        "apiVersion": "theazo.dev/v1alpha1",
        "kind": "TheazoSecret",
        "metadata": {"name": "demo", "namespace": "acme"},
        "spec": {"encryptedData": {"OLD": entry} if entries is None else entries},
    }
    text = yaml.safe_dump({**document, **changes}, sort_keys=False, width=10**6)
    path.write_text(text)
    return text


def untouched(path: Path, result: Result, text: str, *words: str) -> None:
    assert (result.code, result.out) == (1, "")
    assert all(word in result.err for word in words), result.err
    assert path.read_text() == text
    assert {each.name for each in path.parent.iterdir()} == {"key", path.name}
