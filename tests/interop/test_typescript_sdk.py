"""The TypeScript SDK against the Python one: the same rules, and what either seals the operator opens.

Needs Node.js 20 or later with npm; the SDK's packages are installed and it is built when that wasn't done yet.
"""

import base64
import itertools
from pathlib import Path
from typing import Any

import pytest

from hack.typescript_rules import TARGET, table
from tests.support.node import as_json, ask, build_sdk
from tests.vectors import ENVELOPES, KEYS
from theazo import envfile, rules
from theazo.errors import InvalidName, InvalidPublicKey, InvalidValue, TheazoError
from theazo.sealing import Binding, PublicKey, hpke_info
from theazo.secret_value import SecretValue
from theazo_operator.opening import Keyring, generate_master_key

MODULE = Path(__file__).with_name("sdk.mjs")
BINDINGS = [
    Binding("acme", "checkout", "checkout", "OPENAI_API_KEY"),
    Binding("a", "s", "Q7.x_K-9zQ2", "__proto__"),
    Binding("p" * 63, "s" * 52, "I" * 63, "N" * 128),
]
VALUES = [b"x", b"sk-0123456789", "grüße 🔑\r\n".encode(), b"\xef\xbb\xbfx", b"x" * 65536]
USERS = ["user_123", "ü", "🔑" * 256, " ", "a\nb", "\x00"]


@pytest.fixture(scope="module")
def built() -> None:
    build_sdk()


def refusal(error: TheazoError) -> dict[str, str]:
    return {"error": type(error).__name__, "message": str(error)}


def test_its_table_of_rules_is_ours() -> None:
    assert TARGET.read_text() == table(), "run: hack/uv run python -m hack.typescript_rules"


@pytest.mark.usefixtures("built")
def test_the_operator_opens_what_it_seals() -> None:
    keyring = Keyring({1: generate_master_key()})
    cases = [(binding, value) for binding in BINDINGS for value in VALUES]
    envelopes = ask(
        MODULE,
        *(
            {
                "op": "seal",
                "publicKey": keyring.public_key(binding.platform).to_base64(),
                "binding": as_json(binding),
                "value": value.hex(),
            }
            for binding, value in cases
        ),
    )
    for (binding, value), envelope in zip(cases, envelopes, strict=True):
        assert keyring.open(envelope, binding) == SecretValue(value)


@pytest.mark.usefixtures("built")
def test_frozen_keys_have_their_frozen_key_ids() -> None:
    answers = ask(MODULE, *({"op": "keyId", "publicKey": key["publicKey"]} for key in KEYS.values()))
    assert answers == [key["keyId"] for key in KEYS.values()]


@pytest.mark.usefixtures("built")
def test_it_binds_what_the_frozen_envelopes_are_bound_to() -> None:
    requests, infos = [], []
    for vector in ENVELOPES:
        binding = Binding(vector["platform"], vector["session"], vector["sealingId"], vector["name"])
        header = vector["envelope"].rpartition(".")[0]
        requests.append({"op": "info", "header": header, "binding": as_json(binding)})
        infos.append(hpke_info(header, binding).hex())
    assert ask(MODULE, *requests) == infos


@pytest.mark.usefixtures("built")
def test_a_session_has_the_same_name() -> None:
    pairs = [(binding.platform, user) for binding in BINDINGS for user in USERS]
    answers = ask(MODULE, *({"op": "sessionName", "platform": platform, "user": user} for platform, user in pairs))
    assert answers == [rules.session_name(platform, user) for platform, user in pairs]


@pytest.mark.usefixtures("built")
def test_it_refuses_the_same_names_in_the_same_words() -> None:
    reserved = [*rules.RESERVED_NAMES, *rules.RESERVED_PREFIXES, *(f"{prefix}X" for prefix in rules.RESERVED_PREFIXES)]
    neighbours = [f"{name}X" for name in rules.RESERVED_NAMES] + [name.lower() for name in rules.RESERVED_NAMES]
    odd = ["", "1A", "A=x", "A\n", "Ä", "\u0130", "A B", "A" * 128, "A" * 129, "__proto__", "toString"]
    names = sorted({*reserved, *neighbours, *odd})
    expected: list[Any] = []
    for name in names:
        try:
            rules.check_name(name)
            expected.append(None)
        except InvalidName as error:
            expected.append(refusal(error))
    assert None in expected
    assert ask(MODULE, *({"op": "checkName", "name": name} for name in names)) == expected


@pytest.mark.usefixtures("built")
def test_it_refuses_the_same_values_in_the_same_words() -> None:
    odd = [b"", b"\0", b"a\0b", b"\xff", b"\xc0\x80", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\xe2\x82", b"x" * 65537]
    expected: list[Any] = []
    for value in (*VALUES, *odd):
        try:
            rules.check_value(SecretValue(value))
            expected.append(value.hex())
        except InvalidValue as error:
            expected.append(refusal(error))
    assert ask(MODULE, *({"op": "checkValue", "value": value.hex()} for value in (*VALUES, *odd))) == expected


@pytest.mark.usefixtures("built")
def test_it_refuses_the_same_public_keys() -> None:
    good = Keyring({1: generate_master_key()}).public_key("acme")
    unreduced = b"\xff\xff\xff" + good.raw[3:]
    just_unreduced = bytes([3329 & 255, 3329 >> 8, 0]) + good.raw[3:]
    just_reduced = bytes([3328 & 255, 3328 >> 8, 0]) + good.raw[3:]
    raws = [good.raw, b"", good.raw[:-1], good.raw + b"x", unreduced, just_unreduced, just_reduced]
    texts = [base64.b64encode(raw).decode() for raw in raws]
    expected: list[Any] = []
    for text in texts:
        try:
            expected.append(PublicKey.from_base64(text).key_id)
        except InvalidPublicKey as error:
            expected.append(refusal(error))
    assert ask(MODULE, *({"op": "keyId", "publicKey": text} for text in texts)) == expected


@pytest.mark.usefixtures("built")
def test_it_reads_env_files_as_the_command_line_does() -> None:
    pieces = ["A=", "export B = ", "'", '"', "\\n", "\\x", "$C", " # x", "\n", "\r\n", "x", "🔑", "\ufeff", "\t"]
    contents = ["".join(parts) for length in (1, 2, 3, 4) for parts in itertools.product(pieces, repeat=length)]
    answers = ask(MODULE, *({"op": "envFile", "content": content} for content in contents))
    for content, answer in zip(contents, answers, strict=True):
        lines = [line._asdict() | {"value": line.value.reveal().decode()} for line in envfile.parse(content)]
        assert answer == lines, repr(content)
