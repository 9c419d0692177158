"""Probes and metrics, asked for over HTTP."""

import contextlib
import re
from collections.abc import AsyncIterator, Callable

import aiohttp
import pytest
from aiohttp import web
from prometheus_client import generate_latest
from prometheus_client.parser import text_string_to_metric_families

from tests.support.aio import aio
from tests.support.fakekube import FakeKube
from tests.support.rig import ignore
from theazo_operator import metrics
from theazo_operator.controllers.world import Wake, World
from theazo_operator.health import MAX_WATCH_IDLE, Health, serve
from theazo_operator.settings import parse

Get = Callable[[str], contextlib.AbstractAsyncContextManager[aiohttp.ClientResponse]]


@contextlib.asynccontextmanager
async def served(health: Health) -> AsyncIterator[Get]:
    runner = await serve(health, "127.0.0.1", 0)
    try:
        host, port = runner.addresses[0][:2]
        async with aiohttp.ClientSession() as client:
            yield lambda path: client.get(f"http://{host}:{port}{path}")
    finally:
        await runner.cleanup()


async def asked(health: Health, path: str) -> tuple[int, str]:
    async with served(health) as get, get(path) as response:
        return response.status, await response.text()


@aio
async def test_it_lives_before_it_is_ready_and_says_what_it_waits_for() -> None:
    health = Health()
    assert await asked(health, "/livez") == (200, "ok\n")
    assert await asked(health, "/readyz") == (503, "Starting: the caches are being filled\n")


@aio
async def test_readiness_follows_what_is_said() -> None:
    health = Health(not_ready="MasterKeyMissing: restore the Secret")
    async with served(health) as get:
        async with get("/readyz") as response:
            assert (response.status, await response.text()) == (503, "MasterKeyMissing: restore the Secret\n")
        health.not_ready = None
        async with get("/readyz") as response:
            assert (response.status, await response.text()) == (200, "ok\n")
        health.not_ready = "Stopping"
        async with get("/readyz") as response:
            assert (response.status, await response.text()) == (503, "Stopping\n")


@pytest.mark.parametrize(("idle", "status"), [(0.0, 200), (MAX_WATCH_IDLE, 200), (MAX_WATCH_IDLE + 1, 503)])
def test_a_watch_that_is_stuck_ends_the_process(idle: float, status: int) -> None:
    @aio
    async def scenario() -> None:
        got, text = await asked(Health(not_ready=None, watch_idle=lambda: idle), "/livez")
        assert got == status
        assert status == 200 or f"{idle:.0f} seconds" in text

    scenario()


@aio
async def test_metrics_are_current_and_readable() -> None:
    def observe() -> None:
        metrics.POD_SECRETS.set(7)
        metrics.WATCH_AGE.labels("pods").set(1.5)

    metrics.observe_reconcile("test-health", "error", 0.02)
    metrics.observe_reconcile("test-health", "success", 0.02)
    metrics.count_opening("verify", "Opened")
    status, text = await asked(Health(observe_gauges=observe), "/metrics")
    samples = {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }
    here = ("controller", "test-health")
    assert status == 200
    assert samples["theazo_pod_secrets", ()] == 7
    assert samples["theazo_watch_age_seconds", (("resource", "pods"),)] == 1.5
    assert samples["controller_runtime_reconcile_total", (here, ("result", "error"))] == 1
    assert samples["controller_runtime_reconcile_total", (here, ("result", "success"))] == 1
    assert samples["controller_runtime_reconcile_errors_total", (here,)] == 1
    assert samples["controller_runtime_reconcile_time_seconds_count", (here,)] == 2
    assert samples["theazo_openings_total", (("purpose", "verify"), ("result", "Opened"))] >= 1


@pytest.mark.parametrize("older", [0, 1])
def test_of_two_watches_of_one_kind_the_older_counts(older: int) -> None:
    """A platform's computes and the operator's: a stuck one must not hide behind the other."""
    nobody = Wake(agent=ignore, session=ignore, secret=ignore, platform=ignore)
    world = World(FakeKube(), parse(["--platform", "acme", "--allow-platform-computes", "true"], {}), nobody)
    assert len(world.computes) == 2
    world.computes[older]._last_contact -= 1000
    world.observe_gauges()
    text = generate_latest(metrics.registry).decode()
    [age] = re.findall(r'^theazo_watch_age_seconds\{resource="podtemplates"\} (\S+)$', text, re.MULTILINE)
    assert float(age) >= 1000


@aio
async def test_no_metric_has_a_label_that_could_name_an_object_or_quote_a_text() -> None:
    _, text = await asked(Health(), "/metrics")
    labels = set(re.findall(r'[{,]([a-z_]+)="', text))
    assert labels <= {"controller", "result", "purpose", "resource", "le"}


@aio
async def test_there_is_nothing_else() -> None:
    async with served(Health(not_ready=None)) as get:
        for path in ("/", "/debug", "/healthz"):
            async with get(path) as response:
                assert response.status == 404


@aio
async def test_an_address_in_use_is_an_os_error() -> None:
    first: web.AppRunner = await serve(Health(), "127.0.0.1", 0)
    try:
        with pytest.raises(OSError, match="in use"):
            await serve(Health(), "127.0.0.1", first.addresses[0][1])
    finally:
        await first.cleanup()
