"""The frozen envelopes through the product: what was once released keeps its meaning."""

import pytest

from tests.vectors import ENVELOPES, KEYS
from theazo.sealing import Binding, PublicKey
from theazo_operator.opening import InvalidValue, Keyring, OpeningError


def binding_of(vector: dict[str, str]) -> Binding:
    return Binding(vector["platform"], vector["session"], vector["sealingId"], vector["name"])


@pytest.mark.parametrize("key", KEYS.values(), ids=KEYS)
def test_a_master_key_gives_the_frozen_key(key: dict[str, str]) -> None:
    derived = Keyring({1: bytes.fromhex(key["masterKey"])}).public_key(key["platform"])
    assert derived == PublicKey.from_base64(key["publicKey"])
    assert derived.to_base64() == key["publicKey"]
    assert derived.key_id == key["keyId"]


@pytest.mark.parametrize("vector", ENVELOPES, ids=lambda vector: vector["id"])
def test_an_envelope_gives_the_frozen_result(vector: dict[str, str]) -> None:
    keyring = Keyring({1: bytes.fromhex(KEYS[vector["key"]]["masterKey"])})
    try:
        result, plaintext = "opens", keyring.open(vector["envelope"], binding_of(vector)).reveal().hex()
    except (OpeningError, InvalidValue) as error:
        result, plaintext = error.reason, vector.get("plaintext", "")
    assert (result, plaintext) == (vector["result"], vector.get("plaintext", ""))


def test_every_result_is_among_the_vectors() -> None:
    results = {vector["result"] for vector in ENVELOPES}
    assert results == {"opens", "MalformedEnvelope", "UnknownKey", "CannotOpen", "InvalidValue"}
    assert {vector["sealedBy"].split()[0] for vector in ENVELOPES if vector["result"] == "opens"} == {
        "cryptography",
        "@hpke/core",
    }
