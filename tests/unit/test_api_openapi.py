"""The OpenAPI document is made from the code, committed, and complete."""

from pathlib import Path
from typing import Any

import pytest

from tests.support.restrig import DOCUMENT
from theazo_operator.api import problems
from theazo_operator.api.openapi import text

COMMITTED = Path(__file__).resolve().parents[2] / "docs" / "openapi.json"
OPERATIONS = [each for operations in DOCUMENT["paths"].values() for each in operations.values()]


def test_the_committed_document_is_that_of_the_code() -> None:
    remedy = "run: hack/uv run --frozen python -m theazo_operator.api.openapi > docs/openapi.json"
    assert COMMITTED.read_text(encoding="utf-8") == text(), remedy


def references(value: Any) -> set[str]:
    if isinstance(value, dict):
        own = {value["$ref"]} if isinstance(value.get("$ref"), str) else set()
        return own.union(*(references(each) for each in value.values()))
    return set().union(*(references(each) for each in value)) if isinstance(value, list) else set()


def test_what_is_referred_to_is_there_and_what_is_there_is_referred_to() -> None:
    used = {each.removeprefix("#/components/schemas/") for each in references(DOCUMENT)}
    assert used == set(DOCUMENT["components"]["schemas"])


def test_links_lead_to_operations() -> None:
    names = {each["operationId"] for each in OPERATIONS}
    links = [link for each in OPERATIONS for reply in each["responses"].values() for link in reply.get("links", {})]
    assert links
    assert set(links) <= names


@pytest.mark.parametrize("each", OPERATIONS, ids=lambda each: str(each["operationId"]))
def test_every_operation_says_what_it_needs_and_answers(each: dict[str, Any]) -> None:
    assert {"400", "401", "403", "429", "500", "503"} <= set(each["responses"])
    assert ("413" in each["responses"]) is ("415" in each["responses"]) is ("requestBody" in each)
    assert ("422" in each["responses"]) is (each["operationId"] == "createAgent")


def test_every_code_is_of_some_operation_or_of_no_route() -> None:
    texts = " ".join(reply["description"] for each in OPERATIONS for reply in each["responses"].values())
    unrouted = {problems.ROUTE_NOT_FOUND.code, problems.METHOD_NOT_ALLOWED.code}
    assert {kind.code for kind in problems.KINDS if f"`{kind.code}`" not in texts} == unrouted


def test_codes_are_stable() -> None:
    """A program goes by them: one that is here stays."""
    assert {(kind.status, kind.code) for kind in problems.KINDS} == {
        *((400, code) for code in ("invalid_request", "invalid_secret", "cursor_expired")),
        (401, "unauthorized"),
        *((403, code) for code in ("platform_not_served", "refused_by_cluster")),
        *((404, code) for code in ("route_not_found", "session_not_found", "secret_not_found", "agent_not_found")),
        (405, "method_not_allowed"),
        *((409, code) for code in ("conflict", "managed_elsewhere", "session_changed", "sealing_key_changed")),
        *((409, code) for code in ("session_ended", "idempotency_mismatch")),
        *((413, code) for code in ("body_too_large", "secrets_too_large")),
        (415, "unsupported_media_type"),
        *((422, code) for code in ("secret_not_found", "compute_not_found", "invalid_agent")),
        *((429, code) for code in ("too_many_failures", "too_many_requests")),
        (500, "internal_error"),
        *((503, code) for code in ("unavailable", "sealing_key_unavailable")),
    }


def test_no_reply_has_a_field_for_a_value() -> None:
    shown = {ref for each in OPERATIONS for reply in each["responses"].values() for ref in references(reply)}
    schemas = DOCUMENT["components"]["schemas"]
    fields = {name for ref in shown for name in schemas[ref.rpartition("/")[2]]["properties"]}
    assert not fields & {"value", "values", "ciphertext", "encryptedData", "hash", "apiKey", "data"}
