from typing import Any

import pytest

from tests.support.sdk import API_KEY
from theazo import AsyncTheazo, ConfigurationError, Theazo
from theazo.testing import FakeTheazo

KINDS = (Theazo, AsyncTheazo)
OTHER = f"th_live_{'b' * 12}_{'b' * 52}"


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("THEAZO_API_KEY", raising=False)
    monkeypatch.delenv("THEAZO_BASE_URL", raising=False)
    monkeypatch.delenv("THEAZO_FINGERPRINT", raising=False)


def used(client: Any) -> tuple[str, str]:
    return client._link.client.headers["authorization"].removeprefix("Bearer "), client._link.base_url


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_explicit_beats_the_environment(kind: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("THEAZO_API_KEY", OTHER)
    monkeypatch.setenv("THEAZO_BASE_URL", "https://other.test/")
    assert used(kind()) == (OTHER, "https://other.test")
    assert used(kind(API_KEY)) == (API_KEY, "https://other.test")
    assert used(kind(base_url="http://here:8080/x/")) == (OTHER, "http://here:8080/x")
    monkeypatch.setenv("THEAZO_API_KEY", "not a key")
    assert used(kind(api_key=API_KEY)) == (API_KEY, "https://other.test")


@pytest.mark.parametrize("kind", KINDS)
def test_without_a_base_url(kind: Any) -> None:
    with pytest.raises(ConfigurationError, match=r"no base URL: set THEAZO_BASE_URL, or give the parameter base_url"):
        kind(API_KEY)


@pytest.mark.parametrize("kind", KINDS)
def test_without_a_key(kind: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigurationError, match=r"no API key: set THEAZO_API_KEY, or give the parameter api_key"):
        kind(base_url="https://x.test")
    monkeypatch.setenv("THEAZO_API_KEY", "")
    with pytest.raises(ConfigurationError, match="no API key"):
        kind(base_url="https://x.test")


BAD_KEYS = (
    f" {API_KEY}",
    f"{API_KEY}\n",
    API_KEY[:-1],
    API_KEY.upper(),
    "th_live_...",
    f"Bearer {API_KEY}",
    "sk-x",
    "1",
)
BAD_URLS = (
    *(
        "api.test",
        "ftp://api.test",
        "https://",
        "https://u:p4ss@api.test",
        "https://api.test?x=1",
        "https://api.test#x",
    ),
    *(
        "https://api.test/ x",
        "https://api.test:x",
        "https://api.test:0",
        "https://[::1",
        "https://api.test\n",
        "//api.test",
    ),
    *(API_KEY, "https://u@api.test", "https://api.test/?", "https:\\\\api.test"),
)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("wrong", BAD_KEYS)
def test_a_key_that_is_none_is_not_shown(kind: Any, wrong: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigurationError) as caught:
        kind(wrong, "https://x.test")
    assert "THEAZO_API_KEY" in str(caught.value)
    assert "parameter api_key is no API key" in str(caught.value)
    assert wrong.strip() == "1" or wrong.strip() not in str(caught.value)
    monkeypatch.setenv("THEAZO_API_KEY", wrong)
    with pytest.raises(ConfigurationError, match="THEAZO_API_KEY is no API key"):
        kind(base_url="https://x.test")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("wrong", BAD_URLS)
def test_a_base_url_that_is_none_is_not_shown(kind: Any, wrong: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigurationError) as caught:
        kind(API_KEY, wrong)
    assert "parameter base_url is no base URL" in str(caught.value)
    assert "THEAZO_BASE_URL" in str(caught.value)
    assert wrong not in str(caught.value)
    monkeypatch.setenv("THEAZO_BASE_URL", wrong)
    with pytest.raises(ConfigurationError, match="THEAZO_BASE_URL is no base URL"):
        kind(API_KEY)


@pytest.mark.parametrize("kind", KINDS)
def test_the_pin_is_what_is_explicit_or_else_the_environments(kind: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    assert kind(API_KEY, "https://x.test")._link.api.fingerprint is None
    monkeypatch.setenv("THEAZO_FINGERPRINT", "0123456789abcdef")
    assert kind(API_KEY, "https://x.test")._link.api.fingerprint == "0123456789abcdef"
    assert kind(API_KEY, "https://x.test", fingerprint="f" * 16)._link.api.fingerprint == "f" * 16


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("wrong", ["", "0123456789ABCDEF", "0123456789abcde", "0123456789abcdef\n", "acme"])
def test_a_pin_that_is_none_pins_nothing_silently(kind: Any, wrong: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigurationError, match=r"the parameter fingerprint is no fingerprint.*theazo platforms list"):
        kind(API_KEY, "https://x.test", fingerprint=wrong)
    monkeypatch.setenv("THEAZO_FINGERPRINT", wrong)
    with pytest.raises(ConfigurationError, match="THEAZO_FINGERPRINT is no fingerprint"):
        kind(API_KEY, "https://x.test")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "options",
    [
        {"timeout": 0},
        {"timeout": -1},
        {"timeout": float("nan")},
        {"timeout": float("inf")},
        {"timeout": 86_401},
        {"max_retries": -1},
    ],
)
def test_patience_that_is_none(kind: Any, options: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError, match="timeout"):
        kind(API_KEY, "https://x.test", **options)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "url", ["http://localhost:8080", "https://[::1]:8443/theazo", "https://ä.test", "HTTPS://a.test"]
)
def test_base_urls(kind: Any, url: str) -> None:
    assert used(kind(API_KEY, url))[1] == url


def test_a_client_can_be_closed() -> None:
    client = FakeTheazo().client()
    with client as same:
        assert same is client
    with pytest.raises(RuntimeError):
        client.sessions.for_user("user_123")
