"""/livez, /readyz and /metrics."""

from collections.abc import Callable
from dataclasses import dataclass

from aiohttp import web
from prometheus_client import generate_latest
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4

from theazo_operator import metrics

# A watch ends after five minutes at most, ours and kopf's, and is then asked for again: much more, and it is stuck.
MAX_WATCH_IDLE = 420.0


@dataclass
class Health:
    """What the probes say."""

    not_ready: str | None = "Starting: the caches are being filled"
    watch_idle: Callable[[], float] = lambda: 0.0
    observe_gauges: Callable[[], None] = lambda: None


async def serve(health: Health, host: str | None, port: int) -> web.AppRunner:
    """Answer probes and scrapes from the event loop that does the work: if that hangs, so do they.

    Raises:
        OSError: the address can't be listened on.
    """

    async def livez(_: web.Request) -> web.Response:
        idle = health.watch_idle()
        if idle > MAX_WATCH_IDLE:
            return web.Response(status=503, text=f"a watch has been stuck for {idle:.0f} seconds\n")
        return web.Response(text="ok\n")

    async def readyz(_: web.Request) -> web.Response:
        if health.not_ready is not None:
            return web.Response(status=503, text=f"{health.not_ready}\n")
        return web.Response(text="ok\n")

    async def metricz(_: web.Request) -> web.Response:
        health.observe_gauges()
        return web.Response(body=generate_latest(metrics.registry), headers={"Content-Type": CONTENT_TYPE_PLAIN_0_0_4})

    app = web.Application()
    app.add_routes([web.get("/livez", livez), web.get("/readyz", readyz), web.get("/metrics", metricz)])
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, host, port).start()
    return runner
