"""API keys: made, shown once, listed by id, revoked."""

import base64
import errno
import hashlib
import io
import json
import os
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Barrier, Lock
from typing import Any
from unittest.mock import patch

import pytest
import yaml

from tests.support.cli import Api, Request, Result, fake_cluster, refused, theazo
from theazo import api_key
from theazo.cli import main

SECRETS = "/api/v1/namespaces/theazo-system/secrets"
PATH = f"{SECRETS}/theazo-api-keys"
KEY = "th_live_" + "a" * 12 + "_" + "b" * 52


def encoded(entry: Any) -> str:
    return base64.b64encode(json.dumps(entry).encode()).decode()


def entry(platform: str = "acme", **changes: Any) -> str:
    hashed = hashlib.sha256(b"x").hexdigest()
    created = (datetime.now(UTC) - timedelta(days=3)).strftime("%Y-%m-%dT%H:%M:%SZ")
    return encoded({"platform": platform, "hash": hashed, "createdAt": created, "description": "staging", **changes})


@pytest.fixture
def api(tmp_path: Path) -> Iterator[Api]:
    with fake_cluster(tmp_path) as fake:
        for name, labels in (("acme", {"theazo.dev/platform": "true"}), ("plain", {}), ("theazo-system", {})):
            fake.objects[f"/api/v1/namespaces/{name}"] = {"metadata": {"name": name, "labels": labels}}
        lock = Lock()
        plain = fake.answer

        def stored(request: Request) -> tuple[int, Any]:
            """The one Secret, as an API server keeps it."""
            with lock:
                code, answer = plain(request)
                if request.verb == "PATCH" and request.path == PATH and code == 200:
                    if PATH not in fake.objects:
                        return 404, {"message": "not found"}
                    data = fake.objects[PATH].setdefault("data", {}) | request.body["data"]
                    fake.objects[PATH]["data"] = {name: text for name, text in data.items() if text is not None}
                    return 200, fake.objects[PATH]
                if request.verb == "POST" and request.path == SECRETS and code == 200:
                    if PATH in fake.objects:
                        return 409, {"message": "already exists"}
                    fake.objects[PATH] = request.body
                return code, answer

        with patch.object(fake, "answer", stored):
            yield fake


def keys(api: Api, *arguments: str) -> Result:
    return theazo("api-keys", *arguments, "--kubeconfig", api.kubeconfig)


def decoded(api: Api) -> dict[str, Any]:
    return {name: json.loads(base64.b64decode(text)) for name, text in api.objects[PATH]["data"].items()}


def test_a_key_is_as_the_contract_says() -> None:
    made = [api_key.generate() for _ in range(50)]
    for key_id, key in made:
        assert re.fullmatch(r"th_live_[a-z2-7]{12}_[a-z2-7]{52}", key)
        found = api_key.API_KEY_PATTERN.fullmatch(key)
        assert found is not None
        assert found[1] == key_id
        assert api_key.API_KEY_ID_PATTERN.fullmatch(key_id)
        assert api_key.digest(key) == hashlib.sha256(key.encode()).hexdigest()
    assert len({key_id for key_id, _ in made}) == len({key[-52:] for _, key in made}) == 50


@pytest.mark.parametrize("text", [KEY + "\n", KEY[:-1], KEY.upper(), KEY.replace("b", "1"), f" {KEY}"])
def test_what_is_no_key(text: str) -> None:
    assert api_key.API_KEY_PATTERN.fullmatch(text) is None


