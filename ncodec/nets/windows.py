"""Overlapping windows: large pictures run through networks piece by piece, with the result of a run on the whole."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Span:
    """A half-open range of rows or columns."""

    start: int
    stop: int

    @property
    def size(self) -> int:
        """Rows or columns in it."""
        return self.stop - self.start

    def scaled(self, factor: int) -> slice:
        """The same range at `factor` times the resolution, as a slice."""
        return slice(self.start * factor, self.stop * factor)


@dataclass(frozen=True, slots=True)
class Window:
    """A core that a run is responsible for, and the outer area that it must see to get the core right.

    The outer area ends at the picture's borders, where networks pad as they would for the whole picture.
    """

    rows: Span
    columns: Span
    outer_rows: Span
    outer_columns: Span

    @property
    def core(self) -> tuple[slice, slice]:
        """The core's place in the whole, for indexing."""
        return self.rows.scaled(1), self.columns.scaled(1)

    @property
    def outer(self) -> tuple[slice, slice]:
        """The outer area's place in the whole."""
        return self.outer_rows.scaled(1), self.outer_columns.scaled(1)

    def inner(self, factor: int = 1) -> tuple[slice, slice]:
        """The core's place in an output of the outer area that has `factor` times the resolution."""
        top, left = self.outer_rows.start, self.outer_columns.start
        return (
            slice((self.rows.start - top) * factor, (self.rows.stop - top) * factor),
            slice((self.columns.start - left) * factor, (self.columns.stop - left) * factor),
        )


def windows(height: int, width: int, size: int, halo: int = 0) -> Iterator[Window]:
    """Cut `height` x `width` positions into cores of at most `size` x `size`, in raster order.

    Cores begin at multiples of `size`; outer areas reach `halo` positions further.
    """
    for rows in _spans(height, size):
        for columns in _spans(width, size):
            yield Window(rows, columns, _widen(rows, halo, height), _widen(columns, halo, width))


def _spans(length: int, size: int) -> list[Span]:
    return [Span(start, min(start + size, length)) for start in range(0, length, size)]


def _widen(span: Span, halo: int, length: int) -> Span:
    return Span(max(0, span.start - halo), min(length, span.stop + halo))
