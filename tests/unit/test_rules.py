import re
import string
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from theazo import rules
from theazo.errors import InvalidName, InvalidValue
from theazo.secret_value import SecretValue

CANARY = "canary-5up3r-s3cr3t"


def words(text: str) -> list[str]:
    return text.split()


# What glibc takes from the environment of set-user-ID programs (sysdeps/generic/unsecvars.h), and what sudo on Linux
# drops by default (env_delete), each with one name for a pattern.
GLIBC = words("""GCONV_PATH GETCONF_DIR GLIBC_TUNABLES HOSTALIASES LD_AUDIT LD_DEBUG LD_DEBUG_OUTPUT LD_DYNAMIC_WEAK
    LD_HWCAP_MASK LD_LIBRARY_PATH LD_ORIGIN_PATH LD_PRELOAD LD_PROFILE LD_SHOW_AUXV LD_USE_LOAD_BIAS LOCALDOMAIN LOCPATH
    MALLOC_TRACE NIS_PATH NLSPATH RESOLV_HOST_CONF RES_OPTIONS TMPDIR TZDIR""")
SUDO = words("""IFS CDPATH LOCALDOMAIN RES_OPTIONS HOSTALIASES NLSPATH PATH_LOCALE LD_ANY _RLD_ANY KRB5_CONFIG
    KRB5_KTNAME TERMINFO TERMINFO_DIRS TERMPATH TERMCAP ENV BASH_ENV PS4 GLOBIGNORE SHELLOPTS JAVA_TOOL_OPTIONS
    PERLIO_DEBUG PERLLIB PERL5LIB PERL5OPT PERL5DB FPATH NULLCMD READNULLCMD ZDOTDIR TMPPREFIX PYTHONHOME PYTHONPATH
    PYTHONINSPECT PYTHONUSERBASE RUBYLIB RUBYOPT BASH_FUNC_ANY""")
DESIGN = words("PATH HOME LD_PRELOAD PYTHONSTARTUP NODE_OPTIONS KUBERNETES_SERVICE_HOST THEAZO_ANY DYLD_ANY HOSTNAME")

FREE = words("""OPENAI_API_KEY STRIPE_SECRET DATABASE_URL AWS_SECRET_ACCESS_KEY GITHUB_TOKEN HTTPS_PROXY https_proxy
    NO_PROXY PIP_INDEX_URL NPM_TOKEN KUBECONFIG SSL_CERT_FILE PYTHONANYWHERE_API_TOKEN PYTHON_TOKEN PYTHONX
    NODE_AUTH_TOKEN LDAP_PASSWORD GIT_TOKEN BASHO_KEY R_TOKEN KUBERNETESX_TOKEN THEAZO path Path
    _x __ a A A1 PATHS MY_PATH""")


@pytest.mark.parametrize("name", FREE)
def test_a_free_name(name: str) -> None:
    rules.check_name(name)


@pytest.mark.parametrize("name", sorted({*GLIBC, *SUDO, *DESIGN}))
def test_what_others_drop_is_reserved(name: str) -> None:
    with pytest.raises(InvalidName, match=rf"^{name} is reserved: it \w.+; choose another name$"):
        rules.check_name(name)


def test_each_reserved_name_and_prefix_is_refused() -> None:
    for name in rules.RESERVED_NAMES | {prefix + "X" for prefix in rules.RESERVED_PREFIXES}:
        with pytest.raises(InvalidName, match=f"^{name} is reserved"):
            rules.check_name(name)


def test_the_reserved_list_is_tidy() -> None:
    names = Counter(name for group in rules.RESERVED for name in group.names)
    prefixes = Counter(prefix for group in rules.RESERVED for prefix in group.prefixes)
    assert max((names + prefixes).values()) == 1, "listed twice"
    assert names.keys() == rules.RESERVED_NAMES
    assert tuple(prefixes) == rules.RESERVED_PREFIXES
    for text in [*names, *prefixes]:
        assert re.fullmatch(rules.NAME_PATTERN, text), "no name would match it anyway"
    covered = {name for name in names if name.startswith(rules.RESERVED_PREFIXES)}
    assert not covered, "a prefix has it already"


@pytest.mark.parametrize(
    "name",
    ["", "1A", "A-B", "A B", " A", "A\n", "A\0", "A.B", "Ä", "A=" + CANARY, "\ud800", "A" * 129, "\uff11A", "A\uff11"],
)
def test_a_malformed_name_is_refused_and_not_shown(name: str) -> None:
    with pytest.raises(InvalidName) as caught:
        rules.check_name(name)
    assert CANARY not in str(caught.value)


def test_the_longest_name() -> None:
    rules.check_name("A" * rules.MAX_NAME)


@given(st.text(alphabet=string.ascii_letters + string.digits + "_", min_size=1, max_size=rules.MAX_NAME))
def test_any_other_name_is_free(name: str) -> None:
    reserved = name in rules.RESERVED_NAMES or name.startswith(rules.RESERVED_PREFIXES)
    if reserved or name[0] in string.digits:
        with pytest.raises(InvalidName):
            rules.check_name(name)
    else:
        rules.check_name(name)


