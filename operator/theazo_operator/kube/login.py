"""How a process reaches the API server: its service account in a cluster, a kubeconfig file outside of one."""

import os
import ssl
import time
from pathlib import Path

import aiohttp

from theazo_operator.kube.client import Kube
from theazo_operator.kube.resource import Resource

_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
_CONNECTIONS = 64  # more at once only makes the API server queue them
_TOKEN_SECONDS = 60  # the kubelet rotates the file well before a token ends


class LoginError(Exception):
    """Nothing says how to reach the API server."""


class _Token:
    """Adds the bearer token to each request, read again as it is rotated: an hour-old token is refused."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._value = ""
        self._read_at = float("-inf")

    async def __call__(
        self, request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
    ) -> aiohttp.ClientResponse:
        if time.monotonic() - self._read_at > _TOKEN_SECONDS:
            self._value = self._path.read_text(encoding="ascii").strip()
            self._read_at = time.monotonic()
        request.headers["Authorization"] = f"Bearer {self._value}"
        return await handler(request)


class WatchClock:
    """Notes when a collection was last asked for: kopf tells nobody whether its watch lives, but it does ask."""

    def __init__(self, resource: Resource, namespace: str | None) -> None:
        self._path = resource.path(namespace)
        self._asked_at = time.monotonic()

    @property
    def idle(self) -> float:
        """Seconds since the collection was last listed or watched."""
        return time.monotonic() - self._asked_at

    async def __call__(
        self, request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
    ) -> aiohttp.ClientResponse:
        """Let a request through."""
        if request.url.path == self._path:
            self._asked_at = time.monotonic()
        return await handler(request)


def connect(kubeconfig: Path | None, user_agent: str, *middlewares: aiohttp.ClientMiddlewareType) -> Kube:
    """Make the one client session. Must be called inside the event loop.

    Args:
        kubeconfig: a file, or the service account that is mounted here.
        user_agent: who asks. The API server also takes it for the name of the field manager.
        middlewares: what sees each request before it is sent.

    Raises:
        LoginError: there is neither a kubeconfig nor a service account.
    """
    headers = {"User-Agent": user_agent}
    if kubeconfig is not None:
        return _from_kubeconfig(kubeconfig, headers, middlewares)
    return _from_service_account(headers, middlewares)


def _from_service_account(headers: dict[str, str], middlewares: tuple[aiohttp.ClientMiddlewareType, ...]) -> Kube:
    host, port = os.environ.get("KUBERNETES_SERVICE_HOST"), os.environ.get("KUBERNETES_SERVICE_PORT", "443")
    if host is None or not (_ACCOUNT / "token").exists():
        raise LoginError("no service account is mounted here: run in a cluster, or give --kubeconfig FILE")
    context = ssl.create_default_context(cafile=str(_ACCOUNT / "ca.crt"))
    host = f"[{host}]" if ":" in host else host
    return _kube(f"https://{host}:{port}", context, headers, (*middlewares, _Token(_ACCOUNT / "token")))


def _from_kubeconfig(
    path: Path, headers: dict[str, str], middlewares: tuple[aiohttp.ClientMiddlewareType, ...]
) -> Kube:
    from kubernetes import client, config  # noqa: PLC0415 - tens of megabytes that a cluster's operator has no use for

    settings = client.Configuration()
    try:
        config.load_kube_config(config_file=str(path), client_configuration=settings)
    except config.ConfigException as error:
        raise LoginError(f"kubeconfig {path} can't be used: {error}") from None
    context = ssl.create_default_context(cafile=settings.ssl_ca_cert)
    if settings.cert_file:
        context.load_cert_chain(settings.cert_file, settings.key_file)
    schemes: dict[str, dict[str, str]] = settings.auth_settings()  # type: ignore[assignment]  # declared as object
    credentials = {each["key"]: each["value"] for each in schemes.values() if each["in"] == "header"}
    return _kube(settings.host, context, headers | credentials, middlewares)


def _kube(
    server: str,
    context: ssl.SSLContext,
    headers: dict[str, str],
    middlewares: tuple[aiohttp.ClientMiddlewareType, ...],
) -> Kube:
    session = aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(ssl=context, limit=_CONNECTIONS, keepalive_timeout=60),
        headers=headers,
        middlewares=middlewares,
    )
    return Kube(session, server)
