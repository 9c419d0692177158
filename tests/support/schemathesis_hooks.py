"""What schemathesis is told beside the document: loaded by it as a file, before a run."""

import itertools
import os
from typing import Any

import schemathesis
from schemathesis import Case, GenerationMode, HookContext

_clients = itertools.count(1)


@schemathesis.hook
def before_call(context: HookContext, case: Case[Any], kwargs: dict[str, Any]) -> None:  # noqa: ARG001 - its protocol
    """Have each request come from another client, and good agents be possible ones.

    Whoever fails to authenticate all the time has to wait, and most of what is sent here fails.
    """
    number = next(_clients)
    case.headers["X-Forwarded-For"] = f"10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}"
    good = case.meta is not None and case.meta.generation.mode is GenerationMode.POSITIVE
    if case.operation.definition.raw.get("operationId") == "createAgent" and good and isinstance(case.body, dict):
        case.body = {**case.body, "compute": os.environ["COMPUTE"], "secrets": []}
