import base64
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.cli import (
    KEY,
    KEY_PATH,
    SESSIONS,
    TARGET,
    Api,
    Arguments,
    config_map,
    fake_cluster,
    opened,
    refused,
    theazo,
)


@pytest.fixture
def api(tmp_path: Path) -> Iterator[Api]:
    with fake_cluster(tmp_path) as fake:
        fake.objects[f"{SESSIONS}/demo"] = {"spec": {"user": "ann"}}
        yield fake


@pytest.fixture
def offline(tmp_path: Path) -> Arguments:
    (tmp_path / "key.yaml").write_text(yaml.safe_dump(config_map()))
    return ("seal", *TARGET, "--sealing-id", "id-1", "--public-key", tmp_path / "key.yaml")


@pytest.mark.parametrize(
    "text",
    [
        yaml.safe_dump(config_map()),
        json.dumps(config_map(), indent=1),
        KEY.to_base64(),
        base64.encodebytes(KEY.raw).decode(),
    ],
    ids=["yaml", "json", "base64", "wrapped base64"],
)
def test_a_key_file_is_a_config_map_or_base64(tmp_path: Path, text: str) -> None:
    path = tmp_path / "key"
    path.write_text(text)
    result = theazo("seal", *TARGET, "--sealing-id", "i", "--public-key", path, "--stdin", "A", stdin=b"v")
    assert opened(result.manifest, "i") == {"A": b"v"}
    assert f"key fingerprint {KEY.key_id}" in result.err


WRONG_KEYS: list[tuple[Any, str]] = [
    (config_map(platform="globex"), "another platform"),
    (config_map(suite="rot13"), "suite"),
    (config_map(keyId="0" * 16), "tampered"),
    (config_map(publicKey=base64.b64encode(b"\xff" * 1216).decode()), "public key"),
    (config_map(publicKey="!"), "base64"),
    ({"kind": "ConfigMap"}, "not a sealing key"),
    ({"kind": "ConfigMap", "data": "x"}, "not a sealing key"),
]


@pytest.mark.parametrize(("found", "word"), WRONG_KEYS)
def test_a_wrong_key_is_refused_wherever_it_comes_from(api: Api, tmp_path: Path, found: Any, word: str) -> None:
    api.objects[KEY_PATH] = found
    refused(theazo("seal", *TARGET, "--kubeconfig", api.kubeconfig, "--stdin", "A", stdin=b"v"), word)
    path = tmp_path / "key"
    path.write_text(yaml.safe_dump(found))
    refused(theazo("seal", *TARGET, "--sealing-id", "i", "--public-key", path, "--stdin", "A", stdin=b"v"), word)


@pytest.mark.parametrize(
    ("raw", "word"),
    [
        (b"\xff\xfe", "not a text file"),
        (b"a: [", "not valid YAML"),
        (b"a: 1\na: 2", "a key is given twice"),
        (b"kind: Secret", "neither"),
        (b"--- {kind: ConfigMap}\n--- {kind: ConfigMap}", "neither"),
        (b"", "neither"),
        (b"eA==", "1216 bytes"),
    ],
)
def test_a_key_file_with_no_key(tmp_path: Path, raw: bytes, word: str) -> None:
    path = tmp_path / "key"
    path.write_bytes(raw)
    arguments = ("seal", *TARGET, "--sealing-id", "i", "--stdin", "A")
    refused(theazo(*arguments, "--public-key", path, stdin=b"v"), word)
    refused(theazo(*arguments, "--public-key", tmp_path, stdin=b"v"), "directory")


def test_a_pinned_fingerprint(offline: Arguments, tmp_path: Path) -> None:
    arguments = (*offline, "--stdin", "A", "-f", tmp_path / "out.yaml", "--fingerprint")
    other = "0" * 16
    refused(theazo(*arguments, other, stdin=b"v"), KEY.key_id, other, "nothing was done")
    assert not (tmp_path / "out.yaml").exists()
    refused(theazo(*arguments, "c4n4ry", stdin=b"v"), "16 hex digits", code=2)
    assert theazo(*arguments, KEY.key_id.upper(), stdin=b"v").code == 0


def test_a_wrong_fingerprint_is_found_before_a_value_is_read(offline: Arguments) -> None:
    result = theazo(*offline, "--env-file", "/nowhere", "--fingerprint", "0" * 16)
    refused(result, "nothing was done")
    assert "cannot read" not in result.err
