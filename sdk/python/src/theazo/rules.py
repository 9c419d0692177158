"""What a secret may be called, what it may hold, and how a session is named. Pure: no keys, no I/O.

Lengths of names are in characters, of values and ciphertexts in bytes. The schema of the custom resources says the
same in CEL, and a test holds the two together.
"""

import base64
import hashlib
import re
from typing import NamedTuple

from theazo.errors import InvalidName, InvalidValue
from theazo.secret_value import SecretValue

NAME_PATTERN = r"^[A-Za-z_][A-Za-z0-9_]*$"
DNS_LABEL_PATTERN = r"^[a-z0-9]([a-z0-9-]*[a-z0-9])?$"
SEALING_ID_PATTERN = r"^[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?$"

MAX_NAME = 128
MAX_NAMES = 256
MAX_VALUE = 64 * 1024
MAX_CIPHERTEXT_TOTAL = 900 * 1024
MAX_PLATFORM = 63
MAX_SESSION = 52
MAX_AGENT = 52
MAX_SEALING_ID = 63
MAX_USER = 256


class Reserved(NamedTuple):
    """Names that no secret may have. `why` completes the sentence "NAME is reserved: it ...". Case counts."""

    why: str
    names: tuple[str, ...] = ()
    prefixes: tuple[str, ...] = ()


