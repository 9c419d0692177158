"""The master keys' home, and the public keys that authors seal to.

A master key is made only where none can have been lost: with nothing sealed and nothing published anywhere. Making a
new one beside old ciphertext would strand every value, and authors would go on sealing to a key that opens nothing old.
"""

import base64
import binascii
import json
import logging
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path

from theazo.errors import InvalidName
from theazo.sealing import SUITE
from theazo_operator.kube import resource as kind
from theazo_operator.kube.client import JSON, Kube
from theazo_operator.kube.errors import Exists, NotFound
from theazo_operator.opening import InvalidMasterKey, Keyring, generate_master_key
from theazo_operator.resources.meta import MANAGED_BY, MANAGED_BY_LABEL, SEALING_KEY_LABEL, Key, Meta
from theazo_operator.settings import Settings

log = logging.getLogger(__name__)
MASTER_KEY = "theazo-master-key"
_FIRST = "1"
_LOOK_AGAIN = timedelta(minutes=5)  # there is no right to watch ConfigMaps


class MasterKeyMissing(Exception):
    """There is sealed or published material, and no master key for it."""


async def load_keyring(kube: Kube, settings: Settings) -> Keyring:
    """Read the master keys, or make the first one.

    Raises:
        MasterKeyMissing: what exists needs a master key that is not here.
        InvalidMasterKey: the Secret or directory holds something that is no master key.
    """
    published = await _published(kube, settings.namespace)
    if settings.master_key_dir is not None:
        keyring = Keyring(_read_directory(settings.master_key_dir))
    else:
        keyring = await _from_secret(kube, settings, something_published=bool(published))
    lost = sorted(platform for platform, key_id in published.items() if not _opens(keyring, platform, key_id))
    if lost:
        raise MasterKeyMissing(
            f"the key published for {', '.join(lost[:5])} belongs to none of the master keys here: {_restore(settings)}"
        )
    return keyring


def _restore(settings: Settings) -> str:
    """Say how a master key comes back, to where it is read."""
    if settings.master_key_dir is None:
        how = (
            f"restore the Secret {MASTER_KEY} from its backup into the operator's namespace "
            "(kubectl apply --server-side -f …)"
        )
    else:
        how = f"restore its file from the backup into what is mounted at {settings.master_key_dir} (--master-key-dir)"
    return f"{how}; nothing is written until then"


def _opens(keyring: Keyring, platform: str, key_id: str) -> bool:
    """Whether a published key is ours. What is published for no possible platform is nobody's loss."""
    try:
        return key_id in keyring.key_ids(platform)
    except InvalidName:
        return True


async def _published(kube: Kube, namespace: str) -> dict[str, str]:
    found: dict[str, str] = {}
    async for page in kube.pages(kind.CONFIG_MAPS, namespace, SEALING_KEY_LABEL):
        for item in page.get("items") or ():
            data = item.get("data") or {}
            found[str(data.get("platform"))] = str(data.get("keyId"))
    return found


async def _from_secret(kube: Kube, settings: Settings, *, something_published: bool) -> Keyring:
    namespace = settings.namespace
    try:
        return Keyring(_decode(await kube.get(kind.SECRETS, namespace, MASTER_KEY)))
    except NotFound:
        pass
    there = "published keys" if something_published else await _anything_sealed(kube, settings.platform)
    if there is not None:
        raise MasterKeyMissing(f"there are {there}, and no Secret {MASTER_KEY}: {_restore(settings)}")
    encoded = base64.b64encode(generate_master_key()).decode("ascii")
    body = {
        "apiVersion": "v1",
        "kind": "Secret",
        "type": "Opaque",
        "metadata": {"name": MASTER_KEY, "namespace": namespace, "labels": {MANAGED_BY_LABEL: MANAGED_BY}},
        "data": {_FIRST: encoded},
    }
    try:
        await kube.create(kind.SECRETS, namespace, json.dumps(body).encode())
        log.info("made the first master key", extra={"object": f"{namespace}/{MASTER_KEY}"})
    except Exists:
        log.info("another operator made the master key", extra={"object": f"{namespace}/{MASTER_KEY}"})
    return Keyring(_decode(await kube.get(kind.SECRETS, namespace, MASTER_KEY)))


