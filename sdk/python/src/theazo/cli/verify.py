"""`theazo verify`: what can be said of sealed files without a cluster, and the check that a pre-commit hook runs."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

from theazo._primitives import OVERHEAD
from theazo.cli import sealed_files
from theazo.cli.keys import KeyOptions, from_file
from theazo.cli.output import Output, age, show
from theazo.cli.sealed_files import SealedFile
from theazo.cli.terminal import Misused, Refused, say
from theazo.sealing import Envelope

HEADING = ("FILE", "PLATFORM", "SESSION", "NAME", "KEY", "SET", "BYTES")
MAX_DAYS = 36_500
_SKEW = timedelta(days=1)  # between the clock here and that of who sealed
EXAMPLES = """\
Examples:

  theazo verify secrets.yaml
  theazo verify secrets.yaml --public-key acme.yaml --max-age 90
  theazo verify --quiet $(git ls-files '*.yaml')
  kustomize build acme | theazo verify -
"""

app = App(name="verify", help_epilogue=EXAMPLES)


@dataclass(frozen=True, slots=True)
class Sealed:
    """One entry of one file, as far as it can be read without a private key."""

    file: str
    platform: str
    session: str
    name: str
    key_id: str
    updated_at: str
    ciphertext: str
    size: int


@app.default
def verify(
    files: Annotated[list[Path], Parameter(metavar="FILE...", allow_leading_hyphen=True)],
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
    values is refused too, unless SOPS encrypted them, and so is a credential of a
    well-known issuer anywhere in a file with an object of ours, a comment too. Other
    kinds of objects in the files are passed over, and so are templates of a chart that
    are no TheazoSecret.

    Whether an entry was sealed for this session and name, only the operator can tell:
    it says so in the status of the TheazoSecret.

    Args:
        files: Manifests as YAML or JSON, - for standard input.
        key: Which key all entries must be sealed to.
        max_age: Refuse entries that were set longer ago.
        quiet: Show nothing but what is wrong, as a pre-commit hook wants it.
        output: table, wide (the same), name, json or yaml.
    """
    if max_age is not None and not 0 <= max_age <= MAX_DAYS:
        raise Misused(f"--max-age takes a number of days, 0 to {MAX_DAYS}")
    options = key or KeyOptions()
    options.check()
    sealed, problems = sealed_files.read(files)
    found = [_sealed(file, name) for file in sealed for name in file.manifest.entries]
    now = datetime.now(UTC)
    problems += [*_against_key(found, options), *_too_old(found, max_age, now), *_to_come(found, now), *_copied(found)]
    if not quiet:
        _show(output, found)
    if problems:
        raise Refused(*problems)
    if not quiet and not sealed:
        say("note", sealed_files.none_in(files))


def _sealed(file: SealedFile, name: str) -> Sealed:
    read, entry = file.manifest, file.manifest.entries[name]
    envelope = Envelope.parse(entry["ciphertext"])
    size = len(envelope.payload) - OVERHEAD
    return Sealed(
        file.where, read.namespace, read.name, name, envelope.key_id, entry["updatedAt"], entry["ciphertext"], size
    )


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


def _to_come(found: list[Sealed], now: datetime) -> Iterator[str]:
    """A time to come makes an entry young for ever, and whoever seals it again has to go on from there."""
    for each in found:
        if datetime.fromisoformat(each.updated_at) > now + _SKEW:
            yield f"{each.file}: entry {each.name} has an updatedAt that is to come, {each.updated_at}; correct it"


def _copied(found: list[Sealed]) -> Iterator[str]:
    first = dict[str, Sealed]()
    for each in found:
        other = first.setdefault(each.ciphertext, each)
        if (other.platform, other.session, other.name) != (each.platform, each.session, each.name):
            yield (
                f"{each.file}: entry {each.name} has the ciphertext of entry {other.name} of session {other.session}, "
                "and opens as one of them at most; seal it again"
            )


def _show(output: Output, found: list[Sealed]) -> None:
    rows: list[tuple[str, ...]] = [
        (each.file, each.platform, each.session, each.name, each.key_id, age(each.updated_at), str(each.size))
        for each in found
    ]
    documents = {
        "secrets": [
            {
                "file": each.file,
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
    show(output, HEADING, rows, documents, [f"{each.session}/{each.name}" for each in found], wide=len(HEADING))
