"""What keeps an agent from its sandbox: each with its reason, what to do, and the way out."""

from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest

from tests.support.api import Api, Manifest, path
from tests.support.cluster import PLATFORM_LABEL, Kubectl, new_platform, wait_until
from tests.support.history import Audit, history
from tests.support.manifests import SHORTEST
from tests.support.stage import NOWHERE, Stage, compute, find, webhook

pytestmark = [pytest.mark.cluster, pytest.mark.usefixtures("running_operator")]

BRIEF: dict[str, Any] = {"secretsDeadlineSeconds": 2}


def test_what_is_missing_is_waited_for_then_stalled_then_used(stage: Stage, api: Api, nowhere: str) -> None:
    later = f"later-{uuid4().hex[:8]}"
    stage.open("empty")
    stage.open("other")
    stage.set({"OTHER": "value"}, "other")
    stage.start("no-session", session="alice", compute=nowhere, **BRIEF)
    stage.start("no-values", ["KEY"], "empty", compute=nowhere, **BRIEF)
    stage.start("no-name", ["OTHER", "KEY", "KEY2"], "other", compute=nowhere, **BRIEF)
    stage.start("no-compute", session="other", compute=later, **BRIEF)
    expected = {
        "no-session": ("SessionNotFound", "SecretsResolved", "no TheazoSession alice"),
        "no-values": ("SecretNotFound", "SecretsResolved", "secret KEY is not in session empty: set it"),
        "no-name": ("SecretNotFound", "SecretsResolved", "secrets KEY, KEY2 are not in session other: set them"),
        "no-compute": ("ComputeNotFound", "SandboxCreated", f"no compute {later}"),
    }
    for verdict in ("InProgress", "Failed"):
        for agent, (reason, kind, says) in expected.items():
            status = stage.agent_is(agent, reason, verdict)
            assert status["phase"] == "Pending"
            assert (find(status, kind)["status"], find(status, kind)["reason"]) == ("False", reason)
            assert says in find(status, "Ready")["message"]
            assert "podName" not in status
    assert stage.list("Pod") == []
    stage.open("alice")
    stage.set({"KEY": "value"}, "empty")
    stage.set({"KEY": "value", "KEY2": "value"}, "other")
    with compute(api, name=later):
        for agent in expected:
            assert stage.pod_of(agent)["metadata"]["name"].startswith(f"{agent}-")
            assert find(stage.status(agent), "Stalled") == {}


def test_a_namespace_that_is_no_platform_yet(api: Api, kubectl: Kubectl, nowhere: str) -> None:
    with new_platform(api, "plain", labelled=False) as name:
        stage = Stage(api, kubectl, name)
        stage.open()
        stage.start("a", compute=nowhere, **BRIEF)
        assert (
            f"theazo platforms add {name}"
            in find(stage.agent_is("a", "PlatformNotFound", "Failed"), "Ready")["message"]
        )
        stage.is_now("TheazoSession", "alice", "PlatformNotFound", "Failed")
        api.merge(path("Namespace", name=name), {"metadata": {"labels": {PLATFORM_LABEL: "true"}}}).ok()
        stage.is_now("TheazoSession", "alice", "Active", "Current")
        stage.pod_of("a")
        api.merge(path("Namespace", name=name), {"metadata": {"labels": {PLATFORM_LABEL: None}}}).ok()
        stage.start("b", compute=nowhere)
        stage.agent_is("b", "PlatformNotFound", "InProgress")


