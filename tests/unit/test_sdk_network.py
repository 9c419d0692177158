"""A real socket between client and server: what is lost, slow or redirected, and what the HTTP library logs."""

import asyncio
import json
import logging
import socket
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from tests.support.sdk import API_KEY, SID, session_body
from theazo import AsyncTheazo, Theazo, errors

BODY = json.dumps(session_body()).encode()
OK = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%s" % (len(BODY), BODY)
Behaviour = Callable[[socket.socket], None]


@contextmanager
def server(*behaviours: Behaviour) -> Iterator[str]:
    """One connection for each behaviour, which gets it when a whole request was read."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        for behave in behaviours:
            connection, _ = listener.accept()
            with connection:
                read = b""
                while b"\r\n\r\n" not in read:
                    read += connection.recv(65536)
                behave(connection)

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        thread.join()
        listener.close()


def hang_up(_: socket.socket) -> None:
    """No answer at all."""


def cut(connection: socket.socket) -> None:
    connection.sendall(OK[:-5])


def answer(connection: socket.socket) -> None:
    connection.sendall(OK)


def silent(connection: socket.socket) -> None:
    connection.recv(1)  # until the client hangs up


def drip(connection: socket.socket) -> None:
    """A body that never pauses for long, nor ends."""
    end = threading.Event()
    connection.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: 100000\r\n\r\n")
    try:
        for _ in range(400):
            connection.sendall(b" ")
            end.wait(0.02)
    except OSError:
        pass


def sync_get(url: str, **options: Any) -> Any:
    with Theazo(API_KEY, url, **options) as client:
        client._link.sleep = lambda _: None
        return client.sessions.get(SID)


def async_get(url: str, **options: Any) -> Any:
    async def get() -> Any:
        async with AsyncTheazo(API_KEY, url, **options) as client:
            client._link.sleep = lambda _: asyncio.sleep(0)
            return await client.sessions.get(SID)

    return asyncio.run(get())


both = pytest.mark.parametrize("get", [sync_get, async_get])


@both
def test_lost_answers_are_asked_for_again(get: Callable[..., Any]) -> None:
    with server(hang_up, cut, answer) as url:
        assert get(url).id == SID


@both
def test_a_server_that_is_not_there(get: Callable[..., Any]) -> None:
    with server() as url:
        pass
    with pytest.raises(errors.ConnectionFailed) as caught:
        get(url, max_retries=1)
    assert type(caught.value) is errors.ConnectionFailed
    assert "cannot reach the API" in str(caught.value)


@both
@pytest.mark.parametrize("behave", [silent, drip])
def test_one_attempt_takes_no_longer_than_it_may(get: Callable[..., Any], behave: Behaviour) -> None:
    began = time.monotonic()
    with server(behave) as url, pytest.raises(errors.RequestTimeout):
        get(url, timeout=0.3, max_retries=0)
    assert time.monotonic() - began < 5


@both
def test_a_redirect_is_not_followed(get: Callable[..., Any]) -> None:
    def redirect(connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.1 307 x\r\nlocation: http://127.0.0.1:1/\r\ncontent-length: 0\r\n\r\n")

    with server(redirect) as url, pytest.raises(errors.APIError, match="never followed"):
        get(url)


@both
def test_no_log_shows_the_key(get: Callable[..., Any], caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG), server(hang_up, answer) as url:
        get(url)
    assert "HTTP Request" in caplog.text
    assert "httpcore2" in {record.name.partition(".")[0] for record in caplog.records}
    assert API_KEY[8:] not in caplog.text


@both
def test_an_error_hangs_on_nothing_that_has_the_key(get: Callable[..., Any]) -> None:
    with server(hang_up) as url, pytest.raises(errors.ConnectionFailed) as caught:
        get(url, max_retries=0)
    told = "".join(traceback.TracebackException.from_exception(caught.value, capture_locals=True).format())
    assert API_KEY[8:] not in told.replace(f"API_KEY = {API_KEY!r}", "")
    assert caught.value.__context__ is None
