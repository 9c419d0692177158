"""The operator's entry point: `theazo-operator`, or `python -m theazo_operator`."""

import asyncio
import logging
import sys

import kopf

from theazo_operator import handlers, logs
from theazo_operator.kube.login import LoginError
from theazo_operator.runtime import Runtime
from theazo_operator.settings import Settings, parse

log = logging.getLogger(__name__)


async def _run(settings: Settings) -> bool:
    runtime = Runtime(settings)
    registry = kopf.OperatorRegistry()
    handlers.register(registry, runtime)
    await kopf.operator(
        registry=registry,
        settings=handlers.settings(),
        clusterwide=settings.platform is None,
        namespaces=[settings.platform] if settings.platform is not None else [],
        standalone=True,
        stop_flag=runtime.over,
    )
    return not runtime.broken


def main() -> int:
    """Run until a signal ends the process. Exit code 0 after a signal, 1 where a part of the operator broke."""
    settings = parse(sys.argv[1:])
    logs.configure(settings.log_level)
    try:
        return 0 if asyncio.run(_run(settings)) else 1
    except LoginError as error:
        log.critical("%s", error)
    except Exception as error:  # noqa: BLE001 - a traceback on stderr would bypass the logs' rules
        log.critical("the operator ended", extra={"error": type(error).__name__, "at": logs.where(error)})
    return 1


if __name__ == "__main__":
    sys.exit(main())
