"""The platforms' public keys, as the operator publishes them."""

import time
from dataclasses import dataclass

from theazo.errors import InvalidPublicKey
from theazo.sealing import SUITE, PublicKey
from theazo_operator.api.problems import SEALING_KEY_UNAVAILABLE, unavailable
from theazo_operator.api.sharing import Shared
from theazo_operator.kube import resource as kind
from theazo_operator.kube.client import Kube
from theazo_operator.kube.errors import NotFound

_FRESH = 10.0  # seconds; what is sealed to the key before is still opened


@dataclass(frozen=True, slots=True)
class _Known:
    key: PublicKey
    read_at: float


class SealingKeys:
    """Reads keys, and keeps each for some seconds."""

    def __init__(self, kube: Kube, namespace: str) -> None:
        self._kube = kube
        self._namespace = namespace
        self._known: dict[str, _Known] = {}
        self._reading = Shared[PublicKey]()

    async def get(self, platform: str) -> PublicKey:
        """The platform's current key, perhaps as it was some seconds ago.

        Raises:
            Problem: SEALING_KEY_UNAVAILABLE.
            KubeError: the request failed.
        """
        known = self._known.get(platform)
        if known is not None and time.monotonic() - known.read_at < _FRESH:
            return known.key
        return await self._reading.join(platform, lambda: self.read(platform))

    async def read(self, platform: str) -> PublicKey:
        """The platform's current key, as it is now. Raises as `get` does."""
        name = f"sealing-key-{platform}"
        try:
            data = (await self._kube.get(kind.CONFIG_MAPS, self._namespace, name)).get("data") or {}
            usable = data.get("platform") == platform and data.get("suite") == SUITE
            key = PublicKey.from_base64(str(data.get("publicKey")) if usable else "")
        except (NotFound, InvalidPublicKey):
            self._known.pop(platform, None)
            raise unavailable(
                SEALING_KEY_UNAVAILABLE,
                "the operator has published no usable key for this platform yet: see that it runs and is ready",
            ) from None
        self._known[platform] = _Known(key, time.monotonic())
        return key
