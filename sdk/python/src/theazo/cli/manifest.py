"""A TheazoSecret as a manifest: reading one strictly, adding sealed entries, and writing it so that nothing is lost."""

import contextlib
import os
import re
import stat
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from theazo.cli import yaml_text
from theazo.cli.manifest_fields import API_VERSION, KIND, Entry, mapping, problem_with, problems, shown
from theazo.cli.terminal import Refused, say
from theazo.rules import MAX_CIPHERTEXT_TOTAL, MAX_NAMES

# Bytes of ciphertext from where on a client-side `kubectl apply` may fail: it copies the object, ciphertext and all,
# into an annotation, and all annotations together may have 256 KiB.
WARN_CIPHERTEXT_TOTAL = 200 * 1024

_MAX_FILE = 4 * 1024 * 1024

# On a line of its own, behind a bare key, or behind a field of an entry, which never holds a #.
_COMMENT = re.compile(r"^[ \t]*(?:#|[\w.-]+:[ \t]+#|(?:ciphertext|createdAt|updatedAt):.*[ \t]#)", re.MULTILINE)
# Of files that aren't YAML as they are. Helm makes YAML of a chart's templates, and the values come from elsewhere.
_SECRETS = re.compile(r"\bkind\b.{0,20}\bSecret(List)?\b")
_SEALED = re.compile(rf"\bkind\b.{{0,20}}\b{KIND}(List)?\b")
_TEMPLATE = re.compile(r"\{\{.*\}\}", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Manifest:
    """A TheazoSecret, and the file's bytes and leading comments if it came from one."""

    name: str
    namespace: str
    entries: Mapping[str, Entry]
    metadata: Mapping[str, Any]
    heading: str = ""
    raw: bytes | None = None

    @classmethod
    def empty(cls, name: str, namespace: str) -> "Manifest":
        """One without entries."""
        return cls(name, namespace, {}, {})

    def with_sealed(self, sealed: Mapping[str, str], now: datetime) -> "Manifest":
        """This manifest with ciphertexts added or overwritten; all other entries stay as they are.

        `createdAt` survives. `updatedAt` is `now`, or one microsecond after the old one where that is later.

        Raises:
            Refused: if the result breaks a limit of TheazoSecrets, or an old `updatedAt` is no time.
        """
        entries = dict(self.entries)
        for name, ciphertext in sealed.items():
            old = entries.get(name)
            updated = _stamp(now, after=old["updatedAt"] if old else None, name=name)
            created = old["createdAt"] if old else updated
            entries[name] = {"ciphertext": ciphertext, "createdAt": created, "updatedAt": updated}
        _check_kept({name: entry for name, entry in entries.items() if name not in sealed})
        _check_limits(entries)
        return Manifest(self.name, self.namespace, entries, self.metadata, self.heading, self.raw)

    def text(self) -> str:
        """The manifest as YAML."""
        return self.heading + yaml_text.dump(
            {
                "apiVersion": API_VERSION,
                "kind": KIND,
                "metadata": {"name": self.name, "namespace": self.namespace, **self.metadata},
                "spec": {"encryptedData": dict(self.entries)},
            }
        )


def read(path: Path, name: str, namespace: str) -> Manifest:
    """The manifest in a file, or an empty one if there is no such file.

    Raises:
        Refused: if it is anything but one TheazoSecret of that name and namespace with fields that a person writes.
    """
    try:
        raw, text = _content(path)
    except FileNotFoundError:
        if not path.parent.is_dir():
            raise Refused(f"cannot write {path}: there is no directory {path.parent}; create it") from None
        return Manifest.empty(name, namespace)
    documents = yaml_text.load(text, str(path))
    if documents in ([], [""]):
        return Manifest(name, namespace, {}, {}, _heading(text, path), raw)
    if len(documents) > 1:
        raise Refused(f"{path}: {len(documents)} documents; give each TheazoSecret a file of its own")
    if found := problems(documents[0], name, namespace):
        raise Refused(*(f"{path}: {problem}" for problem in found))
    metadata = {
        key: documents[0]["metadata"][key] for key in ("labels", "annotations") if documents[0]["metadata"].get(key)
    }
    return Manifest(name, namespace, _entries(documents[0]), metadata, _heading(text, path), raw)


def documents_in(path: Path) -> list[dict[str, Any]]:
    """Every object in a file of manifests, of whatever kind.

    Raises:
        Refused: if the file can't be read, or isn't YAML and may hold values: it names TheazoSecrets, or Secrets and
            is no template.
    """
    try:
        _, text = _content(path)
    except FileNotFoundError:
        raise Refused(f"cannot read {path}: there is no such file") from None
    try:
        documents = yaml_text.load(text, str(path))
    except Refused:
        if _SEALED.search(text) or (_SECRETS.search(text) and not _TEMPLATE.search(text)):
            raise
        return []
    return [each for document in documents for each in yaml_text.objects(document)]


def of_document(document: dict[str, Any], where: str) -> Manifest:
    """A TheazoSecret from its document, under whatever name it has.

    Raises:
        Refused: with every field that no TheazoSecret has, a plaintext's place among them.
    """
    metadata = document.get("metadata")
    name, namespace = (
        str((metadata if isinstance(metadata, dict) else {}).get(key) or "") for key in ("name", "namespace")
    )
    if found := problems(document, name or None, namespace or None):
        raise Refused(*(f"{where}: {problem}" for problem in found))
    return Manifest(name, namespace, _entries(document), {})


def _entries(document: dict[str, Any]) -> dict[str, Entry]:
    return mapping(mapping(document.get("spec")).get("encryptedData"))


def _content(path: Path) -> tuple[bytes, str]:
    """A file's bytes and text. Raises Refused, or FileNotFoundError where there is none."""
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            raise Refused(f"{path} is not a regular file; give the path of a manifest")
        with path.open("rb") as stream:
            raw = stream.read(_MAX_FILE + 1)
        if len(raw) > _MAX_FILE:
            raise Refused(f"{path} is longer than any TheazoSecret; give another file")
        return raw, raw.decode()
    except FileNotFoundError:
        raise
    except (OSError, ValueError) as error:
        raise Refused(f"cannot read {path}: {getattr(error, 'strerror', None) or 'not a text file'}") from None


def write(path: Path, manifest: Manifest) -> None:
    """Puts the manifest into its file: wholly or not at all, and with the mode that the file has.

    Raises:
        Refused: if it can't be written, or the file changed since `manifest` was read from it.
    """
    path = Path(os.path.realpath(path))  # replaces what a link leads to, not the link
    temporary: str | None = None
    try:
        descriptor, temporary = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(manifest.text().encode())
            stream.flush()
            os.fsync(stream.fileno())
        Path(temporary).chmod(_mode(path))
        if _bytes(path) != manifest.raw:
            raise Refused(f"{path} was changed by somebody else in the meantime; nothing was written, run this again")
        Path(temporary).replace(path)
        temporary = None
    except OSError as error:
        raise Refused(f"cannot write {path}: {error.strerror}; nothing was changed") from None
    finally:
        if temporary:
            with contextlib.suppress(OSError):
                Path(temporary).unlink()


def _check_kept(entries: Mapping[str, Entry]) -> None:
    found = [
        f"entry {shown(name)} of the file: {why}"
        for name, entry in entries.items()
        if (why := problem_with(name, entry))
    ]
    if found:
        raise Refused(*found)


def _check_limits(entries: Mapping[str, Entry]) -> None:
    if len(entries) > MAX_NAMES:
        raise Refused(f"{len(entries)} names: a session has at most {MAX_NAMES} secrets; use fewer, or another session")
    total = sum(len(entry["ciphertext"]) for entry in entries.values())
    if total > MAX_CIPHERTEXT_TOTAL:
        raise Refused(
            f"{total // 1024} KiB of ciphertext: a session holds at most {MAX_CIPHERTEXT_TOTAL // 1024} KiB; use "
            "fewer or shorter values, or another session"
        )
    if total > WARN_CIPHERTEXT_TOTAL:
        say(
            "warning",
            f"{total // 1024} KiB of ciphertext: apply it with `kubectl apply --server-side`; without, kubectl copies "
            "it into an annotation, and those may have 256 KiB in all",
        )


def _stamp(now: datetime, after: str | None, name: str) -> str:
    """RFC 3339 in UTC with six decimals, so that texts sort as times do."""
    try:
        if after is not None:
            old = datetime.fromisoformat(after)
            if old.tzinfo is None:
                raise ValueError  # noqa: TRY301 - one refusal for all that is no time
            # Digits below the microsecond are cut off in reading, so one more is later than what was written.
            now = max(now, old.astimezone(UTC) + timedelta(microseconds=1))
    except (ValueError, OverflowError):
        raise Refused(f"entry {shown(name)} of the file: updatedAt is no time of RFC 3339; mend it") from None
    return now.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _heading(text: str, path: Path) -> str:
    heading = re.match(r"(?:[ \t]*(?:#[^\n]*)?\n|---[ \t]*\n)*", text)
    kept = heading.group() if heading else ""
    if _COMMENT.search(text, len(kept)):
        say("warning", f"{path}: comments are kept at the file's beginning only; this loses those further down")
    return kept


def _mode(path: Path) -> int:
    try:
        return stat.S_IMODE(path.stat().st_mode)
    except FileNotFoundError:
        umask = os.umask(0)
        os.umask(umask)
        return 0o666 & ~umask


def _bytes(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None
