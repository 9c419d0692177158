"""Whether anybody still waits for an answer."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from starlette.requests import ClientDisconnect
from starlette.types import Receive


@asynccontextmanager
async def present(receive: Receive, deadline: asyncio.Timeout) -> AsyncIterator[None]:
    """Work on a request whose body was read, or has none, until its client goes away: then the deadline is now.

    Raises:
        ClientDisconnect: it went away.
    """
    gone = False

    async def listen() -> None:
        nonlocal gone
        while (await receive())["type"] != "http.disconnect":
            pass
        gone = True
        with suppress(RuntimeError):  # it is over at this very moment
            deadline.reschedule(asyncio.get_running_loop().time())

    listening = asyncio.create_task(listen())
    try:
        yield
    finally:
        listening.cancel()
        if gone:
            raise ClientDisconnect