async def _anything_sealed(kube: Kube, platform: str | None) -> str | None:
    """Say what is sealed, by an example. Also where no platform is: one that was removed may come back."""
    found = (await kube.page(kind.THEAZO_SECRETS, platform, limit=1)).get("items") or ()
    return next((f"sealed values, one being the TheazoSecret {Meta.of(each).key}" for each in found), None)


def _decode(secret: JSON) -> dict[int, bytes]:
    keys: dict[int, bytes] = {}
    for name, text in (secret.get("data") or {}).items():
        try:
            keys[_number(name)] = base64.b64decode(text, validate=True)
        except binascii.Error:
            raise InvalidMasterKey(f"entry {name} of Secret {MASTER_KEY} is no base64") from None
    return keys


def _read_directory(directory: Path) -> Mapping[int, bytes]:
    """Read a mounted Secret: a file a key. The kubelet's own entries there begin with two dots."""
    try:
        return {_number(path.name): path.read_bytes() for path in sorted(directory.iterdir()) if path.name[:2] != ".."}
    except OSError as error:
        raise InvalidMasterKey(f"the master key directory {directory} can't be read: {error.strerror}") from None


def _number(name: str) -> int:
    if not (name.isascii() and name.isdigit()):
        raise InvalidMasterKey(f"master keys are named 1, 2, …: {name!r} is no such name")
    return int(name)


class PlatformController:
    """Publishes each platform's public key, in the operator's namespace: in a tenant's own, a swap would go unseen."""

    def __init__(self, kube: Kube, settings: Settings, keyring: Keyring) -> None:
        self._kube = kube
        self._settings = settings
        self._keyring = keyring
        self._ours: set[str] = set()  # platforms whose published key this process has seen or made as it should be

    async def publish(self, key: Key) -> timedelta:
        """Publish the active public key of a platform, unless it is published as it should be; say when to look again.

        Raises:
            KubeError: the request failed; nothing is lost by trying again.
        """
        public = self._keyring.public_key(key.name)
        namespace, name = self._settings.namespace, f"sealing-key-{key.name}"
        labels = {SEALING_KEY_LABEL: "true", MANAGED_BY_LABEL: MANAGED_BY}
        data = {"platform": key.name, "suite": SUITE, "keyId": public.key_id, "publicKey": public.to_base64()}
        try:
            found = await self._kube.get(kind.CONFIG_MAPS, namespace, name)
        except NotFound:
            found = {"metadata": {}}
        there = found.get("data") or {}
        if data.items() <= there.items() and labels.items() <= (found["metadata"].get("labels") or {}).items():
            self._ours.add(key.name)
            return _LOOK_AGAIN
        key_id = there.get("keyId")
        foreign = key_id is not None and not _opens(self._keyring, key.name, key_id)
        if foreign and key.name in self._ours:
            says = "somebody else changed the key published: ours is published again; who seals needs it anew"
            log.error("a sealing key was changed", extra={"platform": key.name, "error": says})
        elif foreign:
            # As at the start: what was sealed to it would be lost for good once nobody knows that there was such a key.
            says = f"the key published belongs to none of the master keys here: {_restore(self._settings)}"
            log.error("left a sealing key as it is", extra={"platform": key.name, "error": says})
            return _LOOK_AGAIN
        metadata = {"name": name, "namespace": namespace, "labels": labels}
        body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data}
        await self._kube.apply(kind.CONFIG_MAPS, namespace, name, body)
        self._ours.add(key.name)
        log.info("published a sealing key", extra={"platform": key.name, "key_id": public.key_id})
        return _LOOK_AGAIN
