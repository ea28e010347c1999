"""Which rows of the enhancement layer's tables have an odd quantiser, and which are those of half the step."""

from __future__ import annotations

from ncodec.enhancement.tables import ROWS, SCALES
from ncodec.entropy import Tables
from ncodec.trellis.states import with_odd_rows

FIRST_SCALES = (19, 18, 22, 26)
"""Of each shape, the least scale whose rows have an odd quantiser. Below, nearly all symbols are 0, which it can hardly
say. Measured on residuals of photographs, cameras and microscopes."""

LAST_SCALE = 48
"""The largest such scale: the tables that the odd ones are made of end there."""


def finer_scale(scale: int) -> int:
    """The scale of twice the mean, or the nearest one: that of the same source with half the step."""
    return min(scale + 4, max(24 + scale // 2, scale + 2))


def finer_row(row: int) -> int:
    """The row of the same source with half the step; 0 where a row has no odd quantiser."""
    shape, scale = divmod(row - 1, SCALES)
    if row == 0 or not FIRST_SCALES[shape] <= scale + 1 <= LAST_SCALE:
        return 0
    return shape * SCALES + finer_scale(scale + 1)


def with_odd(tables: Tables) -> Tables:
    """`tables.enhancement` and after them their odd rows: row r + ROWS for row r.

    Raises:
        ValueError: the tables are not such a family.
    """
    if len(tables.size) != ROWS:
        raise ValueError(f"the enhancement layer needs {ROWS} tables, got {len(tables.size)}")
    return with_odd_rows(tables, [finer_row(row) for row in range(ROWS)])
