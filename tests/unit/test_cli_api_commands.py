"""The commands that go through the REST API, from arguments to exit code, with an API on a real port."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
import yaml

from tests.support.cli import Result, refused, theazo
from tests.support.sdk import served
from theazo._core import requests
from theazo.testing import API_KEY, FakeTheazo

USER = ("--user", "user_123")


class Rig:
    """A command line with an API behind it."""

    def __init__(self, fake: FakeTheazo, environ: dict[str, str]) -> None:
        self.fake = fake
        self.environ = environ

    def __call__(self, *arguments: str | Path, stdin: bytes = b"", **environ: str) -> Result:
        return theazo(*arguments, stdin=stdin, environ=self.environ | environ)

    def ok(self, *arguments: str | Path, stdin: bytes = b"", **environ: str) -> str:
        result = self(*arguments, stdin=stdin, **environ)
        assert result.code == 0, result.err
        return result.out

    def json(self, *arguments: str) -> Any:
        return json.loads(self.ok(*arguments, "-o", "json"))

    def agent(self, *options: str) -> str:
        return self.ok("agents", "create", "python", *USER, "-o", "name", *options).strip()


@pytest.fixture
def rig() -> Iterator[Rig]:
    fake = FakeTheazo("acme")
    with served(fake) as environ:
        yield Rig(fake, environ)


def test_sessions(rig: Rig) -> None:
    made = rig.ok("sessions", "create", "user_123")
    assert made.splitlines()[0].split() == ["ID", "USER", "AGE"]
    [session] = rig.json("sessions", "list")["sessions"]
    assert made.splitlines()[1].split()[:2] == [session["id"], "user_123"]
    assert set(session) == {"id", "user", "platform", "sealingId", "createdAt", "expiresAt"}
    assert session["createdAt"].endswith("Z")
    assert rig.json("sessions", "get", *USER) == rig.json("sessions", "get", "--session", session["id"]) == session
    assert yaml.safe_load(rig.ok("sessions", "get", *USER, "-o", "yaml"))["id"] == session["id"]
    assert rig.ok("sessions", "list", "--user", "user_123", "-o", "name") == f"{session['id']}\n"
    assert session["sealingId"] in rig.ok("sessions", "list", "-o", "wide")
    assert rig.ok("sessions", "delete", *USER) == f"session {session['id']} deleted\n"
    result = rig("sessions", "list")
    assert (result.code, result.out, result.err.count("\n")) == (0, "", 1)
    assert "no sessions" in result.err


def test_a_session_that_ends_by_itself(rig: Rig) -> None:
    assert rig.json("sessions", "create", "user_123", "--ttl", "60")["expiresAt"].endswith("Z")


def test_secrets(rig: Rig, tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("A=1\nB=2\n")
    result = rig("secrets", "set", *USER, "--env-file", tmp_path / ".env", "--required", "A", "--required", "B")
    session = rig.json("sessions", "get", *USER)["id"]
    assert (result.code, result.out, result.err) == (0, "", f"note: set 2 secrets of session {session}\n")
    result = rig("secrets", "set", "--session", session, "--stdin", "C", stdin=b"x\n")
    assert result.err.splitlines()[-1] == f"note: set 1 secret of session {session}"
    assert rig("secrets", "set", *USER, "--from-env", "D_1", D_1="x").code == 0
    assert rig.ok("secrets", "list", *USER, "-o", "name").split() == ["A", "B", "C", "D_1"]
    assert rig.ok("secrets", "list", *USER).splitlines()[0].split() == ["NAME", "AGE", "UPDATED"]
    assert set(rig.json("secrets", "list", *USER)["secrets"][0]) == {"name", "createdAt", "updatedAt"}
    assert rig.ok("secrets", "delete", "A", "C", "A", *USER) == "secret A deleted\nsecret C deleted\n"
    result = rig("secrets", "delete", "A", "B", *USER)
    assert (result.code, result.out) == (1, "secret B deleted\n")
    assert f"session {session} has no secret A" in result.err


def test_a_prompt_sets_too(rig: Rig) -> None:
    with patch("theazo.cli.inputs.getpass", return_value="x"):
        rig.ok("secrets", "set", *USER, "--prompt", "A")
    assert rig.ok("secrets", "list", *USER, "-o", "name") == "A\n"


def test_nothing_is_made_for_what_only_looks(rig: Rig) -> None:
    looks = [
        ("sessions", "get"),
        ("sessions", "delete"),
        ("secrets", "list"),
        ("agents", "list"),
        ("agents", "get", "a-1"),
    ]
    for arguments in (*looks, ("secrets", "delete", "A"), ("agents", "delete", "a-1"), ("agents", "wait", "a-1")):
        refused(rig(*arguments, *USER), "this user has no session", "theazo sessions create")
    assert rig.json("sessions", "list") == {"sessions": []}


def test_an_agent_with_all_options(rig: Rig) -> None:
    rig.ok("secrets", "set", *USER, "--env-file", "-", stdin=b"A=1\nB=2")
    options = (
        "--secret",
        "A",
        "--secret",
        "X:B",
        "--optional-secret",
        "C",
        "--limit",
        "cpu=1",
        "--limit",
        "memory=1Gi",
    )
    more = ("--request", "cpu=500m", "--restart-policy", "OnFailure", "--active-deadline", "5", "--ttl", "0")
    last = ("--secrets-deadline", "6", "--start-deadline", "7", "--idempotency-key", "k")
    with patch("theazo._core.requests._post", side_effect=requests._post) as post:
        agent = rig.agent(*options, *more, *last, "--", "python", "-c", "print('--user')", "--limit")
        assert post.call_args.args[1] == {
            "compute": "python",
            "secrets": [{"name": "A"}, {"name": "X", "from": "B"}, {"name": "C", "optional": True}],
            "command": ["python", "-c", "print('--user')", "--limit"],
            "resources": {"limits": {"cpu": "1", "memory": "1Gi"}, "requests": {"cpu": "500m"}},
            "restartPolicy": "OnFailure",
            "activeDeadlineSeconds": 5,
            "ttlSecondsAfterFinished": 0,
            "secretsDeadlineSeconds": 6,
            "startDeadlineSeconds": 7,
        }
        assert post.call_args.args[2] == {"idempotency-key": "k"}
        assert rig.agent(*options, *more, *last, "--", "python", "-c", "print('--user')", "--limit") == agent
        rig.agent("--as-args", "--", "--x", "y")
        assert post.call_args.args[1] == {"compute": "python", "secrets": [], "args": ["--x", "y"]}


def test_agents(rig: Rig) -> None:
    agent = rig.agent()
    assert rig.ok("agents", "list", *USER).splitlines()[0].split() == [
        "ID",
        "COMPUTE",
        "PHASE",
        "REASON",
        "EXIT",
        "AGE",
    ]
    assert rig.json("agents", "list", *USER)["agents"] == [rig.json("agents", "get", agent, *USER)]
    assert rig.ok("agents", "list", *USER, "--phase", "Failed") == ""
    assert "MESSAGE" in rig.ok("agents", "get", agent, *USER, "-o", "wide")
    assert rig.ok("agents", "delete", agent, *USER) == f"agent {agent} deleted\n"
    refused(rig("agents", "get", agent, *USER), "agent_not_found", "req_")


@pytest.mark.parametrize(("until", "code"), [("running", 0), ("finished", 0)])
def test_waiting_for_what_is_there(rig: Rig, until: str, code: int) -> None:
    agent = rig.agent()
    rig.fake.end(agent)
    result = rig("agents", "wait", agent, *USER, "--until", until)
    assert (result.code, result.out.splitlines()[1].split()[:5]) == (
        code,
        [agent, "python", "Succeeded", "Completed", "0"],
    )


def test_exit_codes_of_waiting(rig: Rig) -> None:
    agent = rig.agent()
    refused(rig("agents", "wait", agent, *USER, "--until", "finished", "--timeout", "0"), "not finished", code=3)
    rig.fake.end(agent, exit_code=7)
    refused(rig("agents", "wait", agent, *USER, "--until", "finished"), "failed with exit code 7 (SandboxFailed)")
    stalled = rig.agent()
    rig.fake.stall(stalled, "SandboxRefused", "make room")
    refused(rig("agents", "wait", stalled, *USER), f"agent {stalled} cannot start (SandboxRefused): make room")


COMMANDS = [
    *(("sessions", "create", "u"), ("sessions", "list"), ("sessions", "get", *USER), ("sessions", "delete", *USER)),
    *(("secrets", "list", *USER), ("secrets", "delete", "A", *USER), ("secrets", "set", *USER, "--stdin", "A")),
    *(("agents", "create", "python", *USER), ("agents", "list", *USER), ("agents", "get", "a-1", *USER)),
    *(("agents", "wait", "a-1", *USER), ("agents", "delete", "a-1", *USER)),
]


@pytest.mark.parametrize("arguments", COMMANDS, ids=lambda found: "-".join(found[:2]))
def test_what_every_command_refuses(rig: Rig, arguments: tuple[str, ...], tmp_path: Path) -> None:
    def refuses(*words: str, code: int, options: tuple[str | Path, ...] = (), **environ: str) -> None:
        refused(rig(*arguments, *options, stdin=b"x", **environ), *words, code=code)

    refuses("no base URL: set THEAZO_BASE_URL, or give --base-url", code=2, THEAZO_BASE_URL="")
    refuses("no API key: set THEAZO_API_KEY, or give --api-key-file", code=2, THEAZO_API_KEY="")
    refuses("THEAZO_API_KEY is no API key", code=2, THEAZO_API_KEY=API_KEY[:-1])
    refuses("401 unauthorized", "req_", code=1, THEAZO_API_KEY=f"th_live_{'b' * 12}_{'b' * 52}")
    (tmp_path / "key").write_text("s3cret")
    refuses("--api-key-file is no API key", code=2, options=("--api-key-file", tmp_path / "key"))
    refuses("--api-key-file: cannot read it: No such file", code=2, options=("--api-key-file", tmp_path / "none"))
    rig.fake.fail(403)
    refuses("403 platform_not_served", code=1)


@pytest.mark.parametrize(
    "arguments", [each for each in COMMANDS if "--user" in each], ids=lambda found: "-".join(found[:2])
)
def test_whose_session_it_is_must_be_said(rig: Rig, arguments: tuple[str, ...]) -> None:
    refused(rig(*(each for each in arguments if each not in USER)), "--user USER or --session ID", code=2)
    refused(rig(*arguments, "--session", "s-1"), "--user USER or --session ID", code=2)
    assert rig.fake.requests == ()


def test_a_key_file_and_a_base_url_beat_the_environment(rig: Rig, tmp_path: Path) -> None:
    (tmp_path / "key").write_text(f"{API_KEY}\n")
    url = rig.environ["THEAZO_BASE_URL"]
    options = ("--api-key-file", tmp_path / "key", "--base-url", url)
    assert rig("sessions", "list", *options, THEAZO_API_KEY="x", THEAZO_BASE_URL="http://127.0.0.1:1").code == 0


def test_required_names(rig: Rig) -> None:
    result = rig("secrets", "set", *USER, "--stdin", "A", "--required", "B", "--required", "A", stdin=b"x")
    refused(result, "no value for B, which --required names; nothing was set")
    refused(rig("secrets", "set", *USER, "--stdin", "A", "--required", "a-b", stdin=b"x"), "--required", code=2)
    assert rig.fake.requests == ()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("agents", "create", "python", *USER, "--limit", "cpu"), "--limit is RESOURCE=AMOUNT"),
        (("agents", "create", "python", *USER, "--limit", "cpu=1", "--limit", "cpu=2"), "twice"),
        (("agents", "create", "python", *USER, "--as-args"), "--as-args goes with"),
        (("agents", "create", "python", *USER, "--secret", "a-b"), "--secret: a secret's name"),
        (("agents", "create", "python", *USER, "--secret", "A:"), ""),
        (("agents", "create", "python", *USER, "--idempotency-key", ""), "idempotency key"),
        (("agents", "get", "A/B", *USER), "an agent's name"),
        (("agents", "wait", "a-1", *USER, "--until", "done"), "--until can't have this value"),
        (("sessions", "get", "--session", "../x"), "a session's name"),
        (("sessions", "create", "u", "--ttl", "0"), "--ttl can't have this value"),
    ],
)
def test_wrong_arguments(rig: Rig, arguments: tuple[str, ...], words: str) -> None:
    rig.ok("sessions", "create", "user_123")
    if words:
        refused(rig(*arguments), words, code=2)
    else:
        refused(rig(*arguments), "422 secret_not_found")
