"""What an admission policy of the cluster refuses the REST API, on a real API server."""

from collections.abc import Iterator

import pytest

from tests.support.api import Api, Manifest, path
from tests.support.cluster import wait_until
from tests.support.manifests import entry, secret
from tests.support.rest import Rest
from tests.support.stage import Stage

pytestmark = [pytest.mark.cluster, pytest.mark.usefixtures("running_operator")]

NAME = "theazo-test-refuses"
WORDS = "canary-words-of-the-policy"
KINDS = ("ValidatingAdmissionPolicyBinding", "ValidatingAdmissionPolicy")


def _policy(platform: str) -> list[Manifest]:
    """Refuses entries named FORBIDDEN, with a policy's default status: 422, which a stale JSON Patch has as well."""
    rule = {"apiGroups": ["theazo.dev"], "apiVersions": ["*"], "resources": ["theazosecrets"], "operations": ["*"]}
    here = {"matchLabels": {"kubernetes.io/metadata.name": platform}}
    policy = {
        "failurePolicy": "Fail",
        "matchConstraints": {"resourceRules": [rule]},
        "validations": [{"expression": "!('FORBIDDEN' in object.spec.encryptedData)", "message": WORDS}],
    }
    policy["matchConditions"] = [{"name": "writes", "expression": "request.operation != 'DELETE'"}]
    binding = {
        "policyName": NAME,
        "validationActions": ["Deny"],
        "matchResources": {"namespaceSelector": here},
    }
    version, metadata = "admissionregistration.k8s.io/v1", {"name": NAME}
    return [
        {"apiVersion": version, "kind": kind, "metadata": metadata, "spec": spec}
        for kind, spec in zip(KINDS, (binding, policy), strict=True)
    ]


@pytest.fixture
def refused(api: Api, platform: str) -> Iterator[None]:
    """A platform in which a policy refuses entries of one name, once it is in force."""
    for each in _policy(platform):
        api.create(each).ok()
    probe = secret("probe", namespace=platform, entries={"FORBIDDEN": entry()})
    wait_until("the policy is in force", lambda: api.create(probe, dry_run=True).code == 422)
    yield
    for kind in KINDS:
        api.delete(path(kind, name=NAME)).ok()


@pytest.mark.usefixtures("refused")
def test_a_policy_is_told_from_a_lost_race(rest: Rest, stage: Stage) -> None:
    session = rest.open()
    where = f"/v1/sessions/{session}/secrets"
    for allowed in ("FIRST", "SECOND"):  # the object is made by a POST, and then there is one to patch
        said = rest.post(where, {"FORBIDDEN": "value"})
        said.problem(403, "refused_by_cluster")
        assert WORDS.encode() not in said.content
        rest.set(session, {allowed: "value"})
    assert rest.listed(session).keys() == {"FIRST", "SECOND"}
    found = stage.get("TheazoSecret", session)
    assert found is not None
    assert found["metadata"]["generation"] == 2  # the two that were allowed
