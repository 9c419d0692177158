"""Ours against `format.mjs`, which reads the format's description and uses npm's @hpke; in both directions.

Needs Node.js 20 or later with npm; the packages of the lock file are installed when they aren't yet.
"""

import base64
import json
from pathlib import Path

import pytest

from tests.support.node import as_json, ask, install
from tests.vectors import ENVELOPES, KEYS
from theazo.sealing import Binding, seal
from theazo.secret_value import SecretValue
from theazo_operator.opening import Keyring, generate_master_key

HERE = Path(__file__).parent
MODULE = HERE / "format.mjs"
BINDINGS = [
    Binding("acme", "checkout", "checkout", "OPENAI_API_KEY"),
    Binding("a", "s", "Q7.x_K-9zQ2", "A"),
    Binding("p" * 63, "s" * 52, "I" * 63, "N" * 128),
]
VALUES = [b"x", b"sk-0123456789", "grüße 🔑\r\n".encode(), b"x" * 65536]


@pytest.fixture(scope="module")
def packages() -> None:
    install(HERE)


@pytest.mark.usefixtures("packages")
def test_a_master_key_gives_both_the_same_public_keys() -> None:
    master_keys = [bytes(32), b"\xff" * 32, generate_master_key(), generate_master_key()]
    pairs = [(master_key, binding.platform) for master_key in master_keys for binding in BINDINGS]
    answers = ask(
        MODULE, *({"op": "keys", "masterKey": master.hex(), "platform": platform} for master, platform in pairs)
    )
    for (master_key, platform), answer in zip(pairs, answers, strict=True):
        key = Keyring({1: master_key}).public_key(platform)
        assert (answer["publicKey"], answer["keyId"]) == (key.raw.hex(), key.key_id)


@pytest.mark.usefixtures("packages")
def test_a_frozen_key_has_the_frozen_seed() -> None:
    answers = ask(
        MODULE, *({"op": "keys", "masterKey": key["masterKey"], "platform": key["platform"]} for key in KEYS.values())
    )
    for key, answer in zip(KEYS.values(), answers, strict=True):
        raw = base64.b64decode(key["publicKey"])
        assert answer == {"seed": key["seed"], "publicKey": raw.hex(), "keyId": key["keyId"]}


@pytest.mark.usefixtures("packages")
def test_it_opens_what_we_seal() -> None:
    master_key = generate_master_key()
    keyring = Keyring({1: master_key})
    cases = [(binding, value) for binding in BINDINGS for value in VALUES]
    answers = ask(
        MODULE,
        *(
            {
                "op": "open",
                "masterKey": master_key.hex(),
                "binding": as_json(binding),
                "envelope": seal(SecretValue(value), binding, keyring.public_key(binding.platform)),
            }
            for binding, value in cases
        ),
    )
    assert [bytes.fromhex(answer) for answer in answers] == [value for _, value in cases]


@pytest.mark.usefixtures("packages")
def test_we_open_what_it_seals() -> None:
    keyring = Keyring({1: generate_master_key()})
    cases = [(binding, value) for binding in BINDINGS for value in VALUES]
    envelopes = ask(
        MODULE,
        *(
            {
                "op": "seal",
                "publicKey": keyring.public_key(binding.platform).raw.hex(),
                "binding": as_json(binding),
                "value": value.hex(),
            }
            for binding, value in cases
        ),
    )
    for (binding, value), envelope in zip(cases, envelopes, strict=True):
        assert keyring.open(envelope, binding) == SecretValue(value)


@pytest.mark.usefixtures("packages")
def test_it_opens_the_frozen_envelopes_and_no_other() -> None:
    results = {"opens", "InvalidValue", "CannotOpen"}
    vectors = [vector for vector in ENVELOPES if vector["result"] in results]
    answers = ask(
        MODULE,
        *(
            {
                "op": "open",
                "masterKey": KEYS[vector["key"]]["masterKey"],
                "binding": {field: vector[field] for field in ("platform", "session", "sealingId", "name")},
                "envelope": vector["envelope"],
            }
            for vector in vectors
        ),
    )
    for vector, answer in zip(vectors, answers, strict=True):
        assert answer == vector.get("plaintext"), vector["id"]


def test_the_lock_file_names_no_registry() -> None:
    lock = json.loads((HERE / "package-lock.json").read_text())
    packages = {path: package for path, package in lock["packages"].items() if path}
    assert packages
    assert all("resolved" not in package and package["integrity"] for package in packages.values())