# A value must stay data. So what is reserved is what would make it more: a variable from which a loader, a shell or an
# interpreter takes code or its start-up options, a command that common programs run, and what the container runtime,
# Kubernetes or Theazo set themselves. The lists that glibc (set-user-ID programs) and sudo (env_delete) drop are in it.
# Not reserved, on purpose: what only configures a program and may well hold a credential (HTTPS_PROXY, PIP_INDEX_URL,
# KUBECONFIG, SSL_CERT_FILE), and free names beside reserved ones (PYTHONANYWHERE_API_TOKEN).
RESERVED: tuple[Reserved, ...] = (
    Reserved(
        "is set by Theazo or Kubernetes for every sandbox",
        prefixes=("KUBERNETES_", "THEAZO_"),
    ),
    Reserved(
        "says where the sandbox's process lives and finds its programs",
        names=("HOME", "HOSTNAME", "LOGNAME", "PATH", "SHELL", "TEMP", "TMP", "TMPDIR", "USER"),
    ),
    Reserved(
        "changes how the loader and the C library load code, resolve hosts or use memory",
        names=(
            *("GCONV_PATH", "GETCONF_DIR", "GLIBC_TUNABLES", "HOSTALIASES", "LIBPATH", "LOCALDOMAIN", "LOCPATH"),
            *("NIS_PATH", "NLSPATH", "PATH_LOCALE", "RESOLV_HOST_CONF", "RES_OPTIONS", "SHLIB_PATH", "TZDIR"),
            *("TERMCAP", "TERMINFO", "TERMINFO_DIRS", "TERMPATH"),
        ),
        prefixes=("DYLD_", "LDR_", "LD_", "MALLOC_", "_RLD"),
    ),
    Reserved(
        "changes which code the TLS or Kerberos library loads, what it checks, or makes it write keys to a file",
        names=(
            *("NODE_TLS_REJECT_UNAUTHORIZED", "OPENSSL_CONF", "OPENSSL_CONF_INCLUDE", "OPENSSL_ENGINES"),
            *("OPENSSL_MODULES", "SSLKEYLOGFILE"),
        ),
        prefixes=("KRB5_",),
    ),
    Reserved(
        "makes a shell run code or changes how it reads scripts",
        names=(
            *("BASHOPTS", "CDPATH", "ENV", "FPATH", "GLOBIGNORE", "IFS", "INPUTRC", "NULLCMD", "POSIXLY_CORRECT"),
            *("PROMPT_COMMAND", "PS0", "PS1", "PS2", "PS4", "READNULLCMD", "SHELLOPTS", "TMPPREFIX", "ZDOTDIR"),
        ),
        prefixes=("BASH_",),
    ),
    Reserved(
        "is overwritten by the shells, so the agent would not see the value",
        names=("EUID", "OLDPWD", "OPTIND", "PPID", "PWD", "SHLVL", "UID", "_"),
    ),
    Reserved(
        "makes the Python interpreter load or run code, or changes how it starts",
        names=(
            *("PYTHONBREAKPOINT", "PYTHONCASEOK", "PYTHONDEBUG", "PYTHONDUMPREFSFILE", "PYTHONEXECUTABLE"),
            *("PYTHONHASHSEED", "PYTHONHOME", "PYTHONINSPECT", "PYTHONINTMAXSTRDIGITS", "PYTHONMALLOC"),
            *("PYTHONNOUSERSITE", "PYTHONOPTIMIZE", "PYTHONPATH", "PYTHONPLATLIBDIR", "PYTHONPYCACHEPREFIX"),
            *("PYTHONSAFEPATH", "PYTHONSTARTUP", "PYTHONUSERBASE", "PYTHONVERBOSE", "PYTHONWARNINGS"),
            *("PYTHON_HISTORY", "PYTHON_PRESITE"),
        ),
    ),
    Reserved(
        "makes a JavaScript runtime load or run code",
        names=("BUN_OPTIONS", "NODE_OPTIONS", "NODE_PATH", "NODE_REPL_EXTERNAL_MODULE"),
    ),
    Reserved(
        "makes a language's runtime or compiler load or run code",
        names=(
            *("PERL5DB", "PERL5LIB", "PERL5OPT", "PERLIO_DEBUG", "PERLLIB"),
            *("BUNDLE_GEMFILE", "GEM_HOME", "GEM_PATH", "RUBYLIB", "RUBYOPT", "RUBYSHELL"),
            *("CLASSPATH", "JAVA_TOOL_OPTIONS", "JDK_JAVAC_OPTIONS", "JDK_JAVA_OPTIONS", "_JAVA_OPTIONS"),
            *("COR_ENABLE_PROFILING", "DOTNET_ADDITIONAL_DEPS", "DOTNET_SHARED_STORE", "DOTNET_STARTUP_HOOKS"),
            *("GODEBUG", "GOFLAGS", "PHPRC", "PHP_INI_SCAN_DIR", "RUSTC_WRAPPER", "RUSTC_WORKSPACE_WRAPPER"),
            *("R_ENVIRON", "R_ENVIRON_USER", "R_HOME", "R_PROFILE", "R_PROFILE_USER"),
        ),
        prefixes=("CORECLR_", "COR_PROFILER", "LUA_CPATH", "LUA_INIT", "LUA_PATH", "R_LIBS"),
    ),
    Reserved(
        "is a command, or options, that common programs run",
        names=(
            *("BROWSER", "EDITOR", "EXINIT", "LESSCLOSE", "LESSOPEN", "MAKEFILES", "MAKEFLAGS", "MANPAGER", "PAGER"),
            *("RSYNC_RSH", "SSH_ASKPASS", "SUDO_ASKPASS", "TAR_OPTIONS", "VIMINIT", "VISUAL"),
            *("GIT_ASKPASS", "GIT_EDITOR", "GIT_EXEC_PATH", "GIT_EXTERNAL_DIFF", "GIT_PAGER", "GIT_PROXY_COMMAND"),
            *("GIT_SEQUENCE_EDITOR", "GIT_TEMPLATE_DIR"),
        ),
        prefixes=("GIT_CONFIG", "GIT_SSH"),
    ),
)
# What well-known issuers' credentials look like, as far as they could be names: so that a value in the place of a name
# is refused before it is stored, and shown, as one.
CREDENTIAL_PATTERN = (
    r"^((sk|rk|pk)_(live|test)_|whsec_|gh[opsur]_[A-Za-z0-9]{20}|github_pat_|th_live_|(AKIA|ASIA)[A-Z0-9]{16}$"
    r"|hf_[A-Za-z0-9]{30})"
)

RESERVED_NAMES: frozenset[str] = frozenset(name for group in RESERVED for name in group.names)
RESERVED_PREFIXES: tuple[str, ...] = tuple(prefix for group in RESERVED for prefix in group.prefixes)


