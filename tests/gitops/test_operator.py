"""The operator itself from Git: Argo CD installs the chart as docs/gitops.md says."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.api import Api, path
from tests.support.argocd import ArgoApp, ArgoCD
from tests.support.cluster import ROOT, SYSTEM, Kubectl, install, wait_until
from tests.support.gitops import PLATFORM, guide

pytestmark = [pytest.mark.cluster, pytest.mark.usefixtures("installed")]
NAME = "theazo"
#: As `make installed` has made them.
IMAGES: dict[str, Any] = {"image": {}, "operator": {"image": {"tag": "dev"}}, "api": {"image": {"tag": "dev"}}}


@pytest.fixture
def argocd(api: Api, kubectl: Kubectl, kubeconfig: Path, tmp_path: Path) -> Iterator[ArgoCD]:
    with ArgoCD(api, kubectl, kubeconfig, tmp_path) as running:
        yield running


@pytest.fixture
def app(argocd: ArgoCD, api: Api, kubectl: Kubectl) -> Iterator[tuple[ArgoApp, str]]:
    """The guide's Application, and the revision that it is to install."""
    repository = argocd.repository(NAME)
    manifest = guide("Application", NAME)
    source = manifest["spec"]["source"]
    shutil.copytree(ROOT / source["path"], repository.path(source["path"]))
    source |= {"repoURL": argocd.url(repository), "targetRevision": "main"}
    source["helm"]["valuesObject"] |= IMAGES
    revision = repository.push("the chart")
    kubectl("apply", "--server-side", "-f", "-", input=json.dumps(manifest))
    yield ArgoApp(api, NAME), revision
    api.delete(path("Namespace", name=PLATFORM))
    install(kubectl, api, replicas=0)


def test_argo_cd_installs_the_chart_and_finds_nothing_to_change(app: tuple[ArgoApp, str], api: Api) -> None:
    operator, revision = app
    operator.healthy(revision)
    status = operator.status()
    installed = {row["kind"] for row in status["resources"]}
    assert installed >= {"CustomResourceDefinition", "Deployment", "Namespace", "ValidatingAdmissionPolicy"}
    # The test of `helm test` is none of it.
    assert not installed & {"Pod", "Job"}
    operator.again()
    assert operator.status()["sync"]["status"] == "Synced"
    assert operator.status()["operationState"]["startedAt"] == status["operationState"]["startedAt"]
    key = path("ConfigMap", SYSTEM, f"sealing-key-{PLATFORM}")
    wait_until("the platform has its key", lambda: api.get(key).code == 200)
    operator.remove()
    assert api.get(path("Namespace", name=PLATFORM)).ok()["status"]["phase"] == "Active"
    assert api.get(key).code == 200
