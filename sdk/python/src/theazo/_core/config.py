"""Which API a client speaks to, and as whom. What is wrong comes back as an error, for the key is at hand here."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from theazo.api_key import API_KEY_PATTERN
from theazo.errors import ConfigurationError

API_KEY, BASE_URL, FINGERPRINT = "THEAZO_API_KEY", "THEAZO_BASE_URL", "THEAZO_FINGERPRINT"
_FINGERPRINT = re.compile(r"[0-9a-f]{16}")
LONGEST_TIMEOUT = 86_400  # seconds; what a clock takes has an end, and infinity is beyond it


@dataclass(frozen=True, slots=True)
class Config:
    """A base URL without a slash at its end, the header that proves who asks, and the one key to seal to, if pinned."""

    base_url: str
    authorization: str = field(repr=False)
    fingerprint: str | None = None


def configure(
    api_key: str | None,
    base_url: str | None,
    fingerprint: str | None,
    *,
    timeout: float,
    max_retries: int,
    environ: Mapping[str, str],
) -> Config | ConfigurationError:
    """What was given, and what was not, from the environment."""
    key: object = environ.get(API_KEY) if api_key is None else api_key
    key_from = API_KEY if api_key is None else "the parameter api_key"
    url: object = environ.get(BASE_URL) if base_url is None else base_url
    url_from = BASE_URL if base_url is None else "the parameter base_url"
    pin: object = environ.get(FINGERPRINT) if fingerprint is None else fingerprint
    if not key:
        return ConfigurationError(f"no API key: set {API_KEY}, or give the parameter api_key")
    if not isinstance(key, str) or not API_KEY_PATTERN.fullmatch(key):
        return ConfigurationError(
            f"{key_from} is no API key: one is th_live_, 12 characters, _ and 52 characters, without spaces around it "
            f"(set {API_KEY}, or give the parameter api_key)"
        )
    if not url:
        return ConfigurationError(f"no base URL: set {BASE_URL}, or give the parameter base_url")
    if not isinstance(url, str) or not _is_base(url):
        # Not shown: it may hold a password, or be something else altogether.
        return ConfigurationError(
            f"{url_from} is no base URL: one is http(s)://HOST[:PORT][/PATH], without user, query and fragment "
            f"(set {BASE_URL}, or give the parameter base_url)"
        )
    # An empty one is a pin that got lost on its way, and must not become none.
    if pin is not None and not (isinstance(pin, str) and _FINGERPRINT.fullmatch(pin)):
        pin_from = FINGERPRINT if fingerprint is None else "the parameter fingerprint"
        return ConfigurationError(
            f"{pin_from} is no fingerprint: one is 16 lower-case hex digits, as `theazo platforms list` shows them"
        )
    if not 0 < timeout <= LONGEST_TIMEOUT or max_retries < 0:
        return ConfigurationError(
            f"timeout is more than 0 seconds and at most {LONGEST_TIMEOUT}, and max_retries at least 0"
        )
    return Config(url.rstrip("/"), f"Bearer {key}", pin)


def _is_base(url: str) -> bool:
    try:
        parts = urlsplit(url)
        port_fits = parts.port != 0
    except ValueError:
        return False
    bare = not (parts.username or parts.password or parts.query or parts.fragment or set(url) & set(" \t\r\n\\@?#"))
    return parts.scheme in {"http", "https"} and bool(parts.hostname) and port_fits and bare
