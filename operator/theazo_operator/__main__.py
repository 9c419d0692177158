"""The operator's entry point: `theazo-operator`, or `python -m theazo_operator`."""

import sys

import kopf

from theazo_operator import handlers, logs, process
from theazo_operator.runtime import Runtime
from theazo_operator.settings import Settings, parse


async def _run(settings: Settings) -> bool:
    runtime = Runtime(settings)
    try:
        # Before kopf, which takes what fails in its own handlers for something to try again a minute later.
        await _listen(runtime)
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
    finally:
        await runtime.stop()
    return not runtime.broken


async def _listen(runtime: Runtime) -> None:
    try:
        await runtime.listen()
    except OSError as error:
        raise process.CannotStart(f"can't listen for probes ({error.strerror}): choose another --listen") from None


def main() -> int:
    """Run until a signal ends the process. Exit code 0 after a signal, 1 where a part of the operator broke."""
    settings = parse(sys.argv[1:])
    logs.configure(settings.log_level)
    return process.run(_run(settings), "the operator")


if __name__ == "__main__":
    sys.exit(main())
