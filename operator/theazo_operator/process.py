"""How a process of ours runs and ends: what both entry points share."""

import asyncio
import logging
from collections.abc import Coroutine
from typing import Any

from theazo_operator import logs
from theazo_operator.kube.login import LoginError

log = logging.getLogger(__name__)


class CannotStart(Exception):
    """What the process was given to run with is not enough, or wrong; the message says what to do."""


def run(work: Coroutine[Any, Any, bool], called: str) -> int:
    """Run until a signal ends the process; whatever else ends it is one line of the log.

    Args:
        work: what is done all the time; it says whether all went well.
        called: what the log calls it.

    Returns:
        The exit code: 0 after a signal, 1 where it could not start or a part of it broke.
    """
    try:
        return 0 if asyncio.run(work) else 1
    except (CannotStart, LoginError) as error:
        log.critical("%s", error)
    except Exception as error:  # noqa: BLE001 - a traceback on stderr would bypass the logs' rules
        log.critical("%s ended", called, extra={"error": type(error).__name__, "at": logs.where(error)})
    return 1
