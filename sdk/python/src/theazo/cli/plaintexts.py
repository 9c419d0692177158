"""Where objects of a file hold plaintexts: a Secret, what a hand put into ours, and what is an issuer's credential.

Nothing of an object is quoted, but for keys that look like keys. Nothing is walked through in depth: aliases let a
file of a few lines stand for more than can be looked at.
"""

import re
from collections.abc import Iterator
from typing import Any

from theazo.cli.manifest_fields import API_VERSION, KIND, mapping, shown
from theazo.errors import InvalidName
from theazo.rules import check_name

_KINDS = ("TheazoSession", KIND, "TheazoAgent")
_DECLARED = {"name", "from", "optional"}
_REMEDY = "seal it, and replace it where it was issued"

# Filled in later, by Flux for example; or encrypted by SOPS.
_NO_PLAINTEXT = re.compile(r"\$\{\w+\}|ENC\[AES256_GCM,data:[^\[\]]*,iv:[^\[\]]*,tag:[^\[\]]*,type:\w+\]")

# What is nothing but a credential wherever in a text it stands, so each with the length that its issuer gives it at
# least. Not behind a character of an envelope: its 64 characters give any such prefix by chance.
_CREDENTIAL = re.compile(
    r"(?<![\w.-])(?:[rs]k_(?:live|test)_[A-Za-z0-9]{16}|whsec_[A-Za-z0-9+/]{16}|gh[opsur]_[A-Za-z0-9]{20}"
    r"|github_pat_\w{20}|th_live_\w{16}|(?:AKIA|ASIA)[A-Z0-9]{16}(?!\w)|hf_[A-Za-z0-9]{30}|sk-(?:ant|proj)-[\w-]{20}"
    r"|sk-[A-Za-z0-9]{40}|xox[abeprs]-[A-Za-z0-9-]{20}|glpat-[\w-]{20}|AIza[\w-]{35}(?![\w-])"
    r"|-----BEGIN [A-Z ]*PRIVATE KEY-----)",
    re.ASCII,
)


def is_ours(document: dict[str, Any]) -> bool:
    """Whether an object is one of our group, or was meant to be."""
    return _text(document, "apiVersion").startswith("theazo.dev") or _text(document, "kind").lower().startswith(
        "theazo"
    )


def problems_of(document: dict[str, Any]) -> Iterator[str]:
    """What an object has against being committed; of a TheazoSecret only that it is called one."""
    version, kind = _text(document, "apiVersion"), _text(document, "kind")
    if version in {"v1", ""} and kind.lower() == "secret":
        yield from _of_secret(document)
    elif is_ours(document) and (version != API_VERSION or kind not in _KINDS):
        yield f"an object that is none of {API_VERSION}, which has {', '.join(_KINDS)}; correct apiVersion and kind"
    elif is_ours(document) and kind == "TheazoAgent":
        yield from _of_agent(document)


def credentials_in(text: str) -> Iterator[int]:
    """The lines, counted from 1, where a well-known issuer's credential stands, comments too."""
    for number, line in enumerate(text.splitlines(), start=1):
        if _CREDENTIAL.search(line):
            yield number


def _of_secret(secret: dict[str, Any]) -> Iterator[str]:
    for key, field in secret.items():
        # The API server drops a field that is spelt wrong; the file keeps it.
        if key.lower() not in {"data", "stringdata"}:
            continue
        if isinstance(field, dict):
            for name, value in field.items():
                if _is_plaintext(value):
                    yield f"entry {shown(name)} of a Secret is for all to read who have the file; {_REMEDY}"
        elif _is_plaintext(field):
            yield f"{shown(key)} of a Secret is no mapping, and for all to read who have the file; {_REMEDY}"


def _of_agent(agent: dict[str, Any]) -> Iterator[str]:
    try:
        declared = mapping(agent.get("spec")).get("secrets") or []
    except TypeError:
        declared = ""
    if not isinstance(declared, list) or not all(isinstance(each, dict) for each in declared):
        yield "spec.secrets of a TheazoAgent is no list of `- name: NAME`; declare names, and seal values"
        return
    for number, each in enumerate(declared, start=1):
        place = f"declared secret {number} of a TheazoAgent"
        for key in sorted(each.keys() - _DECLARED):
            yield f"{place}: unknown field {shown(key)}; declare names, and seal values"
        for key in ("name", "from"):
            if key in each and (why := _against_name(each[key])):
                yield f"{place}: {key}: {why}"


def _against_name(name: object) -> str | None:
    if not isinstance(name, str):
        return "it is no text"
    try:
        if not _NO_PLAINTEXT.fullmatch(name):
            check_name(name)
    except InvalidName as error:
        return str(error)
    return None


def _is_plaintext(value: object) -> bool:
    return bool(value) and not (isinstance(value, str) and _NO_PLAINTEXT.fullmatch(value))


def _text(document: dict[str, Any], key: str) -> str:
    found = document.get(key)
    return found if isinstance(found, str) else ""
