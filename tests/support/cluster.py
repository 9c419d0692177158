"""kubectl of the test cluster, the product installed on it, and platforms to work in."""

import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from uuid import uuid4

import yaml

from hack.cluster import gotools, paths
from tests.support.api import GROUP, Api, Manifest, path

ROOT = Path(__file__).resolve().parents[2]
SYSTEM = "theazo-system"
OPERATOR = "theazo-operator"
REST_API = "theazo-api"
PLATFORM_LABEL = "theazo.dev/platform"


class KubectlError(Exception):
    """What kubectl refused to do, in its own words."""


class Kubectl:
    """kubectl of the cluster's own version, for what only its users see: columns, explain, wait, debug."""

    def __init__(self, kubeconfig: Path) -> None:
        self._command = (_kubectl(), "--kubeconfig", str(kubeconfig))

    def __call__(self, *args: str, input: str | None = None) -> str:  # noqa: A002 - as subprocess calls it
        """Run a command and return its stdout.

        Raises:
            KubectlError: with its stderr, if it fails.
        """
        done = subprocess.run([*self._command, *args], input=input, capture_output=True, text=True, check=False)
        if done.returncode:
            raise KubectlError(done.stderr)
        return done.stdout


def _kubectl() -> str:
    built = None if paths.foreign() else gotools.bin_dir("core") / "kubectl"
    found = str(built) if built and built.exists() else shutil.which("kubectl")
    if not found:
        raise FileNotFoundError("kubectl is not there; run: make cluster")
    return found


def wait_until(what: str, holds: Callable[[], bool], seconds: float = 30) -> None:
    """Wait for what the cluster does in its own time, looking ten times a second.

    Raises:
        AssertionError: if it does not hold in time; `what` completes "not in 30 s: ".
    """
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, f"not in {seconds:g} s: {what}"
        time.sleep(0.1)


def rendered(kubectl: Kubectl, folder: Path, replicas: int) -> list[Manifest]:
    """The objects of a kustomization, the operator's Deployment scaled to a number of replicas."""
    objects = [item for item in yaml.safe_load_all(kubectl("kustomize", str(folder))) if item]
    for item in objects:
        if item["kind"] == "Deployment":
            item["spec"]["replicas"] = replicas
    return objects


def install(kubectl: Kubectl, api: Api, *, replicas: int) -> None:
    """Install as the README says, with the operator's Deployment scaled, and wait until all of it is in force.

    Without replicas no operator runs afterwards, not even one that ran before and takes its time to end.
    """
    objects = rendered(kubectl, ROOT / "manifests" / "default", replicas)
    text = yaml.safe_dump_all(objects, sort_keys=False)
    said = kubectl("apply", "--server-side", "--force-conflicts", "-o", "name", "-f", "-", input=text)
    kinds = [line for line in said.split() if line.startswith("customresourcedefinition")]
    kubectl("wait", "--for=condition=Established", *kinds)
    if replicas:
        kubectl("rollout", "status", f"deployment/{OPERATOR}", "-n", SYSTEM, "--timeout=120s")
    else:
        wait_until("no operator runs in the cluster", partial(_no_operator, api), 60)
    for probe in _refused():
        wait_until(f"the admission policy for {probe['kind']} is in force", partial(_denied, api, probe))


def _no_operator(api: Api) -> bool:
    return not api.get(path("Pod", SYSTEM), labelSelector=f"app.kubernetes.io/name={OPERATOR}").ok()["items"]


def _denied(api: Api, probe: Manifest) -> bool:
    return api.create(probe, dry_run=True).code == 403


def _refused() -> list[Manifest]:
    """What each of the admission policies refuses anybody once the API server has read it, which takes it a second."""
    owner = {"apiVersion": f"{GROUP}/v1alpha1", "kind": "TheazoAgent", "name": "probe", "uid": "probe"}
    metadata = {"name": "thz-probe", "namespace": "default"}
    containers = [{"name": "probe", "image": "probe"}]
    return [
        {"apiVersion": "v1", "kind": "Secret", "metadata": metadata},
        {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": metadata | {"ownerReferences": [owner]},
            "spec": {"containers": containers},
        },
        {
            "apiVersion": "v1",
            "kind": "Namespace",
            "metadata": {"name": SYSTEM, "labels": {PLATFORM_LABEL: "true"}},
        },
    ]


@contextmanager
def new_platform(api: Api, prefix: str = "platform", *, labelled: bool = True) -> Iterator[str]:
    """A fresh platform, as `theazo platforms add` makes one; deleted afterwards, without waiting for its end."""
    name = f"{prefix}-{uuid4().hex[:8]}"
    labels = {PLATFORM_LABEL: "true"} if labelled else {}
    api.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}}).ok()
    try:
        bind(api, name, OPERATOR, f"{OPERATOR}-platform", (SYSTEM, OPERATOR))
        bind(api, name, REST_API, f"{REST_API}-platform", (SYSTEM, REST_API), may_create="theazosessions.theazo.dev")
        yield name
    finally:
        api.delete(path("Namespace", name=name)).ok()


def bind(
    api: Api, namespace: str, name: str, cluster_role: str, service_account: tuple[str, str], may_create: str = "pods"
) -> None:
    """Bind a ClusterRole to a ServiceAccount, given as namespace and name, in one namespace.

    Returns when the binding is in force: the API server decides by what its watches have told it. `may_create` is what
    the role lets create, as `plural` or `plural.group`.
    """
    subject = {"kind": "ServiceAccount", "namespace": service_account[0], "name": service_account[1]}
    group = "rbac.authorization.k8s.io"
    api.create(
        {
            "apiVersion": f"{group}/v1",
            "kind": "RoleBinding",
            "metadata": {"name": name, "namespace": namespace},
            "roleRef": {"apiGroup": group, "kind": "ClusterRole", "name": cluster_role},
            "subjects": [subject],
        }
    ).ok()
    plural, _, of_group = may_create.partition(".")
    question = {
        "user": ":".join(["system:serviceaccount", *service_account]),
        "resourceAttributes": {"namespace": namespace, "verb": "create", "resource": plural, "group": of_group},
    }
    wait_until(f"{service_account[1]} may create {may_create} in {namespace}", partial(_allowed, api, question))


def _allowed(api: Api, question: Manifest) -> bool:
    review = {"apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview", "spec": question}
    answer = api.request("POST", "/apis/authorization.k8s.io/v1/subjectaccessreviews", review).ok()
    return bool(answer["status"]["allowed"])