def test_create_prints_the_key_once_and_stores_a_hash(api: Api) -> None:
    result = keys(api, "create", "--platform", "acme", "--description", "back end")
    key = result.out.removesuffix("\n")
    assert result.code == 0
    assert api_key.API_KEY_PATTERN.fullmatch(key)
    ((key_id, stored),) = decoded(api).items()
    assert key_id == key[8:20]
    moment = datetime.fromisoformat(stored.pop("createdAt"))
    assert abs(datetime.now(UTC) - moment) < timedelta(minutes=1)
    assert stored == {"platform": "acme", "hash": api_key.digest(key), "description": "back end"}
    secret = api.objects[PATH]
    assert (secret["type"], secret["metadata"]["name"]) == ("Opaque", "theazo-api-keys")
    assert secret["metadata"]["labels"] == {"app.kubernetes.io/managed-by": "theazo"}
    assert result.err.startswith(f"note: this is key {key_id} of platform acme; it is not shown again")
    # The canary: nowhere but on standard output.
    assert key[21:] not in result.err + repr(api.requests) + repr(api.objects) + keys(api, "list", "-o", "yaml").out


def test_create_touches_its_own_entry_only(api: Api) -> None:
    api.objects[PATH] = {"metadata": {}, "data": {"c" * 12: entry()}}
    assert keys(api, "create", "-n", "acme").code == 0
    (write,) = api.writes()
    assert (write.verb, write.path, write.content_type) == ("PATCH", PATH, "application/merge-patch+json")
    assert len(write.body["data"]) == 1
    assert set(write.body) == {"data"}
    assert len(api.objects[PATH]["data"]) == 2
    assert "c" * 12 in api.objects[PATH]["data"]


def test_several_first_creates_all_win(api: Api) -> None:
    together, answer = Barrier(8), api.answer

    def waits(request: Request) -> tuple[int, Any]:
        given = answer(request)
        if request.verb == "PATCH" and given[0] == 404:
            together.wait(timeout=30)  # nobody creates before everybody has found nothing
        return given

    with patch.object(api, "answer", waits), ThreadPoolExecutor(8) as pool:
        arguments = ["api-keys", "create", "-n", "acme", "--kubeconfig", str(api.kubeconfig)]
        codes = list(pool.map(main, [arguments] * 8))
    assert codes == [0] * 8
    assert len(decoded(api)) == 8


@pytest.mark.parametrize("name", ["plain", "none"])
def test_a_namespace_that_is_no_platform_gets_no_key(api: Api, name: str) -> None:
    refused(keys(api, "create", "-n", name), f"{name} is no platform", f"theazo platforms add {name}")
    assert api.writes() == []


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("create",), ("--platform is missing",)),
        (("create", "-n", "Acme"), ("a platform's name",)),
        (("create", "-n", "acme", "--description", "x" * 257), ("at most 256 characters",)),
        (("create", "-n", "acme", "--description", "a\nb"), ("one line",)),
        (("create", "-n", "acme", "--description", f"my {KEY}"), ("holds an API key", "Nothing was made")),
        (("create", "-n", "acme", KEY), ("argument 5 is one too many",)),
        (("revoke",), ("is missing",)),
        (("revoke", "c" * 12, KEY), ("takes ids, not keys", "Nothing was revoked")),
        (("list", "-o", "xml"), ("--output can't have this value",)),
        (("list", "-n", "../x"), ("a platform's name",)),
        (("delete", KEY), ("is no command",)),
    ],
)
def test_wrong_arguments(api: Api, arguments: tuple[str, ...], words: tuple[str, ...]) -> None:
    result = keys(api, *arguments)
    refused(result, *words, code=2)
    assert len(result.err.splitlines()) == 1
    assert "b" * 52 not in result.err
    assert api.requests == []


def test_an_operators_namespace_that_is_not_there(api: Api) -> None:
    api.answers["PATCH", PATH.replace("theazo-system", "elsewhere")] = (404, {"message": "not found"})
    result = keys(api, "create", "-n", "acme", "--operator-namespace", "elsewhere")
    refused(result, "there is no namespace elsewhere", "--operator-namespace")


class FullDisk(io.StringIO):
    def write(self, text: str, /) -> int:
        raise OSError(errno.ENOSPC, text and "No space left on device")


def test_a_key_that_nobody_saw_is_taken_back(api: Api) -> None:
    with patch("sys.stdout", FullDisk()):
        code = main(["api-keys", "create", "-n", "acme", "--kubeconfig", str(api.kubeconfig)])
    assert code == 1
    assert decoded(api) == {}


