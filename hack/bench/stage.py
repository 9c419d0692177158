"""Where it is measured: a platform, a session and a compute of the bench's own, and one operator that comes and goes.

The compute's Pods are for a scheduler that is not there. So no kubelet takes part, and every Pod stays as it was made.
"""

import asyncio
import secrets
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from aiohttp import ClientTimeout

from hack.bench import bodies
from hack.bench.connection import connect
from hack.bench.sizes import NotMeasured
from hack.cluster.shell import say
from tests.support import api as tests_api
from tests.support.api import Api, Manifest, path
from tests.support.cluster import OPERATOR, SYSTEM, Kubectl, install, new_platform, wait_until
from tests.support.manifests import session as session_manifest
from tests.support.operator import OperatorProcess, write_kubeconfig
from tests.support.sealing import sealed_secret
from theazo_operator.kube import resource as kind
from theazo_operator.kube.client import Kube

SESSION = "bench"
#: An agent that the operator has served: what the bare client's are compared with.
SAMPLE = "sample"
_NOBODY = "nobody-schedules-this"
NAMES = ("OPENAI_API_KEY", "STRIPE_SECRET", "DATABASE_URL")
_RECORDED_SECONDS = 120.0
#: As the Deployments have it.
ENVIRONMENT = {"MALLOC_ARENA_MAX": "2"}


@dataclass(frozen=True, slots=True)
class Stage:
    """All that a measurement needs."""

    api: Api
    admin: Path
    operator_kubeconfig: Path
    platform: str
    log: Path
    bodies: bodies.Bodies

    @contextmanager
    def operator(self) -> Iterator[OperatorProcess]:
        """Run the operator, ready, until the end of the block."""
        with OperatorProcess(self.operator_kubeconfig, self.log, **ENVIRONMENT) as process:
            yield process
            process.stop()

    def objects(self, agent: str) -> tuple[Manifest, Manifest, Manifest]:
        """Read an agent with its Pod and its Secret."""
        found = self.api.get(path("TheazoAgent", self.platform, agent)).ok()
        pod = self.api.get(path("Pod", self.platform, found["status"]["podName"])).ok()
        name = pod["spec"]["containers"][0]["envFrom"][0]["secretRef"]["name"]
        return found, pod, self.api.get(path("Secret", self.platform, name)).ok()

    def create_agent(self, name: str) -> None:
        """Create an agent outside of any measurement, and wait until its Pod is on record."""
        self.api.create(self.bodies.create(name)).ok()
        self.wait_recorded()

    def wait_recorded(self) -> None:
        """Wait until every agent has its Pod on record.

        Raises:
            NotMeasured: one of them does not get there.
        """
        end = time.monotonic() + _RECORDED_SECONDS
        while open_ones := [
            each["metadata"]["name"]
            for each in self.api.get(path("TheazoAgent", self.platform)).ok()["items"]
            if "podUID" not in each.get("status", {})
        ]:
            if time.monotonic() > end:
                raise NotMeasured(f"without a Pod on record: {', '.join(open_ones[:5])}")
            time.sleep(0.5)

    def purge(self) -> None:
        """Delete all agents with what belongs to them, dependents first, so that garbage collection has no work."""
        asyncio.run(_purge(self.admin, self.platform))


async def _purge(admin: Path, platform: str) -> None:
    async with connect(admin) as kube:
        for resource in (kind.PODS, kind.SECRETS, kind.AGENTS):
            where = kube.server + resource.path(platform)
            while await _any(kube, where):
                # The API server ends what takes it a minute; what is left then is for the next request.
                async with kube.session.delete(where, timeout=ClientTimeout(total=90)) as reply:
                    await reply.read()


async def _any(kube: Kube, where: str) -> bool:
    async with kube.session.get(where, params={"limit": "1"}) as reply:
        reply.raise_for_status()
        return bool((await reply.json())["items"])


@contextmanager
def staged(kubeconfig: Path) -> Iterator[Stage]:
    """Install the product without an operator in the cluster, make all that is needed, and take it away at the end."""
    api, kubectl = Api(tests_api.connect(kubeconfig)), Kubectl(kubeconfig)
    say("installing CRDs, rights and policies; the operator runs as a process beside the cluster")
    with _scaled_down(api, kubectl), tempfile.TemporaryDirectory() as folder, _compute(api) as compute:
        log = Path(folder) / "operator.log"
        mine = write_kubeconfig(Path(folder) / "kubeconfig", kubeconfig, api.token_of(SYSTEM, OPERATOR))
        with new_platform(api, "bench") as platform, OperatorProcess(mine, log, **ENVIRONMENT) as process:
            session, declared = _fill(api, platform)
            stage = Stage(api, kubeconfig, mine, platform, log, bodies.make(platform, session, compute, declared))
            try:
                stage.create_agent(SAMPLE)
                process.stop()
                yield stage
            except Exception:
                say(f"the operator's log ends with:\n{log.read_text(encoding='utf-8')[-4000:]}")
                raise
            finally:
                process.stop()
                stage.purge()


@contextmanager
def _scaled_down(api: Api, kubectl: Kubectl) -> Iterator[None]:
    """Have no operator in the cluster meanwhile: there may be one only. Afterwards it is as it was."""
    deployment = path("Deployment", SYSTEM, OPERATOR)
    before = api.get(deployment)
    replicas = before.ok()["spec"].get("replicas", 1) if before.code == 200 else 0  # noqa: PLR2004 - HTTP
    install(kubectl, api, replicas=0)
    selector = {"labelSelector": f"app.kubernetes.io/name={OPERATOR}"}
    wait_until(
        "the operator in the cluster is gone", lambda: not api.get(path("Pod", SYSTEM), **selector).ok()["items"]
    )
    try:
        yield
    finally:
        if replicas:
            api.merge(deployment, {"spec": {"replicas": replicas}}).ok()


@contextmanager
def _compute(api: Api) -> Iterator[Manifest]:
    """The compute `python` as it is shipped, but for a scheduler that is not there."""
    template: dict[str, Any] = api.get(path("PodTemplate", SYSTEM, "python")).ok()["template"]
    name = f"bench-{secrets.token_hex(4)}"
    manifest = {
        "apiVersion": "v1",
        "kind": "PodTemplate",
        "metadata": {"name": name, "namespace": SYSTEM},
        "template": {**template, "spec": {**template["spec"], "schedulerName": _NOBODY}},
    }
    made = api.create(manifest).ok()
    try:
        yield made
    finally:
        api.delete(path("PodTemplate", SYSTEM, name)).ok()


def _fill(api: Api, platform: str) -> tuple[Manifest, list[bodies.Declared]]:
    """Make the session and its sealed secrets, which takes an operator that publishes the platform's key."""
    values = {name: secrets.token_urlsafe(48) for name in NAMES}
    session = api.create(session_manifest(SESSION, platform)).ok()
    sealed = api.create(sealed_secret(api, platform, SESSION, values)).ok()
    for each in ("TheazoSession", "TheazoSecret"):
        wait_until(f"the {each} is ready", partial(_ready, api, path(each, platform, SESSION)))
    entries = sealed["spec"]["encryptedData"]
    return session, [bodies.Declared(name, value, entries[name]["updatedAt"]) for name, value in values.items()]


def _ready(api: Api, where: str) -> bool:
    conditions = api.get(where).ok().get("status", {}).get("conditions", [])
    return any(each["type"] == "Ready" and each["status"] == "True" for each in conditions)
