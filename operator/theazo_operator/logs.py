"""Logs: one JSON object a line, with fields that were chosen, and never the text of an unforeseen exception.

A value can't be logged where only known fields are written. A traceback is cut down to the exception's type and place:
its message is made by code that knows nothing of secrets, and may quote what it choked on.
"""

import copy
import logging
import sys
from datetime import datetime
from typing import Any

from pythonjsonlogger.core import RESERVED_ATTRS
from pythonjsonlogger.json import JsonFormatter

_OURS = "theazo_operator"
_QUIET = {
    # At DEBUG kopf writes whole objects, at INFO a line for each event; both are of no use here.
    "kopf": logging.WARNING,
    "asyncio": logging.WARNING,
    "aiohttp": logging.WARNING,
    "kubernetes": logging.WARNING,
    "urllib3": logging.WARNING,
    "uvicorn": logging.WARNING,
}


class _SafeFormatter(JsonFormatter):
    """Writes exceptions as type and place, and of other objects the type."""

    def format(self, record: logging.LogRecord) -> str:
        """Leave out what a library says of an exception: kopf and asyncio put its text into their own messages."""
        if record.exc_info and not record.name.startswith(_OURS):
            record = copy.copy(record)
            record.msg, record.args = "unexpected error in a library", None
        return super().format(record)

    def formatException(self, ei: Any) -> str:  # noqa: ANN401, N802 - logging's own
        _, error, _ = ei
        return "" if error is None else f"{type(error).__name__} at {where(error)}"


def _write(value: object) -> str:
    """Write what is no JSON: a time as such, of all else the type, since its text could quote anything."""
    return value.isoformat() if isinstance(value, datetime) else f"<{type(value).__name__}>"


def where(error: BaseException) -> str:
    """Name the line that raised, as `file.py:123`."""
    trace, place = error.__traceback__, "?"
    while trace is not None:
        place = f"{trace.tb_frame.f_code.co_filename.rpartition('/')[2]}:{trace.tb_lineno}"
        trace = trace.tb_next
    return place


def configure(level: str) -> None:
    """Send all logs to stderr as JSON. Other libraries' levels are pinned, whatever our own is."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        _SafeFormatter(
            ["levelname", "name", "message"],
            json_default=_write,
            rename_fields={"levelname": "level", "name": "logger"},
            timestamp="time",
            reserved_attrs=[*RESERVED_ATTRS, "k8s_skip", "k8s_ref", "settings"],  # kopf's own, whole objects among them
        )
    )
    logging.basicConfig(level=level, handlers=[handler], force=True)
    for name, lowest in _QUIET.items():
        logging.getLogger(name).setLevel(lowest)
