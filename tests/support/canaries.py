"""Values that are nowhere else in the world, and a search for them, in every form that they could leak in."""

import base64
import json
import secrets
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from urllib.parse import quote, quote_plus

from kubernetes.client import ApiClient

from hack.cluster import paths
from tests.support.operator import OperatorProcess
from tests.support.service import ApiProcess
from theazo import _primitives
from theazo.sealing import SUITE, VERSION, Binding, Envelope, PublicKey, hpke_info
from theazo.secret_value import SecretValue

_POD_SCOPED = "theazo.dev/agent"
_HEAD = (0, 2, 3)  # how many characters of base64 depend on what stands 0, 1 or 2 bytes before


@dataclass(frozen=True)
class Canary:
    """One value: a core of random letters, which stays itself under most escaping, and what makes it awkward."""

    name: str
    before: bytes = b""
    after: bytes = b""
    core: bytes = field(default_factory=lambda: b"canary" + secrets.token_hex(12).encode())

    @property
    def value(self) -> bytes:
        """What is sealed."""
        return self.before + self.core + self.after

    @cached_property
    def needles(self) -> tuple[bytes, ...]:
        """The value and its core, each in every form."""
        return tuple({*forms(self.value[:4096]), *forms(self.core)})


def forms(value: bytes) -> Iterator[bytes]:
    """A value as it is, in base64 wherever it stands in a text, in hexadecimal, escaped for URL, JSON and Python."""
    yield value
    for shift, head in enumerate(_HEAD):
        whole = (shift + len(value)) // 3 * 4
        for encode in (base64.standard_b64encode, base64.urlsafe_b64encode):
            yield encode(b"\0" * shift + value)[head:whole]
    yield from (value.hex().encode(), value.hex().upper().encode())
    yield from (quote(value, safe="").encode(), quote_plus(value).encode())
    yield from (repr(value)[2:-1].encode(), json.dumps(value.decode("latin-1"))[1:-1].encode())


def found_in(text: bytes, canaries: Iterable[Canary]) -> list[str]:
    """The names of the canaries that are in a text, in whatever form."""
    return [canary.name for canary in canaries if any(needle in text for needle in canary.needles)]


def seal_unchecked(value: bytes, binding: Binding, key: PublicKey) -> str:
    """Seal by hand what `theazo.sealing.seal` refuses, as whoever has the public key can."""
    header = f"{VERSION}.{SUITE}.{key.key_id}"
    return str(Envelope(key.key_id, _primitives.hpke_seal(SecretValue(value), key.raw, hpke_info(header, binding))))


class Places:
    """Everywhere where somebody but the sandbox could read a value."""

    def __init__(self, client: ApiClient, operator: OperatorProcess, services: Sequence[ApiProcess] = ()) -> None:
        self._client = client
        self._operator = operator
        self._services = services
        self._audited = paths.audit_log().stat().st_size
        self._began = paths.node_exec("date", "+@%s").decode().strip()

    def search(self, canaries: Iterable[Canary], *, living: bool) -> list[str]:
        """Where canaries are, as `place: canary`; if `living`, not in pod-scoped Secrets, which have to hold them."""
        canaries = list(canaries)
        hits = [f"{place}: {name}" for place, text in self._texts(living=living) for name in found_in(text, canaries)]
        return hits + [f"node's file {file}" for file in self._node_files(canaries)]

    def _texts(self, *, living: bool) -> Iterator[tuple[str, bytes]]:
        yield "operator's log", self._operator.log.read_bytes()
        for probe in ("metrics", "livez", "readyz"):
            yield f"operator's /{probe}", self._operator.probe(probe)[1].encode()
        for service in self._services:
            yield "REST API's log", service.log.read_bytes()
            for probe in ("metrics", "livez", "readyz", "openapi.json"):
                yield f"REST API's /{probe}", service.probe(probe)[1].encode()
        yield "audit log", self._audit()
        yield "command lines on the node", _on_node("cat /proc/[0-9]*/cmdline 2>/dev/null; true")
        yield "journal of the node", _on_node('journalctl --no-pager --output cat --since "$1"', self._began)
        yield "API server's /metrics", self._get("/metrics")
        for where in self._listable():
            yield (
                where,
                _without_living(self._get(where)) if living and where == "/api/v1/secrets" else self._get(where),
            )

    def _audit(self) -> bytes:
        with paths.audit_log().open("rb") as log:
            log.seek(self._audited)
            return log.read()

    def _listable(self) -> Iterator[str]:
        """The paths of all collections of all kinds, in all versions."""
        groups = json.loads(self._get("/apis"))["groups"]
        served = [version["groupVersion"] for group in groups for version in group["versions"]]
        for root in ("/api/v1", *(f"/apis/{version}" for version in served)):
            for resource in json.loads(self._get(root))["resources"]:
                if "list" in resource["verbs"]:
                    yield f"{root}/{resource['name']}"

    def _get(self, where: str) -> bytes:
        answer = self._client.call_api(
            "GET", self._client.configuration.host + where, {"Accept": "*/*"}, _request_timeout=60
        )
        text: bytes = answer.read() or b""
        assert answer.status == 200, f"{where}: {answer.status} {text[:200]!r}"
        return text

    def _node_files(self, canaries: Iterable[Canary]) -> list[str]:
        """Files of etcd, and logs of the kubelet, containerd and all containers, that hold the core of a canary."""
        needles = [needle.decode() for canary in canaries for needle in set(forms(canary.core))]
        # What ends while it is looked at makes grep fail; that it finds what is there, a test sees to.
        script = f'grep --recursive --text --fixed-strings --files-with-matches "$@" {paths.ETCD_DATA} /var/log; true'
        return _on_node(script, *(f"--regexp={needle}" for needle in needles)).decode().split()


def _on_node(script: str, *args: str) -> bytes:
    return paths.node_exec("sh", "-c", script, "sh", *args)


def _without_living(text: bytes) -> bytes:
    body = json.loads(text)
    body["items"] = [item for item in body["items"] if item.get("type") != _POD_SCOPED]
    return json.dumps(body).encode()


def append(file: Path, text: bytes) -> None:
    """Plant a text in a log."""
    with file.open("ab") as log:
        log.write(text + b"\n")
