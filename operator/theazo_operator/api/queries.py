"""The parameters of URLs."""

import re
from typing import Annotated, Any

from pydantic import BeforeValidator, Field

from theazo import rules
from theazo_operator.api import models


def _from_digits(value: Any) -> Any:  # noqa: ANN401 - a parameter's text
    if not re.fullmatch("[0-9]{1,9}", value):
        raise ValueError("a whole number, in decimal digits")
    return int(value)


class Page(models.Wire):
    """Where to go on in a list, and how far."""

    limit: Annotated[int, BeforeValidator(_from_digits)] = Field(default=100, ge=1, le=500)
    cursor: str | None = Field(default=None, min_length=1, max_length=4096)


class SessionQuery(Page):
    """Which sessions to list."""

    user: str | None = Field(default=None, min_length=1, max_length=rules.MAX_USER)


class SessionDeletion(models.Wire):
    """Which session to delete, of all that have had this id."""

    sealing_id: models.SealingId | None = None


class AgentQuery(Page):
    """Which agents to list."""

    phase: models.Phase | None = None
