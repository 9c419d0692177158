"""How much is measured, and what stops a measurement."""

from dataclasses import dataclass


class NotMeasured(Exception):
    """A figure could not be had: the text says which, and why."""


@dataclass(frozen=True, slots=True)
class Sizes:
    """How many agents each part of the measurement takes."""

    serial: int
    """The bare client, one agent at a time."""
    sweep: int
    """The bare client, at each of the concurrencies."""
    light: int
    """The operator under light load."""
    burst: int
    """The operator in one burst; also the bare client at its best, beside it."""
    settle: float
    """Seconds until a process that was just started, or that just had a burst, counts as at rest."""
    rate: float = 5.0
    """Agents a second that make light load."""
    concurrencies: tuple[int, ...] = (8, 16, 32, 64)
    rest: tuple[tuple[int, int], ...] = ((1, 150), (16, 480), (64, 960))
    """Of the REST API and the bare client beside it: how many at once, and how many requests of each kind then."""
    turns: int = 3
    """How often these two take turns for each line of the table."""


FULL = Sizes(serial=300, sweep=400, light=200, burst=1000, settle=5.0)
SMALL = Sizes(serial=10, sweep=64, light=10, burst=50, settle=0.5, rest=((1, 4), (4, 16)), turns=2)
