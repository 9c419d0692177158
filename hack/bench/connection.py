"""The bench's own way to the API server: aiohttp and little around it, with as many connections as the operator has."""

import ssl
from pathlib import Path

import aiohttp
from kubernetes import client, config

from theazo_operator.kube.client import Kube

CONNECTIONS = 64


def connect(kubeconfig: Path) -> Kube:
    """Connect as a kubeconfig's user. Must be called inside the event loop."""
    settings = client.Configuration()
    config.load_kube_config(config_file=str(kubeconfig), client_configuration=settings)
    context = ssl.create_default_context(cafile=settings.ssl_ca_cert)
    if settings.cert_file:
        context.load_cert_chain(settings.cert_file, settings.key_file)
    token = settings.get_api_key_with_prefix("BearerToken", alias="authorization")
    session = aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(ssl=context, limit=CONNECTIONS, keepalive_timeout=60),
        headers={"User-Agent": "theazo-bench", **({"Authorization": token} if token else {})},
    )
    return Kube(session, settings.host)