@pytest.mark.parametrize(
    "value", [b"x", b" ", b"\n", b"x" * rules.MAX_VALUE, "grüße 🔑".encode(), "\ufeffx".encode(), b"\x01\x7f"]
)
def test_a_value(value: bytes) -> None:
    rules.check_value(SecretValue(value))


@pytest.mark.parametrize(
    ("value", "why"),
    [
        (b"", "has 0 bytes; a secret has 1 to 65536"),
        (b"x" * (rules.MAX_VALUE + 1), "has 65537 bytes"),
        (CANARY.encode() + b"\0", "holds a NUL byte"),
        (b"\0", "holds a NUL byte"),
        (CANARY.encode() + b"\xff", "is not UTF-8"),
        (b"\xed\xa0\x80", "is not UTF-8"),  # a lone surrogate
        (b"\xc0\x80", "is not UTF-8"),  # the overlong NUL of "modified UTF-8"
    ],
)
def test_a_value_that_is_refused(value: bytes, why: str) -> None:
    with pytest.raises(InvalidValue, match=f"^the value {why}") as caught:
        rules.check_value(SecretValue(value))
    assert CANARY not in str(caught.value)
    assert caught.value.__context__ is None, "a UnicodeDecodeError holds the value"


def test_the_longest_value_counts_bytes() -> None:
    rules.check_value(SecretValue("é".encode() * (rules.MAX_VALUE // 2)))
    with pytest.raises(InvalidValue):
        rules.check_value(SecretValue("é".encode() * (rules.MAX_VALUE // 2) + b"x"))


LABELS = ["a", "0", "a-b", "acme", "a" * 52]
NO_LABELS = ["", "-a", "a-", "A", "a.b", "a_b", "ä", "a\n", "a\0b", "a" * 64, "\ud800"]


@pytest.mark.parametrize("check", [rules.check_platform, rules.check_session])
def test_platforms_and_sessions_are_dns_labels(check: object) -> None:
    assert callable(check)
    for label in LABELS:
        check(label)
    for text in NO_LABELS:
        with pytest.raises(InvalidName):
            check(text)


def test_limits_of_platforms_and_sessions() -> None:
    rules.check_platform("a" * 63)
    with pytest.raises(InvalidName, match=r"^a session's name has 1 to 52 characters and matches "):
        rules.check_session("a" * 53)


def test_sealing_ids() -> None:
    for sealing_id in ["a", "A", "0", "a.b_c-D", "Q7.x_K-9zQ2", "a" * 63]:
        rules.check_sealing_id(sealing_id)
    for text in ["", ".a", "a.", "-a", "a_", "a/b", "a b", "a\n", "ä", "a" * 64]:
        with pytest.raises(InvalidName):
            rules.check_sealing_id(text)


@pytest.mark.parametrize(
    ("platform", "user", "expected"),
    [
        # Computed with sha256sum and base32.
        ("acme", "user_123", "s-kdjywnhedej6d2z2msrglvptmo"),
        ("acme", "ü", "s-slxsetsauac6h2dbfcnh6f7qbj"),
    ],
)
def test_a_session_has_the_frozen_name(platform: str, user: str, expected: str) -> None:
    assert rules.session_name(platform, user) == expected


USERS = st.text(st.characters(codec="utf-8"), min_size=1, max_size=rules.MAX_USER)


@given(USERS, USERS)
def test_a_user_has_a_session_name_of_its_own(user: str, other: str) -> None:
    name = rules.session_name("acme", user)
    rules.check_session(name)
    assert (name == rules.session_name("acme", other)) == (user == other)
    assert name != rules.session_name("globex", user)


@pytest.mark.parametrize(
    ("platform", "user"), [("acme", ""), ("acme", "u" * 257), ("acme", "\udcff"), ("Acme", "u"), ("", "u")]
)
def test_no_session_name_without_a_platform_and_a_user(platform: str, user: str) -> None:
    with pytest.raises(InvalidName):
        rules.session_name(platform, user)


@pytest.mark.parametrize(
    "name",
    [
        "sk_live_51H8abc",
        "rk_test_9",
        "whsec_abcdef",
        "ghp_0123456789abcdefghij",
        "github_pat_11AAAAAAA0",
        "th_live_abcdefghijkl_mnop",
        "AKIAIOSFODNN7EXAMPLE",
        "hf_abcdefghijklmnopqrstuvwxyz0123",
    ],
)
def test_a_credential_is_no_name_and_is_not_repeated(name: str) -> None:
    with pytest.raises(InvalidName, match="looks like a value") as caught:
        rules.check_name(name)
    assert name not in str(caught.value)


@pytest.mark.parametrize("name", ["STRIPE_SK_LIVE_", "GHP_TOKEN", "AKIA", "hf_token", "sk_key", "npm_config_registry"])
def test_a_name_that_speaks_of_a_credential_is_a_name(name: str) -> None:
    rules.check_name(name)
