"""`theazo verify`: what can be said of sealed files without a cluster, and the check that a pre-commit hook runs."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any

from cyclopts import App, Parameter

from theazo._primitives import OVERHEAD
from theazo.cli import manifest
from theazo.cli.keys import KeyOptions, from_file
from theazo.cli.manifest import Manifest
from theazo.cli.manifest_fields import KIND, problem_with, shown
from theazo.cli.output import Output, age, moment, show
from theazo.cli.terminal import Misused, Refused, say
from theazo.errors import InvalidName
from theazo.rules import check_platform, check_session
from theazo.sealing import Envelope

GROUP = "theazo.dev/"
HEADING = ("FILE", "SESSION", "NAME", "KEY", "SET", "BYTES", "PLATFORM")
EXAMPLES = """\
Examples:

  theazo verify secrets.yaml
  theazo verify secrets.yaml --public-key acme.yaml --max-age 90
  theazo verify --quiet $(git ls-files '*.yaml')
"""

# Filled in later, by Flux for example; or encrypted by SOPS.
_NO_PLAINTEXT = re.compile(r"\$\{\w+\}|ENC\[AES256_GCM,data:[^\[\]]*,iv:[^\[\]]*,tag:[^\[\]]*,type:\w+\]")

app = App(name="verify", help_epilogue=EXAMPLES)


@dataclass(frozen=True, slots=True)
class Sealed:
    """One entry of one file, as far as it can be read without a private key."""

    file: Path
    platform: str
    session: str
    name: str
    key_id: str
    updated_at: str
    size: int


@app.default
def verify(
    files: Annotated[list[Path], Parameter(metavar="FILE...")],
    /,
    *,
    key: KeyOptions | None = None,
    max_age: Annotated[int | None, Parameter(metavar="DAYS")] = None,
    quiet: bool = False,
    output: Output = "table",
) -> None:
    """Says of sealed files what can be said without a cluster.

    For each entry: whether it is a whole envelope, for which session and platform, to
    which key, how old, how many bytes long. Refuses what is no sealed value and where
    no value belongs, and never shows it: it may be a plaintext. A core Secret with
    values is refused too, unless SOPS encrypted them. Other kinds of objects in the files
    are passed over, and so are templates of a chart that are no TheazoSecret.

    Whether an entry was sealed for this session and name, only the operator can tell:
    it says so in the status of the TheazoSecret.

    Args:
        files: Manifests.
        key: Which key all entries must be sealed to.
        max_age: Refuse entries that were set longer ago.
        quiet: Show nothing but what is wrong, as a pre-commit hook wants it.
        output: table, wide (a table with more columns), name, json or yaml.
    """
    if max_age is not None and max_age < 0:
        raise Misused("--max-age takes a number of days, 0 or more")
    options = key or KeyOptions()
    options.check()
    found: list[Sealed] = []
    problems: list[str] = []
    for path in files:
        try:
            documents = manifest.documents_in(path)
        except Refused as refusal:
            problems += refusal.problems
            continue
        for document in documents:
            try:
                found += _entries(path, document)
            except Refused as refusal:
                problems += refusal.problems
    problems += _against_key(found, options) + _too_old(found, max_age, datetime.now(UTC))
    if not quiet:
        _show(output, found)
    if problems:
        raise Refused(*problems)
    if not quiet and not found:
        say("note", f"no {KIND} in {'this file' if len(files) == 1 else 'these files'}")


def _entries(path: Path, document: dict[str, Any]) -> list[Sealed]:
    if (document.get("apiVersion"), document.get("kind")) == ("v1", "Secret"):
        _refuse_values(path, document)
    if not str(document.get("apiVersion")).startswith(GROUP) or document.get("kind") != KIND:
        return []
    read = manifest.of_document(document, str(path))
    problems = [
        f"{path}: entry {shown(name)}: {why}"
        for name, each in read.entries.items()
        if (why := problem_with(name, each))
    ]
    problems += [f"{path}: {why}" for why in _place(read)]
    problems += [
        f"{path}: entry {shown(name)}: updatedAt is no time"
        for name, each in read.entries.items()
        if moment(each["updatedAt"]) is None
    ]
    if problems:
        raise Refused(*problems)
    return [_sealed(path, read, name) for name in read.entries]


def _refuse_values(path: Path, secret: dict[str, Any]) -> None:
    fields = [secret[key] for key in ("data", "stringData") if isinstance(secret.get(key), dict)]
    names = [
        name for each in fields for name, value in each.items() if value and not _NO_PLAINTEXT.fullmatch(str(value))
    ]
    remedy = "seal it, and replace it where it was issued"
    if names:
        raise Refused(
            *(
                f"{path}: entry {shown(name)} of a Secret is for all to read who have the file; {remedy}"
                for name in names
            )
        )


def _place(read: Manifest) -> list[str]:
    try:
        check_session(read.name)
        check_platform(read.namespace)
    except InvalidName as error:
        return [f"metadata: {error}; both are what the values are sealed for"]
    return []


def _sealed(path: Path, read: Manifest, name: str) -> Sealed:
    entry = read.entries[name]
    envelope = Envelope.parse(entry["ciphertext"])
    size = len(envelope.payload) - OVERHEAD
    return Sealed(path, read.namespace, read.name, name, envelope.key_id, entry["updatedAt"], size)


def _against_key(found: list[Sealed], options: KeyOptions) -> list[str]:
    """Hold the entries against the key that was given, for each platform in the files."""
    wanted = {platform: options.fingerprint.lower() for platform in _platforms(found)} if options.fingerprint else {}
    if options.public_key is not None:
        wanted = {
            platform: options.pinned(from_file(options.public_key, platform)).key_id for platform in _platforms(found)
        }
    return [
        f"{each.file}: entry {each.name} is sealed to key {each.key_id}, not to {wanted[each.platform]}; seal it again"
        for each in found
        if each.platform in wanted and each.key_id != wanted[each.platform]
    ]


def _platforms(found: list[Sealed]) -> list[str]:
    return sorted({each.platform for each in found})


def _too_old(found: list[Sealed], days: int | None, now: datetime) -> list[str]:
    if days is None:
        return []
    oldest = now - timedelta(days=days)
    return [
        f"{each.file}: entry {each.name} was set {age(each.updated_at, now)} ago, over {days} days; change it where it "
        "was issued, and seal it again"
        for each in found
        if datetime.fromisoformat(each.updated_at) < oldest
    ]


def _show(output: Output, found: list[Sealed]) -> None:
    rows: list[tuple[str, ...]] = [
        (str(each.file), each.session, each.name, each.key_id, age(each.updated_at), str(each.size), each.platform)
        for each in found
    ]
    documents = {
        "secrets": [
            {
                "file": str(each.file),
                "platform": each.platform,
                "session": each.session,
                "name": each.name,
                "keyId": each.key_id,
                "updatedAt": each.updated_at,
                "bytes": each.size,
            }
            for each in found
        ]
    }
    show(output, HEADING, rows, documents, [f"{each.session}/{each.name}" for each in found], wide=6)
