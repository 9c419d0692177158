from collections.abc import Iterator
from pathlib import Path

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
    write_kubeconfig,
)
from theazo.rules import session_name


@pytest.fixture
def api(tmp_path: Path) -> Iterator[Api]:
    with fake_cluster(tmp_path) as fake:
        fake.objects[KEY_PATH] = config_map()
        fake.objects[f"{SESSIONS}/demo"] = {"spec": {"user": "ann"}}
        yield fake


@pytest.fixture
def key_file(tmp_path: Path) -> Path:
    path = tmp_path / "key.yaml"
    path.write_text(yaml.safe_dump(config_map()))
    return path


@pytest.fixture
def offline(key_file: Path) -> Arguments:
    return ("seal", *TARGET, "--sealing-id", "id-1", "--public-key", key_file, "--kubeconfig", "/nowhere")


def test_an_env_file_becomes_a_theazosecret(offline: Arguments, tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("OPENAI_API_KEY=sk-1\nPEM='a\nb\n'\nY=yes\n")
    result = theazo(*offline, "--env-file", tmp_path / ".env")
    assert result.code == 0
    assert result.manifest["apiVersion"] == "theazo.dev/v1alpha1"
    assert result.manifest["kind"] == "TheazoSecret"
    assert result.manifest["metadata"] == {"name": "demo", "namespace": "acme"}
    assert opened(result.manifest, "id-1") == {"OPENAI_API_KEY": b"sk-1", "PEM": b"a\nb\n", "Y": b"yes"}
    for entry in result.manifest["spec"]["encryptedData"].values():
        assert list(entry) == ["ciphertext", "createdAt", "updatedAt"]
        assert entry["createdAt"] == entry["updatedAt"]
        assert isinstance(entry["updatedAt"], str)  # quoted, or YAML would make a time of it
        assert len(entry["updatedAt"]) == len("2026-01-01T00:00:00.000000Z")


def test_names_that_other_yaml_takes_for_booleans_are_quoted(offline: Arguments) -> None:
    out = theazo(*offline, "--env-file", "-", stdin=b"Y=1\nn=2\nNO=3\nnull=4\n").out
    assert all(f"\n    '{name}':\n" in out for name in ("Y", "n", "NO", "null"))


def test_sources_add_up_in_order(offline: Arguments, tmp_path: Path) -> None:
    (tmp_path / "a").write_text("A=1")
    (tmp_path / "b").write_text("B=2")
    arguments = ("--from-env", "D", "--env-file", tmp_path / "a", "--env-file", tmp_path / "b", "--stdin", "C")
    result = theazo(*offline, *arguments, stdin=b"3", environ={"D": "4"})
    assert list(opened(result.manifest, "id-1").items()) == [("A", b"1"), ("B", b"2"), ("D", b"4"), ("C", b"3")]


@pytest.mark.parametrize(
    ("stdin", "options", "value"),
    [
        (b"v", (), b"v"),
        (b"v\n", (), b"v"),
        (b"v\n\n", (), b"v\n"),
        (b"v\r\n", (), b"v"),
        (b"v\n", ("--keep-newline",), b"v\n"),
        (b"\xc3\xa9 # 'x'\ny", (), b"\xc3\xa9 # 'x'\ny"),
    ],
)
def test_stdin_loses_one_newline_at_most(
    offline: Arguments, stdin: bytes, options: tuple[str, ...], value: bytes
) -> None:
    result = theazo(*offline, "--stdin", "A", *options, stdin=stdin)
    assert opened(result.manifest, "id-1") == {"A": value}
    assert ("stripped the newline" in result.err) == (len(value) < len(stdin))


def test_key_and_sealing_id_come_from_the_cluster(api: Api) -> None:
    api.objects[f"{SESSIONS}/demo"]["spec"]["sealingId"] = "random-1"
    result = theazo("seal", *TARGET, "--kubeconfig", api.kubeconfig, "--stdin", "A", stdin=b"v")
    assert opened(result.manifest, "random-1") == {"A": b"v"}
    assert KEY.key_id in result.err
    assert [(request.verb, request.path) for request in api.requests] == [
        ("GET", KEY_PATH),
        ("GET", f"{SESSIONS}/demo"),
    ]


def test_a_session_whose_sealing_id_is_none(api: Api) -> None:
    """The schema lets none in; what an older one let in is told, and is no fault of this program."""
    api.objects[f"{SESSIONS}/demo"]["spec"]["sealingId"] = "-"
    result = theazo("seal", *TARGET, "--kubeconfig", api.kubeconfig, "--stdin", "A", stdin=b"v")
    refused(result, "a sealing id has 1 to 63 characters")


def test_a_session_without_a_sealing_id_has_its_name_as_one(api: Api) -> None:
    result = theazo("seal", *TARGET, "--kubeconfig", api.kubeconfig, "--stdin", "A", stdin=b"v")
    assert opened(result.manifest, "demo") == {"A": b"v"}


def test_a_user_stands_for_the_session(api: Api) -> None:
    name = session_name("acme", "user_123")
    api.objects[f"{SESSIONS}/{name}"] = {"spec": {"user": "user_123"}}
    arguments = ("seal", "-n", "acme", "--user", "user_123", "--kubeconfig", api.kubeconfig, "--stdin", "A")
    result = theazo(*arguments, stdin=b"v")
    assert result.manifest["metadata"]["name"] == name
    api.objects[f"{SESSIONS}/{name}"]["spec"]["user"] = "user_124"
    refused(theazo(*arguments, stdin=b"v"), "belongs to another user", "--session")


def test_the_operator_may_run_elsewhere(api: Api) -> None:
    api.objects[KEY_PATH.replace("theazo-system", "other")] = api.objects.pop(KEY_PATH)
    arguments = ("seal", *TARGET, "--kubeconfig", api.kubeconfig, "--stdin", "A")
    refused(theazo(*arguments, stdin=b"v"), "no published sealing key", "theazo platforms add acme")
    assert theazo(*arguments, "--operator-namespace", "other", stdin=b"v").code == 0


def test_a_session_that_is_not_there(api: Api) -> None:
    del api.objects[f"{SESSIONS}/demo"]
    result = theazo("seal", *TARGET, "--kubeconfig", api.kubeconfig, "--stdin", "A", stdin=b"v")
    refused(result, "no session demo", "--sealing-id")


def test_without_a_cluster_the_way_out_is_named(tmp_path: Path, key_file: Path) -> None:
    with fake_cluster(tmp_path) as api:
        pass  # and now nobody listens there
    arguments: Arguments = ("seal", *TARGET, "--public-key", key_file, "--stdin", "A")
    result = theazo(*arguments, "--kubeconfig", api.kubeconfig, stdin=b"v")
    refused(result, "Connection refused", "--sealing-id ID", "--public-key FILE")
    refused(theazo(*arguments, "--kubeconfig", tmp_path / "none", stdin=b"v"), "no usable kubeconfig", "--sealing-id")
    refused(theazo(*arguments, "--kubeconfig", api.kubeconfig, "--context", "x"), "no usable kubeconfig")


def test_a_broken_kubeconfig_is_not_quoted(tmp_path: Path) -> None:
    path = tmp_path / "config"
    for text in ("users: [{token: t0ken\n  x: {", "t0ken", "users: t0ken", "- t0ken", "clusters: [t0ken]\ncontexts: 1"):
        path.write_text(text)
        result = theazo("seal", *TARGET, "--kubeconfig", path, "--stdin", "A", stdin=b"v")
        refused(result, "kubeconfig", "--sealing-id")
        assert "t0ken" not in result.err


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (401, ("log in again",)),
        (403, ("your account may not", "configmaps is forbidden")),
        (500, ("cannot read the sealing key of platform acme", "etcd is away")),
    ],
)
def test_what_the_server_refuses_is_said_in_one_line(api: Api, status: int, words: tuple[str, ...]) -> None:
    message = "configmaps is forbidden" if status == 403 else "etcd is\naway\x1b[31m"
    api.answers["GET", KEY_PATH] = (status, {"kind": "Status", "message": message, "details": "b0dy"})
    result = theazo("seal", *TARGET, "--kubeconfig", api.kubeconfig, "--stdin", "A", stdin=b"v")
    refused(result, *words)
    assert "b0dy" not in result.err
    assert "\x1b" not in result.err
    assert len(result.err.splitlines()) == 1


