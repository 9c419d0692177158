"""Sessions for the REST API's measurement, made by the API itself, each with its secrets."""

import json
import secrets
import tempfile
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import aiohttp

from hack.bench.connection import CONNECTIONS, connect
from hack.bench.rest_sides import AGENT, UPDATED, Bare, Place, RestApi
from hack.bench.sizes import NotMeasured
from hack.bench.stage import ENVIRONMENT, NAMES, Stage
from tests.support.api import Manifest, path
from tests.support.cluster import SYSTEM
from tests.support.sealing import public_key
from tests.support.service import KEYS, ApiProcess, api_kubeconfig, new_api_key
from theazo.api_key import API_KEY_PATTERN
from theazo.sealing import Binding, PublicKey, seal
from theazo.secret_value import SecretValue

# No operator runs, so an answer that waits for its word would measure that wait.
_AT_ONCE = {"THEAZO_AGENT_WAIT": "0"}
_READ_ONLY = ("uid", "resourceVersion", "creationTimestamp", "generation", "managedFields")


class RestStage:
    """The API as a process beside the cluster, a key for it, and its own rights for the bare client."""

    def __init__(self, stage: Stage, process: ApiProcess, kubeconfig: Path, key: str) -> None:
        self._stage = stage
        self._kubeconfig = kubeconfig
        self._headers = {"Authorization": f"Bearer {key}"}
        self._places: Sequence[Place] = ()
        self.process = process

    @asynccontextmanager
    async def sides(self) -> AsyncIterator[tuple[RestApi, Bare]]:
        """Connect both clients; before that, `fill`."""
        async with self._client() as client, connect(self._kubeconfig) as kube:
            yield RestApi(client, self.process.url, self._places), Bare(kube, self._stage.platform, self._places)

    async def fill(self, sessions: int) -> None:
        """Make sessions with secrets."""
        key = public_key(self._stage.api, self._stage.platform)
        values = json.dumps({name: secrets.token_urlsafe(48) for name in NAMES}).encode()
        declared = json.dumps({"compute": self._compute, "secrets": list(NAMES)}).encode()
        async with self._client() as client:
            made = [await self._post(client, "", {"user": f"user-{index:04}"}) for index in range(sessions)]
            for each in made:
                await self._post(client, f"/{each['id']}/secrets", json.loads(values))
            sample = await self._post(client, f"/{made[0]['id']}/agents", json.loads(declared))
        uids = [self._object("TheazoSession", each["id"])["metadata"]["uid"] for each in made]
        stored = json.dumps(_unmade(self._object("TheazoAgent", sample["id"]))).replace(sample["id"], AGENT)
        places = []
        for each, uid in zip(made, uids, strict=True):
            sealed = _sealed(each, json.loads(values), key)
            body = json.dumps({"sealingId": each["sealingId"], "secrets": sealed}).encode()
            agent = stored.replace(made[0]["id"], each["id"]).replace(uids[0], uid).encode()
            places.append(Place(each["id"], values, body, declared, _operations(sealed), agent))
        self._places = places

    @property
    def _compute(self) -> str:
        return str(self._stage.bodies.manifest["spec"]["compute"])

    def _client(self) -> aiohttp.ClientSession:
        connector = aiohttp.TCPConnector(limit=CONNECTIONS, keepalive_timeout=60)
        return aiohttp.ClientSession(connector=connector, headers=self._headers)

    async def _post(self, client: aiohttp.ClientSession, where: str, body: object) -> dict[str, Any]:
        async with client.post(f"{self.process.url}/v1/sessions{where}", json=body) as response:
            reply = json.loads(await response.read() or b"{}")
        if response.status >= 400:  # noqa: PLR2004 - HTTP
            raise NotMeasured(f"the REST API answered {response.status} {reply['code']} before the measurement")
        return dict(reply)

    def _object(self, what: str, name: str) -> Manifest:
        return self._stage.api.get(path(what, self._stage.platform, name)).ok()


@contextmanager
def rest_staged(stage: Stage) -> Iterator[RestStage]:
    """Run the API, ready, until the end of the block."""
    key = new_api_key(stage.api, stage.platform, "make bench")
    try:
        with tempfile.TemporaryDirectory() as folder:
            kubeconfig = api_kubeconfig(stage.api, stage.admin, Path(folder) / "kubeconfig")
            with ApiProcess(kubeconfig, Path(folder) / "api.log", **ENVIRONMENT, **_AT_ONCE) as process:
                yield RestStage(stage, process, kubeconfig, key)
    finally:
        if found := API_KEY_PATTERN.fullmatch(key):
            stage.api.merge(path("Secret", SYSTEM, KEYS), {"data": {found[1]: None}}).ok()


def _sealed(session: Mapping[str, str], values: Mapping[str, str], key: PublicKey) -> dict[str, str]:
    where = session["platform"], session["id"], session["sealingId"]
    return {name: seal(SecretValue(text.encode()), Binding(*where, name), key) for name, text in values.items()}


def _operations(sealed: Mapping[str, str]) -> list[dict[str, Any]]:
    return [
        {
            "op": "add",
            "path": f"/spec/encryptedData/{name}",
            "value": {"ciphertext": text, "createdAt": "2026-05-01T10:00:00.000000Z", "updatedAt": UPDATED},
        }
        for name, text in sealed.items()
    ]


def _unmade(body: Manifest) -> Manifest:
    """An object as it was sent."""
    metadata = {name: value for name, value in body["metadata"].items() if name not in _READ_ONLY}
    return {**{name: value for name, value in body.items() if name != "status"}, "metadata": metadata}
