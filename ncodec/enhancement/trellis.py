"""Dependent quantisation: which of two quantisers codes a coefficient; integers that both ends share (format.md).

A block's coefficients are a path through eight states, and the parity of every symbol leads to the next one. States of
even number use the quantiser of the even multiples of half a step, those of odd number the one of the odd multiples.
An encoder that chooses among the paths has the points of both, so as if the step were half as long, and pays for one
(Marcellin and Fischer 1990, trellis-coded quantisation; Schwarz et al. 2019, dependent quantisation in VVC, from whose
later version the table of the states is).
"""

from __future__ import annotations

import numpy as np

from ncodec.enhancement.tables import ROWS, SCALES, SHAPES
from ncodec.entropy import TOTAL, Tables

NEXT_STATE = np.array([[0, 2], [5, 7], [1, 3], [6, 4], [2, 0], [4, 6], [3, 1], [7, 5]], np.uint8)
"""[state, parity of the symbol]: the state of the block's next coefficient. The first one's is 0."""

FIRST_SCALES = (19, 18, 22, 26)
"""Of each shape, the least scale whose rows have an odd quantiser. Below, nearly all symbols are 0, which it can hardly
say. Measured on residuals of photographs, cameras and microscopes."""

LAST_SCALE = 48
"""The largest such scale: the tables that the odd ones are made of end there."""

ZERO_COUNT = 1 << 12
"""Frequency of 0 in odd tables (or one more): it is not among the odd multiples, and no encoder wants it often."""


def finer_scale(scale: int) -> int:
    """The scale of twice the mean, or the nearest one: that of the same source with half the step."""
    return min(scale + 4, max(24 + scale // 2, scale + 2))


def has_odd(row: int) -> bool:
    """Whether a row of `tables.enhancement` has an odd quantiser beside its even one."""
    shape, scale = divmod(row - 1, SCALES)
    return row > 0 and FIRST_SCALES[shape] <= scale + 1 <= LAST_SCALE


def with_odd_rows(tables: Tables) -> Tables:
    """Append to the rows of `tables.enhancement` their odd ones: row r + ROWS for row r, not coded where it has none.

    Raises:
        ValueError: the tables are not such a family.
    """
    if len(tables.size) != ROWS:
        raise ValueError(f"the enhancement layer needs {ROWS} tables, got {len(tables.size)}")
    odd = []
    for row in range(ROWS):
        shape, scale = divmod(row - 1, SCALES)
        finer = 1 + shape * SCALES + finer_scale(scale + 1) - 1
        odd.append(_odd_counts(tables.row_counts(finer)) if has_odd(row) else np.empty(0, np.int32))
    low = [-((len(counts) - 2) // 2) if len(counts) else 0 for counts in odd]
    return Tables(
        low=np.concatenate([tables.low, np.array(low, np.int16)]),
        size=np.concatenate([tables.size, np.array([len(counts) for counts in odd], np.int32)]),
        counts=np.concatenate([tables.counts, *odd]),
    )


def _odd_counts(finer: np.ndarray) -> np.ndarray:
    """int32: counts of -m ... m and the escape, of those [2 n + 2] of the same source with half the step.

    Magnitude k of the odd quantiser lies between 2 k - 2 and 2 k half steps: the magnitude 2 k - 1 of the finer one
    and half of each of its neighbours.
    """
    largest = (len(finer) - 2) // 2
    fine = np.concatenate([finer[largest:-1].astype(np.int64), np.zeros(3, np.int64)])
    k = np.arange(1, largest // 2 + 2)
    half = np.maximum(fine[2 * k - 1] + ((fine[2 * k - 2] + fine[2 * k]) >> 1), 1)
    rest = TOTAL - int(finer[-1]) - 2 * int(half[1:].sum())
    half[0] = (rest - ZERO_COUNT) >> 1
    zero = rest - 2 * int(half[0])
    return np.concatenate([half[::-1], [zero], half, finer[-1:]]).astype(np.int32)


_HAS_ODD = np.array([has_odd(row) for row in range(1 + SHAPES * SCALES)])
_NEXT = NEXT_STATE.reshape(-1)


class Walk:
    """The paths of all blocks of a slice, from band to band in coding order.

    Attributes:
        states: uint8 [by, bx].
    """

    def __init__(self, blocks: tuple[int, ...]) -> None:
        """All blocks [by, bx] begin in state 0."""
        self.states = np.zeros(blocks, np.uint8)

    def odd(self, rows: np.ndarray) -> np.ndarray:
        """uint8 [by, bx]: 1 where a coefficient of these rows (uint8) is quantised to odd multiples."""
        return self.states & _HAS_ODD.take(rows)

    def advance(self, symbols: np.ndarray) -> None:
        """Go on by int16 symbols [by, bx] of a band, whatever quantised them."""
        self.states = _NEXT.take(2 * self.states + (symbols & 1).astype(np.uint8))


def odd_rows(rows: np.ndarray, odd: np.ndarray) -> np.ndarray:
    """uint16: the rows (uint8) in the family that `with_odd_rows` gives."""
    return rows + ROWS * odd.astype(np.uint16)


def half_steps(symbols: np.ndarray, odd: np.ndarray) -> np.ndarray:
    """int32: the multiples of half a step that int16 symbols stand for, 2 q or 2 q - sign(q)."""
    return 2 * symbols.astype(np.int32) - odd * np.sign(symbols)
