"""The CRDs keep the conventions that users and tools rely on, and say the same as the code."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from theazo import rules
from theazo.sealing import SUITE

Schema = dict[str, Any]

FOLDER = Path(__file__).resolve().parents[2] / "crds"
CRDS: list[Schema] = [yaml.safe_load(file.read_text()) for file in sorted(FOLDER.glob("theazo*.yaml"))]
ROOTS: dict[str, Schema] = {
    crd["spec"]["names"]["kind"]: crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"] for crd in CRDS
}
each_kind = pytest.mark.parametrize("kind", ROOTS)
each_crd = pytest.mark.parametrize("crd", [pytest.param(crd, id=crd["spec"]["names"]["kind"]) for crd in CRDS])

_DNS = r"[a-z0-9]([-a-z0-9]*[a-z0-9])?"
# What Kubernetes itself demands of a metav1.Condition.
CONDITION_BOUNDS: dict[str, Schema] = {
    "type": {
        "maxLength": 316,
        "pattern": rf"^({_DNS}(\.{_DNS})*/)?(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])$",
    },
    "status": {"enum": ["True", "False", "Unknown"]},
    "observedGeneration": {"format": "int64", "minimum": 0},
    "lastTransitionTime": {"format": "date-time"},
    "reason": {"minLength": 1, "maxLength": 1024, "pattern": "^[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?$"},
    "message": {"maxLength": 32768},
}


# How a sentence, or what follows a colon, begins that says what to do.
DEMANDS = re.compile(
    r"[.:] (Choose|Correct|Create|Have|Lower|Put|Remove|Rename|Replace|Seal|Store|use|Use)\b|\. Delete the session\b"
)


def walk(schema: Schema, where: str = "") -> Iterator[tuple[str, Schema]]:
    """Every field of a schema but apiVersion, kind and metadata, which are Kubernetes' own."""
    yield where or "(root)", schema
    for name, child in schema.get("properties", {}).items():
        if where or name in {"spec", "status"}:
            yield from walk(child, f"{where}.{name}")
    if isinstance(child := schema.get("additionalProperties"), dict):
        yield from walk(child, f"{where}.*")
    if "items" in schema:
        yield from walk(schema["items"], f"{where}[]")


def field(kind: str, where: str) -> Schema:
    return dict(walk(ROOTS[kind]))[where]


def cel(schema: Schema) -> list[str]:
    return [" ".join(rule["rule"].split()) for rule in schema.get("x-kubernetes-validations", [])]


def lacks(schema: Schema) -> list[str]:
    """What a field lacks to be bounded."""
    wanted: dict[str | None, tuple[str, ...]] = {
        "string": () if "enum" in schema else ("maxLength",),
        "integer": ("format", "minimum"),
        "array": ("maxItems", "x-kubernetes-list-type", "items"),
        "boolean": (),
        "object": ("maxProperties", "x-kubernetes-map-type") if "additionalProperties" in schema else ("properties",),
        None: ("maxLength", "x-kubernetes-int-or-string"),
    }
    return [name for name in wanted[schema.get("type")] if name not in schema]


@each_kind
def test_every_field_is_described(kind: str) -> None:
    poor = [where for where, schema in walk(ROOTS[kind]) if not schema.get("description", "").endswith(".")]
    assert poor == []


@each_kind
def test_every_field_is_bounded(kind: str) -> None:
    assert {where: missing for where, schema in walk(ROOTS[kind]) if (missing := lacks(schema))} == {}


@each_kind
def test_every_list_map_has_keys_that_are_required(kind: str) -> None:
    for where, schema in walk(ROOTS[kind]):
        if schema.get("x-kubernetes-list-type") == "map":
            keys = schema["x-kubernetes-list-map-keys"]
            assert set(keys) <= set(schema["items"]["required"]), where


@each_kind
def test_nothing_is_kept_that_the_schema_does_not_know(kind: str) -> None:
    for where, schema in walk(ROOTS[kind]):
        assert "x-kubernetes-preserve-unknown-fields" not in schema, where
        assert schema.get("additionalProperties") is not True, where


@each_kind
def test_conditions_are_those_of_kubernetes(kind: str) -> None:
    conditions = field(kind, ".status.conditions")
    assert conditions["x-kubernetes-list-type"] == "map"
    assert conditions["x-kubernetes-list-map-keys"] == ["type"]
    properties = conditions["items"]["properties"]
    assert set(properties) == set(CONDITION_BOUNDS)
    assert set(conditions["items"]["required"]) == set(CONDITION_BOUNDS) - {"observedGeneration"}
    for name, bounds in CONDITION_BOUNDS.items():
        assert bounds.items() <= properties[name].items(), name


