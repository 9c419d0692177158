"""The SDK's one edge to the network: carries out the steps of operations with httpx2.

An exception of httpx2 ends here, as a `Lost`. What is raised for that is raised by the operation: no frame of its
traceback has a header among its variables, nor does it hang on the original.
"""

import asyncio
import os
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from functools import cache
from importlib.metadata import version
from typing import Any, TypeVar

import httpx2

from theazo._core.config import Config, configure
from theazo._core.exchange import Policy
from theazo._core.operations import Operations
from theazo._core.reading import Page
from theazo._core.wire import Lost, Now, Pause, Reply, Request, Steps
from theazo.errors import ConfigurationError

T = TypeVar("T")


class Link:
    """Carries out operations, one after the other in the thread that asks. Threads may share it."""

    def __init__(self, config: Config, policy: Policy, transport: httpx2.BaseTransport | None) -> None:
        self.api = Operations(policy, config.fingerprint)
        self.base_url = config.base_url
        self.client = httpx2.Client(headers=_headers(config), timeout=policy.timeout, transport=transport)
        self.sleep: Callable[[float], None] = time.sleep
        self.now: Callable[[], float] = time.monotonic

    def run(self, steps: Steps[T]) -> T:
        """Carries out one operation; gives its result or raises its error."""
        answer: Any = None
        while True:
            try:
                step = steps.send(answer)
            except StopIteration as end:
                result: T = end.value
                return result
            match step:
                case Request():
                    answer = self._send(step)
                case Pause(seconds):
                    self.sleep(seconds)
                    answer = None
                case Now():
                    answer = self.now()

    def pages(self, page: Callable[[str | None], Steps[Page[T]]]) -> Iterator[T]:
        """Every item of every page, each page fetched when it is needed."""
        cursor, more = None, True
        while more:
            found = self.run(page(cursor))
            yield from found.items
            cursor, more = found.cursor, found.cursor is not None

    def _send(self, request: Request) -> Reply | Lost:
        timeout = request.timeout or self.api.policy.timeout
        end = time.monotonic() + timeout
        body = bytearray()
        try:
            built = _built(self.client, self.base_url, request, timeout)
            response = self.client.send(built, stream=True, follow_redirects=False)
            try:
                for chunk in response.iter_bytes():
                    body += chunk
                    # httpx2's own limit is for each read: a body in drops would never end.
                    if time.monotonic() > end:
                        return Lost("its body took too long", timed_out=True)
            finally:
                response.close()
        except httpx2.RequestError as error:
            return _lost(error)
        return _reply(response, body)


class AsyncLink:
    """Carries out operations in the running event loop of asyncio. Tasks may share it."""

    def __init__(self, config: Config, policy: Policy, transport: httpx2.AsyncBaseTransport | None) -> None:
        self.api = Operations(policy, config.fingerprint)
        self.base_url = config.base_url
        self.client = httpx2.AsyncClient(headers=_headers(config), timeout=policy.timeout, transport=transport)
        self.sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
        self.now: Callable[[], float] = time.monotonic

    async def run(self, steps: Steps[T]) -> T:
        """Carries out one operation; gives its result or raises its error."""
        answer: Any = None
        while True:
            try:
                step = steps.send(answer)
            except StopIteration as end:
                result: T = end.value
                return result
            match step:
                case Request():
                    answer = await self._send(step)
                case Pause(seconds):
                    await self.sleep(seconds)
                    answer = None
                case Now():
                    answer = self.now()

    async def pages(self, page: Callable[[str | None], Steps[Page[T]]]) -> AsyncIterator[T]:
        """Every item of every page, each page fetched when it is needed."""
        cursor, more = None, True
        while more:
            found = await self.run(page(cursor))
            for item in found.items:
                yield item
            cursor, more = found.cursor, found.cursor is not None

    async def _send(self, request: Request) -> Reply | Lost:
        timeout = request.timeout or self.api.policy.timeout
        try:
            async with asyncio.timeout(timeout):
                built = _built(self.client, self.base_url, request, timeout)
                response = await self.client.send(built, follow_redirects=False)
        except httpx2.RequestError as error:
            return _lost(error)
        except TimeoutError:
            return Lost("all in all it took too long", timed_out=True)
        return _reply(response, response.content)


def configured(
    api_key: str | None, base_url: str | None, fingerprint: str | None, timeout: float, max_retries: int
) -> tuple[Config, Policy] | ConfigurationError:
    """What a client is made from, or what is wrong. Raises nothing, since the key is a variable here."""
    config = configure(api_key, base_url, fingerprint, timeout=timeout, max_retries=max_retries, environ=os.environ)
    return (config, Policy(timeout, max_retries)) if isinstance(config, Config) else config


def usable(found: tuple[Config, Policy] | ConfigurationError) -> tuple[Config, Policy]:
    """What `configured` gave; its caller has forgotten the key by now.

    Raises:
        ConfigurationError: if that is what it gave.
    """
    if isinstance(found, ConfigurationError):
        raise found
    return found


@cache
def user_agent() -> str:
    """What this SDK calls itself."""
    return f"theazo-python/{version('theazo')}"


def _headers(config: Config) -> dict[str, str]:
    return {
        "authorization": config.authorization,
        "accept": "application/json, application/problem+json",
        "user-agent": user_agent(),
    }


def _built(
    client: httpx2.Client | httpx2.AsyncClient, base_url: str, request: Request, timeout: float
) -> httpx2.Request:
    return client.build_request(
        request.method,
        base_url + request.path,
        params=list(request.query) or None,
        headers=dict(request.headers),
        content=request.body or None,
        timeout=timeout,
    )


def _reply(response: httpx2.Response, body: bytes | bytearray) -> Reply:
    return Reply(response.status_code, {name.lower(): value for name, value in response.headers.items()}, bytes(body))


def _lost(error: httpx2.RequestError) -> Lost:
    return Lost(_root(error), timed_out=isinstance(error, httpx2.TimeoutException))


def _root(error: BaseException) -> str:
    """What the system or the TLS library said at the bottom of a chain, or the kind of what is at its top.

    Never the text of an exception, which may quote anything.
    """
    at: BaseException | None = error
    while at is not None:
        if found := getattr(at, "verify_message", None) or getattr(at, "strerror", None):
            return str(found)
        at = at.__cause__ or at.__context__
    return type(error).__name__
