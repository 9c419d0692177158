"""Changes that waited for the same session become one write, and each has an outcome of its own."""

import asyncio
from typing import Any

import pytest

from tests.support.fakekube import FakeKube
from tests.support.restrig import Rest
from theazo_operator.api import problems
from theazo_operator.api.entries import merge
from theazo_operator.api.problems import Problem
from theazo_operator.kube.errors import Unavailable

SESSION = "/v1/sessions/{}/secrets"


@pytest.fixture
def rest(monkeypatch: pytest.MonkeyPatch) -> Any:
    with Rest(monkeypatch) as running:
        yield running


def together(rest: Rest, *requests: tuple[str, str, Any]) -> list[Any]:
    async def everybody() -> list[Any]:
        sent = (
            rest.send(method, path, body=body, kind="application/json") if body else rest.send(method, path)
            for method, path, body in requests
        )
        return list(await asyncio.gather(*sent))

    return list(rest.runner.run(everybody()))


def slow_patches(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Lets others come while a patch is under way; how many operations each had."""
    real, seen = FakeKube.patch, list[int]()

    async def patch(self: FakeKube, *args: Any) -> None:
        seen.append(len(args[-1]) - 1)  # the first is the test of the version
        for _ in range(50):
            await asyncio.sleep(0)
        await real(self, *args)

    monkeypatch.setattr(FakeKube, "patch", patch)
    return seen


def test_what_waits_becomes_one_patch(rest: Rest, monkeypatch: pytest.MonkeyPatch) -> None:
    path = SESSION.format(rest.open()["id"])
    rest.post(path, {"A": "1"})
    seen = slow_patches(monkeypatch)
    replies = together(rest, *(("POST", path, {f"N{n}": "x"}) for n in range(20)))
    assert {reply.status for reply in replies} == {204}
    assert len(rest.get(path).json["secrets"]) == 21
    assert sum(seen) == 20
    assert len(seen) <= 3, "the first, and all that came while it was under way"


def test_a_refused_change_spoils_no_other(rest: Rest, monkeypatch: pytest.MonkeyPatch) -> None:
    path = SESSION.format(rest.open()["id"])
    rest.post(path, {f"N{n}": "x" for n in range(255)})
    slow_patches(monkeypatch)
    asked = [("POST", path, {"N0": "y"}), ("POST", path, {"FITS": "x"}), ("POST", path, {"TOO": "x", "MANY": "x"})]
    replies = together(rest, *asked, ("POST", path, {"N1": "y"}), ("DELETE", f"{path}/ABSENT", None))
    assert [reply.status for reply in replies] == [204, 204, 413, 204, 404]
    assert len(rest.get(path).json["secrets"]) == 256


def test_a_failed_write_is_told_to_all_that_were_in_it(rest: Rest, monkeypatch: pytest.MonkeyPatch) -> None:
    path = SESSION.format(rest.open()["id"])
    rest.post(path, {"A": "1"})

    async def patch(*_: Any) -> None:
        for _turn in range(50):
            await asyncio.sleep(0)
        raise Unavailable("PATCH", "theazosecrets", 0, "TimeoutError")

    monkeypatch.setattr(FakeKube, "patch", patch)
    replies = together(rest, *(("POST", path, {f"N{n}": "x"}) for n in range(5)))
    assert {reply.outcome for reply in replies} == {(503, "unavailable")}


def test_each_change_is_made_on_what_those_before_it_left() -> None:
    def take(entries: Any) -> Any:
        assert entries.keys() == {"A", "B"}
        return {"A": None, "B": None}

    metadata = {"name": "s", "uid": "u", "resourceVersion": "1", "creationTimestamp": "2026-05-01T10:00:00Z"}
    body = {"metadata": metadata, "spec": {"encryptedData": {"A": {"ciphertext": "a"}}}}
    operations, refused = merge(body, [lambda _: {"B": {"ciphertext": "b"}}, take])
    assert refused == [None, None]
    assert operations == [{"op": "remove", "path": "/spec/encryptedData/A"}], "B came and went between"


def test_what_is_all_refused_writes_nothing() -> None:
    def refuse(_: Any) -> Any:
        raise Problem(problems.SECRET_NOT_FOUND, "")

    operations, (problem,) = merge(None, [refuse])
    assert operations == []
    assert problem is not None
