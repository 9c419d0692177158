from collections.abc import Callable
from pathlib import Path

import pytest

from theazo_operator.settings import ApiSettings, Settings, parse, parse_api

DEFAULTS = Settings(
    namespace="theazo-system",
    kubeconfig=None,
    master_key_dir=None,
    platform=None,
    allow_platform_computes=False,
    listen_host=None,
    listen_port=8080,
    log_level="INFO",
)


def test_defaults() -> None:
    assert parse([], {}) == DEFAULTS


GIVEN = Settings(
    namespace="ns",
    kubeconfig=Path("/k"),
    master_key_dir=Path("/m"),
    platform="globex",
    allow_platform_computes=True,
    listen_host="127.0.0.1",
    listen_port=99,
    log_level="DEBUG",
)
FLAGS = {
    "namespace": "ns",
    "kubeconfig": "/k",
    "master-key-dir": "/m",
    "platform": "globex",
    "allow-platform-computes": "true",
    "listen": "127.0.0.1:99",
    "log-level": "DEBUG",
}


def test_flags() -> None:
    assert parse([f"--{name}={value}" for name, value in FLAGS.items()], {}) == GIVEN


def test_environment() -> None:
    environment = {f"THEAZO_{name.upper().replace('-', '_')}": value for name, value in FLAGS.items()}
    assert parse([], environment) == GIVEN


def test_a_flag_wins_over_the_environment() -> None:
    assert parse(["--namespace", "b"], {"THEAZO_NAMESPACE": "a"}).namespace == "b"


@pytest.mark.parametrize(
    ("listen", "host", "port"), [("[::1]:80", "::1", 80), (":80", None, 80), ("localhost:80", "localhost", 80)]
)
def test_where_to_listen(listen: str, host: str | None, port: int) -> None:
    given = parse(["--listen", listen], {})
    assert (given.listen_host, given.listen_port) == (host, port)


@pytest.mark.parametrize(
    ("argv", "environment", "says"),
    [
        (["--listen", "8080x"], {}, "--listen is HOST:PORT or :PORT, as :8080, and not '8080x'"),
        (["--listen", "localhost"], {}, "--listen is HOST:PORT"),
        (["--listen", ":²"], {}, "--listen is HOST:PORT"),
        (["--listen", ":65536"], {}, "--listen is HOST:PORT"),
        ([], {"THEAZO_LISTEN": "localhost:"}, "--listen is HOST:PORT"),
        (["--allow-platform-computes", "yes"], {}, "--allow-platform-computes is true or false, and not 'yes'"),
        ([], {"THEAZO_ALLOW_PLATFORM_COMPUTES": "1"}, "--allow-platform-computes is true or false, and not '1'"),
        (["--log-level", "loud"], {}, "--log-level is one of DEBUG, INFO, WARNING, ERROR, and not 'loud'"),
        (["--platform", "kube-system"], {}, "--platform kube-system can't be a platform"),
        (["--platform", "a", "--namespace", "a"], {}, "--platform a can't be a platform"),
        (["--platform", "Not A Name"], {}, "--platform is the name of a namespace, and not 'Not A Name'"),
        (["--namespace", "a/b"], {}, "--namespace is the name of a namespace, and not 'a/b'"),
        ([], {"THEAZO_NAMESPACE": ""}, "--namespace is the name of a namespace, and not ''"),
        (["--listen"], {}, "argument --listen: expected one argument"),
        (["--teleport"], {}, "unrecognized arguments: --teleport"),
    ],
)
def test_what_is_wrong_is_said_and_ends_the_process_with_2(
    argv: list[str], environment: dict[str, str], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as caught:
        parse(argv, environment)
    assert caught.value.code == 2
    assert says in capsys.readouterr().err


API_FLAGS = {name: value for name, value in FLAGS.items() if name not in {"master-key-dir", "platform"}} | {
    "trusted-proxies": "10.0.0.0/8,::1",
    "agent-wait": "0.5",
}
API_GIVEN = ApiSettings(
    namespace="ns",
    kubeconfig=Path("/k"),
    trusted_proxies="10.0.0.0/8,::1",
    agent_wait=0.5,
    allow_platform_computes=True,
    listen_host="127.0.0.1",
    listen_port=99,
    log_level="DEBUG",
)


def test_the_api_has_settings_of_its_own() -> None:
    assert parse_api([f"--{name}={value}" for name, value in API_FLAGS.items()], {}) == API_GIVEN
    environment = {f"THEAZO_{name.upper().replace('-', '_')}": value for name, value in API_FLAGS.items()}
    assert parse_api([], environment) == API_GIVEN
    defaults = parse_api([], {})
    assert (defaults.trusted_proxies, defaults.namespace, defaults.listen_port) == ("", "theazo-system", 8080)
    assert defaults.agent_wait == 2


def test_the_apis_namespace_is_checked_too(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parse_api([], {"THEAZO_NAMESPACE": ""})
    assert "--namespace is the name of a namespace, and not ''" in capsys.readouterr().err


def test_an_empty_platform_is_none() -> None:
    assert parse([], {"THEAZO_PLATFORM": ""}).platform is None


def test_the_api_is_never_told_where_a_master_key_is(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parse_api(["--master-key-dir", "/m"], {})
    assert "unrecognized arguments" in capsys.readouterr().err
    assert not hasattr(parse_api([], {"THEAZO_MASTER_KEY_DIR": "/m"}), "master_key_dir")


@pytest.mark.parametrize(("read", "flags"), [(parse, FLAGS), (parse_api, API_FLAGS)], ids=["operator", "api"])
def test_help_names_every_flag(
    read: Callable[..., object], flags: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as caught:
        read(["--help"], {})
    assert caught.value.code == 0
    printed = capsys.readouterr().out
    assert all(f"--{name}" in printed for name in flags)


@pytest.mark.parametrize("wait", ["-1", "21", "soon", "nan", "inf"])
def test_a_wait_that_is_none_is_refused(wait: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        parse_api(["--agent-wait", wait], {})
    assert caught.value.code == 2
    assert "--agent-wait is a number of seconds from 0 to 20" in capsys.readouterr().err
