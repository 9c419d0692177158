"""Published vectors: RFC 5869 through our derivation, RFC 9180 and HPKE-PQ through the library that we seal with.

Each published HPKE vector has associated data, which the library's public functions don't take; so the same library's
entry point that does is used, and a last test ties it to what the product calls.
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cryptography_vectors
import pytest
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.bindings._rust import openssl
from cryptography.hazmat.primitives.asymmetric import ec, mlkem, x25519
from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, Suite

from theazo import _primitives as public_half
from theazo.secret_value import SecretValue
from theazo_operator import _primitives as private_half

ROOT = Path(cryptography_vectors.__path__[0])
decrypt_with_aad = openssl.hpke._decrypt_with_aad


def rfc5869_cases() -> list[dict[str, str]]:
    cases: list[dict[str, str]] = []
    for line in (ROOT / "KDF" / "rfc-5869-HKDF-SHA256.txt").read_text().splitlines():
        name, separator, value = (part.strip() for part in line.partition("="))
        if name == "COUNT":
            cases.append({})
        elif separator:
            cases[-1][name] = value
    return cases


def test_there_are_all_three_cases_of_rfc5869() -> None:
    assert len(rfc5869_cases()) == 3


@pytest.mark.parametrize("case", rfc5869_cases())
def test_rfc5869(case: dict[str, str]) -> None:
    derived = private_half.hkdf_sha256(
        SecretValue(bytes.fromhex(case["IKM"])),
        salt=bytes.fromhex(case["salt"]),
        info=bytes.fromhex(case["info"]),
        length=int(case["L"]),
    )
    assert derived.reveal().hex() == case["OKM"]


def elliptic(curve: ec.EllipticCurve) -> Callable[[bytes], Any]:
    return lambda raw: ec.derive_private_key(int.from_bytes(raw, "big"), curve)


def xwing(seed: bytes) -> Any:
    return private_half.xwing_key_pair(SecretValue(seed)).private


# IANA's numbers, of what the library has.
KEMS: dict[int, tuple[KEM, Callable[[bytes], Any]]] = {
    0x0010: (KEM.P256, elliptic(ec.SECP256R1())),
    0x0012: (KEM.P521, elliptic(ec.SECP521R1())),
    0x0020: (KEM.X25519, x25519.X25519PrivateKey.from_private_bytes),
    0x0041: (KEM.MLKEM768, mlkem.MLKEM768PrivateKey.from_seed_bytes),
    0x0042: (KEM.MLKEM1024, mlkem.MLKEM1024PrivateKey.from_seed_bytes),
    0x647A: (KEM.MLKEM768_X25519, xwing),
}
KDFS = {0x0001: KDF.HKDF_SHA256, 0x0002: KDF.HKDF_SHA384, 0x0003: KDF.HKDF_SHA512, 0x0011: KDF.SHAKE256}
AEADS = {0x0001: AEAD.AES_128_GCM, 0x0002: AEAD.AES_256_GCM, 0x0003: AEAD.CHACHA20_POLY1305}
BASE_MODE = 0


def hpke_cases(file: str) -> list[Any]:
    return [
        pytest.param(case, id="{kem_id:04x}-{kdf_id:04x}-{aead_id:04x}".format(**case))
        for case in json.loads((ROOT / "HPKE" / file).read_text())
        if case["mode"] == BASE_MODE and case["kem_id"] in KEMS and case["kdf_id"] in KDFS and case["aead_id"] in AEADS
    ]


RFC9180 = hpke_cases("test-vectors.json")
HPKE_PQ = hpke_cases("hpke-pq-test-vectors.json")


def test_the_published_hpke_vectors_are_there() -> None:
    assert len(RFC9180) == 3 * 2 * 3  # KEMs, KDFs and AEADs of RFC 9180's own vectors that the library has
    assert {case.id for case in HPKE_PQ} >= {"647a-0001-0003", "647a-0011-0003", "0041-0001-0001"}


@pytest.mark.parametrize("case", [*RFC9180, *HPKE_PQ])
def test_hpke_opens_the_published_vector(case: dict[str, Any]) -> None:
    kem, load = KEMS[case["kem_id"]]
    suite = Suite(kem, KDFS[case["kdf_id"]], AEADS[case["aead_id"]])
    private, info, first = load(bytes.fromhex(case["skRm"])), bytes.fromhex(case["info"]), case["encryptions"][0]
    payload, aad = bytes.fromhex(case["enc"] + first["ct"]), bytes.fromhex(first["aad"])

    assert decrypt_with_aad(suite, payload, private, info, aad).hex() == first["pt"]
    for wrong_info, wrong_aad in ((info + b"\0", aad), (info, aad + b"\0")):
        with pytest.raises(InvalidTag):
            decrypt_with_aad(suite, payload, private, wrong_info, wrong_aad)


@pytest.mark.parametrize("case", [case for case in HPKE_PQ if case.id.startswith("647a")])
def test_our_key_pair_of_a_published_seed_has_the_published_public_key(case: dict[str, Any]) -> None:
    pair = private_half.xwing_key_pair(SecretValue(bytes.fromhex(case["skRm"])))
    assert pair.public.hex() == case["pkRm"]


def test_what_the_product_seals_is_the_vectors_entry_point_without_associated_data() -> None:
    pair = private_half.xwing_key_pair(SecretValue(bytes(32)))
    suite = Suite(KEM.MLKEM768_X25519, KDF.HKDF_SHA256, AEAD.AES_256_GCM)
    payload = public_half.hpke_seal(SecretValue(b"value"), pair.public, b"info")
    assert decrypt_with_aad(suite, payload, pair.private, b"info", b"") == b"value"
    assert len(payload) == public_half.OVERHEAD + len(b"value")
    with pytest.raises(InvalidTag):
        decrypt_with_aad(suite, payload, pair.private, b"info", b"data")
