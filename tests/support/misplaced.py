"""Values in the wrong places of requests to the REST API, and a client that makes them and keeps what it hears."""

import socket
from collections.abc import Iterator
from contextlib import suppress
from http.client import HTTPException
from typing import Any
from urllib.parse import quote, urlsplit

from tests.support.canaries import Canary
from tests.support.manifests import HEADER
from tests.support.rest import JSON_TYPE, SEALED_TYPE, Answer, Rest

_PREFIX, _SUFFIX = b"sk-Proj_", b"/+="  # what no id or name can be: those are shown
_MAX_BODY = 2 * 1024 * 1024


class Client(Rest):
    """A client that makes values, and keeps all that was answered."""

    def __init__(self, url: str, key: str) -> None:
        super().__init__(url, key)
        self.canaries = [Canary("API key", core=key.rpartition("_")[2].encode())]
        self.answers: list[Answer] = []

    def fresh(self, name: str, before: bytes = _PREFIX, after: bytes = _SUFFIX) -> str:
        """A value that was nowhere before."""
        self.canaries.append(Canary(name, before, after))
        return self.canaries[-1].value.decode("latin-1")

    def send(self, *args: Any, **kwargs: Any) -> Answer:
        self.answers.append(super().send(*args, **kwargs))
        return self.answers[-1]

    def raw(self, text: bytes) -> bytes:
        """What comes back for bytes that need not be HTTP; the client ends its half, as one that was cut off."""
        address = urlsplit(self.url)
        with socket.create_connection((address.hostname, address.port), timeout=10) as connection:
            connection.sendall(text)
            connection.shutdown(socket.SHUT_WR)
            found = b""
            with suppress(ConnectionError):
                while part := connection.recv(65536):
                    found += part
        self.answers.append(Answer(0, self.answers[-1].headers, found))
        return found

    def heard(self) -> bytes:
        return b"\n".join(bytes(answer.headers) + answer.content for answer in self.answers)


def misplaced(client: Client, session: str) -> Iterator[tuple[str, Answer]]:
    """Paths, queries, headers and methods."""
    where = f"/v1/sessions/{session}"

    def text(name: str) -> str:
        return quote(client.fresh(name), safe="")

    for before, after in (
        ("/", ""),
        ("/v1/", ""),
        (f"{where}/", ""),
        ("/v1/sessions/", ""),
        ("/v1/sessions/", "/secrets"),
        ("/v1/sessions/", "/agents"),
        (f"{where}/secrets/", ""),
        (f"{where}/agents/", ""),
    ):
        for method in ("GET", "DELETE"):
            yield f"path {before}…{after}", client.send(method, before + text(f"path {before}…{after}") + after)
    yield "path of POST", client.post(f"/v1/sessions/{text('path of POST')}/secrets", {"A": "b"})
    for query in ("cursor=…", "limit=…", "…=1", "…", "limit=1&limit=…", "user=%ff…"):
        yield query, client.get(f"/v1/sessions?{query.replace('…', text(query))}")
    for query in ("phase=…", "cursor=…"):
        yield query, client.get(f"{where}/agents?{query.replace('…', text('agents by ' + query))}")
    for query in ("…=1", "…"):
        yield query, client.get(f"{where}/secrets?{query.replace('…', text('secrets by ' + query))}")
    client.get(f"/v1/sessions?user={text('user')}").ok(200)
    for name in ("Authorization", "Content-Type"):
        for form in ("…", "Bearer …", "application/json; charset=…", "th_live_…"):
            sent = {"Content-Type": JSON_TYPE, name: form.replace("…", client.fresh(f"{name}: {form}"))}
            yield f"{name}: {form}", client.send("POST", f"{where}/secrets", b'{"A": "b"}', sent)
    json_type = {"Content-Type": JSON_TYPE}
    coded = {**json_type, "Content-Encoding": client.fresh("Content-Encoding")}
    yield "Content-Encoding", client.send("POST", f"{where}/secrets", b"{}", coded)
    no_ascii = {**json_type, "Idempotency-Key": client.fresh("Idempotency-Key", after=b"\xff")}
    yield "Idempotency-Key", client.send("POST", f"{where}/agents", b'{"compute": "python"}', no_ascii)
    more = {
        name: client.fresh(name)
        for name in ("X-Request-Id", "Cookie", "User-Agent", "Referer", "X-Forwarded-For", "Traceparent")
    }
    client.send("GET", f"{where}/secrets", None, more).ok(200)
    yield "method", client.send(client.fresh("method", b"SK-", b"").upper(), where)


