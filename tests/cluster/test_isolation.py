"""Every agent sees what it declared, of its own session and platform, and nobody gets at what is another's."""

from itertools import product

import pytest

from tests.support.api import Api, path
from tests.support.cluster import wait_until
from tests.support.manifests import secret, session
from tests.support.sessions import DECLARED, NAMES, SESSIONS, comes_to, declare, digest, make_session, printed, value

pytestmark = [pytest.mark.cluster, pytest.mark.usefixtures("running_operator")]


def test_each_agent_sees_its_own(api: Api, platform: str, other: str) -> None:
    places = list(product((platform, other), SESSIONS))
    for where, name in places:
        make_session(api, where, name)
    for (where, name), which in product(places, DECLARED):
        declare(api, where, name, which)
    base = printed(api, platform, "alice-none").keys()
    everything = {digest(value(*place, name)) for place, name in product(places, NAMES)}
    for (where, name), (which, sources) in product(places, DECLARED.items()):
        seen = printed(api, where, f"{name}-{which}")
        assert seen.keys() == base | sources.keys()
        own = {variable: digest(value(where, name, source)) for variable, source in sources.items()}
        assert {variable: seen[variable] for variable in sources} == own
        assert everything & set(seen.values()) == set(own.values())


def test_a_copied_ciphertext_opens_nowhere_else(api: Api, platform: str, other: str) -> None:
    entries = make_session(api, platform, "alice")["spec"]["encryptedData"]
    copies = {
        (platform, "bob", "alice"): "CannotOpen",  # another session, which has even taken the first one's sealingId
        (platform, "carol", "carol"): "CannotOpen",
        (other, "alice", "alice"): "UnknownKey",  # sealed to the other platform's key
    }
    for (where, name, sealing_id), why in copies.items():
        api.create(session(name, where, sealingId=sealing_id)).ok()
        api.create(secret(name, where, entries)).ok()
        declare(api, where, name, "one")
        comes_to(api, where, f"{name}-one", why)
        failing = [{"name": each, "reason": why} for each in NAMES]
        record = path("TheazoSecret", where, name)
        wait_until(
            "authors hear of it",
            lambda record=record, failing=failing: api.get(record).ok().get("status", {}).get("failing") == failing,  # type: ignore[misc]  # no types in a lambda
        )


def test_nor_under_another_name_nor_in_a_session_made_again(api: Api, platform: str) -> None:
    entries = make_session(api, platform, "alice", sealingId="first")["spec"]["encryptedData"]
    swapped = {"API_KEY": entries["OTHER"], "OTHER": entries["API_KEY"], "DATABASE_URL": entries["DATABASE_URL"]}
    api.apply(secret("alice", platform, swapped), "author", force=True).ok()
    declare(api, platform, "alice", "one")
    comes_to(api, platform, "alice-one", "CannotOpen")
    api.delete(path("TheazoSession", platform, "alice")).ok()
    wait_until("the sweep is done", lambda: api.get(path("TheazoSecret", platform, "alice")).code == 404)
    api.create(session("alice", platform, sealingId="second")).ok()
    api.create(secret("alice", platform, entries)).ok()
    wait_until("the agent is swept", lambda: api.get(path("TheazoAgent", platform, "alice-one")).code == 404)
    declare(api, platform, "alice", "one")
    comes_to(api, platform, "alice-one", "CannotOpen")