@pytest.mark.parametrize("body", [b"<html>b0dy</html>", b'["b0dy"]', b""])
@pytest.mark.parametrize("status", [200, 302, 503])
def test_an_answer_that_is_no_object(api: Api, status: int, body: bytes) -> None:
    api.answers["GET", KEY_PATH] = (status, body)
    result = theazo("seal", *TARGET, "--kubeconfig", api.kubeconfig, "--stdin", "A", stdin=b"v")
    refused(result, f"answered {status}")
    assert "b0dy" not in result.err


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        ((), "--platform is missing"),
        (("-n", "acme", "--stdin", "A"), "--session NAME or --user USER"),
        (("-n", "acme", "--session", "a", "--user", "b", "--stdin", "A"), "--session NAME or --user USER"),
        ((*TARGET,), "no value: use --env-file"),
        ((*TARGET, "--stdin", "A", "--env-file", "-"), "read once"),
        ((*TARGET, "--env-file", "-", "--env-file", "-"), "read once"),
        ((*TARGET, "--stdin", "A", "--stdin", "B"), "--stdin is given more than once"),
        ((*TARGET, "--prompt", "A", "--keep-newline"), "goes with --stdin"),
        ((*TARGET, "--stdin", "A", "--file=-"), "--file takes a path"),
        ((*TARGET, "--stdin", "A", "-f", "-"), "--file is missing or has no value"),
        (("-n", "Acme", "--session", "a", "--stdin", "A"), "a platform's name"),
        (("-n", "acme", "--session", "a" * 53, "--stdin", "A"), "a session's name"),
        (("-n", "acme", "--user", "", "--stdin", "A"), "a user has 1"),
        ((*TARGET, "--sealing-id", "-", "--stdin", "A"), "--sealing-id is missing"),
        ((*TARGET, "--sealing-id=-", "--stdin", "A"), "a sealing id"),
        ((*TARGET, "--stdin"), "--stdin is missing or has no value"),
        ((*TARGET, "--platfrom", "x"), "argument 6 is no option (did you mean --platform?)"),
    ],
)
def test_a_wrong_command_line_is_answered_with_2(arguments: tuple[str, ...], word: str) -> None:
    refused(theazo("seal", *arguments), word, code=2)


