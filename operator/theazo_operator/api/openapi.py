"""The OpenAPI document, from the operations and their models. `python -m theazo_operator.api.openapi` prints it."""

import json
import sys
from collections import defaultdict
from collections.abc import Iterable
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from theazo import rules
from theazo_operator.api import models, problems
from theazo_operator.api.operation import Operation
from theazo_operator.api.operations import OPERATIONS
from theazo_operator.api.problems import MEDIA_TYPE, Kind

_REF = "#/components/schemas/{model}"
_ALWAYS = (problems.INVALID_REQUEST, problems.UNAUTHORIZED, problems.PLATFORM_NOT_SERVED)
_ALWAYS_LATER = (
    problems.TOO_MANY_FAILURES,
    problems.TOO_MANY_REQUESTS,
    problems.INTERNAL_ERROR,
    problems.UNAVAILABLE,
)
_WITH_BODY = (problems.BODY_TOO_LARGE, problems.UNSUPPORTED_MEDIA_TYPE)
_LABEL = {"type": "string", "pattern": rules.DNS_LABEL_PATTERN, "maxLength": rules.MAX_SESSION}
_PATH = {
    "sid": ("A session's id.", _LABEL),
    "aid": ("An agent's id.", _LABEL),
    "name": ("A secret's name.", {"type": "string", "pattern": rules.NAME_PATTERN, "maxLength": rules.MAX_NAME}),
}
_IN_SESSION = ("setSecrets", "listSecrets", "createAgent", "listAgents", "getSession", "deleteSession")
_LINKS: dict[str, tuple[dict[str, str], tuple[str, ...]]] = {
    "listSecrets": ({"sid": "$request.path.sid", "name": "$response.body#/secrets/0/name"}, ("deleteSecret",)),
    "openSession": ({"sid": "$response.body#/id"}, _IN_SESSION),
    "createAgent": ({"sid": "$request.path.sid", "aid": "$response.body#/id"}, ("getAgent", "deleteAgent")),
}
_DESCRIPTION = """\
Sessions, secrets and agents of one platform, which is the API key's. Values go in and never come out.
Errors are problems (RFC 9457) with a stable `code`. Every reply has `X-Request-Id`."""


def document() -> dict[str, Any]:
    """The document, in OpenAPI 3.1."""
    paths: dict[str, dict[str, Any]] = defaultdict(dict)
    for operation in OPERATIONS:
        paths[operation.route][operation.method.lower()] = _operation(operation)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Theazo Secrets",
            "version": "v1",
            "description": _DESCRIPTION,
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "security": [{"apiKey": []}],
        "paths": dict(paths),
        "components": {
            "schemas": {**_schemas(), "SecretValues": _values(), "Problem": _problem()},
            "securitySchemes": {"apiKey": {"type": "http", "scheme": "bearer", "description": "An API key, th_live_…"}},
        },
    }


def _schemas() -> dict[str, Any]:
    used = {model for each in OPERATIONS for model in (*each.replies.values(), *each.bodies.values()) if model}
    used |= {models.DeclaredSecret}
    wanted: list[tuple[type[BaseModel], Any]] = sorted(
        ((each, "validation") for each in used), key=lambda e: e[0].__name__
    )
    _, schema = models_json_schema(wanted, by_alias=True, ref_template=_REF)
    found = schema["$defs"]
    sealed = {"type": "string", "pattern": r"^thz1\.xwing-sha256-aes256gcm\.[0-9a-f]{16}\.[A-Za-z0-9_-]{1515,}$"}
    found["SealedSecrets"]["properties"]["secrets"] |= {"additionalProperties": sealed, "propertyNames": _name()}
    return dict(found)


def _values() -> dict[str, Any]:
    return {
        "type": "object",
        "description": "Names and values. A value is 1 byte to 64 KiB of UTF-8 without NUL.",
        "minProperties": 1,
        "maxProperties": rules.MAX_NAMES,
        "propertyNames": _name(),
        "additionalProperties": {
            "type": "string",
            "minLength": 1,
            "maxLength": rules.MAX_VALUE,
            "pattern": r"^[^\x00]*$",
            "format": "password",
            "writeOnly": True,
        },
    }


