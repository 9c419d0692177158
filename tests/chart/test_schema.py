"""values.schema.json: what it refuses, and that it knows every value and no other."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.chart.support import CHART, refusal, render

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
    ({"platformNamespaces": {"labels": {"helm.sh/chart": "x"}}}, "helm.sh/chart"),
    ({"platformNamespaces": {"labels": {"team": "two words"}}}, "/platformNamespaces/labels/team"),
    ({"crds": {"enabled": False}}, "'enabled'"),
    ({"crds": {"keep": "false"}}, "/crds/keep"),
    ({"masterKey": {"value": "c2VjcmV0"}}, "'value'"),
    ({"masterKey": {"existingSecret": "No_Name"}}, "/masterKey/existingSecret"),
    ({"masterKey": {"volume": {"hostPath": {"path": "/"}}}}, "'hostPath'"),
    ({"masterKey": {"volume": {"csi": {"drivers": "x"}}}}, "'drivers'"),
    ({"masterKey": {"volume": {"secret": {"name": "x"}}}}, "'name'"),
    ({"masterKey": {"volume": {"projected": {"sources": [{"configMap": {"name": "x"}}]}}}}, "'configMap'"),
    ({"masterKey": {"volume": {"persistentVolumeClaim": {}}}}, "/masterKey/volume/persistentVolumeClaim"),
    ({"image": {"repository": "theazo-operator"}}, "'repository'"),
    ({"image": {"registry": "https://registry.example.com"}}, "/image/registry"),
    ({"image": {"pullPolicy": "always"}}, "/image/pullPolicy"),
    ({"operator": {"replicas": 2}}, "'replicas'"),
    ({"operator": {"loglevel": "DEBUG"}}, "'loglevel'"),
    ({"operator": {"logLevel": "TRACE"}}, "/operator/logLevel"),
    ({"operator": {"image": {"digest": "0123"}}}, "/operator/image/digest"),
    ({"operator": {"resources": {"limit": {"cpu": 1}}}}, "'limit'"),
    ({"operator": {"resources": {"limits": {"memory": "256MB"}}}}, "/operator/resources/limits/memory"),
    ({"operator": {"resources": {"limits": {"memory": "1mi"}}}}, "/operator/resources/limits/memory"),
    ({"operator": {"resources": {"requests": {"cpu": "1.2.3"}}}}, "/operator/resources/requests/cpu"),
    ({"operator": {"nodeSelector": {"a b": "c"}}}, "a b"),
    ({"operator": {"podSecurityContext": {"runAsUser": 0}}}, "/operator/podSecurityContext/runAsUser"),
    ({"operator": {"podSecurityContext": {"runAsNonRoot": False}}}, "'runAsNonRoot'"),
    ({"operator": {"readinessProbe": None}}, "'readinessProbe'"),
    ({"operator": {"tolerations": [{"key": "a", "effects": "NoSchedule"}]}}, "'effects'"),
    ({"operator": {"affinity": {"podAffinty": {}}}}, "'podAffinty'"),
    ({"operator": {"extraEnv": [{"name": "THEAZO_NAMESPACE", "value": "x"}]}}, "/operator/extraEnv/0/name"),
    ({"operator": {"extraEnv": [{"name": "MALLOC_ARENA_MAX", "value": "4"}]}}, "/operator/extraEnv/0/name"),
    ({"operator": {"extraEnv": [{"name": "A", "valueFrom": {"secretRef": {}}}]}}, "'secretRef'"),
    ({"operator": {"podLabels": {"app.kubernetes.io/name": "x"}}}, "app.kubernetes.io/name"),
    ({"api": {"replicas": "two"}}, "/api/replicas"),
    ({"api": {"service": {"port": 70000}}}, "/api/service/port"),
    ({"api": {"service": {"type": "Loadbalancer"}}}, "/api/service/type"),
    ({"api": {"ingress": {"host": "api.example.com"}}}, "'host'"),
    ({"api": {"podDisruptionBudget": {"minAvailable": 1}}}, "'minAvailable'"),
    ({"api": {"topologySpreadConstraints": [{"maxSkew": 1}]}}, "/api/topologySpreadConstraints/0"),
    ({"api": {"trustedProxies": ["proxy.example.com"]}}, "/api/trustedProxies/0"),
    ({"api": {"trustedProxies": ["10.0.0.256"]}}, "/api/trustedProxies/0"),
    ({"api": None}, "'api'"),
    ({"api": {"ingress": {"hosts": ["a.example.com", "a.example.com"]}}}, "/api/ingress/hosts"),
    ({"commonLabels": {"helm.sh/chart": "x"}}, "helm.sh/chart"),
    ({"computes": {"Python": {"image": "python"}}}, "Python"),
    ({"computes": {"python": {"images": "python"}}}, "'images'"),
    ({"computes": {"python": {"podSpec": {"containers": []}}}}, "/computes/python/podSpec"),
    ({"computes": {"python": {"podSpec": {"runtimeclassName": "x"}}}}, "'runtimeclassName'"),
    ({"computes": {"x": {"template": {"spec": {"containers": [], "volume": []}}}}}, "'volume'"),
    ({"networkPolicies": None}, "'networkPolicies'"),
    ({"networkPolicies": {"apiServer": {"cidrs": ["10.0.0.1"]}}}, "/networkPolicies/apiServer/cidrs/0"),
    ({"networkPolicies": {"apiServer": {"cidrs": ["999.1.1.1/99"]}}}, "/networkPolicies/apiServer/cidrs/0"),
    ({"networkPolicies": {"apiServer": {"cidrs": ["10.0.0.1/33"]}}}, "/networkPolicies/apiServer/cidrs/0"),
    ({"networkPolicies": {"apiServer": {"cidrs": ["fd00::/129"]}}}, "/networkPolicies/apiServer/cidrs/0"),
    ({"networkPolicies": {"apiServer": {"ports": []}}}, "/networkPolicies/apiServer/ports"),
    ({"networkPolicies": {"metricsFrom": [{}]}}, "/networkPolicies/metricsFrom/0"),
    ({"networkPolicies": {"metricsFrom": [{"namespaces": {}}]}}, "'namespaces'"),
    ({"networkPolicy": {"enabled": False}}, "'networkPolicy'"),
    ({"serviceMonitor": {"renderMode": "skip"}}, "/serviceMonitor/renderMode"),
    ({"serviceMonitor": {"labels": {"app.kubernetes.io/part-of": "x"}}}, "app.kubernetes.io/part-of"),
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


def test_it_takes_what_kubernetes_takes() -> None:
    quantities = ["1", 1, 0.5, ".5", "1.5Gi", "100m", "128Mi", "1Ki", "2G", "500k", "1e3", "1E-3", "0"]
    limits = {f"example.com/{number}": each for number, each in enumerate(quantities)}
    networks = ["10.0.0.1/32", "0.0.0.0/0", "255.255.255.255/8", "::/0", "fd00:10:96::1/128", "::ffff:10.0.0.1/96"]
    addresses = ["10.1.2.3", "::1", *networks]
    labels = {"a": "", "example.com/a_b.c": "x_y.z-1", "A": "9"}
    render(
        {
            "operator": {"resources": {"limits": limits}},
            "networkPolicies": {"apiServer": {"cidrs": networks}},
            "api": {"trustedProxies": addresses, "nodeSelector": labels, "podLabels": labels},
            "masterKey": {"volume": {"projected": {"sources": [{"secret": {"name": "a"}}]}}},
        }
    )


def defaults(values: Any, schema: Any, *, needed: bool, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """The paths in values.yaml that the schema needs, or that it does not need."""
    for key in set(values) & set(schema.get("properties", {})) if isinstance(values, dict) else ():
        if needed == (key in schema.get("required", ())):
            yield (*path, key)
        yield from defaults(values[key], schema["properties"][key], needed=needed, path=(*path, key))


def without(*paths: tuple[str, ...]) -> dict[str, Any]:
    """Values that take some defaults out."""
    values: dict[str, Any] = {}
    for path in paths:
        at = values
        for key in path[:-1]:
            at = at.setdefault(key, {})
        at[path[-1]] = None
    return values


# `null` takes a default out. A template that then looked into it would fail, and not say what to do.
@pytest.mark.parametrize("path", sorted(defaults(VALUES, SCHEMA, needed=True)), ids=".".join)
def test_a_default_that_is_needed_cannot_be_taken_out(path: tuple[str, ...]) -> None:
    assert f"missing property '{path[-1]}'" in refusal(without(path))


def test_any_other_default_can_be_taken_out() -> None:
    values = without(*defaults(VALUES, SCHEMA, needed=False))
    assert render(values)
    values["api"] |= {"enabled": True, "ingress": {"enabled": True, "hosts": ["a.example.com"], "tls": None}}
    values["serviceMonitor"] |= {"enabled": True, "renderMode": "alwaysRender"}
    values["admissionPolicies"] |= {"enabled": True}
    values["networkPolicies"] |= {"enabled": True}
    assert render(values)


def objects(schema: Any, path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Every schema of an object, and where it stands."""
    if isinstance(schema, dict):
        if schema.get("type") == "object" or "properties" in schema:
            yield path, schema
        for key, value in schema.items():
            yield from objects(value, f"{path}/{key}")
    elif isinstance(schema, list):
        for index, value in enumerate(schema):
            yield from objects(value, f"{path}/{index}")


def test_nothing_unknown_is_let_through() -> None:
    lax = {path for path, each in objects(SCHEMA) if each.get("additionalProperties", True) is True}
    theirs = (
        "/properties/extraObjects/",  # an object of the user's own may be any
        "/properties/global",  # of the chart that this one is a part of; templates/checks.yaml refuses it elsewhere
        "/$defs/affinity/",  # Kubernetes' own terms
    )
    assert [path for path in lax if not path.startswith(theirs)] == []


@pytest.mark.parametrize(("field", "ours"), [("podSpec", {"containers", "securityContext"}), ("template", set())])
def test_a_computes_pod_may_have_the_fields_of_a_pod(field: str, ours: set[str]) -> None:
    spec = SCHEMA["$defs"]["compute"]["properties"][field]
    known = spec if field == "podSpec" else spec["properties"]["spec"]
    pod = json.loads((Path(__file__).parent / "schemas" / "pod-v1.json").read_text())
    assert set(known["properties"]) == set(pod["definitions"]["io.k8s.api.core.v1.PodSpec"]["properties"]) - ours


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
