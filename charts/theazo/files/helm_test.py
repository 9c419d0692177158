"""What `helm test` runs: seals a random value, runs an agent that declares it, and compares what the agent saw.

Neither the value nor anything that could quote it is printed: the agent logs a digest, and errors are named by their
place.
"""

import datetime as dt
import hashlib
import json
import os
import secrets
import ssl
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from functools import partial
from http import HTTPStatus
from pathlib import Path
from typing import Any, TypeVar

from theazo import SecretValue
from theazo.sealing import Binding, PublicKey, seal

Found = TypeVar("Found")
ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
HOST = os.environ["KUBERNETES_SERVICE_HOST"]
SERVER = f"https://{f'[{HOST}]' if ':' in HOST else HOST}:{os.environ['KUBERNETES_SERVICE_PORT']}"
HOME, PLATFORM, COMPUTE = (os.environ[name] for name in ("HOME_NAMESPACE", "PLATFORM", "COMPUTE"))
TLS = ssl.create_default_context(cafile=ACCOUNT / "ca.crt")
END = time.monotonic() + float(os.environ["TIMEOUT_SECONDS"])
KINDS = f"/apis/theazo.dev/v1alpha1/namespaces/{PLATFORM}"
NAME = "TEST_VALUE"
MADE = {HTTPStatus.CREATED, HTTPStatus.CONFLICT}
LOOK = f"import hashlib, os; print(hashlib.sha256(os.environ['{NAME}'].encode()).hexdigest())"


def request(method: str, path: str, body: dict[str, Any] | None = None) -> tuple[int, str]:
    """Give the status and the text of a reply of the API server."""
    token = (ACCOUNT / "token").read_text(encoding="ascii").strip()
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    data = None if body is None else json.dumps(body).encode()
    call = urllib.request.Request(SERVER + path, data=data, method=method, headers=headers)
    try:
        with urllib.request.urlopen(call, context=TLS, timeout=10) as reply:
            return reply.status, reply.read().decode()
    except urllib.error.HTTPError as error:
        error.close()
        return error.code, ""
    except OSError:
        return 0, ""


def until(what: str, look: Callable[[], Found | None]) -> Found:
    """Ask again each second until `look` finds something, or the time is over."""
    while not (found := look()):
        if time.monotonic() > END:
            sys.exit(f"FAILED: not in time: {what}")
        time.sleep(1)
    print(f"ok: {what}", flush=True)
    return found


def read(path: str) -> dict[str, Any] | None:
    """Give an object, or nothing while it can't be read."""
    status, text = request("GET", path)
    return json.loads(text) if status == HTTPStatus.OK else None


def create(
    plural: str, kind: str, name: str, spec: dict[str, Any], owner: dict[str, Any] | None = None
) -> dict[str, Any]:
    """Create an object; a refusal is tried again, since rights come into force a moment after they are made."""
    metadata = {"name": name, "namespace": PLATFORM} | ({"ownerReferences": [owner]} if owner else {})
    body = {"apiVersion": "theazo.dev/v1alpha1", "kind": kind, "metadata": metadata, "spec": spec}
    until(f"{kind} made", lambda: request("POST", f"{KINDS}/{plural}", body)[0] in MADE)
    return until(f"{kind} read", lambda: read(f"{KINDS}/{plural}/{name}"))


def ended(agent: str) -> dict[str, Any] | None:
    """Give the agent once it has ended well; say in its own words what keeps it, once it failed or the time is over."""
    found = read(f"{KINDS}/theazoagents/{agent}") or {}
    status = found.get("status") or {}
    if status.get("phase") == "Succeeded":
        return found
    # Not before: a compute or a right that was made a moment ago may not be known yet.
    if status.get("phase") == "Failed" or time.monotonic() > END - 2:
        conditions = {each["type"]: each for each in status.get("conditions") or ()}
        said = conditions.get("Ready") or {"reason": "Unseen", "message": "no operator has looked at it"}
        sys.exit(f"FAILED: the agent: {said['reason']}: {said['message']}")
    return None


def main() -> None:
    """Seal, run, compare, clear up."""
    name = f"helm-test-{secrets.token_hex(4)}"
    key = until("sealing key published", lambda: read(f"/api/v1/namespaces/{HOME}/configmaps/sealing-key-{PLATFORM}"))
    public = PublicKey.from_base64(key["data"]["publicKey"])
    sealing_id = secrets.token_hex(8)
    session = create("theazosessions", "TheazoSession", name, {"user": name, "sealingId": sealing_id})
    try:
        owner = {key: session[key] for key in ("apiVersion", "kind")} | {
            key: session["metadata"][key] for key in ("name", "uid")
        }
        value = secrets.token_hex(32)
        wanted = hashlib.sha256(value.encode()).hexdigest()
        ciphertext = seal(SecretValue(value.encode()), Binding(PLATFORM, name, sealing_id, NAME), public)
        now = dt.datetime.now(dt.UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
        entry = {"ciphertext": ciphertext, "createdAt": now, "updatedAt": now}
        create("theazosecrets", "TheazoSecret", name, {"encryptedData": {NAME: entry}}, owner)
        agent = {
            "sessionRef": {"name": name},
            "compute": COMPUTE,
            "secrets": [{"name": NAME}],
            "command": ["python3", "-c", LOOK],
        }
        create("theazoagents", "TheazoAgent", name, agent, owner)
        pod = until("agent ended", partial(ended, name))["status"]["podName"]
        path = f"/api/v1/namespaces/{PLATFORM}/pods/{pod}/log?container=sandbox"
        seen = until("log read", lambda: request("GET", path)[1].strip() or None)
        if seen != wanted:
            sys.exit("FAILED: the agent saw another value than the one that was sealed")
        print("ok: the agent saw what was sealed", flush=True)
    finally:
        request("DELETE", f"{KINDS}/theazosessions/{name}")


if __name__ == "__main__":
    main()
