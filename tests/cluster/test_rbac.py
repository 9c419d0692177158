"""What the operator may do and what it may not, tried with its own token."""

from collections.abc import Iterator
from uuid import uuid4

import pytest

from tests.support.api import Api, Manifest, Reply, path
from tests.support.cluster import SYSTEM
from tests.support.manifests import agent, condition, secret, session
from tests.support.sandboxes import ordinary_secret, pod_scoped_secret, sandbox

pytestmark = [pytest.mark.cluster, pytest.mark.usefixtures("installed")]

KINDS = ("TheazoSession", "TheazoSecret", "TheazoAgent")
LOOK = ("get", "list", "watch")
EVERYWHERE = {
    *((plural, verb) for plural in ("theazosessions", "theazosecrets", "theazoagents") for verb in LOOK),
    *((f"{plural}/status", "patch") for plural in ("theazosessions", "theazosecrets", "theazoagents")),
    *((plural, verb) for plural in ("namespaces", "pods") for verb in LOOK),
}
IN_PLATFORMS = {
    ("secrets", "create"),
    ("secrets", "deletecollection"),
    ("pods", "create"),
    ("pods", "delete"),
    *((plural, "delete") for plural in ("theazosessions", "theazosecrets", "theazoagents")),
}
AT_HOME = {
    ("secrets theazo-master-key", "get"),
    ("secrets", "create"),
    *(("configmaps", verb) for verb in ("get", "list", "create", "patch")),
    *(("podtemplates", verb) for verb in LOOK),
}


@pytest.fixture
def elsewhere(api: Api) -> Iterator[str]:
    """A namespace that is no platform."""
    name = f"elsewhere-{uuid4().hex[:8]}"
    api.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}).ok()
    try:
        yield name
    finally:
        api.delete(path("Namespace", name=name)).ok()


def foreign_secret(api: Api, namespace: str) -> str:
    """A Secret that is none of the operator's business: its path."""
    api.create(ordinary_secret(namespace)).ok()
    return path("Secret", namespace, "database")


def assert_no_right(reply: Reply) -> None:
    """Refused by RBAC, not by a policy or for what is in the request; and nothing of the Secret in the answer."""
    assert reply.code == 403, reply.body
    assert "system:serviceaccount:theazo-system:theazo-operator" in reply.message
    assert " cannot " in reply.message


def rights(user: Api, namespace: str) -> set[tuple[str, str]]:
    """All that a user may do in a namespace: pairs of a resource, with names if it is limited to them, and a verb."""
    review = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SelfSubjectRulesReview",
        "spec": {"namespace": namespace},
    }
    rules = user.request("POST", "/apis/authorization.k8s.io/v1/selfsubjectrulesreviews", review).ok()["status"]
    assert not rules["incomplete"], rules
    return {
        (" ".join([resource, *rule.get("resourceNames", [])]), verb)
        for rule in rules["resourceRules"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
    }


def test_its_rights_are_these_and_no_others(operator: Api, api: Api, platform: str, elsewhere: str) -> None:
    account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "anybody", "namespace": elsewhere}}
    api.create(account).ok()
    anybody = api.with_token(api.token_of(elsewhere, "anybody"))
    for namespace, more in ((elsewhere, set()), ("kube-system", set()), (platform, IN_PLATFORMS), (SYSTEM, AT_HOME)):
        assert rights(operator, namespace) == EVERYWHERE | more | rights(anybody, namespace), namespace


def test_it_reads_no_secret_in_a_platform(operator: Api, api: Api, platform: str) -> None:
    one, all_of_them = foreign_secret(api, platform), path("Secret", platform)
    assert_no_right(operator.get(one))
    assert_no_right(operator.get(all_of_them))
    assert_no_right(operator.get(all_of_them, watch="true"))
    assert_no_right(operator.get(all_of_them, labelSelector="theazo.dev/agent-uid"))
    assert_no_right(operator.get("/api/v1/secrets"))
    # Each of these would answer with the Secret.
    assert_no_right(operator.delete(one, dryRun="All"))
    assert_no_right(operator.merge(one, {"metadata": {"labels": {"a": "b"}}}, dry_run=True))


@pytest.mark.parametrize("dry_run", [{"dryRun": "All"}, {}], ids=["dry-run", "for-real"])
def test_it_writes_nothing_outside_platforms(operator: Api, api: Api, elsewhere: str, dry_run: dict[str, str]) -> None:
    one = foreign_secret(api, elsewhere)
    assert_no_right(operator.get(one))
    assert_no_right(operator.delete(one, **dry_run))
    assert_no_right(operator.delete(path("Secret", elsewhere), **dry_run))
    assert_no_right(operator.delete(path("Pod", elsewhere, "any"), **dry_run))
    assert_no_right(operator.delete(path("Pod", elsewhere), **dry_run))
    for kind in KINDS:
        assert_no_right(operator.delete(path(kind, elsewhere, "any"), **dry_run))
    for manifest in (sandbox(elsewhere), pod_scoped_secret(elsewhere)):
        assert_no_right(operator.create(manifest, dry_run=bool(dry_run)))
    assert api.get(one).ok()


