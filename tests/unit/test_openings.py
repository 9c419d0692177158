"""Each attempt to open a value is counted once, by its result, and nothing else is."""

from collections import Counter
from typing import Any

import pytest

from tests.support.aio import aio
from tests.support.builders import KEYRING, NS, sealed_text, secret_body
from tests.support.rig import Rig, stop_clock
from theazo_operator import metrics
from theazo_operator.controllers.secrets import SecretController
from theazo_operator.kube import resource as kind
from theazo_operator.resources.meta import Key

BROKEN = sealed_text(b"1", "OF_ANOTHER_NAME")
LARGE = {name: sealed_text(b"x" * 65_536, name) for name in (f"V{number}" for number in range(17))}


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> Counter[tuple[str, str]]:
    stop_clock(monkeypatch)
    counts: Counter[tuple[str, str]] = Counter()
    monkeypatch.setattr(metrics, "count_opening", lambda purpose, result: counts.update([(purpose, result)]))
    return counts


@pytest.mark.parametrize(
    ("declared", "entries", "openings", "reason"),
    [
        ("", {}, {}, "SandboxStarting"),
        ("AB", {"A": sealed_text(b"1", "A"), "B": sealed_text(b"2", "B")}, {"Opened": 2}, "SandboxStarting"),
        ("AB", {"A": sealed_text(b"1", "A")}, {}, "SecretNotFound"),
        ("ABC", {"A": sealed_text(b"1", "A"), "B": BROKEN, "C": BROKEN}, {"Opened": 1, "CannotOpen": 1}, "CannotOpen"),
        ("A", {"A": "plain"}, {"MalformedEnvelope": 1}, "MalformedEnvelope"),
        (LARGE, LARGE, {"Opened": 17}, "SecretsTooLarge"),
    ],
    ids=["none declared", "all open", "one is missing", "the second does not open", "no envelope", "too large"],
)
def test_for_an_agent(
    declared: Any, entries: dict[str, str], openings: dict[str, int], reason: str, counted: Counter[tuple[str, str]]
) -> None:
    @aio
    async def scenario() -> None:
        rig = Rig(spec={"secrets": [{"name": name} for name in declared]})
        rig.kube.put(kind.THEAZO_SECRETS, secret_body(entries))
        await rig.turn()
        assert rig.ready() == ("Pending", reason)

    scenario()
    assert counted == {("agent", result): count for result, count in openings.items()}


@aio
async def test_for_verification(counted: Counter[tuple[str, str]]) -> None:
    """What is known already is not opened again."""
    rig = Rig()
    rig.see()
    controller = SecretController(rig.kube, rig.world, KEYRING)
    for generation in (1, 2):
        entries = {"A": sealed_text(b"1", "A"), "B": BROKEN} if generation == 1 else {"B": BROKEN, "C": "plain"}
        body = secret_body(entries)
        body["metadata"]["generation"] = generation
        rig.world.secrets.put(rig.kube.put(kind.THEAZO_SECRETS, body))
        await controller.reconcile(Key(NS, "demo"))
    assert counted == {("verify", "Opened"): 1, ("verify", "CannotOpen"): 1, ("verify", "MalformedEnvelope"): 1}
