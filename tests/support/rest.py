"""The REST API as a client without an SDK sees it: requests as they are sent, answers as they come."""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPMessage
from typing import Any
from urllib.parse import urlsplit

JSON_TYPE = "application/json"
SEALED_TYPE = "application/vnd.theazo.sealed+json"
_REQUEST_ID = re.compile(r"req_[a-z2-7]{26}")
_MEMBERS = ["type", "title", "status", "detail", "code", "requestId"]


@dataclass(frozen=True, slots=True)
class Answer:
    """What the API answered."""

    status: int
    headers: HTTPMessage
    content: bytes

    def ok(self, status: int) -> Any:
        """The body of a request that has to end so; None where a success has none.

        Raises:
            AssertionError: with what the API said instead.
        """
        assert self.status == status, f"{self.status}, not {status}: {self.content[:2000]!r}"
        assert _REQUEST_ID.fullmatch(self.headers["X-Request-Id"])
        return json.loads(self.content) if self.content else None

    def problem(self, status: int, code: str) -> dict[str, Any]:
        """The problem of a request that has to be refused so."""
        body: dict[str, Any] = self.ok(status)
        assert self.headers["Content-Type"] == "application/problem+json"
        assert list(body)[: len(_MEMBERS)] == _MEMBERS
        assert (body["status"], body["code"], body["type"]) == (status, code, f"urn:theazo:problem:{code}")
        assert body["requestId"] == self.headers["X-Request-Id"]
        return body


class Rest:
    """The API for the bearer of a key. Each request has a connection of its own, so that threads may share this."""

    def __init__(self, url: str, key: str) -> None:
        self.url = url
        self.key = key

    def send(
        self,
        method: str,
        where: str,
        body: bytes | Iterable[bytes] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """Send a request as it is given, with the key unless the headers have another; chunked if it has parts.

        Raises:
            OSError, http.client.HTTPException: there was no answer.
        """
        authorization = {"Authorization": f"Bearer {self.key}"} if self.key else {}
        connection = HTTPConnection(urlsplit(self.url).netloc, timeout=60)
        try:
            connection.request(method, where, body, authorization | dict(headers or {}))
            response = connection.getresponse()
            return Answer(response.status, response.headers, response.read())
        finally:
            connection.close()

    def get(self, where: str) -> Answer:
        """GET."""
        return self.send("GET", where)

    def delete(self, where: str) -> Answer:
        """DELETE."""
        return self.send("DELETE", where)

    def post(self, where: str, body: object, content_type: str = JSON_TYPE, **headers: str) -> Answer:
        """POST a body as JSON. In the names of headers _ stands for -."""
        sent = {"Content-Type": content_type} | {name.replace("_", "-"): text for name, text in headers.items()}
        return self.send("POST", where, json.dumps(body).encode(), sent)

    def open(self, user: str = "user_123", **fields: Any) -> str:
        """Get or make a user's session: its id."""
        answer = self.post("/v1/sessions", {"user": user} | fields)
        return str(answer.ok(answer.status if answer.status == 200 else 201)["id"])

    def set(self, session: str, values: Mapping[str, str]) -> None:
        """Set values."""
        self.post(f"/v1/sessions/{session}/secrets", values).ok(204)

    def listed(self, session: str) -> dict[str, dict[str, str]]:
        """The secrets of a session, by name."""
        rows = self.get(f"/v1/sessions/{session}/secrets").ok(200)["secrets"]
        return {row["name"]: row for row in rows}

    def start(self, session: str, secrets: Sequence[Any] = (), compute: str = "python", **fields: Any) -> str:
        """Make an agent: its id."""
        wanted = {"compute": compute, "secrets": list(secrets)} | fields
        return str(self.post(f"/v1/sessions/{session}/agents", wanted).ok(201)["id"])

    def agent(self, session: str, agent: str) -> dict[str, Any]:
        """An agent as the API shows it."""
        body: dict[str, Any] = self.get(f"/v1/sessions/{session}/agents/{agent}").ok(200)
        return body
