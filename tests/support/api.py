"""The test cluster's API server as one user or another sees it, by raw requests.

They are JSON over the official client's connection. Its models would refuse wrong manifests before the API server sees
them, and would tell what they think rather than what the server answered.
"""

import json
from collections.abc import Mapping
from copy import copy
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from kubernetes.client import ApiClient
from kubernetes.config import new_client_from_config

Manifest = dict[str, Any]
Query = Mapping[str, str]

GROUP = "theazo.dev"

_RBAC = "/apis/rbac.authorization.k8s.io/v1"
_PLACES = {
    "ConfigMap": ("/api/v1", "configmaps"),
    "Deployment": ("/apis/apps/v1", "deployments"),
    "Event": ("/api/v1", "events"),
    "LimitRange": ("/api/v1", "limitranges"),
    "Namespace": ("/api/v1", "namespaces"),
    "Pod": ("/api/v1", "pods"),
    "PodTemplate": ("/api/v1", "podtemplates"),
    "ReplicaSet": ("/apis/apps/v1", "replicasets"),
    "ResourceQuota": ("/api/v1", "resourcequotas"),
    "RoleBinding": (_RBAC, "rolebindings"),
    "Secret": ("/api/v1", "secrets"),
    "ServiceAccount": ("/api/v1", "serviceaccounts"),
    "TheazoAgent": (f"/apis/{GROUP}/v1alpha1", "theazoagents"),
    "TheazoSecret": (f"/apis/{GROUP}/v1alpha1", "theazosecrets"),
    "TheazoSession": (f"/apis/{GROUP}/v1alpha1", "theazosessions"),
    "ValidatingAdmissionPolicy": ("/apis/admissionregistration.k8s.io/v1", "validatingadmissionpolicies"),
    "ValidatingAdmissionPolicyBinding": ("/apis/admissionregistration.k8s.io/v1", "validatingadmissionpolicybindings"),
    "ValidatingWebhookConfiguration": ("/apis/admissionregistration.k8s.io/v1", "validatingwebhookconfigurations"),
}


def path(kind: str, namespace: str = "", name: str = "", subresource: str = "") -> str:
    """The path of an object, or without a name of a collection, on the API server."""
    prefix, plural = _PLACES[kind]
    parts = [prefix, *(("namespaces", namespace) if namespace else ()), plural, name, subresource]
    return "/".join(part for part in parts if part)


@dataclass(frozen=True, slots=True)
class Reply:
    """What the API server answered."""

    code: int
    body: Manifest

    @property
    def message(self) -> str:
        """Why a request was refused; empty if it was not."""
        return str(self.body.get("message", "")) if self.code >= 400 else ""

    def ok(self) -> Manifest:
        """The object of a request that has to succeed.

        Raises:
            AssertionError: with the server's message, if it did not.
        """
        assert self.code < 400, f"{self.code}: {self.message}"
        return self.body


class Api:
    """The API server as one user sees it. No request raises for a refusal, since refusals are what tests ask for."""

    def __init__(self, client: ApiClient) -> None:
        self._client = client

    def with_token(self, token: str) -> "Api":
        """The same API server for the bearer of a token, without the credentials of this user; anonymous if empty."""
        configuration = copy(self._client.configuration)
        configuration.cert_file = configuration.key_file = configuration.refresh_api_key_hook = None
        configuration.api_key = {"BearerToken": f"Bearer {token}"} if token else {}
        return Api(ApiClient(configuration))

    def request(
        self,
        method: str,
        where: str,
        body: object = None,
        *,
        query: Query | None = None,
        content_type: str = "application/json",
    ) -> Reply:
        """Send one request. A watch answers with the first event, if it is let through."""
        code, text = self._send(method, where, body, query, content_type)
        # Of a group that it does not serve, or not yet, the API server speaks no JSON.
        return Reply(code, json.loads(text.splitlines()[0]) if text.startswith(b"{") else {"message": text.decode()})

    def stream(self, where: str, query: Query) -> list[Manifest]:
        """GET a watch, and give all events that it sends until it ends."""
        code, text = self._send("GET", where, None, query, "application/json")
        assert code == 200, text
        return [json.loads(line) for line in text.splitlines()]

    def _send(self, method: str, where: str, body: object, query: Query | None, content_type: str) -> tuple[int, bytes]:
        configuration = self._client.configuration
        url = configuration.host + where + (f"?{urlencode(query)}" if query else "")
        headers = {"Accept": "application/json", "Content-Type": content_type}
        # Certificates come with the connection; a token has to be put into each raw request.
        if token := configuration.get_api_key_with_prefix("BearerToken", alias="authorization"):
            headers["Authorization"] = token
        response = self._client.call_api(method, url, headers, body, _request_timeout=30)
        return response.status, response.read()

    def get(self, where: str, **query: str) -> Reply:
        """GET an object or a list of objects."""
        return self.request("GET", where, query=query)

    def create(self, manifest: Manifest, *, dry_run: bool = False, strict: bool = True) -> Reply:
        """POST an object into the namespace that it names. `strict` refuses unknown fields, as kubectl does."""
        query = {"fieldValidation": "Strict" if strict else "Ignore"} | ({"dryRun": "All"} if dry_run else {})
        where = path(manifest["kind"], manifest["metadata"].get("namespace", ""))
        return self.request("POST", where, manifest, query=query)

    def apply(self, manifest: Manifest, manager: str, *, force: bool = False) -> Reply:
        """Server-side apply an object for a field manager."""
        metadata = manifest["metadata"]
        return self.request(
            "PATCH",
            path(manifest["kind"], metadata.get("namespace", ""), metadata["name"]),
            manifest,
            query={"fieldManager": manager, "force": str(force).lower(), "fieldValidation": "Strict"},
            content_type="application/apply-patch+yaml",
        )

    def merge(self, where: str, change: Manifest, *, dry_run: bool = False) -> Reply:
        """PATCH an object by merging."""
        query = {"dryRun": "All"} if dry_run else {}
        return self.request("PATCH", where, change, query=query, content_type="application/merge-patch+json")

    def delete(self, where: str, **query: str) -> Reply:
        """DELETE an object, or a collection."""
        return self.request("DELETE", where, query=query)

    def token_of(self, namespace: str, service_account: str) -> str:
        """A fresh token of a ServiceAccount, good for an hour."""
        where = path("ServiceAccount", namespace, service_account, "token")
        wanted = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {"expirationSeconds": 3600}}
        return str(self.request("POST", where, wanted).ok()["status"]["token"])


def connect(kubeconfig: Path) -> ApiClient:
    """The official client for a kubeconfig's user."""
    client: ApiClient = new_client_from_config(str(kubeconfig))
    return client