def test_everything_wrong_is_told_at_once_and_nothing_is_sealed(offline: Arguments, tmp_path: Path) -> None:
    path = tmp_path / ".env"
    path.write_text("GOOD=1\nPATH=/x\nEMPTY=\nlower-case=1\nGOOD=2\n\nLONG=" + "x" * 65537)
    arguments = ("--env-file", path, "--from-env", "UNSET_1", "--from-env", "GOOD", "--stdin", "NUL")
    result = theazo(*offline, *arguments, "-f", tmp_path / "out", stdin=b"\0", environ={"GOOD": "3"})
    refused(
        result,
        f"error: {path}:2: PATH is reserved",
        f"error: {path}:3: EMPTY: the value has 0 bytes",
        f"error: {path}:4: a secret's name is",
        f"error: {path}:5: GOOD is given twice, first by {path}:1",
        f"error: {path}:7: LONG: the value has 65537 bytes",
        "error: --from-env: UNSET_1 is not set",
        f"error: --from-env: GOOD is given twice, first by {path}:1",
        "error: --stdin: NUL: the value holds a NUL",
    )
    assert len(result.err.splitlines()) == 8  # these alone
    assert not (tmp_path / "out").exists()


def test_an_env_file_with_nothing_in_it(offline: Arguments) -> None:
    result = theazo(*offline, "--env-file", "-", stdin=b"# nothing\n")
    refused(result, "no NAME=VALUE in any source")
    assert len(result.err.splitlines()) == 1


def test_of_several_env_files_the_one_that_is_meant_is_told(offline: Arguments, tmp_path: Path) -> None:
    (tmp_path / "there").write_text("A=1")
    gone = ("--env-file", tmp_path / "not-there")
    refused(theazo(*offline, "--env-file", tmp_path / "there", *gone), "--env-file number 2: cannot read it")
    refused(theazo(*offline, *gone), "--env-file: cannot read it")


def test_too_many_names(offline: Arguments) -> None:
    text = "".join(f"A{number}=1\n" for number in range(257))
    refused(theazo(*offline, "--env-file", "-", stdin=text.encode()), "257 names", "use fewer, or another session")


def test_a_key_file_that_can_not_be_read(key_file: Path, offline: Arguments) -> None:
    key_file.write_bytes(b"\xff")
    refused(theazo(*offline, "--stdin", "A", stdin=b"v"), "not a text file; give a file with the ConfigMap sealing-key")


def test_an_input_without_end_is_not_read_to_it(offline: Arguments) -> None:
    refused(theazo(*offline, "--env-file", "/dev/zero"), "longer than 4 MiB")
    refused(theazo(*offline, "--stdin", "A", stdin=b"x" * (4 * 1024**2 + 1)), "longer than 4 MiB")


def test_no_cluster_is_asked_where_all_is_said(api: Api, key_file: Path) -> None:
    write_kubeconfig(api.kubeconfig, 1)
    arguments = ("--sealing-id", "i", "--public-key", key_file, "--kubeconfig", api.kubeconfig, "--stdin", "A")
    assert theazo("seal", *TARGET, *arguments, stdin=b"v").code == 0
    assert api.requests == []
