"""The demo, as its users run it: the operator in the cluster, from the project's own image."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from hack.cluster import gotools
from tests.support.api import Api, path
from tests.support.cluster import ROOT, SYSTEM, Kubectl, install

pytestmark = [pytest.mark.cluster, pytest.mark.usefixtures("installed")]


@pytest.fixture
def afterwards(api: Api, kubectl: Kubectl) -> Iterator[None]:
    """The other tests run operators of their own, and there may be one only."""
    yield
    install(kubectl, api, replicas=0)
    api.delete(path("Namespace", name="acme"))


@pytest.mark.usefixtures("afterwards")
def test_the_demo_comes_out_as_promised(kubeconfig: Path, api: Api) -> None:
    folders = [str(Path(sys.executable).parent), str(gotools.bin_dir("core")), os.environ["PATH"]]
    environment = {**os.environ, "KUBECONFIG": str(kubeconfig), "PATH": ":".join(folders)}
    done = subprocess.run(
        [sys.executable, "-m", "hack.demo"], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    for name in ("OPENAI_API_KEY", "STRIPE_SECRET"):
        assert re.search(rf"✓ {name}: the sealed value \(sha256 [0-9a-f]{{16}}…\)", done.stdout)
    assert "DATABASE_URL: not declared, and absent" in done.stdout
    shown, lived = (
        re.search(text, done.stdout) for text in (r"\| Secret/thz-\w{26}\n", r"the Secret lived \d+\.\d seconds")
    )
    assert shown
    assert lived
    there = done.stdout[shown.end() : lived.start()]
    assert "keys: OPENAI_API_KEY, STRIPE_SECRET" in there
    assert f'envFrom: [{{"secretRef": {{"name": "{shown[0].split("/")[1].strip()}"}}}}]' in there
    assert "OPENAI_API_KEY: the sealed value" in there, "shown before the sandbox has said anything"
    assert "What to try next" in done.stdout
    assert "the first agent keeps the old value" in done.stdout
    assert "secret STRIPE_SECRET is not in session" in done.stdout
    assert "demo-" not in done.stdout.replace("theazo-demo-", ""), "a value was printed"
    pods = api.get(path("Pod", SYSTEM)).ok()["items"]
    assert {pod["spec"]["serviceAccountName"] for pod in pods} == {"theazo-operator", "theazo-api"}
