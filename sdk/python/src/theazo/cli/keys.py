"""A platform's public key: from the operator's namespace, or from a file, and always checked before use."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Group, Parameter

from theazo.cli import yaml_text
from theazo.cli.cluster import Cluster, segment
from theazo.cli.terminal import Misused, Refused
from theazo.errors import InvalidPublicKey
from theazo.sealing import SUITE, PublicKey

_FINGERPRINT = re.compile(r"[0-9a-f]{16}")
_BASE64 = re.compile(r"[A-Za-z0-9+/=\s]+")
_MAX_FILE = 1024 * 1024


@Parameter(name="*", group=Group("Key", sort_key=2))
@dataclass(frozen=True, kw_only=True)
class KeyOptions:
    """The options that say which public key, and whether it is the right one."""

    public_key: Annotated[
        Path | None,
        Parameter(
            metavar="FILE",
            help="A file with the platform's public key: the ConfigMap sealing-key-PLATFORM as YAML or JSON, or the "
            "key alone as base64. Without it `theazo seal` takes the ConfigMap in the cluster.",
        ),
    ] = None
    fingerprint: Annotated[
        str | None,
        Parameter(metavar="HEX", help="Refuse any key but the one of this fingerprint, which `theazo seal` prints."),
    ] = None

    def check(self) -> None:
        """Refuses what can't be a fingerprint, before anything else is done.

        Raises:
            Misused: if so.
        """
        if self.fingerprint is not None and not _FINGERPRINT.fullmatch(self.fingerprint.lower()):
            raise Misused("--fingerprint takes 16 hex digits; `theazo platforms list` shows them")

    def pinned(self, key: PublicKey) -> PublicKey:
        """`key`, if it is the one that was pinned.

        Raises:
            Refused: if not.
        """
        if self.fingerprint is not None and self.fingerprint.lower() != key.key_id:
            raise Refused(
                f"the key's fingerprint is {key.key_id}, not the pinned {self.fingerprint.lower()}; nothing was done. "
                "Go on only after somebody you trust confirms the new fingerprint"
            )
        return key


def published(cluster: Cluster, namespace: str, platform: str) -> PublicKey:
    """The key that the operator published.

    Raises:
        Refused: if there is none, or it isn't one for this platform.
    """
    name = f"sealing-key-{platform}"
    path = f"/api/v1/namespaces/{segment(namespace)}/configmaps/{segment(name)}"
    found = cluster.get(path, f"read the sealing key of platform {platform}")
    if found is None:
        raise Refused(
            f"platform {platform} has no published sealing key (ConfigMap {name} in namespace {namespace}); register "
            f"it with `theazo platforms add {platform}`, and see that the operator runs"
        )
    return _of_config_map(found, platform, f"ConfigMap {name}")


def from_file(path: Path, platform: str) -> PublicKey:
    """The key in a file: a ConfigMap's manifest, or bare base64.

    Raises:
        Refused: if it can't be read, holds no key, or one for another platform.
    """
    try:
        with path.open("rb") as stream:
            data = stream.read(_MAX_FILE)
        text = data.decode()
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "not a text file"
        raise Refused(
            f"cannot read the public key in {path}: {reason}; give a file with the ConfigMap sealing-key-{platform}"
        ) from None
    if _BASE64.fullmatch(text):
        return _key("".join(text.split()), str(path))
    documents = yaml_text.load(text, str(path))
    if len(documents) != 1 or not isinstance(documents[0], dict) or documents[0].get("kind") != "ConfigMap":
        raise Refused(f"{path}: neither one ConfigMap nor a key as base64; take the ConfigMap sealing-key-{platform}")
    return _of_config_map(documents[0], platform, str(path))


def _of_config_map(found: dict[str, Any], platform: str, where: str) -> PublicKey:
    data = found.get("data")
    if not isinstance(data, dict) or not isinstance(data.get("publicKey"), str):
        raise Refused(f"{where}: no data.publicKey, so it is not a sealing key")
    if data.get("platform") != platform:
        raise Refused(f"{where}: it is the key of another platform than {platform}; nothing would open")
    if data.get("suite") != SUITE:
        raise Refused(f"{where}: its suite is not {SUITE}, the one that this version seals with; upgrade theazo")
    key = _key(data["publicKey"], where)
    if data.get("keyId") != key.key_id:
        raise Refused(
            f"{where}: its keyId is not that of its publicKey ({key.key_id}); it was damaged or tampered with"
        )
    return key


def _key(text: str, where: str) -> PublicKey:
    try:
        return PublicKey.from_base64(text)
    except InvalidPublicKey as error:
        raise Refused(f"{where}: {error}") from None
