import base64
import dataclasses
import pickle
import traceback
from concurrent.futures import ThreadPoolExecutor

import pytest

from theazo.errors import InvalidName
from theazo.sealing import Binding, PublicKey, seal
from theazo.secret_value import SecretValue
from theazo_operator import _primitives, opening
from theazo_operator.opening import InvalidMasterKey, Keyring, UnknownKey, generate_master_key

CANARY = "canary-5up3r-s3cr3t"
KEYRING = Keyring({1: bytes(range(32)), 3: b"\x03" * 32})
BINDING = Binding("acme", "checkout", "Q7x", "OPENAI_API_KEY")
SEALED = seal(SecretValue(CANARY.encode()), BINDING, KEYRING.public_key("acme"))


def test_the_highest_number_is_active_and_all_open() -> None:
    old = Keyring({1: b"\x01" * 32})
    both = Keyring({2: b"\x02" * 32, 10: b"\x0a" * 32, 1: b"\x01" * 32})
    assert both.active == 10
    assert both.public_key("acme") == Keyring({7: b"\x0a" * 32}).public_key("acme")
    sealed = seal(SecretValue(b"x"), BINDING, old.public_key("acme"))
    assert both.open(sealed, BINDING) == SecretValue(b"x")
    assert both.key_ids("acme") >= {old.public_key("acme").key_id, both.public_key("acme").key_id}
    assert len(both.key_ids("acme")) == 3
    retired = Keyring({2: b"\x02" * 32})
    with pytest.raises(UnknownKey):
        retired.open(sealed, BINDING)


def test_each_platform_and_master_key_has_a_key_of_its_own() -> None:
    keys = {
        Keyring({1: master}).public_key(platform).raw
        for master in (bytes(32), bytes(31) + b"\x01")
        for platform in ("acme", "acm", "acmee", "globex")
    }
    assert len(keys) == 8


def test_another_platforms_envelope_is_an_unknown_key() -> None:
    with pytest.raises(UnknownKey):
        KEYRING.open(SEALED, dataclasses.replace(BINDING, platform="globex"))


def test_keys_are_derived_once_and_only_when_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    derivations: list[bytes] = []
    derive = _primitives.hkdf_sha256

    def counting(key: SecretValue, *, salt: bytes, info: bytes, length: int) -> SecretValue:
        derivations.append(info)
        return derive(key, salt=salt, info=info, length=length)

    monkeypatch.setattr(_primitives, "hkdf_sha256", counting)
    keyring = Keyring({1: bytes(range(32)), 3: b"\x03" * 32})
    assert derivations == []
    for _ in range(3):
        keyring.public_key("acme")
    assert derivations == [b"\x00\x13theazo platform key\x00\x011\x00\x16xwing-sha256-aes256gcm\x00\x04acme"]
    for _ in range(3):
        keyring.open(SEALED, BINDING)
        keyring.key_ids("acme")
    assert len(derivations) == 2


def test_several_threads_share_a_keyring() -> None:
    keyring = Keyring({1: bytes(range(32)), 3: b"\x03" * 32})
    with ThreadPoolExecutor(4) as pool:
        opened = list(pool.map(lambda _: keyring.open(SEALED, BINDING), range(100)))
    assert all(value == SecretValue(CANARY.encode()) for value in opened)


@pytest.mark.parametrize("platform", ["", "Acme", "a/b", "a" * 64, "\ud800"])
def test_a_platform_that_cannot_be_has_no_key(platform: str) -> None:
    with pytest.raises(InvalidName):
        KEYRING.public_key(platform)
    with pytest.raises(InvalidName):
        KEYRING.key_ids(platform)


@pytest.mark.parametrize(
    ("master_keys", "message"),
    [
        ({}, "there is no master key"),
        ({1: b""}, "master key 1 has 0 bytes instead of 32"),
        ({1: bytes(32), 2: CANARY.encode()}, "master key 2 has 19 bytes instead of 32"),
        ({1: base64.b64encode(bytes(32))}, "master key 1 has 44 bytes instead of 32"),
        ({1: bytes(33)}, "master key 1 has 33 bytes instead of 32"),
        ({0: bytes(32)}, "numbered from 1; there is one numbered 0"),
        ({-1: bytes(32)}, "numbered from 1; there is one numbered -1"),
    ],
)
def test_a_bad_keyring_is_refused_without_showing_it(master_keys: dict[int, bytes], message: str) -> None:
    with pytest.raises(InvalidMasterKey, match=message) as caught:
        Keyring(master_keys)
    assert CANARY not in str(caught.value)


def test_a_keyring_shows_numbers_only() -> None:
    keyring = Keyring({2: CANARY.ljust(32).encode(), 1: bytes(32)})
    keyring.public_key("acme")
    assert repr(keyring) == str(keyring) == f"{keyring}" == "<Keyring: numbers [1, 2]>"
    assert CANARY not in repr(vars(keyring))
    with pytest.raises((TypeError, AttributeError, pickle.PicklingError)) as caught:
        pickle.dumps(keyring)
    assert CANARY not in "".join(traceback.format_exception(caught.value))


def test_the_callers_mapping_is_not_the_keyring() -> None:
    master_keys = {1: bytes(32)}
    keyring = Keyring(master_keys)
    master_keys[2] = b"\x02" * 32
    assert keyring.active == 1


def test_a_new_master_key_is_random_and_fits() -> None:
    keys = {generate_master_key() for _ in range(100)}
    assert len(keys) == 100
    assert all(len(key) == opening.MASTER_KEY_LENGTH for key in keys)
    assert isinstance(Keyring({1: keys.pop()}).public_key("acme"), PublicKey)
