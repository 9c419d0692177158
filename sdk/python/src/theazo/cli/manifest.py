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
from theazo.cli.terminal import Refused, say
from theazo.errors import InvalidName, MalformedEnvelope
from theazo.rules import MAX_CIPHERTEXT_TOTAL, MAX_NAME, MAX_NAMES, NAME_PATTERN, check_name
from theazo.sealing import Envelope

API_VERSION, KIND = "theazo.dev/v1alpha1", "TheazoSecret"
# Bytes of ciphertext from where on a client-side `kubectl apply` may fail: it copies the object, ciphertext and all,
# into an annotation, and all annotations together may have 256 KiB.
WARN_CIPHERTEXT_TOTAL = 200 * 1024

_MAX_FILE = 4 * 1024 * 1024
_TOP, _METADATA = {"apiVersion", "kind", "metadata", "spec"}, {"name", "namespace", "labels", "annotations"}
_ENTRY = ("ciphertext", "createdAt", "updatedAt")

# On a line of its own, behind a bare key, or behind a field of an entry, which never holds a #.
_COMMENT = re.compile(r"^[ \t]*(?:#|[\w.-]+:[ \t]+#|(?:ciphertext|createdAt|updatedAt):.*[ \t]#)", re.MULTILINE)

Entry = dict[str, str]


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
        if not stat.S_ISREG(path.stat().st_mode):
            raise Refused(f"{path} is not a regular file; leave out --file to write to standard output")
        with path.open("rb") as stream:
            raw = stream.read(_MAX_FILE + 1)
        if len(raw) > _MAX_FILE:
            raise Refused(f"{path} is longer than any TheazoSecret; give another --file")
        text = raw.decode()
    except FileNotFoundError:
        if not path.parent.is_dir():
            raise Refused(f"cannot write {path}: there is no directory {path.parent}; create it") from None
        return Manifest.empty(name, namespace)
    except (OSError, ValueError) as error:
        raise Refused(f"cannot read {path}: {getattr(error, 'strerror', None) or 'not a text file'}") from None
    documents = yaml_text.load(text, str(path))
    if documents in ([], [""]):
        return Manifest(name, namespace, {}, {}, _heading(text, path), raw)
    if len(documents) > 1:
        raise Refused(f"{path}: {len(documents)} documents; give each TheazoSecret a file of its own")
    if problems := _problems(documents[0], name, namespace):
        raise Refused(*(f"{path}: {problem}" for problem in problems))
    metadata = {
        key: documents[0]["metadata"][key] for key in ("labels", "annotations") if documents[0]["metadata"].get(key)
    }
    entries = _mapping(_mapping(documents[0].get("spec")).get("encryptedData"))
    return Manifest(name, namespace, entries, metadata, _heading(text, path), raw)


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


def _problems(document: object, name: str, namespace: str) -> list[str]:
    if not isinstance(document, dict) or document.get("kind") != KIND or document.get("apiVersion") != API_VERSION:
        return [f"not a {KIND} of {API_VERSION}; give another --file"]
    try:
        metadata, spec = _mapping(document.get("metadata")), _mapping(document.get("spec"))
        entries = {entry: _mapping(fields) for entry, fields in _mapping(spec.get("encryptedData")).items()}
        labels = {key: _mapping(metadata.get(key)) for key in ("labels", "annotations")}
    except TypeError:
        return ["a field that holds fields holds something else; compare it with `kubectl explain theazosecret`"]
    unknown = [*(document.keys() - _TOP), *(f"metadata.{key}" for key in metadata.keys() - _METADATA)]
    unknown += [f"spec.{_shown(key)}" for key in spec.keys() - {"encryptedData"}]
    problems = [f"unknown field {_shown(key)}; remove it (the API server fills in its own)" for key in sorted(unknown)]
    for field, wanted in (("name", name), ("namespace", namespace)):
        if metadata.get(field) != wanted:
            problems.append(f"metadata.{field} is not {wanted}; give the file of this session, or another target")
    if not all(isinstance(text, str) for texts in labels.values() for text in texts.values()):
        problems.append("a label or an annotation is no text")
    for entry, fields in entries.items():
        if sorted(fields) != sorted(_ENTRY) or not all(isinstance(text, str) for text in fields.values()):
            problems.append(f"entry {_shown(entry)} has other fields than {', '.join(_ENTRY)}; remove or mend it")
    return problems


def _mapping(found: object) -> dict[str, Any]:
    """A field that holds fields. All leaves are texts, also what YAML has for nothing."""
    if found in (None, "", "~", "null"):
        return {}
    if not isinstance(found, dict):
        raise TypeError
    return found


def _check_kept(entries: Mapping[str, Entry]) -> None:
    problems = []
    for name, entry in entries.items():
        try:
            check_name(name)
            Envelope.parse(entry["ciphertext"])
        except (InvalidName, MalformedEnvelope) as error:
            problems.append(f"entry {_shown(name)} of the file: {error}")
    if problems:
        raise Refused(*problems)


def _check_limits(entries: Mapping[str, Entry]) -> None:
    if len(entries) > MAX_NAMES:
        raise Refused(f"{len(entries)} names: a session has at most {MAX_NAMES} secrets")
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
        raise Refused(f"entry {_shown(name)} of the file: updatedAt is no time of RFC 3339; mend it") from None
    return now.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _heading(text: str, path: Path) -> str:
    heading = re.match(r"(?:[ \t]*(?:#[^\n]*)?\n|---[ \t]*\n)*", text)
    kept = heading.group() if heading else ""
    if _COMMENT.search(text, len(kept)):
        say("warning", f"{path}: comments are kept at the file's beginning only; this loses those further down")
    return kept


def _shown(name: object) -> str:
    """A key of the file if it looks like one, else words that quote nothing: a value may be in the wrong place."""
    text = str(name)
    plain = len(text) <= MAX_NAME and re.fullmatch(NAME_PATTERN, text.replace(".", "_"), re.ASCII)
    return text if plain else "(not shown)"


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
