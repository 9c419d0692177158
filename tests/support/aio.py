"""Asynchronous tests: each in an event loop of its own, with an end for what would hang."""

import asyncio
import functools
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")
_LIMIT = 20  # seconds, after which a test hangs; nothing waits for it that goes well


def aio(test: Callable[P, Coroutine[Any, Any, None]]) -> Callable[P, None]:
    """Run a coroutine function as a test."""

    @functools.wraps(test)
    def wrapper(*args: P.args, **kwargs: P.kwargs) -> None:
        asyncio.run(soon(test(*args, **kwargs)))

    return wrapper


async def soon(what: Awaitable[T]) -> T:
    """Wait for something that must happen, and fail if it doesn't."""
    async with asyncio.timeout(_LIMIT):
        return await what


async def settle() -> None:
    """Let all that can run without I/O run: loop iterations, not time."""
    for _ in range(50):
        await asyncio.sleep(0)
