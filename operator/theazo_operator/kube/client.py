"""Requests to the API server, over the one aiohttp session that kopf uses too.

Raw dictionaries: a typed client costs two to four times the CPU for each request, and its models print their data.
"""

import json
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from types import TracebackType
from typing import Any, Self

import aiohttp

from theazo_operator.kube import answers
from theazo_operator.kube.answers import JSON, Portion, TooLong
from theazo_operator.kube.errors import KubeError, Outdated, Refused, Unavailable
from theazo_operator.kube.resource import Resource

__all__ = ["JSON", "Kube"]

_OBJECT = "application/json"
_METADATA = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"
_METADATA_LIST = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"
_TIMEOUT = aiohttp.ClientTimeout(total=30, connect=10)
_PAGE = 250
# Bytes of one page. Objects may have more than a megabyte each, and whoever may create them must not be able to fill
# our memory: a parsed page takes about three times its bytes. The REST API reads many pages at once.
_PAGE_BYTES = 8 << 20
_API_PAGE_BYTES = 2 << 20


class Kube:
    """The verbs that operator and REST API need. There is no GET of a Secret in a platform, and no right to do it."""

    def __init__(self, session: aiohttp.ClientSession, server: str) -> None:
        self.session = session
        self.server = server.rstrip("/")

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.session.close()

    async def get(self, resource: Resource, namespace: str, name: str) -> JSON:
        """Read one object, consistently (no `resourceVersion`: never from a cache that may be old)."""
        return await self._request("GET", resource, resource.path(namespace, name))

    async def create(
        self, resource: Resource, namespace: str, body: Mapping[str, Any] | bytes, *, explain: bool = False
    ) -> JSON:
        """POST an object.

        Args:
            resource: its kind.
            namespace: where.
            body: the object; as bytes where it holds values, and then the reply is metadata only.
            explain: let an error carry the server's message. Only for what holds no value.
        """
        path = resource.path(namespace)
        if isinstance(body, bytes):
            return await self._request("POST", resource, path, data=body, accept=_METADATA)
        return await self._request("POST", resource, path, data=json.dumps(body).encode(), explain=explain)

    async def patch_status(
        self, resource: Resource, namespace: str, name: str, uid: str, status: JSON, *, version: int | None = None
    ) -> JSON:
        """Replace the status of the very object that was looked at, not of a namesake made since.

        JSON Patch (RFC 6902): `test` on the UID guards that, and `add` replaces the whole status, so what is no
        longer true goes without being named. With `version` nobody may have written the object since, either.
        """
        patch: list[JSON] = [
            {"op": "test", "path": "/metadata/uid", "value": uid},
            {"op": "add", "path": "/status", "value": status},
        ]
        if version is not None:
            patch.insert(1, {"op": "test", "path": "/metadata/resourceVersion", "value": str(version)})
        path = f"{resource.path(namespace, name)}/status"
        return await self._json_patch(resource, path, patch)

    async def apply(self, resource: Resource, namespace: str, name: str, body: Mapping[str, Any]) -> JSON:
        """Server-side apply of an object that only the operator writes."""
        path = f"{resource.path(namespace, name)}?fieldManager=theazo-operator&force=true"
        data = json.dumps(body).encode()
        return await self._request("PATCH", resource, path, data=data, content="application/apply-patch+yaml")

    async def delete(self, resource: Resource, namespace: str, name: str, uid: str) -> None:
        """Delete the very object that was looked at. One that is gone, or is a namesake, is left alone."""
        options = {"preconditions": {"uid": uid}, "propagationPolicy": "Background"}
        try:
            await self._request(
                "DELETE", resource, resource.path(namespace, name), data=json.dumps(options).encode(), discard=True
            )
        except KubeError as error:
            if error.status not in {404, 409}:
                raise

    async def delete_collection(self, resource: Resource, namespace: str, label: str, keep: str | None) -> None:
        """Delete by label, blindly, all but one name. What was deleted is asked for as metadata, and dropped unread."""
        params = {"labelSelector": label}
        if keep is not None:
            params["fieldSelector"] = f"metadata.name!={keep}"
        await self._request(
            "DELETE", resource, resource.path(namespace), params=params, accept=_METADATA_LIST, discard=True
        )

    async def patch(self, resource: Resource, namespace: str, name: str, patch: list[JSON]) -> None:
        """JSON Patch (RFC 6902) of an object. The reply is asked for as metadata, and dropped.

        Raises:
            Outdated: a `test` in it failed, or (422 as well) the schema or an admission policy refuses the result.
        """
        await self._json_patch(resource, resource.path(namespace, name), patch, accept=_METADATA)

    async def page(
        self, resource: Resource, namespace: str | None, *, fields: str = "", limit: int, token: str | None = None
    ) -> JSON:
        """One page of a list, consistently; `metadata.continue` is the token of the next.

        Where objects are large it has fewer than `limit`.

        Raises:
            Expired: the token is older than what the API server keeps.
        """
        params = {"fieldSelector": fields} if fields else {}
        params |= {"continue": token} if token else {}
        return await self._page(resource, namespace, params, Portion(limit, _API_PAGE_BYTES))

    async def pages(self, resource: Resource, namespace: str | None, selector: str) -> AsyncIterator[JSON]:
        """List in pages, so that no list of tens of thousands is ever in memory at once."""
        params, portion = {"labelSelector": selector} if selector else {}, Portion(_PAGE, _PAGE_BYTES)
        while True:
            page = await self._page(resource, namespace, params, portion)
            token = page["metadata"].get("continue")
            yield page
            if not token:
                return
            del page  # or two would be in memory while the next is read
            params["continue"] = token

    async def _page(
        self, resource: Resource, namespace: str | None, params: Mapping[str, str], portion: Portion
    ) -> JSON:
        """Read one page, of fewer objects where they are large."""
        while True:
            asked = {**params, "limit": str(portion.limit)}
            try:
                return await self._request("GET", resource, resource.path(namespace), params=asked, portion=portion)
            except TooLong:
                continue

    async def watch(
        self, resource: Resource, namespace: str | None, selector: str, since: str, *, fields: str = ""
    ) -> AsyncGenerator[JSON, None]:
        """Stream watch events from a resource version on, bookmarks included."""
        params = {"watch": "1", "resourceVersion": since, "allowWatchBookmarks": "true", "timeoutSeconds": "300"}
        if selector:
            params["labelSelector"] = selector
        if fields:
            params["fieldSelector"] = fields
        url, timeout = self.server + resource.path(namespace), aiohttp.ClientTimeout(sock_read=90, sock_connect=10)
        try:
            async with self.session.get(url, params=params, timeout=timeout, allow_redirects=False) as response:
                await answers.check(response, "WATCH", resource, explain=True)
                async for line in answers.lines(response):
                    event = answers.json_object(line, "WATCH", resource)
                    if not isinstance(event.get("object"), dict):
                        raise Unavailable("WATCH", resource.plural, 0, "NoEvent")
                    yield event
        except (aiohttp.ClientError, TimeoutError) as error:
            raise Unavailable("WATCH", resource.plural, 0, type(error).__name__) from None

    async def _json_patch(self, resource: Resource, path: str, patch: list[JSON], *, accept: str = _OBJECT) -> JSON:
        try:
            data = json.dumps(patch).encode()
            content = "application/json-patch+json"
            return await self._request("PATCH", resource, path, data=data, content=content, accept=accept, explain=True)
        except Refused as error:
            if error.status == 422:  # noqa: PLR2004 - a failed `test`, or a result that is refused
                raise Outdated("PATCH", resource.plural, error.status, error.reason, error.message) from None
            raise

    async def _request(  # noqa: PLR0913 - the one place where a request is made
        self,
        verb: str,
        resource: Resource,
        path: str,
        *,
        params: Mapping[str, str] | None = None,
        data: bytes | None = None,
        content: str = _OBJECT,
        accept: str = _OBJECT,
        explain: bool = False,
        discard: bool = False,
        portion: Portion | None = None,
    ) -> JSON:
        headers = {"Accept": accept, **({"Content-Type": content} if data is not None else {})}
        try:
            async with self.session.request(
                verb,
                self.server + path,
                params=params,
                data=data,
                headers=headers,
                timeout=_TIMEOUT,
                allow_redirects=False,
            ) as response:
                await answers.check(response, verb, resource, explain=explain)
                if discard:
                    async for _ in response.content.iter_any():
                        pass
                    return {}
                text = await (portion.read(response) if portion is not None else response.read())
                return answers.json_object(text, verb, resource)
        except (aiohttp.ClientError, TimeoutError) as error:
            # The type alone: the text of a client error may hold a URL, and its cause a body.
            raise Unavailable(verb, resource.plural, 0, type(error).__name__) from None