def check_name(name: str) -> None:
    """Refuses what can't be the name of a secret, nor of the variable that it becomes.

    Raises:
        InvalidName: if it doesn't match `NAME_PATTERN`, is longer than `MAX_NAME`, is reserved, or is
            what well-known issuers give out as a credential.
    """
    # Not shown when malformed: it may be a value that was put in the wrong place, as in NAME=value.
    if not re.fullmatch(NAME_PATTERN, name):
        raise InvalidName("a secret's name is letters, digits and underscores, and doesn't begin with a digit")
    if looks_like_a_value(name):
        raise InvalidName(
            "this looks like a value in the place of a name; if it is one, replace it where it was issued"
        )
    if len(name) > MAX_NAME:
        raise InvalidName(f"a secret's name has at most {MAX_NAME} characters; this one has {len(name)}")
    for group in RESERVED:
        if name in group.names or name.startswith(group.prefixes):
            raise InvalidName(f"{name} is reserved: it {group.why}; choose another name")


def looks_like_a_value(name: str) -> bool:
    """Whether a name is what a well-known issuer gives out as a credential: it was put into the wrong place then."""
    return re.match(CREDENTIAL_PATTERN, name) is not None


def check_platform(platform: str) -> None:
    """Refuses what can't be the name of a namespace (RFC 1123 label, at most `MAX_PLATFORM`).

    Raises:
        InvalidName: if so.
    """
    _check_pattern("a platform's name", platform, DNS_LABEL_PATTERN, MAX_PLATFORM)


def check_session(session: str) -> None:
    """Refuses what can't be the name of a TheazoSession (RFC 1123 label, at most `MAX_SESSION`).

    Raises:
        InvalidName: if so.
    """
    _check_pattern("a session's name", session, DNS_LABEL_PATTERN, MAX_SESSION)


def check_agent(agent: str) -> None:
    """Refuses what can't be the name of a TheazoAgent (RFC 1123 label, at most `MAX_AGENT`).

    Raises:
        InvalidName: if so.
    """
    _check_pattern("an agent's name", agent, DNS_LABEL_PATTERN, MAX_AGENT)


def check_sealing_id(sealing_id: str) -> None:
    """Refuses what can't be a session's `sealingId`.

    Raises:
        InvalidName: if it doesn't match `SEALING_ID_PATTERN` or is longer than `MAX_SEALING_ID`.
    """
    _check_pattern("a sealing id", sealing_id, SEALING_ID_PATTERN, MAX_SEALING_ID)


def check_user(user: str) -> None:
    """Refuses what can't be a platform's user.

    Raises:
        InvalidName: if it isn't 1 to `MAX_USER` characters of valid Unicode.
    """
    if not 1 <= len(user) <= MAX_USER:
        raise InvalidName(f"a user has 1 to {MAX_USER} characters; this one has {len(user)}")
    if any("\ud800" <= character <= "\udfff" for character in user):
        raise InvalidName("a user is valid Unicode; this one has a lone surrogate")


def _check_pattern(what: str, text: str, pattern: str, limit: int) -> None:
    if not 1 <= len(text) <= limit or not re.fullmatch(pattern, text):
        raise InvalidName(f"{what} has 1 to {limit} characters and matches {pattern}")


def check_value(value: SecretValue) -> None:
    """Refuses what can't be the value of an environment variable.

    Raises:
        InvalidValue: if it is empty, longer than `MAX_VALUE` bytes, not UTF-8, or holds a NUL. The message tells no
            more of the value than its length.
    """
    if problem := problem_with_value(value):
        raise InvalidValue(f"the value {problem}")


def problem_with_value(value: SecretValue) -> str | None:
    """What `check_value` has against a value, to be said to its author only; None if nothing."""
    if not 1 <= len(value) <= MAX_VALUE:
        return f"has {len(value)} bytes; a secret has 1 to {MAX_VALUE}"
    if b"\0" in value.reveal():
        return "holds a NUL byte, which no environment variable can hold"
    try:
        value.reveal().decode()
    except UnicodeDecodeError:  # it holds the value, so nothing is raised from here, where it would be the context
        return "is not UTF-8; encode binary data, as base64 for example"
    return None


def session_name(platform: str, user: str) -> str:
    """The name of the session of a platform's user: "s-" and 130 bits of SHA-256(platform, NUL, user) in base32.

    The NUL, which no platform's name holds, keeps pairs apart. Names don't hide users: who guesses one can check it.

    Raises:
        InvalidName: if `platform` is no platform's name, or `user` no user.
    """
    check_platform(platform)
    check_user(user)
    digest = hashlib.sha256(platform.encode() + b"\0" + user.encode()).digest()
    return "s-" + base64.b32encode(digest).decode().lower()[:26]