def _name() -> dict[str, Any]:
    return {"type": "string", "maxLength": rules.MAX_NAME, "pattern": models.NAME}


def _problem() -> dict[str, Any]:
    text = {"type": "string"}
    error = {
        "type": "object",
        "required": ["pointer", "detail"],
        "properties": {
            "pointer": {**text, "description": "A JSON Pointer; a position stands for a name."},
            "detail": text,
        },
    }
    return {
        "type": "object",
        "description": "What went wrong (RFC 9457).",
        "required": ["type", "title", "status", "detail", "code", "requestId"],
        "properties": {
            "type": {**text, "format": "uri"},
            "title": text,
            "status": {"type": "integer"},
            "detail": text,
            "code": {**text, "enum": sorted({kind.code for kind in problems.KINDS})},
            "requestId": text,
            "missing": {"type": "array", "items": text, "description": "Declared secrets that the session lacks."},
            "errors": {"type": "array", "items": error},
        },
    }


def _operation(operation: Operation) -> dict[str, Any]:
    kinds = [*_ALWAYS, *operation.problems, *(_WITH_BODY if operation.bodies else ()), *_ALWAYS_LATER]
    if operation.method == "POST":
        kinds.append(problems.REFUSED_BY_CLUSTER)
    described: dict[str, Any] = {"operationId": operation.name, "summary": operation.summary}
    parameters = [*_path(operation.route), *_query(operation.query), *_headers(operation)]
    if parameters:
        described["parameters"] = parameters
    if operation.bodies:
        described["requestBody"] = {"required": True, "content": {t: _content(m) for t, m in operation.bodies.items()}}
    described["responses"] = {
        **{str(status): _reply(model) | _links(operation.name) for status, model in operation.replies.items()},
        **_problems(kinds),
    }
    return described


def _path(route: str) -> list[dict[str, Any]]:
    return [
        {"name": name, "in": "path", "required": True, "description": text, "schema": schema}
        for name, (text, schema) in _PATH.items()
        if f"{{{name}}}" in route
    ]


def _query(model: type[BaseModel] | None) -> list[dict[str, Any]]:
    properties = model.model_json_schema(by_alias=True)["properties"] if model else {}
    return [{"name": name, "in": "query", "schema": _plain(schema)} for name, schema in properties.items()]


def _plain(schema: dict[str, Any]) -> dict[str, Any]:
    """A parameter's schema: it is left out rather than null."""
    [given] = [each for each in schema.get("anyOf", [schema]) if each.get("type") != "null"]
    return {name: value for name, value in given.items() if name != "title"}


def _headers(operation: Operation) -> list[dict[str, Any]]:
    if not operation.idempotent_by_key:
        return []
    text = "Makes a repeated request safe: with the same key and body it answers with the agent that is there."
    schema = {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[!-~]([ -~]*[!-~])?$"}
    return [{"name": "Idempotency-Key", "in": "header", "description": text, "schema": schema}]


def _content(model: type[BaseModel] | None) -> dict[str, Any]:
    return {"schema": {"$ref": _REF.format(model=model.__name__ if model else "SecretValues")}}


def _reply(model: type[BaseModel] | None) -> dict[str, Any]:
    if model is None:
        return {"description": "Done."}
    return {"description": (model.__doc__ or "").partition("\n")[0], "content": {"application/json": _content(model)}}


def _links(name: str) -> dict[str, Any]:
    """Which operations go on with what this one made."""
    made, follow = _LINKS.get(name, ({}, ()))
    return {"links": {each: {"operationId": each, "parameters": made} for each in follow}} if follow else {}


def _problems(kinds: Iterable[Kind]) -> dict[str, Any]:
    by_status: dict[int, list[Kind]] = defaultdict(list)
    for kind in sorted(set(kinds), key=lambda kind: (kind.status, kind.code)):
        by_status[kind.status].append(kind)
    content = {MEDIA_TYPE: {"schema": {"$ref": _REF.format(model="Problem")}}}
    return {
        str(status): {"description": " ".join(f"`{kind.code}`: {kind.title}." for kind in found), "content": content}
        for status, found in by_status.items()
    }


def text() -> str:
    """The document as it is committed."""
    return json.dumps(document(), indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    sys.stdout.write(text())
