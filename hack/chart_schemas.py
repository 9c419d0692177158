"""Writes the JSON schemas that kubeconform judges the chart by.

With the test cluster in the shell (`eval "$(python3 -m hack.cluster env)"`): `python3 -m hack.chart_schemas`.
They come from the OpenAPI of the test cluster's API server, strict, and with what a kind needs and nothing else. They
are kept in the repository so that the check needs no cluster and no network. Write them anew for another Kubernetes.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

Schema = dict[str, Any]

TARGET = Path(__file__).resolve().parent.parent / "tests" / "chart" / "schemas"
#: Group and version, and the kinds of it that the chart has.
KINDS = {
    "api/v1": ("ConfigMap", "Namespace", "Pod", "PodTemplate", "Service", "ServiceAccount"),
    "apis/apps/v1": ("Deployment",),
    "apis/policy/v1": ("PodDisruptionBudget",),
    "apis/networking.k8s.io/v1": ("Ingress", "NetworkPolicy"),
    "apis/rbac.authorization.k8s.io/v1": ("ClusterRole", "ClusterRoleBinding", "Role", "RoleBinding"),
    "apis/apiextensions.k8s.io/v1": ("CustomResourceDefinition",),
    "apis/admissionregistration.k8s.io/v1": ("ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding"),
}
_DROPPED = ("description", "default")
#: Kept by the API server as they are, or a number or a text, whatever its OpenAPI says.
_OPEN = {"RawExtension", "JSON", "FieldsV1", "JSONSchemaPropsOrArray", "JSONSchemaPropsOrBool"}
_EITHER = {"IntOrString", "Quantity"}
_REF = "#/components/schemas/"


def references(schema: Any) -> Iterator[str]:  # noqa: ANN401 - any part of a schema
    """Yield the names of the schemas that a schema uses."""
    if isinstance(schema, dict):
        for key, value in schema.items():
            # A field of that name, of a CRD's own schema, is no reference.
            if key == "$ref" and isinstance(value, str):
                yield value.removeprefix("#/definitions/")
            else:
                yield from references(value)
    elif isinstance(schema, list):
        for each in schema:
            yield from references(each)


def strict(schema: Any) -> Any:  # noqa: ANN401 - any part of a schema
    """Return a schema that refuses what it does not know, as `kubectl --validate=strict` does."""
    if isinstance(schema, list):
        return [strict(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    if isinstance(schema.get("$ref"), str):
        return {"$ref": schema["$ref"].replace(_REF, "#/definitions/")}
    if len(schema.get("allOf", ())) == 1:
        return strict(schema["allOf"][0])
    kept = {
        # Names of fields, among them `default`, which is no keyword there.
        key: {name: strict(each) for name, each in value.items()} if key == "properties" else strict(value)
        for key, value in schema.items()
        if key not in _DROPPED and not key.startswith("x-kubernetes")
    }
    if "properties" in kept:
        kept.setdefault("additionalProperties", False)
    return kept


def definition(name: str, schema: Schema) -> Schema:
    """Return a named schema made strict."""
    short = name.rpartition(".")[2]
    if short in _OPEN:
        return {}
    if short in _EITHER:
        return {"type": ["string", "number"]}
    return dict(strict(schema))


def of_kind(document: Schema, group_version: str, kind: str) -> Schema:
    """Return the schema of one kind, with all that it needs."""
    schemas = document["components"]["schemas"]
    group, _, version = group_version.removeprefix("apis/").removeprefix("api/").rpartition("/")
    wanted = {"group": group, "kind": kind, "version": version}
    top = next(name for name, each in schemas.items() if wanted in each.get("x-kubernetes-group-version-kind", ()))
    needed: dict[str, Schema] = {}
    open_names = [top]
    while open_names:
        name = open_names.pop()
        if name not in needed:
            needed[name] = definition(name, schemas[name])
            open_names.extend(references(needed[name]))
    own = needed.pop(top)
    own["properties"] |= {"apiVersion": {"const": f"{group}/{version}".lstrip("/")}, "kind": {"const": kind}}
    return own | {"required": ["apiVersion", "kind", "metadata"], "definitions": dict(sorted(needed.items()))}


def main() -> None:
    """Ask the API server and write."""
    TARGET.mkdir(parents=True, exist_ok=True)
    for group_version, kinds in KINDS.items():
        text = subprocess.run(
            ["kubectl", "get", "--raw", f"/openapi/v3/{group_version}"], capture_output=True, check=True
        ).stdout
        group = group_version.split("/")[-2] if group_version != "api/v1" else ""
        for kind in kinds:
            schema = of_kind(json.loads(text), group_version, kind)
            file = TARGET / f"{'-'.join(filter(None, (kind.lower(), group.split('.')[0], 'v1')))}.json"
            file.write_text(json.dumps(schema, sort_keys=True, separators=(",", ":")) + "\n")


if __name__ == "__main__":
    main()
