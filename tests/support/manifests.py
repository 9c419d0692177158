"""Good manifests of the three kinds, for tests to use or to spoil."""

from collections.abc import Mapping, Sequence
from typing import Any

from tests.support.api import GROUP, Manifest

API_VERSION = f"{GROUP}/v1alpha1"
#: Begins as every ciphertext does: version, suite, and the id of a key that nobody has.
HEADER = "thz1.xwing-sha256-aes256gcm.0123456789abcdef."
#: The shortest text that the schema takes for a ciphertext. It opens nowhere.
SHORTEST = HEADER + "A" * 1516
#: The length of the ciphertext of the longest value, 64 KiB.
LONGEST = 88_941


def ciphertext(length: int) -> str:
    """A text of a length in characters that looks like a ciphertext."""
    return HEADER + "A" * (length - len(HEADER))


def _manifest(kind: str, name: str, namespace: str, spec: Mapping[str, Any]) -> Manifest:
    metadata = {"name": name} | ({"namespace": namespace} if namespace else {})
    return {"apiVersion": API_VERSION, "kind": kind, "metadata": metadata, "spec": dict(spec)}


def session(name: str = "alice", namespace: str = "", **spec: Any) -> Manifest:
    """A TheazoSession; keywords are fields of its spec."""
    return _manifest("TheazoSession", name, namespace, {"user": name} | spec)


def entry(sealed: str = SHORTEST, **fields: Any) -> dict[str, Any]:
    """One entry of a TheazoSecret, around a ciphertext; keywords replace its other fields."""
    return {
        "ciphertext": sealed,
        "createdAt": "2026-05-01T10:00:00Z",
        "updatedAt": "2026-05-01T10:00:00.000001Z",
    } | fields


def secret(name: str = "alice", namespace: str = "", entries: Mapping[str, Any] | None = None, **spec: Any) -> Manifest:
    """A TheazoSecret, by default with one entry that has the right form but opens nowhere."""
    data = {"OPENAI_API_KEY": entry()} if entries is None else dict(entries)
    return _manifest("TheazoSecret", name, namespace, {"encryptedData": data} | spec)


def agent(
    name: str = "agent", namespace: str = "", session_name: str = "alice", secrets: Sequence[Any] = (), **spec: Any
) -> Manifest:
    """A TheazoAgent; of `secrets`, a text is a secret's name. Keywords are further fields of its spec."""
    declared = [{"name": item} if isinstance(item, str) else item for item in secrets]
    base = {"sessionRef": {"name": session_name}, "compute": "python"}
    return _manifest("TheazoAgent", name, namespace, base | ({"secrets": declared} if declared else {}) | spec)


def condition(kind: str, status: str, reason: str, message: str = "", **fields: Any) -> dict[str, Any]:
    """One condition of a status."""
    return {
        "type": kind,
        "status": status,
        "reason": reason,
        "message": message,
        "lastTransitionTime": "2026-05-01T10:00:00Z",
    } | fields
