"""The REST API's shipped entry point as a process beside the cluster, with its own rights, and keys to call it with."""

import base64
import json
from datetime import UTC, datetime
from pathlib import Path

from tests.support.api import Api
from tests.support.cluster import REST_API, SYSTEM
from tests.support.operator import write_kubeconfig
from tests.support.process import Shipped
from theazo import api_key

KEYS = "theazo-api-keys"


def api_kubeconfig(api: Api, cluster_kubeconfig: Path, target: Path, server: str | None = None) -> Path:
    """Write a kubeconfig with the rights of the API's own ServiceAccount."""
    return write_kubeconfig(target, cluster_kubeconfig, api.token_of(SYSTEM, REST_API), server)


def new_api_key(api: Api, platform: str, description: str = "") -> str:
    """Make an API key as `theazo api-keys create` does, and give its text.

    Each entry has a field manager of its own, so that nobody's apply takes away another's.
    """
    key_id, key = api_key.generate()
    put_api_key(
        api,
        key_id,
        {
            "platform": platform,
            "hash": api_key.digest(key),
            "createdAt": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "description": description,
        },
    )
    return key


def put_api_key(api: Api, key_id: str, entry: object) -> None:
    """Store whatever there shall be under a key's id."""
    data = {key_id: base64.b64encode(json.dumps(entry).encode()).decode()}
    api.apply(_secret(data), _manager(key_id)).ok()


def revoke_api_key(api: Api, key_id: str) -> None:
    """Take the entry away that `new_api_key` or `put_api_key` made."""
    api.apply(_secret({}), _manager(key_id)).ok()


def _manager(key_id: str) -> str:
    return f"test-key-{key_id}"


def _secret(data: dict[str, str]) -> dict[str, object]:
    # An apply of an empty `data` would own all of it, and the next key would be a conflict.
    labels = {"app.kubernetes.io/managed-by": "theazo"}
    metadata = {"name": KEYS, "namespace": SYSTEM, "labels": labels}
    entries = {"data": data} if data else {}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "type": "Opaque", **entries}


class ApiProcess(Shipped):
    """One instance of the REST API. Any number may run beside each other."""

    module = "theazo_operator.api"
    called = "the API"
    grace = 40

    @property
    def url(self) -> str:
        """Where it listens: scheme, address and port."""
        return f"http://127.0.0.1:{self.port}"
