"""What a TheazoSecret's document may have, and what is wrong with one, without quoting what may be a value."""

import re
from collections.abc import Mapping
from typing import Any

from theazo.cli.output import moment
from theazo.errors import InvalidName, MalformedEnvelope
from theazo.rules import MAX_NAME, NAME_PATTERN, check_name, looks_like_a_value
from theazo.sealing import Envelope

API_VERSION, KIND = "theazo.dev/v1alpha1", "TheazoSecret"
_TOP, _METADATA = {"apiVersion", "kind", "metadata", "spec"}, {"name", "namespace", "labels", "annotations"}
_ENTRY = ("ciphertext", "createdAt", "updatedAt")

Entry = dict[str, str]


def problems(document: object, name: str | None, namespace: str | None) -> list[str]:
    """What a document has against being a TheazoSecret, of this name and namespace where they are given.

    Nothing of it is quoted, but for keys that look like keys: a value may be in the wrong place.
    """
    if not isinstance(document, dict) or document.get("kind") != KIND or document.get("apiVersion") != API_VERSION:
        return [f"not a {KIND} of {API_VERSION}; give another file"]
    try:
        metadata, spec = mapping(document.get("metadata")), mapping(document.get("spec"))
        entries = mapping(spec.get("encryptedData"))
        labels = {key: mapping(metadata.get(key)) for key in ("labels", "annotations")}
    except TypeError:
        return ["a field that holds fields holds something else; compare it with `kubectl explain theazosecret`"]
    unknown = [*(document.keys() - _TOP), *(f"metadata.{key}" for key in metadata.keys() - _METADATA)]
    unknown += [f"spec.{shown(key)}" for key in spec.keys() - {"encryptedData"}]
    found = [f"unknown field {shown(key)}; remove it (the API server fills in its own)" for key in sorted(unknown)]
    for field, wanted in (("name", name), ("namespace", namespace)):
        if wanted is not None and metadata.get(field) != wanted:
            found.append(f"metadata.{field} is not {wanted}; give the file of this session, or another target")
    if not all(isinstance(text, str) for texts in labels.values() for text in texts.values()):
        found.append("a label or an annotation is no text")
    for entry, fields in entries.items():
        if not isinstance(fields, dict):
            found.append(f"entry {shown(entry)} is no sealed value; seal it, and replace it where it was issued")
        elif sorted(fields) != sorted(_ENTRY) or not all(isinstance(text, str) for text in fields.values()):
            found.append(f"entry {shown(entry)} has other fields than {', '.join(_ENTRY)}; remove or mend it")
    return found


def mapping(found: object) -> dict[str, Any]:
    """A field that holds fields. All leaves are texts, also what YAML has for nothing."""
    if found in (None, "", "~", "null"):
        return {}
    if not isinstance(found, dict):
        raise TypeError
    return found


def problem_with(name: str, entry: Mapping[str, str]) -> str | None:
    """What is wrong with one entry, as far as that can be seen without a key; None if nothing."""
    try:
        check_name(name)
        Envelope.parse(entry["ciphertext"])
    except (InvalidName, MalformedEnvelope) as error:
        return str(error)
    return problem_with_times(entry)


def problem_with_times(entry: Mapping[str, str]) -> str | None:
    """What is wrong with the times of one entry, where a plaintext would be as well kept as in any field."""
    for field in ("createdAt", "updatedAt"):
        if moment(entry[field]) is None:
            return f"{field} is no time of RFC 3339; mend it, and if it is a value, replace it where it was issued"
    return None


def shown(name: object) -> str:
    """A key of the file if it looks like one, else words that quote nothing: a value may be in the wrong place."""
    text = str(name)
    plain = len(text) <= MAX_NAME and re.fullmatch(NAME_PATTERN, text.replace(".", "_"), re.ASCII)
    return text if plain and not looks_like_a_value(text) else "(not shown)"
