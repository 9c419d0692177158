"""What the operator is told from outside: flags, and the environment for those that a manifest sets."""

import argparse
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

_LAST_PORT = 65535
_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR")


@dataclass(frozen=True, slots=True)
class Settings:
    """All settings of the operator."""

    namespace: str
    kubeconfig: Path | None
    master_key_dir: Path | None
    allow_platform_computes: bool
    listen_host: str | None
    listen_port: int
    log_level: str


def parse(argv: Sequence[str], environment: Mapping[str, str] = os.environ) -> Settings:
    """Read flags and environment; a wrong one ends the process with exit code 2 and says what is expected."""
    parser = argparse.ArgumentParser(
        prog="theazo-operator",
        description="Gives each TheazoAgent a sandbox with exactly the secrets that it declared.",
        epilog="Each flag can also be given in the environment, as THEAZO_NAMESPACE for --namespace and so on.",
    )

    def flag(name: str, default: str | None, text: str) -> None:
        variable = "THEAZO_" + name.upper().replace("-", "_")
        parser.add_argument(f"--{name}", default=environment.get(variable, default), help=text)

    flag("namespace", "theazo-system", "the operator's own namespace: master key, public keys, computes (%(default)s)")
    flag("kubeconfig", None, "how to reach the API server from outside a cluster; inside, the service account is used")
    flag("master-key-dir", None, "a mounted directory with the master keys 1, 2, …; else the Secret theazo-master-key")
    flag("allow-platform-computes", "false", "true: a platform's own PodTemplates are computes there (%(default)s)")
    flag("listen", ":8080", "HOST:PORT, or :PORT for all addresses, of /livez, /readyz and /metrics (%(default)s)")
    flag("log-level", "INFO", f"one of {', '.join(_LEVELS)} (%(default)s)")
    given = parser.parse_args(argv)

    host, _, port = given.listen.rpartition(":")
    if not (port.isascii() and port.isdigit() and int(port) <= _LAST_PORT):
        parser.error(f"--listen is HOST:PORT or :PORT, as :8080, and not {given.listen!r}")
    if given.allow_platform_computes not in {"true", "false"}:
        parser.error(f"--allow-platform-computes is true or false, and not {given.allow_platform_computes!r}")
    if given.log_level not in _LEVELS:
        parser.error(f"--log-level is one of {', '.join(_LEVELS)}, and not {given.log_level!r}")
    return Settings(
        namespace=given.namespace,
        kubeconfig=Path(given.kubeconfig) if given.kubeconfig else None,
        master_key_dir=Path(given.master_key_dir) if given.master_key_dir else None,
        allow_platform_computes=given.allow_platform_computes == "true",
        listen_host=host.strip("[]") or None,
        listen_port=int(port),
        log_level=given.log_level,
    )
