"""The command line against a real API server, and what it seals in the hands of the real operator."""

import json
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest
import yaml

from tests.support.api import Api, path
from tests.support.cli import Result, theazo
from tests.support.cluster import SYSTEM, Kubectl, wait_until
from tests.support.operator import write_kubeconfig
from tests.support.stage import Stage
from theazo.cli.cluster import Cluster, ClusterOptions
from theazo.cli.terminal import Refused
from theazo.rules import session_name

pytestmark = pytest.mark.cluster

BINDING = "theazo-operator"


@pytest.fixture
def namespace(installed: None, api: Api) -> Iterator[str]:  # noqa: ARG001 - it has to be there
    """A namespace that is no platform yet."""
    name = f"cli-{uuid4().hex[:8]}"
    api.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": {"own": "1"}}}).ok()
    yield name
    api.delete(path("Namespace", name=name)).ok()


def platforms(kubeconfig: Path, *arguments: str) -> Result:
    return theazo("platforms", *arguments, "--kubeconfig", kubeconfig)


@pytest.mark.usefixtures("running_operator")
def test_from_a_namespace_to_entries_that_open(
    namespace: str, api: Api, kubectl: Kubectl, kubeconfig: Path, tmp_path: Path
) -> None:
    assert platforms(kubeconfig, "add", namespace).out == f"platform {namespace} added\n"
    key = path("ConfigMap", SYSTEM, f"sealing-key-{namespace}")
    wait_until("the key is published", lambda: api.get(key).code == 200)
    rows = {row.split()[0]: row.split() for row in platforms(kubeconfig, "list").out.splitlines()}
    fingerprint = api.get(key).ok()["data"]["keyId"]
    assert rows[namespace][2:] == [fingerprint, "yes"]

    stage, name, file = Stage(api, kubectl, namespace), session_name(namespace, "user_123"), tmp_path / "s.yaml"
    stage.open(name, user="user_123", sealingId="random-1")
    seal = ("seal", "-n", namespace, "--user", "user_123", "--kubeconfig", kubeconfig, "-f", file)
    result = theazo(*seal, "--fingerprint", fingerprint, "--env-file", "-", stdin=b"KEY=1\ny=2\nNO=3\nN=4\nnull=5\n")
    assert (result.code, result.out) == (0, ""), result.err
    kubectl("apply", "--server-side", "-f", str(file))
    assert stage.is_now("TheazoSecret", name, "AllEntriesOpen", "Current")["keyIds"] == [fingerprint]
    first = stage.get("TheazoSecret", name)
    assert first is not None
    assert set(first["spec"]["encryptedData"]) == {"KEY", "y", "NO", "N", "null"}

    assert theazo(*seal, "--stdin", "KEY", stdin=b"x" * 65536).code == 0
    kubectl("apply", "--server-side", "-f", str(file))
    stage.is_now("TheazoSecret", name, "AllEntriesOpen", "Current")
    second = stage.get("TheazoSecret", name)
    assert second is not None
    old, new = first["spec"]["encryptedData"], second["spec"]["encryptedData"]
    assert {each: new[each] for each in new if each != "KEY"} == {each: old[each] for each in old if each != "KEY"}
    assert new["KEY"]["createdAt"] == old["KEY"]["createdAt"]
    assert new["KEY"]["updatedAt"] > old["KEY"]["updatedAt"]


@pytest.mark.usefixtures("running_operator")
def test_whoever_is_logged_in_may_read_a_key_and_seal(
    api: Api, platform: str, kubectl: Kubectl, kubeconfig: Path, tmp_path: Path
) -> None:
    name, token = f"sealing-key-{platform}", api.token_of(platform, "default")  # who has been given no right at all
    anybody = api.with_token(token)
    wait_until("the key is published", lambda: anybody.get(path("ConfigMap", SYSTEM, name)).code == 200)
    weak = write_kubeconfig(tmp_path / "weak", kubeconfig, token)
    seal = ("seal", "-n", platform, "--session", "a", "--stdin", "A", "--kubeconfig", weak)
    assert theazo(*seal, "--sealing-id", "a", stdin=b"v").code == 0
    # Sessions are another matter. The way out needs no cluster at all, with the key as kubectl writes it.
    result = theazo(*seal, stdin=b"v")
    assert (result.code, result.out) == (1, "")
    assert f"cannot read session a of platform {platform}: your account may not do that" in result.err
    assert "--sealing-id ID and --public-key FILE" in result.err
    for form in ("yaml", "json"):
        (tmp_path / form).write_text(kubectl("get", "-n", SYSTEM, "configmap", name, "-o", form))
        offline = ("--sealing-id", "a", "--public-key", tmp_path / form)
        assert theazo(*seal[:-2], *offline, "--kubeconfig", "/nowhere", stdin=b"v").code == 0