Bad = Callable[[Stage, str], str]
BAD: dict[str, tuple[str, Bad]] = {
    "length": ("MalformedEnvelope", lambda *_: SHORTEST + "A"),
    "alphabet": ("MalformedEnvelope", lambda *_: SHORTEST[:-1] + "!"),
    "not-canonical": ("MalformedEnvelope", lambda stage, session: _last(stage.sealed("KEY", "va", session), 1)),
    "key-of-nobody": ("UnknownKey", lambda *_: SHORTEST),
    "key-of-another-platform": ("UnknownKey", lambda stage, _: _of_another_platform(stage)),
    "of-another-name": ("CannotOpen", lambda stage, session: stage.sealed("OTHER", "value", session)),
    "of-another-session": ("CannotOpen", lambda stage, session: stage.sealed("KEY", "value", "bob", session)),
    "of-another-sealing-id": ("CannotOpen", lambda stage, session: stage.sealed("KEY", "value", session, "other")),
    "of-another-platform": ("CannotOpen", lambda stage, _: _relabelled(stage)),
    "flipped": ("CannotOpen", lambda stage, session: _last(stage.sealed("KEY", "val", session), 4)),
    "nul": ("InvalidValue", lambda stage, session: stage.sealed("KEY", b"canary\0value", session)),
    "not-utf-8": ("InvalidValue", lambda stage, session: stage.sealed("KEY", b"canary\xff\xfe", session)),
}


def _last(text: str, step: int) -> str:
    """The same text but for its last character, which is `step` further in base64url's alphabet."""
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    return text[:-1] + alphabet[(alphabet.index(text[-1]) + step) % 64]


def _of_another_platform(stage: Stage) -> str:
    with new_platform(stage.api) as other:
        return Stage(stage.api, stage.kubectl, other).sealed("KEY", "value")


def _relabelled(stage: Stage) -> str:
    """The ciphertext of another platform under the key id of this one."""
    own = stage.sealed("KEY", "value").split(".")
    return ".".join([*own[:3], _of_another_platform(stage).split(".")[3]])


def test_what_does_not_open_gives_no_sandbox(stage: Stage, nowhere: str) -> None:
    """Not even beside a value that opens; and each heals once it is set again."""
    for session, (_, bad) in BAD.items():
        stage.open(session)
        stage.put({"KEY": bad(stage, session), "GOOD": stage.sealed("GOOD", "value", session)}, session)
        stage.start(session, ["GOOD", "KEY"], session, compute=nowhere)
    for agent, (reason, _) in BAD.items():
        status = stage.agent_is(agent, reason, "Failed")
        assert status["phase"] == "Pending"
        assert find(status, "SecretsResolved")["reason"] == reason
        message = find(status, "Ready")["message"]
        assert message.startswith("secret KEY: ")
        assert "canary" not in message
    assert stage.list("Pod") == []
    assert stage.values() == {}
    for session in BAD:
        stage.set({"KEY": "healed"}, session)
    for agent in BAD:
        stage.pod_of(agent)
    assert {held["KEY"] for held in stage.values().values()} == {"healed"}


def test_more_than_a_secret_can_hold(stage: Stage, nowhere: str) -> None:
    stage.open()
    stage.set({"LARGE": "x" * 65536})
    copies = [{"name": f"COPY{i}", "from": "LARGE"} for i in range(17)]
    stage.start("most", copies[:16], compute=nowhere)
    stage.start("more", copies, compute=nowhere)
    stage.pod_of("most")
    status = stage.agent_is("more", "SecretsTooLarge", "Failed")
    assert "have 1114112 bytes together and a Secret holds 1048576" in find(status, "Ready")["message"]
    assert len(stage.values()) == 1


def test_somebody_else_has_the_pods_name(stage: Stage, nowhere: str) -> None:
    stage.set({"KEY": "value"})
    uid = stage.start("a", ["KEY"], compute=nowhere)["metadata"]["uid"]
    stage.agent_is("a", "SessionNotFound", "InProgress")
    taken = f"a-{uid[:8]}"
    container = {"name": "main", "image": "localhost/other:1"}
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": taken}, "spec": {"containers": [container]}}
    foreign = stage.create(pod | {"spec": {"nodeSelector": {"no": "where"}, "containers": [container]}})
    stage.open()
    status = stage.agent_is("a", "NameTaken", "Failed")
    assert f"a Pod {taken} that is not this agent's" in find(status, "Ready")["message"]
    wait_until("no Secret is left of the attempt", lambda: stage.values() == {})
    left = stage.get("Pod", taken)
    assert left is not None
    assert left["metadata"]["uid"] == foreign["metadata"]["uid"]
    stage.api.delete(path("Pod", stage.name, taken)).ok()
    assert stage.pod_of("a")["metadata"]["uid"] != foreign["metadata"]["uid"]


