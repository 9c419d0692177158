"""The command line's one edge to a cluster, and the one file that imports `kubernetes`.

That import takes most of a second, so it happens when a cluster is asked for the first time. Objects are plain dicts.
An answer that isn't an object becomes a `Refused` with one line: a body is never printed.
"""

import json
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import quote

from cyclopts import Group, Parameter

from theazo.cli.terminal import Refused

FIELD_MANAGER = "theazo-cli"
_TIMEOUT = (10, 60)  # seconds to connect, and between two reads
_MAX_MESSAGE = 400  # characters of a server's message that are shown
_NOT_FOUND = 404
_REASONS = {
    401: "the cluster does not accept your credentials; log in again",
    403: "your account may not do that; ask an administrator of the cluster",
}


@Parameter(name="*", group=Group("Cluster", sort_key=9))
@dataclass(frozen=True, kw_only=True)
class ClusterOptions:
    """The options that say which cluster, and where the operator runs in it."""

    kubeconfig: Annotated[Path | None, Parameter(metavar="FILE", help="Default: as kubectl finds it.")] = None
    context: Annotated[
        str | None, Parameter(metavar="NAME", help="Default: the current context of the kubeconfig.")
    ] = None
    operator_namespace: Annotated[
        str, Parameter(metavar="NAMESPACE", show_default=True, help="The namespace where the operator runs.")
    ] = "theazo-system"


class Cluster:
    """Requests to the API server of a kubeconfig's context, one after the other and never retried.

    The kubeconfig is read at the first request. Every method raises `Refused` if there is no usable one, if the API
    server can't be reached, or if it refuses.

    Args:
        options: Which cluster.
        otherwise: What to do where none can be reached, for the message.
    """

    def __init__(self, options: ClusterOptions, otherwise: str = "check --kubeconfig and --context") -> None:
        self._options = options
        self._otherwise = otherwise

    def get(self, path: str, doing: str, **query: str) -> dict[str, Any] | None:
        """GET of an object or a list, None where there is none. `doing` completes "cannot …" in errors."""
        return self._request("GET", path, doing, query=query)

    def apply(self, path: str, body: dict[str, Any], doing: str, *, force: bool = False) -> None:
        """Server-side apply, as `FIELD_MANAGER`."""
        query = {"fieldManager": FIELD_MANAGER, "force": json.dumps(force)}
        self._request("PATCH", path, doing, query=query, body=body, content_type="application/apply-patch+yaml")

    def merge(self, path: str, body: dict[str, Any], doing: str) -> None:
        """JSON merge patch (RFC 7396)."""
        query = {"fieldManager": FIELD_MANAGER}
        self._request("PATCH", path, doing, query=query, body=body, content_type="application/merge-patch+json")

    def delete(self, path: str, doing: str) -> None:
        """DELETE; it is well if there is nothing to delete."""
        self._request("DELETE", path, doing)

    def _request(
        self,
        verb: str,
        path: str,
        doing: str,
        *,
        query: dict[str, str] | None = None,
        body: dict[str, Any] | None = None,
        content_type: str = "application/json",
    ) -> dict[str, Any] | None:
        client = self._client
        with self._reaching(str(client.configuration.host)):
            method, url, headers, payload, _ = client.param_serialize(
                method=verb,
                resource_path=path,
                query_params=list((query or {}).items()),
                header_params={"Accept": "application/json", "Content-Type": content_type},
                body=body,
                auth_settings=["BearerToken"],
            )
            answer = client.call_api(method, url, headers, payload, _request_timeout=_TIMEOUT)
            data = answer.read()
        if answer.status == _NOT_FOUND:
            return None
        try:
            found = json.loads(data)
        except ValueError:
            found = None
        if answer.status // 100 == 2 and isinstance(found, dict):  # noqa: PLR2004 - RFC 9110
            return found
        raise Refused(f"cannot {doing}: {_reason(answer.status, found, self._otherwise)}")

    @cached_property
    def _client(self) -> Any:  # noqa: ANN401 - kubernetes is untyped
        from kubernetes import client  # noqa: PLC0415 - see the module's docstring

        configuration = client.Configuration()
        _load(self._options, configuration, self._otherwise)
        configuration.retries = False
        return client.ApiClient(configuration)

    @contextmanager
    def _reaching(self, host: str) -> Iterator[None]:
        from kubernetes.client import ApiException  # noqa: PLC0415
        from urllib3.exceptions import HTTPError  # noqa: PLC0415

        try:
            yield
        except (HTTPError, ApiException, OSError) as error:
            raise Refused(f"cannot reach the cluster at {host}: {_root(error)}; {self._otherwise}") from None


def segment(name: str) -> str:
    """`name` as one segment of a path, whatever it holds."""
    return quote(name, safe="")


def items(found: dict[str, Any] | None) -> list[dict[str, Any]]:
    """The objects of a list; none where the kind itself is unknown."""
    return list((found or {}).get("items") or ())


def _load(options: ClusterOptions, configuration: Any, otherwise: str) -> None:  # noqa: ANN401 - kubernetes is untyped
    from kubernetes import config  # noqa: PLC0415
    from yaml import YAMLError  # noqa: PLC0415

    # It warns of each broken connection before we say so ourselves, and quotes the address with its query.
    logging.getLogger("urllib3").setLevel(logging.ERROR)
    path = str(options.kubeconfig) if options.kubeconfig else None
    inside = path is None and options.context is None and "KUBECONFIG" not in os.environ
    try:
        if inside and "KUBERNETES_SERVICE_HOST" in os.environ and not Path("~/.kube/config").expanduser().exists():
            config.load_incluster_config(client_configuration=configuration)
        else:
            config.load_kube_config(path, options.context, configuration)
    except YAMLError:
        # Never its own words: they quote the file, and that holds credentials.
        raise Refused(f"the kubeconfig is not valid YAML; {otherwise}") from None
    except (config.ConfigException, OSError, KeyError, TypeError, ValueError) as error:
        known = isinstance(error, config.ConfigException)
        reason = str(error).rstrip(".") if known else getattr(error, "strerror", None) or "it cannot be read"
        raise Refused(f"no usable kubeconfig: {reason}; {otherwise}") from None


def _root(error: BaseException) -> str:
    """What the system or the TLS library said at the bottom of a chain; the layers above it say it at length."""
    found, deeper = type(error).__name__, error.__cause__ or error.__context__
    if deeper is not None:
        found = _root(deeper)
    return getattr(error, "verify_message", None) or getattr(error, "strerror", None) or found


def _reason(status: int, found: object, otherwise: str) -> str:
    if not isinstance(found, dict):
        return f"no API server, but something else, answered {status}; {otherwise}"
    said = str(found.get("message") or "")
    said = f"{said[:_MAX_MESSAGE]}…" if len(said) > _MAX_MESSAGE else said
    if known := _REASONS.get(status):
        return f"{known} ({said}); {otherwise}"
    return said or f"the API server answered {status}; try again"
