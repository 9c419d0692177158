"""The command line's one edge to a cluster. With kubeconfig.py the one that imports `kubernetes`.

That import takes most of a second, so it happens when a cluster is asked for the first time. Objects are plain dicts.
An answer that isn't an object becomes a `Refused` with one line: a body is never printed.
"""

import json
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import datetime
from email.utils import parsedate_to_datetime
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, NamedTuple
from urllib.parse import quote

from cyclopts import Group, Parameter

from theazo.cli.kubeconfig import load
from theazo.cli.terminal import Refused

FIELD_MANAGER = "theazo-cli"
_TIMEOUT = (10, 60)  # seconds to connect, and between two reads
_FOLLOWING = (10, None)  # who follows a log waits for as long as nothing is written
_JSON = "application/json"
_METADATA = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"
_MAX_MESSAGE = 400  # characters of a server's message that are shown
_PIECE = 65536  # bytes of a stream that are handed on at once, at most
_OK, _FORBIDDEN, _NOT_FOUND, _CONFLICT = 200, 403, 404, 409
_REASONS = {
    401: "the cluster does not accept your credentials; log in again",
    403: "your account may not do that; ask an administrator of the cluster",
}


class Denied(Refused):
    """The API server knows the account, and it may not do that."""


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
    server can't be reached, or if it refuses; `Denied` if that is for want of a right.

    Args:
        options: Which cluster.
        otherwise: What to do where none can be reached, for the message.
    """

    def __init__(self, options: ClusterOptions, otherwise: str = "check --kubeconfig and --context") -> None:
        self._options = options
        self._otherwise = otherwise
        self.clock: datetime | None = None
        """The API server's time when it last answered, in whole seconds; None before."""

    def get(self, path: str, doing: str, **query: str) -> dict[str, Any] | None:
        """GET of an object or a list, None where there is none. `doing` completes "cannot …" in errors."""
        return self._object(self._send("GET", path, query), doing)

    def get_metadata(self, path: str, doing: str) -> dict[str, Any] | None:
        """GET of an object without its contents, None where there is none: of a Secret that nobody needs to see."""
        return self._object(self._send("GET", path, accept=_METADATA), doing)

    def get_text(self, path: str, doing: str) -> str | None:
        """GET of what is no object, None where there is nothing."""
        answer = self._send("GET", path, accept="*/*")
        if answer.status == _OK:
            return answer.data.decode(errors="replace")
        self._refuse(answer, doing)
        return None

    def create(self, path: str, body: dict[str, Any], doing: str) -> dict[str, Any] | None:
        """POST: the object as it is then, None where one of that name is there already."""
        answer = self._send("POST", path, {"fieldManager": FIELD_MANAGER}, body)
        return None if answer.status == _CONFLICT else self._object(answer, doing)

    def apply(self, path: str, body: dict[str, Any], doing: str, *, force: bool = False) -> None:
        """Server-side apply, as `FIELD_MANAGER`."""
        query = {"fieldManager": FIELD_MANAGER, "force": json.dumps(force)}
        self._object(self._send("PATCH", path, query, body, "application/apply-patch+yaml"), doing)

    def merge(self, path: str, body: dict[str, Any], doing: str) -> dict[str, Any] | None:
        """JSON merge patch (RFC 7396): the object as it is then, None where there is none."""
        query = {"fieldManager": FIELD_MANAGER}
        return self._object(self._send("PATCH", path, query, body, "application/merge-patch+json"), doing)

    def delete(self, path: str, doing: str) -> None:
        """DELETE; it is well if there is nothing to delete."""
        self._object(self._send("DELETE", path), doing)

    def stream(self, path: str, doing: str, **query: str) -> Iterator[bytes] | None:
        """GET of bytes as they come, until there are no more; None where there is nothing."""
        with self._reaching():
            response = self._call("GET", path, query, None, {"Accept": "*/*"}, _FOLLOWING).response
            if response.status == _OK:
                return self._pieces(response)
            self._refuse(_Answer(response.status, response.data), doing)
            return None

    def _pieces(self, response: Any) -> Iterator[bytes]:  # noqa: ANN401 - kubernetes is untyped
        with closing(response), self._reaching():
            # By chunk, as the API server sends them: read would wait for more.
            yield from response.stream(_PIECE)

    def _send(
        self,
        verb: str,
        path: str,
        query: dict[str, str] | None = None,
        body: dict[str, Any] | None = None,
        content_type: str = _JSON,
        accept: str = _JSON,
    ) -> "_Answer":
        with self._reaching():
            answer = self._call(verb, path, query or {}, body, {"Accept": accept, "Content-Type": content_type})
            data = answer.read()
        self.clock = _date(answer.headers.get("Date")) or self.clock
        return _Answer(answer.status, data)

    def _call(
        self,
        verb: str,
        path: str,
        query: dict[str, str],
        body: dict[str, Any] | None,
        headers: dict[str, str],
        timeout: tuple[int, int | None] = _TIMEOUT,
    ) -> Any:  # noqa: ANN401 - kubernetes is untyped
        method, url, headers, payload, _ = self._client.param_serialize(
            method=verb,
            resource_path=path,
            query_params=list(query.items()),
            header_params=headers,
            body=body,
            auth_settings=["BearerToken"],
        )
        return self._client.call_api(method, url, headers, payload, _request_timeout=timeout)

    def _object(self, answer: "_Answer", doing: str) -> dict[str, Any] | None:
        found = _parsed(answer.data)
        if answer.status // 100 == 2 and found is not None:  # noqa: PLR2004 - RFC 9110
            return found
        self._refuse(answer, doing)
        return None

    def _refuse(self, answer: "_Answer", doing: str) -> None:
        if answer.status != _NOT_FOUND:
            refusal = Denied if answer.status == _FORBIDDEN else Refused
            raise refusal(f"cannot {doing}: {_reason(answer.status, _parsed(answer.data), self._otherwise)}")

    @cached_property
    def _client(self) -> Any:  # noqa: ANN401 - kubernetes is untyped
        from kubernetes import client  # noqa: PLC0415 - see the module's docstring

        configuration = client.Configuration()
        load(self._options.kubeconfig, self._options.context, configuration, self._otherwise)
        configuration.retries = False
        return client.ApiClient(configuration)

    @contextmanager
    def _reaching(self) -> Iterator[None]:
        host = self._client.configuration.host
        from kubernetes.client import ApiException  # noqa: PLC0415
        from urllib3.exceptions import HTTPError  # noqa: PLC0415

        try:
            yield
        except (HTTPError, ApiException, OSError) as error:
            raise Refused(f"cannot reach the cluster at {host}: {_root(error)}; {self._otherwise}") from None


class _Answer(NamedTuple):
    status: int
    data: bytes


def segment(name: str) -> str:
    """`name` as one segment of a path, whatever it holds."""
    return quote(name, safe="")


def items(found: dict[str, Any] | None) -> list[dict[str, Any]]:
    """The objects of a list; none where the kind itself is unknown."""
    return list((found or {}).get("items") or ())


def _parsed(data: bytes) -> dict[str, Any] | None:
    try:
        found = json.loads(data)
    except ValueError:
        return None
    return found if isinstance(found, dict) else None


def _date(header: str | None) -> datetime | None:
    try:
        return parsedate_to_datetime(header) if header else None
    except ValueError:
        return None


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