def test_list_shows_ids_and_no_hashes(api: Api) -> None:
    api.objects[PATH] = {"data": {"d" * 12: entry("globex", description=""), "c" * 12: entry()}}
    result = keys(api, "list")
    assert (result.code, result.err) == (0, "")
    assert result.out.splitlines() == [
        "ID             PLATFORM   AGE   DESCRIPTION",
        "cccccccccccc   acme       3d    staging",
        "dddddddddddd   globex     3d",
    ]
    assert keys(api, "list", "-o", "name").out == f"{'c' * 12}\n{'d' * 12}\n"
    found = json.loads(keys(api, "list", "-o", "json").out)
    assert found == yaml.safe_load(keys(api, "list", "-o", "yaml").out)
    assert [list(each) for each in found["apiKeys"]] == [["id", "platform", "createdAt", "description"]] * 2
    hashed = hashlib.sha256(b"x").hexdigest()
    assert not any(hashed in keys(api, "list", "-o", form).out for form in ("table", "wide", "name", "json", "yaml"))
    assert keys(api, "list", "-n", "globex", "-o", "name").out == f"{'d' * 12}\n"


def test_list_without_keys(api: Api) -> None:
    for found in (None, {}, {"data": None}):
        api.objects |= {} if found is None else {PATH: found}
        result = keys(api, "list")
        assert (result.code, result.out) == (0, "")
        assert result.err == "note: no API keys; `theazo api-keys create --platform NAMESPACE` makes one\n"


@pytest.mark.parametrize(
    "text", ["!", base64.b64encode(b"\xff").decode(), encoded([]), encoded(KEY), encoded({"platform": 1})]
)
def test_an_entry_that_is_no_key_is_said_and_not_shown(api: Api, text: str) -> None:
    api.objects[PATH] = {"data": {"c" * 12: entry(), "e" * 12: text}}
    result = keys(api, "list")
    assert result.code == 0
    assert result.out.splitlines()[2].split() == ["e" * 12, "<invalid>", "<unknown>"]
    assert "1 entries are no API keys" in result.err
    assert KEY not in result.out + result.err


def test_revoke_removes_its_own_entries_only(api: Api) -> None:
    api.objects[PATH] = {"data": {letter * 12: entry() for letter in "cde"}}
    result = keys(api, "revoke", "c" * 12, "d" * 12, "c" * 12)
    assert (result.code, result.err) == (0, "")
    assert result.out == f"API key {'c' * 12} revoked\nAPI key {'d' * 12} revoked\n"
    assert list(decoded(api)) == ["e" * 12]
    (write,) = api.writes()
    assert write.body == {"data": {"c" * 12: None, "d" * 12: None}}


def test_revoke_of_an_unknown_key_says_so_and_revokes_the_rest(api: Api) -> None:
    api.objects[PATH] = {"data": {"c" * 12: entry()}}
    result = keys(api, "revoke", "z" * 12, "c" * 12, "hunter2")
    assert (result.code, result.out) == (1, f"API key {'c' * 12} revoked\n")
    unknown, no_id = result.err.splitlines()
    assert unknown.startswith(f"error: there is no API key {'z' * 12}; ")
    assert no_id.startswith("error: an argument is no API key's id; ")
    assert "hunter2" not in result.err
    assert decoded(api) == {}
    del api.objects[PATH]
    refused(keys(api, "revoke", "c" * 12), f"there is no API key {'c' * 12}")


@pytest.mark.parametrize("arguments", [("create", "-n", "acme"), ("list",), ("revoke", "c" * 12)])
def test_who_may_not_is_told_so_in_one_line(api: Api, arguments: tuple[str, ...]) -> None:
    for verb in ("GET", "PATCH"):
        api.answers[verb, PATH] = (403, {"message": "secrets is forbidden"})
    result = keys(api, *arguments)
    refused(result, "your account may not do that")
    assert len(result.err.splitlines()) == 1
    assert os.linesep not in result.err[:-1]
