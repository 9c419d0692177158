"""A TheazoSecret as a manifest: reading one strictly, adding sealed entries, and writing it so that nothing is lost."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from theazo.cli import manifest_file, yaml_text
from theazo.cli.manifest_fields import (
    API_VERSION,
    KIND,
    Entry,
    mapping,
    problem_with,
    problem_with_times,
    problems,
    shown,
)
from theazo.cli.manifest_splice import spliced
from theazo.cli.terminal import Refused, say
from theazo.rules import MAX_CIPHERTEXT_TOTAL, MAX_NAMES

# Bytes of ciphertext from where on a client-side `kubectl apply` may fail: it copies the object, ciphertext and all,
# into an annotation, and all annotations together may have 256 KiB.
WARN_CIPHERTEXT_TOTAL = 200 * 1024

_HEADING = re.compile(r"(?:[ \t]*(?:#[^\n]*)?\n|---[ \t]*\n)*")
# What a file loses that is written anew: a comment on a line of its own, behind a bare key, or behind a field of an
# entry, which never holds a #; line ends of Windows; a byte order mark or directive; the style of JSON.
_LOST = re.compile(
    r"^[ \t]*(?:#|[\w.-]+:[ \t]+#|(?:ciphertext|createdAt|updatedAt):.*[ \t]#)|\r\n|^[\ufeff%{]", re.MULTILINE
)


@dataclass(frozen=True, slots=True)
class Manifest:
    """A TheazoSecret, and the file's bytes if it came from one."""

    name: str
    namespace: str
    entries: Mapping[str, Entry]
    metadata: Mapping[str, Any]
    raw: bytes | None = None

    @classmethod
    def empty(cls, name: str, namespace: str) -> "Manifest":
        """One without entries."""
        return cls(name, namespace, {}, {})

    def with_sealed(self, sealed: Mapping[str, str], now: datetime) -> "Manifest":
        """This manifest with ciphertexts added or overwritten; all other entries stay as they are.

        `createdAt` survives. `updatedAt` is `now`, or one microsecond after the old one where that is later.

        Raises:
            Refused: if the result breaks a limit of TheazoSecrets, or what stays of an entry can't be of one.
        """
        _check_kept(self.entries, sealed)
        entries = dict(self.entries)
        for name, ciphertext in sealed.items():
            old = entries.get(name)
            updated = _stamp(now, after=old["updatedAt"] if old else None, name=name)
            created = old["createdAt"] if old else updated
            entries[name] = {"ciphertext": ciphertext, "createdAt": created, "updatedAt": updated}
        _check_limits(entries)
        return Manifest(self.name, self.namespace, entries, self.metadata, self.raw)

    def text(self) -> str:
        """The manifest as YAML."""
        return yaml_text.dump(
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
        raw = manifest_file.content(path)
    except FileNotFoundError:
        if not path.parent.is_dir():
            raise Refused(f"cannot write {path}: there is no directory {path.parent}; create it") from None
        return Manifest.empty(name, namespace)
    documents = yaml_text.load(manifest_file.decoded(raw, str(path)), str(path))
    if documents in ([], [""]):
        return Manifest(name, namespace, {}, {}, raw)
    if len(documents) > 1:
        raise Refused(f"{path}: {len(documents)} documents; give each TheazoSecret a file of its own")
    if found := problems(documents[0], name, namespace):
        raise Refused(*(f"{path}: {problem}" for problem in found))
    metadata = {
        key: documents[0]["metadata"][key] for key in ("labels", "annotations") if documents[0]["metadata"].get(key)
    }
    return Manifest(name, namespace, _entries(documents[0]), metadata, raw)


def of_document(document: dict[str, Any], where: str) -> Manifest:
    """A TheazoSecret from its document, under whatever name it has.

    Raises:
        Refused: with every field that no TheazoSecret has, a plaintext's place among them.
    """
    metadata = document.get("metadata")
    fields = metadata if isinstance(metadata, dict) else {}
    name, namespace = (found if isinstance(found := fields.get(key), str) else "" for key in ("name", "namespace"))
    if found := problems(document, name or None, namespace or None):
        raise Refused(*(f"{where}: {problem}" for problem in found))
    return Manifest(name, namespace, _entries(document), {})


def write(path: Path, manifest: Manifest) -> None:
    """Puts the manifest into its file: wholly or not at all, and with the mode that the file has.

    Every byte of the file that is not of a changed entry stays. Where that can't be done it is written anew, with the
    comments that it begins with, and a warning if more than those is lost.

    Raises:
        Refused: if it can't be written, or the file changed since `manifest` was read from it.
    """
    manifest_file.replace(path, _merged(path, manifest), manifest.raw)


def _merged(path: Path, manifest: Manifest) -> str:
    if manifest.raw is None:
        return manifest.text()
    old = manifest.raw.decode()
    heading = found.group() if (found := _HEADING.match(old)) else ""
    if heading == old:
        return heading + manifest.text()
    if (text := spliced(old, manifest.entries)) is not None:
        return text
    if _LOST.search(old, len(heading)):
        say("warning", f"{path}: written anew; comments are kept at its beginning only")
    return heading + manifest.text()


def _entries(document: dict[str, Any]) -> dict[str, Entry]:
    return mapping(mapping(document.get("spec")).get("encryptedData"))


def _check_kept(entries: Mapping[str, Entry], sealed: Mapping[str, str]) -> None:
    """Of an entry that is sealed again its times stay, of others all."""
    found = [
        f"entry {shown(name)} of the file: {why}"
        for name, entry in entries.items()
        if (why := problem_with_times(entry) if name in sealed else problem_with(name, entry))
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
    if after is not None:
        try:
            # Digits below the microsecond are cut off in reading, so one more is later than what was written.
            now = max(now, datetime.fromisoformat(after).astimezone(UTC) + timedelta(microseconds=1))
        except (ValueError, OverflowError):
            raise Refused(f"entry {shown(name)} of the file: nothing is later than its updatedAt; mend it") from None
    return now.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
