"""The search that the tests with canaries rely on finds one in each place, and in each form."""

import base64
import os
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from kubernetes.client import ApiClient

from hack.cluster import paths
from tests.support.api import Api, Manifest, path
from tests.support.canaries import Canary, Places, append, forms, found_in
from tests.support.cluster import wait_until
from tests.support.manifests import agent
from tests.support.operator import OperatorProcess

pytestmark = pytest.mark.cluster


def test_the_search_finds_what_is_there(
    operator_kubeconfig: Path, tmp_path: Path, platform: str, api: Api, api_client: ApiClient
) -> None:
    """In each place, and in each form."""
    process = OperatorProcess(operator_kubeconfig, tmp_path / "log")
    process.log.touch()
    places = Places(api_client, process)
    canary = Canary("planted", b'"\xff', b'\0&"')
    core = canary.core.decode()

    def plant(manifest: Manifest) -> str:
        body = {"apiVersion": "v1", "metadata": {"name": "planted", "namespace": platform}} | manifest
        api.create(body, strict=False).ok()
        return path(manifest["kind"], platform, "planted")

    def by_folder(hit: str) -> str:
        folders = [f"node's file {folder}" for folder in (paths.ETCD_DATA, "/var/log")]
        return next((folder for folder in folders if hit.startswith(folder)), hit)

    def hits(*, living: bool = False) -> set[str]:
        return {hit.removesuffix(": planted") for hit in places.search([canary], living=living)}

    assert hits() == set()
    append(process.log, canary.value)
    where = plant({"kind": "Secret", "data": {"x": ""}, "stringData": {"y": core}, "type": "theazo.dev/agent"})
    assert hits(living=True) == {"operator's log"}, "the audit log has no Secret's body"
    assert hits() == {"operator's log", "/api/v1/secrets"}
    api.delete(where).ok()
    # What the API server refuses is stored nowhere; yet it was sent.
    body = {"kind": "ConfigMap", "apiVersion": "v1", "metadata": {"name": "Planted", "namespace": platform}}
    assert api.create(body | {"data": {"x": canary.core.hex()}}).code == 422
    assert hits() == {"operator's log", "audit log"}
    regarding = {"kind": "Namespace", "name": platform, "namespace": platform}
    plant({"kind": "Event", "involvedObject": regarding, "message": core.encode().hex()})
    plant({"kind": "TheazoAgent", "apiVersion": "theazo.dev/v1alpha1", "spec": agent()["spec"]})
    status = {"status": {"conditions": [], "podName": core}}
    api.merge(path("TheazoAgent", platform, "planted", "status"), status).ok()
    complete = {
        "operator's log",
        "audit log",
        *(f"operator's /{probe}" for probe in ("metrics", "livez", "readyz")),
        "command lines on the node",
        "journal of the node",
        "/api/v1/events",
        "/apis/events.k8s.io/v1/events",
        "/apis/theazo.dev/v1alpha1/theazoagents",
        f"node's file {paths.ETCD_DATA}",
        "node's file /var/log",
    }
    script = 'logger "$0"; echo "$0" > /var/log/planted; cat'  # cat ends with its standard input
    argv = [paths.engine(), "exec", "--interactive", paths.node_name(), "sh", "-c", script, core]
    with (
        serving(process.port, canary.value),
        subprocess.Popen(argv, env={**os.environ, **paths.engine_env()}, stdin=subprocess.PIPE),
    ):
        wait_until("what was planted is found", lambda: complete <= {by_folder(hit) for hit in hits()})
    paths.node_exec("rm", "/var/log/planted")


@contextmanager
def serving(port: int, text: bytes) -> Iterator[None]:
    """Answers everything with a text, where the operator would."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(base64.b64encode(text))

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name there
            pass

    with ThreadingHTTPServer(("127.0.0.1", port), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield
        finally:
            server.shutdown()
            thread.join()


@pytest.mark.parametrize("form", sorted({*forms(b'"\xffcanary\0&"')}))
def test_each_form_is_found(form: bytes) -> None:
    canary = Canary("planted", b'"\xff', b'\0&"', core=b"canary")
    assert found_in(b"..." + form + b"...", [canary]) == ["planted"]
    assert found_in(b"..." + form + b"...", [Canary("other")]) == []
