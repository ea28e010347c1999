"""Markdown tables and numbers."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from statistics import fmean
from typing import Any

from ncodec.bench.curves import Delta

Row = dict[str, Any]
MISSING = "-"


def table(head: Sequence[str], lines: Iterable[Sequence[str]]) -> str:
    """A table; the first column is text, the others are numbers."""
    rule = "|---|" + "---:|" * (len(head) - 1)
    return "\n".join([_line(head), rule, *map(_line, lines)]) + "\n"


def number(value: float | None, digits: int = 2) -> str:
    """With so many digits after the point; `-` for what is not there."""
    return MISSING if value is None else f"{value:,.{digits}f}"


def percent(share: float | None, digits: int = 1) -> str:
    """Of a share of 1."""
    return MISSING if share is None else f"{100 * share:.{digits}f} %"


def signed_percent(share: float, digits: int = 1) -> str:
    """Of a change: +1.5 %."""
    return f"{100 * share:+.{digits}f} %"


def delta_percent(delta: Delta) -> str:
    """A BD-rate, as signed_percent; `-` where there is none."""
    return "-" if delta.value is None else signed_percent(delta.value / 100)


def milliseconds(seconds: float | None) -> str:
    """One digit below 100 ms, none above."""
    if seconds is None:
        return MISSING
    return number(1000 * seconds, 1 if seconds < 0.1 else 0)


def plural(count: int, one: str, many: str = "") -> str:
    """`1 thread`, `2 threads`."""
    return f"{count} {one if count == 1 else many or one + 's'}"


def mean(rows: Iterable[Row], key: str) -> float | None:
    """Of the rows that have the number; None if no row has."""
    values = [row[key] for row in rows if row[key] is not None]
    return fmean(values) if values else None


def of_kind(rows: Iterable[Row], kind: str, **wanted: Any) -> list[Row]:
    """The rows of a kind whose other keys have these values."""
    return [r for r in rows if r["kind"] == kind and all(r[key] == value for key, value in wanted.items())]


def values_of(rows: Iterable[Row], key: str) -> list[Any]:
    """All values of a key, ascending."""
    return sorted({row[key] for row in rows})


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