def misplaced_in_bodies(client: Client, session: str) -> None:
    """Values for names, in numbers of fields, nested, twice: each refused, and said where without being said."""
    where = f"/v1/sessions/{session}"
    fresh = client.fresh
    for place, body in {
        "name": {fresh("name"): "A"},
        "name of many": {"A": "b", fresh("name of many"): fresh("beside a wrong name")},
        "nested": {"A": {fresh("nested name"): fresh("nested")}},
        "list": [fresh("list")],
        "text": fresh("text"),
        "among lists": {"A": [fresh("among lists")], "B": fresh("beside a list")},
        "NUL": {"A": fresh("NUL", after=b"\0")},
        "long": {"A": fresh("long", after=b"x" * 66_000)},
        "reserved": {"PATH": fresh("reserved")},
        "many": {f"A_{n}": fresh(f"many {n}") if n < 3 else "x" for n in range(257)},
        "surrogate": {"A": fresh("surrogate") + "\ud800"},
    }.items():
        answer = client.post(f"{where}/secrets", body)
        assert answer.status in {400, 413}, (place, answer.status)
    for place, sealed in {
        "in the place of a ciphertext": {"A": fresh("in the place of a ciphertext")},
        "after a header": {"A": HEADER + fresh("after a header", b"", b"")},
        "for a name": {fresh("for a name"): HEADER + "A" * 1516},
        "nested": {"A": {"ciphertext": fresh("sealed nested")}},
    }.items():
        answer = client.post(f"{where}/secrets", {"sealingId": "x", "secrets": sealed}, SEALED_TYPE)
        assert answer.status in {400, 409}, (place, answer.status)
    for more in (
        {"sealingId": fresh("sealingId")},
        {fresh("sealed field"): "x"},
        {"sealingId": "x", "value": fresh("field value")},
    ):
        client.post(f"{where}/secrets", {"secrets": {"A": "thz1"}} | more, SEALED_TYPE).problem(400, "invalid_request")
    field: dict[str, Any]
    for field in (
        {"ttlSeconds": fresh("ttlSeconds")},
        {fresh("field of a session"): 1},
        {"value": fresh("value of a session")},
        {"user": {fresh("name in user"): fresh("in user")}},
    ):
        client.post("/v1/sessions", {"user": "user_9"} | field).problem(400, "invalid_request")
    spec: dict[str, Any]
    for spec in (
        {"compute": fresh("compute")},
        {"secrets": [fresh("declared")]},
        {"secrets": [{"name": "A", "from": fresh("from")}]},
        {"secrets": [{"name": fresh("declared name")}, {"name": "A", "value": fresh("declared value")}]},
        {"secrets": {"A": fresh("declared by name")}},
        {"env": {"A": fresh("env")}},
        {fresh("field of an agent"): fresh("its value")},
        {"resources": {"limits": {fresh("resource"): fresh("quantity")}}},
        {"resources": {"limits": {"cpu": fresh("quantity of cpu")}}},
        {"restartPolicy": fresh("restartPolicy")},
        {"activeDeadlineSeconds": fresh("activeDeadlineSeconds")},
        {"command": {"A": fresh("command")}},
    ):
        client.post(f"{where}/agents", {"compute": "python"} | spec).problem(400, "invalid_request")


def cut_and_broken(client: Client, session: str) -> None:
    """What is no JSON, no UTF-8, too much or not all of it; and what is no HTTP."""
    where, sent = f"/v1/sessions/{session}/secrets", {"Content-Type": JSON_TYPE}

    def text(name: str) -> bytes:
        return client.fresh(name).encode()

    for body in (
        b'{"A": "%s", "A": "%s"}' % (text("first of two"), text("second of two")),
        b'{"A": {"%s": 1, "%s": 1}}' % ((text("name twice"),) * 2),
        b'{"A": "%s"' % text("cut"),
        b'{"A": "%s' % text("cut in the value"),
        b'{"A": "%s\xff\xfe"}' % text("not UTF-8"),
        (b'{"A": "%s"}' % text("UTF-16")).decode().encode("utf-16"),
        b"\xef\xbb\xbf" + b'{"A": "%s"}' % text("byte order mark"),
        b'{"A": %s}' % text("without quotes"),
        b"A=%s" % text("form"),
        b'{"A": "\\x%s"}' % text("wrong escape"),
        b"[" * 100_000 + text("deep"),
        b'{"A": NaN, "B": "%s"}' % text("NaN"),
    ):
        client.send("POST", where, body, sent).problem(400, "invalid_request")
    huge = text("huge") + b"x" * _MAX_BODY + text("end of the huge")
    with suppress(OSError, HTTPException):  # it may answer and close before all is sent
        client.send("POST", where, huge, sent).problem(413, "body_too_large")
    with suppress(OSError, HTTPException):
        client.send("POST", where, iter([huge, text("chunk")]), sent).problem(413, "body_too_large")
    bearer = f"Authorization: Bearer {client.key}"
    head = f"POST {where} HTTP/1.1\r\nHost: x\r\n{bearer}\r\nContent-Type: {JSON_TYPE}\r\n".encode()
    client.raw(head + b'Content-Length: 4096\r\n\r\n{"A": "%s' % text("body cut off"))
    client.raw(head + b"Transfer-Encoding: chunked\r\n\r\n%s\r\n" % text("chunk's length"))
    client.raw(head + b"Content-Length: %s\r\n\r\n{}" % text("Content-Length"))
    client.raw(head + b"%s\r\n\r\n" % text("no header"))
    client.raw(b"%s\r\n\r\n" % text("no request"))
    client.raw(b"GET /%s HTTP/9.9\r\n\r\n" % text("no version"))
    client.get(f"/v1/sessions/{session}").ok(200)
