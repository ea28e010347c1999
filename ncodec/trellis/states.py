"""States, tables and points of the two quantisers: integers that encoder and decoder share (format.md)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ncodec.entropy import TOTAL, Tables

NEXT_STATE = np.array([[0, 2], [5, 7], [1, 3], [6, 4], [2, 0], [4, 6], [3, 1], [7, 5]], np.uint8)
"""[state, parity of the symbol]: the state of the path's next symbol, as in VVC's second edition. Paths begin in 0."""

ZERO_COUNT = 1 << 12
"""Frequency of 0 in odd tables (or one more): it is not among the odd multiples, and no encoder wants it often."""

_NEXT = NEXT_STATE.reshape(-1)


def with_odd_rows(tables: Tables, finer: Sequence[int]) -> Tables:
    """Append to n rows their odd ones: row n + r for row r.

    Args:
        tables: of n rows, symmetric.
        finer: for each row the one of the same source with half the step; 0 where it shall have no odd row, which is
            then one that is not coded.

    Returns:
        Tables of 2 n rows.
    """
    odd = [_odd_counts(tables.row_counts(row)) if row else np.empty(0, np.int32) for row in finer]
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


def odd_rows(tables: Tables) -> np.ndarray:
    """bool [n]: which rows of the n that `with_odd_rows` was given have odd ones."""
    return tables.is_coded[len(tables.size) // 2 :]


class Walk:
    """Many paths at once, from symbol to symbol.

    Attributes:
        states: uint8, of any shape, one a path.
    """

    def __init__(self, shape: tuple[int, ...], tables: Tables) -> None:
        """All paths begin in state 0; `tables` are those of `with_odd_rows`."""
        self.states = np.zeros(shape, np.uint8)
        self._has_odd = odd_rows(tables)

    def odd(self, rows: np.ndarray) -> np.ndarray:
        """uint8, shape of the states: 1 where the next symbol, of these rows (uint8), is of the odd quantiser."""
        return self.states & self._has_odd.take(rows)

    def rows(self, rows: np.ndarray, odd: np.ndarray) -> np.ndarray:
        """uint16: rows in the doubled tables, of rows (uint8) and what `odd` gave."""
        return rows + len(self._has_odd) * odd.astype(np.uint16)

    def advance(self, symbols: np.ndarray) -> None:
        """Go on by int16 symbols, one a path, whatever quantised them."""
        self.states = _NEXT.take(2 * self.states + (symbols & 1).astype(np.uint8))


def half_steps(symbols: np.ndarray, odd: np.ndarray) -> np.ndarray:
    """int32: the multiples of half a step that int16 symbols stand for, 2 q or, odd, 2 q - sign(q)."""
    return 2 * symbols.astype(np.int32) - odd * np.sign(symbols)
