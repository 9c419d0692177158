"""Runs in a Pod beside the API, with nothing but Python: clients that set, list, and start and delete agents.

As the SDKs do, each repeats a request whose connection failed, or that was answered with 503; all else counts as lost.
"""

import json
import sys
import threading
import urllib.error
import urllib.request
from collections import Counter
from http.client import HTTPException
from typing import Any

ATTEMPTS = 5


class Client(threading.Thread):
    """One client; `last` is what it has set for sure."""

    def __init__(self, told: dict[str, Any], number: int, stop: threading.Event) -> None:
        super().__init__()
        self.told, self.name, self.stop = told, f"CLIENT_{number}", stop
        self.last, self.requests = "", 0
        self.mended: Counter[str] = Counter()
        self.lost: list[str] = []

    def run(self) -> None:
        number = 0
        while not self.stop.is_set():
            number += 1
            value = f"value {number}"
            if self.ask("POST", "/secrets", {self.name: value}) is not None:
                self.last = value
            listed = self.ask("GET", "/secrets") or {"secrets": []}
            if self.name not in [row["name"] for row in listed["secrets"]]:
                self.lost.append(f"{self.name} is not in the list")
            if number % 4 == 0:
                wanted = {"compute": self.told["compute"], "secrets": [self.name]}
                agent = self.ask("POST", "/agents", wanted, f"{self.name}-{number}")
                if agent is not None:
                    self.ask("DELETE", f"/agents/{agent['id']}")

    def ask(self, method: str, where: str, body: object = None, key: str | None = None) -> Any:
        self.requests += 1
        errors: list[str] = []
        for _ in range(ATTEMPTS):
            headers = {"Authorization": f"Bearer {self.told['key']}", "Content-Type": "application/json"}
            headers |= {"Idempotency-Key": key} if key else {}
            data = None if body is None else json.dumps(body).encode()
            request = urllib.request.Request(self.told["url"] + where, data, headers, method=method)  # noqa: S310 - ours
            try:
                with urllib.request.urlopen(request, timeout=30) as reply:  # noqa: S310 - ours
                    self.mended.update(errors)
                    return json.loads(reply.read() or b"{}")
            except urllib.error.HTTPError as error:
                with error:
                    if error.code == 404 and method == "DELETE" and errors:
                        self.mended.update(errors)
                        return {}
                    errors.append(f"{error.code} {error.read()[:300]!r}")
                if error.code != 503:
                    break
            except (OSError, HTTPException) as error:
                errors.append(type(getattr(error, "reason", error)).__name__)
        self.lost.append(f"{method} {where.partition('/a-')[0]}: {errors}")
        return None


def main() -> None:
    told, stop = json.loads(sys.stdin.readline()), threading.Event()
    clients = [Client(told, number, stop) for number in range(told["clients"])]
    for client in clients:
        client.start()
    print("working", flush=True)  # noqa: T201 - that is how it tells
    sys.stdin.read()
    stop.set()
    for client in clients:
        client.join()
    mended = sum((client.mended for client in clients), Counter[str]())
    found = {
        "requests": sum(client.requests for client in clients),
        "mended": mended,
        "lost": [text for client in clients for text in client.lost],
        "last": {client.name: client.last for client in clients},
    }
    print(json.dumps(found))  # noqa: T201 - that is how it tells


if __name__ == "__main__":
    main()
