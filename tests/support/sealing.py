"""Sealing values for a platform of the test cluster, as an author does it."""

import base64
from collections.abc import Mapping
from datetime import UTC, datetime

from tests.support.api import Api, Manifest, path
from tests.support.cluster import SYSTEM, wait_until
from tests.support.manifests import entry, secret
from theazo.sealing import Binding, PublicKey, seal
from theazo.secret_value import SecretValue
from theazo_operator.opening import Keyring


def public_key(api: Api, platform: str) -> PublicKey:
    """The platform's published key, once the operator has published it."""
    where = path("ConfigMap", SYSTEM, f"sealing-key-{platform}")
    wait_until(f"the sealing key of {platform} is published", lambda: api.get(where).code == 200)
    return PublicKey(base64.b64decode(api.get(where).ok()["data"]["publicKey"]))


def keyring(api: Api) -> Keyring:
    """The cluster's master keys, as its administrator can read them: opens what a test has set."""
    data = api.get(path("Secret", SYSTEM, "theazo-master-key")).ok()["data"]
    return Keyring({int(number): base64.b64decode(text) for number, text in data.items()})


def sealed_secret(
    api: Api, platform: str, session: str, values: Mapping[str, str], *, sealing_id: str | None = None
) -> Manifest:
    """A TheazoSecret with all these values."""
    key = public_key(api, platform)
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    entries = {
        name: entry(
            seal(SecretValue(value.encode()), Binding(platform, session, sealing_id or session, name), key),
            updatedAt=now,
        )
        for name, value in values.items()
    }
    return secret(session, platform, entries)
