"""Symbols of the latents of a step by dependent quantisation: in which order they are coded, and the best ones.

A step's latents whose rows have an odd quantiser, sorted by row, are dealt out to paths of `PATH` each: the first one
of every path, then the second ones, and so on. The others are coded before them, all at once. Sorted, since what is
coded at once then is of one row or two, and the first symbols of a path, which have little choice, are cheap ones.
"""

from __future__ import annotations

import numpy as np

from ncodec.entropy import Decoder, Encoder, Tables
from ncodec.trellis.states import Walk, half_steps, odd_rows, with_odd_rows
from ncodec.trellis.viterbi import Stretch, SymbolCosts, search

PATH = 128
"""Latents of a path: half as many cost 0.3 % of the bits, twice as many win 0.15 % and take time."""

FIRST_ROW = 9
"""The least row with an odd quantiser, of a standard deviation of 0.43: below, nearly all symbols are 0."""

TO_FINER = 6
"""Rows up to the one of twice the standard deviation (2.02 times, see `train/tables.py`)."""

WEIGHT = 4.5
"""Bits that a squared error of one squared half step is worth: twice what latents alone would want (that of a uniform
quantiser at high rates is 6 / ln 2 / 4): measured in the picture, where the network errs, too."""

_LARGEST = 2 * (np.iinfo(np.int16).max - 1)  # half steps: a magnitude may be one more than half of them


def with_odd(tables: Tables) -> Tables:
    """`tables.latent` and after them their odd rows."""
    rows = len(tables.size)
    finer = [row + TO_FINER if FIRST_ROW <= row < rows - TO_FINER else 0 for row in range(rows)]
    return with_odd_rows(tables, finer)


class LatentPaths:
    """The paths of one step.

    Args:
        rows: uint8 [n], of `tables.latent`.
        tables: that `with_odd` gives.
    """

    def __init__(self, rows: np.ndarray, tables: Tables) -> None:
        self._rows, self._tables = rows, tables
        dealt = np.flatnonzero(odd_rows(tables).take(rows))
        self._dealt = dealt[np.argsort(rows[dealt], kind="stable")]
        self._paths = max(1, -(-len(self._dealt) // PATH))
        self._others = rows.copy()
        self._others[self._dealt] = 0

    def _places(self) -> list[np.ndarray]:
        """Indices of the first latents of all paths, of the second ones, ...; the last may be of some paths only."""
        return [self._dealt[start : start + self._paths] for start in range(0, len(self._dealt), self._paths)]

    def quantise(self, values: np.ndarray, costs: SymbolCosts) -> np.ndarray:
        """The symbols to code.

        Args:
            values: float32 [n], latents less their means, in steps.
            costs: of the tables.

        Returns:
            int16 [n].
        """
        symbols = np.rint(values).astype(np.int16)
        symbols *= self._tables.codes(self._rows)
        shape = (-(-len(self._dealt) // self._paths), self._paths)
        sizes, rows = np.zeros(shape, np.float32), np.zeros(shape, np.uint8)  # row 0 is not coded: it costs nothing
        dealt = values[self._dealt]
        sizes.reshape(-1)[: len(dealt)] = np.minimum(2 * np.abs(dealt), _LARGEST)
        rows.reshape(-1)[: len(dealt)] = self._rows[self._dealt]
        found = search(Stretch(sizes, rows, WEIGHT, costs), np.zeros(self._paths, np.uint8))
        symbols[self._dealt] = np.copysign(found.reshape(-1)[: len(dealt)], dealt)
        return symbols

    def odd(self, symbols: np.ndarray) -> np.ndarray:
        """uint8 [n]: 1 where int16 symbols [n] are of the odd quantiser."""
        odd = np.zeros(len(symbols), np.uint8)
        walk = Walk((self._paths,), self._tables)
        for place in self._places():
            walk.states = walk.states[: len(place)]
            odd[place] = walk.odd(self._rows[place])
            walk.advance(symbols[place])
        return odd

    def bits(self, symbols: np.ndarray, odd: np.ndarray, costs: SymbolCosts) -> float:
        """What it costs to code int16 symbols [n], of which `odd` says the quantiser."""
        return float(costs.of_symbols(self._doubled(odd), symbols).sum(dtype=np.float64))

    def push(self, encoder: Encoder, symbols: np.ndarray) -> np.ndarray:
        """Code int16 symbols [n]; returns what they stand for, int32 [n], in half steps."""
        odd = self.odd(symbols)
        others = symbols.copy()
        others[self._dealt] = 0
        encoder.push(others, self._others)
        rows = self._doubled(odd)
        for place in self._places():
            encoder.push(symbols[place], rows[place])
        return half_steps(symbols, odd)

    def _doubled(self, odd: np.ndarray) -> np.ndarray:
        """uint16 [n]: rows in the doubled tables."""
        return self._rows + len(self._tables.size) // 2 * odd.astype(np.uint16)

    def pop(self, decoder: Decoder) -> tuple[np.ndarray, np.ndarray]:
        """The mirror of `push`: symbols, int16 [n], and what they stand for."""
        symbols = decoder.pop(self._others)
        odd = np.zeros(len(symbols), np.uint8)
        walk = Walk((self._paths,), self._tables)
        for place in self._places():
            walk.states = walk.states[: len(place)]
            rows = self._rows[place]
            odd[place] = walk.odd(rows)
            symbols[place] = decoder.pop(walk.rows(rows, odd[place]))
            walk.advance(symbols[place])
        return symbols, half_steps(symbols, odd)
