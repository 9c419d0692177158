"""Figures and tables as text."""

from collections.abc import Sequence


def short(value: float | None) -> str:
    """Write a figure with about three digits; nothing measured is a dash."""
    if value is None:
        return "-"
    return f"{value:.2f}" if value < 10 else f"{value:.1f}" if value < 100 else f"{value:.0f}"  # noqa: PLR2004 - digits


def aligned(lines: Sequence[Sequence[str]], numbers: Sequence[bool]) -> list[str]:
    """Write cells in columns; `numbers` says which of the columns are."""
    widths = [max(len(line[column]) for line in lines) for column in range(len(numbers))]
    return ["  ".join(map(_padded, line, widths, numbers)).rstrip() for line in lines]


def _padded(cell: str, width: int, number: bool) -> str:  # noqa: FBT001 - called by map
    return cell.rjust(width) if number else cell.ljust(width)
