"""Sessions and agents of two platforms that differ in their values only, and what their sandboxes see."""

import base64
import hashlib
import json
from typing import Any

from tests.support.api import Api, Manifest, path
from tests.support.cluster import wait_until
from tests.support.manifests import agent, session
from tests.support.sealing import sealed_secret

SESSIONS = ("alice", "bob")
NAMES = ("API_KEY", "DATABASE_URL", "OTHER")
DECLARED: dict[str, dict[str, str]] = {  # by agent: its variables, and the secrets that they come from
    "one": {"API_KEY": "API_KEY"},
    "two": {"DATABASE_URL": "DATABASE_URL", "API_KEY": "OTHER"},
    "none": {},
}
PRINT = """
import hashlib, json, os
print(json.dumps({name.decode(): hashlib.sha256(value).hexdigest() for name, value in os.environb.items()}))
"""


def value(platform: str, session_name: str, name: str) -> str:
    return f"value of {name} of {session_name} in {platform}"


def digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def make_session(api: Api, platform: str, name: str, **spec: Any) -> Manifest:
    """A session with all secrets: gives the sealed ones."""
    api.create(session(name, platform, **spec)).ok()
    values = {each: value(platform, name, each) for each in NAMES}
    return api.create(sealed_secret(api, platform, name, values, sealing_id=spec.get("sealingId"))).ok()


def declare(api: Api, platform: str, session_name: str, name: str, **spec: Any) -> Manifest:
    declared = [{"name": variable, "from": source} for variable, source in DECLARED[name].items()]
    command = {"command": ["python3", "-c", PRINT]}
    return api.create(agent(f"{session_name}-{name}", platform, session_name, declared, **command | spec)).ok()


def status(api: Api, platform: str, name: str) -> dict[str, Any]:
    found: dict[str, Any] = api.get(path("TheazoAgent", platform, name)).ok().get("status", {})
    return found


def reason(api: Api, platform: str, name: str) -> str:
    rows = status(api, platform, name).get("conditions", ())
    return next((row["reason"] for row in rows if row["type"] == "Ready"), "")


def comes_to(api: Api, platform: str, name: str, wanted: str) -> None:
    wait_until(f"{name} in {platform} comes to {wanted}", lambda: reason(api, platform, name) == wanted, 90)


def printed(api: Api, platform: str, name: str) -> dict[str, str]:
    comes_to(api, platform, name, "Completed")
    pod = status(api, platform, name)["podName"]
    found: dict[str, str] = api.get(path("Pod", platform, pod, "log")).ok()
    return found


class Attack:
    """A tenant with all rights over our kinds in his own platform, and an agent in somebody else's that lives."""

    def __init__(self, api: Api, tenant: Api, own: str, other: str) -> None:
        self.api, self.tenant, self.own, self.other = api, tenant, own, other
        make_session(api, own, "alice")
        self.sealed = make_session(api, other, "alice")
        self.victim = declare(api, other, "alice", "two", command=None, restartPolicy="OnFailure")
        comes_to(api, other, "alice-two", "SandboxRunning")
        self.before = status(api, other, "alice-two")
        self.loot = {value(other, "alice", name) for name in NAMES}

    def wait_for_a_pass(self) -> None:
        """Until the operator has served an agent of the tenant: then it has seen all that came before."""
        name = f"alice-{len(self.api.get(path('TheazoAgent', self.own)).ok()['items'])}"
        self.tenant.create(agent(name, self.own, "alice", ["API_KEY"], command=["python3", "-c", PRINT])).ok()
        seen = printed(self.api, self.own, name)
        assert seen["API_KEY"] == digest(value(self.own, "alice", "API_KEY"))

    def assert_failed(self) -> None:
        """The other's agent is as it was, its Secret too, and the tenant can read none of its values."""
        self.wait_for_a_pass()
        assert status(self.api, self.other, "alice-two") == self.before
        assert (
            self.api.get(path("Pod", self.other, self.before["podName"])).ok()["metadata"]["uid"]
            == self.before["podUID"]
        )
        assert len(self.api.get(path("Secret", self.other)).ok()["items"]) == 1
        needles = [
            each for text in self.loot for each in (text, base64.b64encode(text.encode()).decode(), digest(text))
        ]
        for kind in ("Pod", "Secret", "ConfigMap", "Event", "TheazoAgent", "TheazoSecret", "TheazoSession"):
            text = json.dumps(self.tenant.get(path(kind, self.own)).ok())
            assert not [each for each in needles if each in text], kind
            assert self.tenant.get(path(kind, self.other)).code == 403
