"""The REST API's entry point: `theazo-api`, or `python -m theazo_operator.api`."""

import logging
import sys

import uvicorn
from starlette.applications import Starlette

from theazo_operator import logs, process
from theazo_operator.api.agents import Agents
from theazo_operator.api.auth import ApiKeys
from theazo_operator.api.connections import Limits, protocol
from theazo_operator.api.operation import Services
from theazo_operator.api.ownership import FIELD_MANAGER
from theazo_operator.api.sealing_keys import SealingKeys
from theazo_operator.api.secrets import Secrets
from theazo_operator.api.service import application
from theazo_operator.api.sessions import Sessions
from theazo_operator.api.settling import Settling
from theazo_operator.kube.client import Kube
from theazo_operator.kube.errors import KubeError
from theazo_operator.kube.login import connect
from theazo_operator.settings import ApiSettings, parse_api

log = logging.getLogger(__name__)
# Longer than clients and load balancers keep a connection that is idle: else a request meets one that was just closed.
_IDLE = 75  # seconds
_GRACE = 25  # seconds for requests under way, within a Pod's 30


class _Readiness:
    """Ready once the hashes of API keys could be read. Later an API server that is away is told by each reply."""

    def __init__(self, keys: ApiKeys) -> None:
        self._keys = keys
        self._ready = False

    async def __call__(self) -> str | None:
        try:
            if not self._ready:
                await self._keys.read()
                self._ready = True
        except KubeError as error:
            return f"Starting: the API server does not answer as it should ({error})"
        return None


def services(kube: Kube, settings: ApiSettings) -> Services:
    """Put the parts together."""
    sessions, keys = Sessions(kube), SealingKeys(kube, settings.namespace)
    secrets = Secrets(kube, sessions, keys)
    settling = Settling(kube, settings.agent_wait)
    agents = Agents(
        kube, sessions, secrets, settling, settings.namespace, platform_computes=settings.allow_platform_computes
    )
    return Services(sessions, secrets, agents, keys)


def serving(app: Starlette, settings: ApiSettings, limits: Limits) -> uvicorn.Server:
    """What listens, within limits for each connection and all of them; those for requests are the application's."""
    config = uvicorn.Config(
        app,
        host=settings.listen_host or "",
        port=settings.listen_port,
        http=protocol(limits),
        # Its log lines hold paths and tracebacks; ours are written in service.py.
        log_config=None,
        access_log=False,
        server_header=False,
        ws="none",
        lifespan="off",
        proxy_headers=bool(settings.trusted_proxies),
        forwarded_allow_ips=settings.trusted_proxies,
        timeout_keep_alive=_IDLE,
        timeout_graceful_shutdown=_GRACE,
    )
    return uvicorn.Server(config)


async def _serve(settings: ApiSettings) -> bool:
    async with connect(settings.kubeconfig, FIELD_MANAGER) as kube:
        keys = ApiKeys(kube, settings.namespace)
        app = application(services(kube, settings), keys, _Readiness(keys))
        server = serving(app, settings, Limits())
        log.info("listening", extra={"port": settings.listen_port, "namespace": settings.namespace})
        await server.serve()
        return server.started


def main() -> int:
    """Serve until a signal ends the process. Exit code 0 after a signal, 1 where it could not serve."""
    settings = parse_api(sys.argv[1:])
    logs.configure(settings.log_level)
    return process.run(_serve(settings), "the API")


if __name__ == "__main__":
    sys.exit(main())