@pytest.mark.parametrize("namespace", ["kube-system", "default", SYSTEM])
def test_it_starts_nothing_and_deletes_no_secret_there(operator: Api, namespace: str) -> None:
    assert_no_right(operator.create(sandbox(namespace), dry_run=True))
    assert_no_right(operator.delete(path("Secret", namespace, "any"), dryRun="All"))
    assert_no_right(operator.delete(path("Secret", namespace), dryRun="All"))


def test_of_its_own_namespace_it_reads_the_master_key_only(operator: Api, api: Api) -> None:
    foreign = foreign_secret(api, SYSTEM)
    try:
        assert operator.get(path("Secret", SYSTEM, "theazo-master-key")).code in {200, 404}
        assert_no_right(operator.get(foreign))
        assert_no_right(operator.get(path("Secret", SYSTEM)))
        assert_no_right(operator.get(path("Secret", SYSTEM), watch="true"))
        assert_no_right(operator.get(path("Secret", SYSTEM), fieldSelector="metadata.name=theazo-master-key"))
        assert_no_right(operator.delete(path("Secret", SYSTEM, "theazo-master-key"), dryRun="All"))
        assert_no_right(operator.merge(path("Secret", SYSTEM, "theazo-master-key"), {"data": {}}, dry_run=True))
    finally:
        api.delete(foreign).ok()


def test_it_gets_no_more_rights_by_itself(operator: Api, platform: str) -> None:
    token = path("ServiceAccount", platform, "default", "token")
    assert_no_right(operator.request("POST", token, {"spec": {}}))
    assert_no_right(operator.get(path("Pod", platform, "any", "log")))
    assert_no_right(operator.request("POST", path("Pod", platform, "any", "exec")))
    assert_no_right(operator.get(path("RoleBinding", platform)))
    assert_no_right(operator.merge(path("Namespace", name="kube-system"), {"metadata": {"labels": {"a": "b"}}}))
    for manifest in (session(namespace=platform), secret(namespace=platform), agent(namespace=platform)):
        assert_no_right(operator.create(manifest, dry_run=True))
        assert_no_right(operator.merge(path(manifest["kind"], platform, "any"), {"spec": {}}))


def test_in_a_platform_it_can_do_its_work(operator: Api, api: Api, platform: str) -> None:
    made = {manifest["kind"]: api.create(manifest).ok() for manifest in _one_of_each(platform)}
    owner = made["TheazoAgent"]["metadata"]
    kept, gone = (pod_scoped_secret(platform, owner, name=f"thz-{letter * 26}") for letter in "ab")
    for manifest in (kept, gone):
        operator.create(manifest).ok()
    operator.create(sandbox(platform, owner, kept["metadata"]["name"])).ok()
    selector = {
        "labelSelector": f"theazo.dev/agent-uid={owner['uid']}",
        "fieldSelector": f"metadata.name!={kept['metadata']['name']}",
    }
    operator.delete(path("Secret", platform), **selector).ok()
    names = {item["metadata"]["name"] for item in api.get(path("Secret", platform)).ok()["items"]}
    assert kept["metadata"]["name"] in names
    assert gone["metadata"]["name"] not in names
    operator.delete(path("Pod", platform, "agent-01234567"), gracePeriodSeconds="0").ok()
    for kind in KINDS:
        where = path(kind, platform, made[kind]["metadata"]["name"])
        ready = {"conditions": [condition("Ready", "True", "Active")]}
        operator.merge(f"{where}/status", {"status": ready}).ok()
        operator.delete(where).ok()
    for seen in ("/api/v1/pods", "/api/v1/namespaces", *(path(kind) for kind in KINDS), path("PodTemplate", SYSTEM)):
        operator.get(seen, limit="1").ok()


def _one_of_each(namespace: str) -> tuple[Manifest, Manifest, Manifest]:
    return session(namespace=namespace), secret(namespace=namespace), agent(namespace=namespace)


def test_public_keys_are_for_everybody_to_read_and_for_nobody_else_to_write(
    api: Api, operator: Api, tenant: Api
) -> None:
    name = f"sealing-key-{uuid4().hex[:8]}"
    key = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": SYSTEM}, "data": {"a": "b"}}
    where = path("ConfigMap", SYSTEM, name)
    operator.create(key).ok()
    try:
        assert operator.merge(where, {"data": {"a": "c"}}).ok()["data"] == {"a": "c"}
        assert tenant.get(where).ok()["data"] == {"a": "c"}
        assert tenant.get(path("ConfigMap", SYSTEM)).code == 403
        assert tenant.merge(where, {"data": {"a": "mine"}}).code == 403
        assert tenant.delete(where).code == 403
        assert tenant.create(key).code == 403
        assert tenant.get(path("Secret", SYSTEM, "theazo-master-key")).code == 403
        assert api.with_token("").get(where).code in {401, 403}
    finally:
        api.delete(where).ok()