def test_add_again_writes_nothing_new_and_remove_undoes_it(namespace: str, api: Api, kubeconfig: Path) -> None:
    before = api.get(path("Namespace", name=namespace)).ok()
    platforms(kubeconfig, "add", namespace)
    labelled, binding = api.get(path("Namespace", name=namespace)).ok(), path("RoleBinding", namespace, BINDING)
    bound = api.get(binding).ok()
    assert labelled["metadata"]["labels"].items() >= {"theazo.dev/platform": "true", "own": "1"}.items()
    assert {entry["manager"] for entry in bound["metadata"]["managedFields"]} == {"theazo-cli"}
    assert platforms(kubeconfig, "add", namespace).out == f"platform {namespace} unchanged\n"
    assert api.get(path("Namespace", name=namespace)).ok() == labelled
    assert api.get(binding).ok() == bound

    result = platforms(kubeconfig, "remove", namespace)
    assert (result.code, result.out) == (0, f"platform {namespace} removed\n")
    assert "0 sessions" in result.err
    assert api.get(binding).code == 404
    assert api.get(path("Namespace", name=namespace)).ok()["metadata"]["labels"] == before["metadata"]["labels"]
    assert platforms(kubeconfig, "remove", namespace).out == f"{namespace} was no platform\n"


def test_what_kubectl_labelled_is_a_platform_too(namespace: str, api: Api, kubectl: Kubectl, kubeconfig: Path) -> None:
    kubectl("label", "namespace", namespace, "theazo.dev/platform=yes")
    assert platforms(kubeconfig, "add", namespace).out == f"platform {namespace} unchanged\n"
    assert api.get(path("RoleBinding", namespace, BINDING)).code == 200
    assert platforms(kubeconfig, "remove", namespace).code == 0
    assert "theazo.dev/platform" not in api.get(path("Namespace", name=namespace)).ok()["metadata"]["labels"]


def test_a_binding_to_another_role_is_not_replaced(
    namespace: str, api: Api, kubectl: Kubectl, kubeconfig: Path
) -> None:
    kubectl("create", "rolebinding", BINDING, "-n", namespace, "--clusterrole=view", "--user=x")
    result = platforms(kubeconfig, "add", namespace)
    assert (result.code, result.out) == (1, "")
    assert f"error: cannot bind the operator's rights in {namespace}: " in result.err
    assert "roleRef" in result.err
    assert "theazo.dev/platform" not in api.get(path("Namespace", name=namespace)).ok()["metadata"]["labels"]


def test_remove_waits_for_the_agents_to_be_gone(stage: Stage, api: Api, kubeconfig: Path) -> None:
    for number in range(3):
        stage.open(f"s{number}")
    stage.start("one", session="s0", compute="none")
    stage.start("two", session="s0", compute="none")
    result = platforms(kubeconfig, "remove", stage.name)
    assert (result.code, result.out) == (1, "")
    assert f"platform {stage.name} has 2 agents" in result.err
    assert api.get(path("RoleBinding", stage.name, BINDING)).code == 200
    result = platforms(kubeconfig, "remove", stage.name, "--force")
    assert (result.code, result.out) == (0, f"platform {stage.name} removed\n")
    assert "3 sessions, 0 sealed secrets of sessions, 2 agents" in result.err


def test_an_apply_never_makes_a_namespace(installed: None, api: Api, kubeconfig: Path) -> None:  # noqa: ARG001
    name = f"cli-{uuid4().hex[:8]}"
    metadata = {"name": name, "uid": str(uuid4()), "labels": {"theazo.dev/platform": "true"}}
    body = {"apiVersion": "v1", "kind": "Namespace", "metadata": metadata}
    where = path("Namespace", name=name)
    with pytest.raises(Refused, match="cannot try: "):
        Cluster(ClusterOptions(kubeconfig=kubeconfig)).apply(where, body, "try")
    assert api.get(where).code == 404


def test_who_may_not_is_told_so_in_one_line(
    api: Api, platform: str, kubectl: Kubectl, kubeconfig: Path, tmp_path: Path
) -> None:
    token = api.token_of(platform, "default")
    kubectl(
        "create", "rolebinding", "viewer", "-n", platform, "--clusterrole=view", f"--serviceaccount={platform}:default"
    )
    viewer = api.with_token(token)
    wait_until("the viewer has his rights", lambda: viewer.get(path("TheazoSession", platform)).code == 200)
    weak = write_kubeconfig(tmp_path / "weak", kubeconfig, token)
    api.delete(path("RoleBinding", platform, BINDING)).ok()
    for arguments, doing in (
        (("add", platform), f"bind the operator's rights in {platform}"),
        (("add", "default"), "read the namespace default"),
        (("list",), "list the namespaces"),
        (("remove", platform), f"count the theazosecrets of {platform}"),
    ):
        result = platforms(weak, *arguments)
        assert (result.code, result.out) == (1, "")
        assert f"error: cannot {doing}: your account may not do that" in result.err
        assert len(result.err.splitlines()) == 1


def test_a_server_that_the_kubeconfig_does_not_vouch_for_is_not_asked(kubeconfig: Path, tmp_path: Path) -> None:
    server = yaml.safe_load(kubeconfig.read_text())["clusters"][0]["cluster"]["server"]
    foreign = write_kubeconfig(tmp_path / "foreign", kubeconfig, "token", server)
    result = platforms(foreign, "list")
    assert (result.code, result.out) == (1, "")
    assert f"cannot reach the cluster at {server}: unable to get local issuer certificate" in result.err
    assert len(result.err.splitlines()) == 1


def test_list_as_data(platform: str, kubeconfig: Path) -> None:
    found = json.loads(platforms(kubeconfig, "list", "-o", "json").out)
    assert found == yaml.safe_load(platforms(kubeconfig, "list", "-o", "yaml").out)
    assert {each["name"]: each["bound"] for each in found["platforms"]}[platform] is True
    assert f"namespace/{platform}\n" in platforms(kubeconfig, "list", "-o", "name").out