def _quota(**hard: str) -> Manifest:
    return {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "wall"}, "spec": {"hard": hard}}


WALLS: dict[str, tuple[Manifest, str]] = {
    "pods": (_quota(pods="0"), "exceeded quota: wall"),
    "secrets": (_quota(secrets="0"), "403 Forbidden"),
    "limits": (
        {
            "apiVersion": "v1",
            "kind": "LimitRange",
            "metadata": {"name": "wall"},
            "spec": {"limits": [{"type": "Container", "max": {"memory": "1Mi"}}]},
        },
        "maximum memory usage per Container is 1Mi",
    ),
}


@pytest.mark.parametrize("wall", WALLS)
def test_what_the_namespace_refuses_is_tried_again(stage: Stage, api: Api, wall: str) -> None:
    manifest, says = WALLS[wall]
    stage.create(manifest)
    with compute(
        api,
        nodeSelector=NOWHERE,
        sandbox={"resources": {"requests": {"memory": "2Mi"}, "limits": {"memory": "2Mi"}}},
    ) as template:
        stage.open()
        stage.set({"KEY": "value"})
        stage.start("a", ["KEY"], compute=template)
        status = stage.agent_is("a", "SandboxRefused", "Failed")
        assert says in find(status, "Ready")["message"]
        # Each attempt makes a Secret and deletes it again, and the first ones follow each other quickly.
        wait_until("no Secret is left of the attempt", lambda: stage.values() == {})
        api.delete(path(manifest["kind"], stage.name, "wall")).ok()
        stage.pod_of("a")
        assert len(stage.values()) == 1


def test_a_refused_agent_that_is_made_again_need_not_wait(stage: Stage, nowhere: str) -> None:
    """A namesake inherits nothing of the one before, its back-off neither."""
    audit = Audit()
    stage.create(_quota(pods="0"))
    stage.open()
    since = stage.version()
    stage.start("a", compute=nowhere)
    # The delay doubles from 0.1 s: after so many refusals it is 6.4 s.
    wait_until("it was refused often", lambda: sum(call.code == 403 for call in audit.calls(stage.name)) >= 7)
    stage.api.delete(path("ResourceQuota", stage.name, "wall")).ok()
    stage.api.delete(path("TheazoAgent", stage.name, "a")).ok()
    stage.start("a", compute=nowhere)
    # Others that come one after the other take their turns meanwhile; a back-off of seconds would let them pass.
    for later in ("b", "c"):
        stage.start(later, compute=nowhere)
        stage.pod_of(later)
    stage.pod_of("a")
    made = [obj for change, obj in history(stage.api, "Pod", stage.name, since) if change == "ADDED"]
    assert [pod["metadata"]["labels"]["theazo.dev/agent"] for pod in made].index("a") < 2, "before the last of them"


def test_a_webhook_that_nobody_serves(stage: Stage, nowhere: str) -> None:
    """What it answers is an error of the API server's, as often as it is asked; no Secret waits for the next time."""
    stage.open()
    stage.set({"KEY": "value"})
    stage.is_now("TheazoSecret", "alice", "AllEntriesOpen", "Current")  # it too is asked for, but not by its agent
    audit = Audit()

    def asked() -> list[str]:
        return [f"{call} {call.code}" for call in audit.calls(stage.name) if "/status" not in call.what]

    with webhook(stage, service={"namespace": stage.name, "name": "nobody"}):
        stage.start("a", ["KEY"], compute=nowhere)
        status = stage.agent_is("a", "SandboxRefused", "InProgress")
        message = find(status, "Ready")["message"]
        assert f'500 InternalError: Internal error occurred: failed calling webhook "{stage.name}.ex' in message
        assert message.endswith(f"or run `theazo platforms add {stage.name}` for missing rights")
        assert "firstObservedTime" in status
        wait_until("it was tried often", lambda: len(asked()) >= 25)
        made = ["get theazosecrets 200", "create secrets 201", "create pods 500"]
        assert asked()[:25] == [*made, "get pods 404", "deletecollection secrets 200"] * 5
    stage.pod_of("a")
    assert len(stage.values()) == 1