@each_kind
def test_every_rule_says_what_to_do(kind: str) -> None:
    for where, schema in walk(ROOTS[kind]):
        for rule in schema.get("x-kubernetes-validations", []):
            assert DEMANDS.search(rule["message"]), (where, rule["message"])
            # Flux looks for these words before it deletes and creates again.
            assert ("oldSelf" in rule["rule"]) == ("is immutable" in rule["message"]), where


@each_crd
def test_status_is_a_subresource_and_the_columns_are_there(crd: Schema) -> None:
    (version,) = crd["spec"]["versions"]
    assert version["subresources"] == {"status": {}}
    columns = {column["name"]: column for column in version["additionalPrinterColumns"]}
    assert {"Ready", "Reason", "Age", "Message"} <= set(columns)
    assert columns["Message"]["priority"] == 1
    assert crd["spec"]["names"]["categories"] == ["theazo"]
    assert "required" not in ROOTS[crd["spec"]["names"]["kind"]]["properties"]["status"]


def test_the_kustomization_has_all_of_them() -> None:
    listed = yaml.safe_load((FOLDER / "kustomization.yaml").read_text())["resources"]
    assert sorted(listed) == sorted(file.name for file in FOLDER.glob("theazo*.yaml"))


def not_reserved(variable: str) -> str:
    """The CEL expression that a name is not reserved."""
    names = ", ".join(f"'{name}'" for name in sorted(rules.RESERVED_NAMES))
    prefixes = ", ".join(f"'{prefix}'" for prefix in sorted(rules.RESERVED_PREFIXES))
    return f"!({variable} in [{names}]) && ![{prefixes}].exists(prefix, {variable}.startsWith(prefix))"


def test_reserved_names_are_those_of_the_code() -> None:
    assert f"self.all(name, {not_reserved('name')})" in cel(field("TheazoSecret", ".spec.encryptedData"))
    assert not_reserved("self") in cel(field("TheazoAgent", ".spec.secrets[].name"))


def test_names_are_those_of_the_code() -> None:
    pattern = f"matches('{rules.NAME_PATTERN}')"
    assert f"self.{pattern}" in cel(field("TheazoAgent", ".spec.secrets[].name"))
    assert f"self.{pattern}" in cel(field("TheazoAgent", ".spec.secrets[].from"))
    data = field("TheazoSecret", ".spec.encryptedData")
    assert f"self.all(name, name.{pattern} && size(name) <= {rules.MAX_NAME})" in cel(data)
    assert data["maxProperties"] == field("TheazoAgent", ".spec.secrets")["maxItems"] == rules.MAX_NAMES
    for where in (".spec.secrets[].name", ".spec.secrets[].from", ".status.secrets[].name", ".status.secrets[].from"):
        assert field("TheazoAgent", where)["maxLength"] == rules.MAX_NAME, where


def test_sessions_are_named_as_in_the_code() -> None:
    label = f"matches('{rules.DNS_LABEL_PATTERN}')"
    for root in ROOTS.values():
        assert f"self.metadata.name.{label} && size(self.metadata.name) <= {rules.MAX_SESSION}" in cel(root)
    reference = field("TheazoAgent", ".spec.sessionRef.name")
    assert (reference["maxLength"], cel(reference)) == (rules.MAX_SESSION, [f"self.{label}"])
    sealing_id = field("TheazoSession", ".spec.sealingId")
    assert sealing_id["maxLength"] == rules.MAX_SEALING_ID
    assert cel(sealing_id) == [f"self.matches('{rules.SEALING_ID_PATTERN}')"]
    assert field("TheazoSession", ".spec.user")["maxLength"] == rules.MAX_USER


def test_a_ciphertext_is_as_long_as_values_make_it() -> None:
    """RFC 9180 with X-Wing: 1120 bytes of encapsulated key and 16 of tag; base64url without padding."""

    def length(value: int) -> int:
        return len(f"thz1.{SUITE}.{'0' * 16}.") + -(-(value + 1136) * 4 // 3)

    data = field("TheazoSecret", ".spec.encryptedData")
    item = data["additionalProperties"]
    assert item["properties"]["ciphertext"]["maxLength"] == length(rules.MAX_VALUE)
    assert f"size(self.ciphertext) >= {length(1)}" in cel(item)
    assert f"self.ciphertext.startsWith('thz1.{SUITE}.')" in cel(item)
    assert f"self.map(name, size(self[name].ciphertext)).sum() <= {rules.MAX_CIPHERTEXT_TOTAL}" in cel(data)


def test_no_rule_or_bound_of_a_ciphertext_repeats_it() -> None:
    """The API server prints a string that breaks a pattern, a minLength or a rule of its own; not so one too long."""
    ciphertext = field("TheazoSecret", ".spec.encryptedData.*.ciphertext")
    assert set(ciphertext) == {"description", "type", "maxLength"}
