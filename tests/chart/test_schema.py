"""values.schema.json: what it refuses, and that it knows every value and no other."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from tests.chart.support import CHART, refusal

SCHEMA = json.loads((CHART / "values.schema.json").read_text())
VALUES = yaml.safe_load((CHART / "values.yaml").read_text())

#: Wrong values, and what the message has to name: the key, or where it stands.
WRONG: list[tuple[dict[str, Any], str]] = [
    ({"platform": ["acme"]}, "'platform'"),
    ({"singlePlatfrom": "acme"}, "'singlePlatfrom'"),
    ({"platforms": "acme"}, "/platforms"),
    ({"platforms": ["Acme"]}, "/platforms/0"),
    ({"platforms": ["acme", "acme"]}, "/platforms"),
    ({"platforms": ["kube-system"]}, "/platforms/0"),
    ({"singlePlatform": "kube-system"}, "/singlePlatform"),
    ({"singlePlatform": ["acme"]}, "/singlePlatform"),
    ({"platformNamespaces": {"created": True}}, "'created'"),
    ({"crds": {"enabled": False}}, "'enabled'"),
    ({"crds": {"keep": "false"}}, "/crds/keep"),
    ({"masterKey": {"value": "c2VjcmV0"}}, "'value'"),
    ({"masterKey": {"existingSecret": "No_Name"}}, "/masterKey/existingSecret"),
    ({"masterKey": {"volume": {"hostPath": {"path": "/"}}}}, "'hostPath'"),
    ({"image": {"repository": "theazo-operator"}}, "'repository'"),
    ({"image": {"registry": "https://registry.example.com"}}, "/image/registry"),
    ({"image": {"pullPolicy": "always"}}, "/image/pullPolicy"),
    ({"operator": {"replicas": 2}}, "'replicas'"),
    ({"operator": {"loglevel": "DEBUG"}}, "'loglevel'"),
    ({"operator": {"logLevel": "TRACE"}}, "/operator/logLevel"),
    ({"operator": {"image": {"digest": "0123"}}}, "/operator/image/digest"),
    ({"operator": {"resources": {"limit": {"cpu": 1}}}}, "'limit'"),
    ({"operator": {"resources": {"limits": {"memory": "256MB"}}}}, "/operator/resources/limits/memory"),
    ({"operator": {"tolerations": [{"key": "a", "effects": "NoSchedule"}]}}, "'effects'"),
    ({"operator": {"affinity": {"podAffinty": {}}}}, "'podAffinty'"),
    ({"operator": {"extraEnv": [{"name": "THEAZO_NAMESPACE", "value": "x"}]}}, "/operator/extraEnv/0/name"),
    ({"operator": {"podLabels": {"app.kubernetes.io/name": "x"}}}, "app.kubernetes.io/name"),
    ({"api": {"replicas": "two"}}, "/api/replicas"),
    ({"api": {"service": {"port": 70000}}}, "/api/service/port"),
    ({"api": {"service": {"type": "Loadbalancer"}}}, "/api/service/type"),
    ({"api": {"ingress": {"host": "api.example.com"}}}, "'host'"),
    ({"api": {"podDisruptionBudget": {"minAvailable": 1}}}, "'minAvailable'"),
    ({"api": {"topologySpreadConstraints": [{"maxSkew": 1}]}}, "/api/topologySpreadConstraints/0"),
    ({"api": {"trustedProxies": ["proxy.example.com"]}}, "/api/trustedProxies/0"),
    ({"commonLabels": {"helm.sh/chart": "x"}}, "helm.sh/chart"),
    ({"computes": {"Python": {"image": "python"}}}, "Python"),
    ({"computes": {"python": {"images": "python"}}}, "'images'"),
    ({"computes": {"python": {"podSpec": {"containers": []}}}}, "/computes/python/podSpec"),
    ({"networkPolicies": {"apiServer": {"cidrs": ["10.0.0.1"]}}}, "/networkPolicies/apiServer/cidrs/0"),
    ({"networkPolicies": {"apiServer": {"ports": []}}}, "/networkPolicies/apiServer/ports"),
    ({"networkPolicies": {"metricsFrom": [{}]}}, "/networkPolicies/metricsFrom/0"),
    ({"networkPolicies": {"metricsFrom": [{"namespaces": {}}]}}, "'namespaces'"),
    ({"networkPolicy": {"enabled": False}}, "'networkPolicy'"),
    ({"serviceMonitor": {"renderMode": "skip"}}, "/serviceMonitor/renderMode"),
    ({"serviceMonitor": {"interval": 30}}, "/serviceMonitor/interval"),
    ({"rbac": {"aggregateToAdmin": True}}, "'aggregateToAdmin'"),
    ({"test": {"timeout": 10}}, "'timeout'"),
    ({"extraObjects": [{"kind": "ConfigMap"}]}, "/extraObjects/0"),
    ({"extraObjects": {}}, "/extraObjects"),
]


@pytest.mark.parametrize(("values", "named"), WRONG, ids=[json.dumps(values) for values, _ in WRONG])
def test_it_refuses_and_names_the_key(values: dict[str, Any], named: str) -> None:
    message = refusal(values)
    assert "values don't meet the specifications of the schema" in message
    assert named in message


def objects(schema: Any, path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Every schema with properties, and where it stands."""
    if isinstance(schema, dict):
        if "properties" in schema:
            yield path, schema
        for key, value in schema.items():
            yield from objects(value, f"{path}/{key}")
    elif isinstance(schema, list):
        for index, value in enumerate(schema):
            yield from objects(value, f"{path}/{index}")


def test_nothing_unknown_is_let_through() -> None:
    lax = {path for path, each in objects(SCHEMA) if each.get("additionalProperties") is not False}
    assert all(path.startswith("/properties/extraObjects/") for path in lax), "an object of the user's own may be any"


def names(values: Any, schema: Any, path: str = "") -> Iterator[tuple[str, set[str]]]:
    """Where values.yaml and the schema do not have the same names."""
    while "$ref" in schema:
        schema = SCHEMA["$defs"][schema["$ref"].rpartition("/")[2]]
    if isinstance(values, dict) and "properties" in schema and values:
        unlike = set(values) ^ set(schema["properties"])
        if unlike:
            yield path, unlike
        for key in set(values) & set(schema["properties"]):
            yield from names(values[key], schema["properties"][key], f"{path}/{key}")


def test_the_schema_and_the_defaults_have_the_same_names() -> None:
    #: Fields of Kubernetes that have no default here. `global` is what Helm gives a chart that is part of another.
    optional = {
        "": {"global"},
        "/operator/livenessProbe": {"initialDelaySeconds", "successThreshold", "terminationGracePeriodSeconds"},
        "/operator/resources": {"claims"},
    }
    for path, unlike in names(VALUES, SCHEMA):
        known = optional.get(path.replace("/api/", "/operator/"), set())
        if path.endswith("readinessProbe"):
            known = optional["/operator/livenessProbe"] | {"failureThreshold"}
        assert unlike <= known, f"{path}: only in values.yaml or only in the schema: {sorted(unlike - known)}"
