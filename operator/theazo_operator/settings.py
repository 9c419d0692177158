"""What the processes are told from outside: flags, and the environment for those that a manifest sets."""

import argparse
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from theazo.errors import InvalidName
from theazo.rules import check_platform

_LAST_PORT = 65535
_LONGEST_WAIT = 20  # seconds; clients give up after 30
_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR")
#: The system's namespaces hold what a sandbox must never stand beside.
NEVER_PLATFORMS = frozenset({"kube-system", "kube-public", "kube-node-lease"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Common:
    """What the operator and the REST API are both told."""

    namespace: str
    kubeconfig: Path | None
    allow_platform_computes: bool
    listen_host: str | None
    listen_port: int
    log_level: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings(Common):
    """All settings of the operator."""

    master_key_dir: Path | None
    platform: str | None
    """The one namespace to serve; None for every namespace with the platform label."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiSettings(Common):
    """All settings of the REST API."""

    trusted_proxies: str
    """Addresses of proxies, separated by commas, whose X-Forwarded-For says who the client is."""
    agent_wait: float
    """Seconds that the answer to a new agent waits until the operator has looked at it."""


def parse(argv: Sequence[str], environment: Mapping[str, str] = os.environ) -> Settings:
    """Read flags and environment; a wrong one ends the process with exit code 2 and says what is expected."""
    flags = _Flags("theazo-operator", "Gives each TheazoAgent a sandbox with exactly the secrets that it declared.")
    flags.add("namespace", "theazo-system", "the operator's own namespace: master key, public keys, computes")
    flags.add(
        "master-key-dir", None, "a mounted directory with the master keys 1, 2, …; else the Secret theazo-master-key"
    )
    flags.add("platform", None, "the one namespace to serve, with rights there only; else all that are registered")
    given = flags.parse(argv, environment, listen="/livez, /readyz and /metrics")
    if given.platform:
        flags.check_namespace("platform", given.platform)
    if given.platform in {*NEVER_PLATFORMS, given.namespace}:
        flags.refuse(f"--platform {given.platform} can't be a platform: choose a namespace of the platform's own")
    directory = given.master_key_dir
    return Settings(
        master_key_dir=Path(directory) if directory else None, platform=given.platform or None, **flags.common(given)
    )


def parse_api(argv: Sequence[str], environment: Mapping[str, str] = os.environ) -> ApiSettings:
    """Read flags and environment as `parse` does, for the REST API."""
    flags = _Flags("theazo-api", "Serves the REST API: writes sessions, sealed secrets and agents of platforms.")
    flags.add("namespace", "theazo-system", "the operator's namespace: API keys' hashes, public keys, computes")
    flags.add("trusted-proxies", "", "addresses of proxies, by commas, whose X-Forwarded-For names the client")
    flags.add("agent-wait", "2", "seconds that the answer to a new agent waits for its sandbox, 0 to 20")
    given = flags.parse(argv, environment, listen="the API, /livez, /readyz and /metrics")
    try:
        wait = float(given.agent_wait)
    except ValueError:
        wait = -1
    if not 0 <= wait <= _LONGEST_WAIT:
        flags.refuse(f"--agent-wait is a number of seconds from 0 to {_LONGEST_WAIT}, and not {given.agent_wait!r}")
    return ApiSettings(trusted_proxies=given.trusted_proxies, agent_wait=wait, **flags.common(given))


class _Flags:
    """A parser of flags that are also environment variables."""

    def __init__(self, program: str, description: str) -> None:
        self._parser = argparse.ArgumentParser(
            prog=program,
            description=description,
            epilog="Each flag can also be given in the environment, as THEAZO_NAMESPACE for --namespace and so on.",
        )
        self._defaults: dict[str, str | None] = {}

    def add(self, name: str, default: str | None, text: str) -> None:
        """Add a flag that takes a word."""
        shown = f"{text} (%(default)s)" if default else text
        self._parser.add_argument(f"--{name}", default=default, help=shown)
        self._defaults[name] = default

    def parse(self, argv: Sequence[str], environment: Mapping[str, str], *, listen: str) -> argparse.Namespace:
        """Add the flags that all have, and read."""
        self.add(
            "kubeconfig",
            None,
            "how to reach the API server from outside a cluster; inside, the service account is used",
        )
        self.add("allow-platform-computes", "false", "true: a platform's own PodTemplates are computes there")
        self.add("listen", ":8080", f"HOST:PORT, or :PORT for all addresses, of {listen}")
        self.add("log-level", "INFO", f"one of {', '.join(_LEVELS)}")
        variables = {name: "THEAZO_" + name.upper().replace("-", "_") for name in self._defaults}
        self._parser.set_defaults(
            **{name.replace("-", "_"): environment[each] for name, each in variables.items() if each in environment}
        )
        return self._parser.parse_args(argv)

    def refuse(self, problem: str) -> NoReturn:
        """End the process with exit code 2 and say why."""
        self._parser.error(problem)

    def check_namespace(self, flag: str, name: str) -> None:
        """Refuse what is no namespace: of an empty one all paths would be those of collections in every namespace."""
        try:
            check_platform(name)
        except InvalidName:
            self.refuse(f"--{flag} is the name of a namespace, and not {name!r}")

    def common(self, given: argparse.Namespace) -> dict[str, Any]:
        """Check and convert what all have."""
        self.check_namespace("namespace", given.namespace)
        host, _, port = given.listen.rpartition(":")
        if not (port.isascii() and port.isdigit() and int(port) <= _LAST_PORT):
            self.refuse(f"--listen is HOST:PORT or :PORT, as :8080, and not {given.listen!r}")
        if given.allow_platform_computes not in {"true", "false"}:
            self.refuse(f"--allow-platform-computes is true or false, and not {given.allow_platform_computes!r}")
        if given.log_level not in _LEVELS:
            self.refuse(f"--log-level is one of {', '.join(_LEVELS)}, and not {given.log_level!r}")
        return {
            "namespace": given.namespace,
            "kubeconfig": Path(given.kubeconfig) if given.kubeconfig else None,
            "allow_platform_computes": given.allow_platform_computes == "true",
            "listen_host": host.strip("[]") or None,
            "listen_port": int(port),
            "log_level": given.log_level,
        }
