"""The encoder's search for the paths of least lambda * error + bits (Viterbi 1967)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ncodec.entropy import Tables, magnitude_bits
from ncodec.trellis.states import NEXT_STATE, odd_rows

MAGNITUDES = 128
"""Larger ones are thought to cost what the largest of these does."""

STATES = len(NEXT_STATE)

_PATHS = 4096  # searched at once: more would not stay in the processor's cache, less would be calls alone
_UNREACHABLE = 1e9

# The state before, for each state and parity of the symbol between; and which candidate that is: 2 * odd + parity.
_BEFORE = np.array([[int(np.flatnonzero(NEXT_STATE[:, p] == s)[0]) for p in (0, 1)] for s in range(STATES)])
_CANDIDATE = 2 * (_BEFORE & 1) + [[0, 1]]
_NEXT_CANDIDATE = 2 * (np.arange(STATES)[:, None] & 1) + [[0, 1]]


@dataclass(frozen=True)
class SymbolCosts:
    """Bits of magnitudes, signs included.

    Attributes:
        bits: float32 [2 * rows * MAGNITUDES], of the rows with those of the odd quantiser after them.
        has_odd: bool [rows].
    """

    bits: np.ndarray
    has_odd: np.ndarray

    @classmethod
    def of(cls, tables: Tables) -> SymbolCosts:
        """From the tables that `with_odd_rows` gives."""
        return cls(magnitude_bits(tables, MAGNITUDES).reshape(-1), odd_rows(tables))

    def of_symbols(self, rows: np.ndarray, symbols: np.ndarray) -> np.ndarray:
        """float32 [n]: bits of int16 symbols [n] of rows [n], odd ones among them."""
        magnitudes = np.minimum(np.abs(symbols.astype(np.int32)), MAGNITUDES - 1)
        return self.bits.take(rows.astype(np.int32) * MAGNITUDES + magnitudes)


@dataclass(frozen=True)
class Stretch:
    """A stretch of many paths: what is coded one after another stands below one another.

    Attributes:
        sizes: float32 [places, paths], the values without sign, in half steps.
        rows: uint8 [places, paths], of the tables without their odd rows.
        weight: bits that a squared error of one squared half step is worth.
        costs: of the tables.
    """

    sizes: np.ndarray
    rows: np.ndarray
    weight: float
    costs: SymbolCosts

    def parts(self) -> list[tuple[slice, Stretch]]:
        """Paths that are looked at together."""
        starts = range(0, self.sizes.shape[1], _PATHS)
        places = [slice(start, start + _PATHS) for start in starts]
        return [(at, Stretch(self.sizes[:, at], self.rows[:, at], self.weight, self.costs)) for at in places]


def search(stretch: Stretch, states: np.ndarray, ahead: np.ndarray | None = None) -> np.ndarray:
    """The best magnitudes.

    Args:
        stretch: where.
        states: uint8 [paths], in which the paths begin.
        ahead: float32 [STATES, paths], costs of what follows, by the state in which the stretch ends; None: none.

    Returns:
        int16 [places, paths].
    """
    magnitudes = np.empty(stretch.sizes.shape, np.int16)
    for at, part in stretch.parts():
        magnitudes[:, at] = _search(part, states[at], None if ahead is None else ahead[:, at])
    return magnitudes


def costs_ahead(stretch: Stretch, where: list[int]) -> np.ndarray:
    """float32 [len(where), STATES, paths]: least costs from the places `where` (ascending, from 1) to the end."""
    ahead = np.zeros((len(where), STATES, stretch.sizes.shape[1]), np.float32)
    for at, part in stretch.parts():
        total = np.zeros((STATES, part.sizes.shape[1]), np.float32)
        prices = _Prices(part)
        left = len(where)
        for place in range(len(part.sizes) - 1, -1, -1):
            if left and where[left - 1] == place + 1:
                left -= 1
                ahead[left, :, at] = total
            price, _ = prices.of(place)
            even, odd = (total.take(NEXT_STATE[:, parity], 0) for parity in (0, 1))
            even += price.take(_NEXT_CANDIDATE[:, 0], 0)
            odd += price.take(_NEXT_CANDIDATE[:, 1], 0)
            np.minimum(even, odd, out=total)
    return ahead


def _search(part: Stretch, states: np.ndarray, ahead: np.ndarray | None) -> np.ndarray:
    places, paths = part.sizes.shape
    path = np.arange(paths)
    is_odd_better = np.empty((places, STATES, paths), bool)
    candidates = np.empty((places, 4, paths), np.int16)
    prices = _Prices(part)
    total = np.full((STATES, paths), _UNREACHABLE, np.float32)
    total[states, path] = 0
    for place in range(places):
        price, candidates[place] = prices.of(place)
        even, odd = (total.take(_BEFORE[:, parity], 0) for parity in (0, 1))
        even += price.take(_CANDIDATE[:, 0], 0)
        odd += price.take(_CANDIDATE[:, 1], 0)
        np.less(odd, even, out=is_odd_better[place])
        np.minimum(even, odd, out=total)
    state = (total if ahead is None else total + ahead).argmin(0)
    magnitudes = np.empty((places, paths), np.int16)
    for place in range(places - 1, -1, -1):
        parity = is_odd_better[place, state, path].astype(np.intp)
        magnitudes[place] = candidates[place, _CANDIDATE[state, parity], path]
        state = _BEFORE[state, parity]
    return magnitudes


class _Prices:
    """Least costs at a place for each quantiser and parity, in the order even, odd parity of the even quantiser first.

    A candidate is the nearest magnitude of its parity, or 0 instead of the even one where that is cheaper.
    """

    _ODD = np.array([[0], [0], [1], [1]], np.float32)
    _PARITY = np.array([[0], [1], [0], [1]], np.float32)

    def __init__(self, part: Stretch) -> None:
        self._part, self._weight = part, np.float32(part.weight)
        shape = (4, part.sizes.shape[1])
        self._magnitude, self._price = np.empty(shape, np.float32), np.empty(shape, np.float32)

    def of(self, place: int) -> tuple[np.ndarray, np.ndarray]:
        """Costs, float32 [4, paths], and the magnitudes that cost it, integers; both hold until the next call."""
        rows = self._part.rows[place]
        first = np.empty(self._price.shape, np.int32)
        first[:2] = rows.astype(np.int32) * MAGNITUDES
        to_odd = len(self._part.costs.has_odd) * MAGNITUDES
        active = self._part.costs.has_odd.take(rows)
        if active.all():
            np.add(first[:2], to_odd, out=first[2:])
            return self._of(self._part.sizes[place], first, self._ODD)
        np.add(first[:2], to_odd * active.astype(np.int32), out=first[2:])
        return self._of(self._part.sizes[place], first, self._ODD * active)

    def _of(self, size: np.ndarray, first: np.ndarray, odd: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """As `of`; `first` int32 [4, paths] is where the costs begin, `odd` is 1 where multiples are odd."""
        bits, magnitude, price = self._part.costs.bits, self._magnitude, self._price
        shifted = size + odd
        np.subtract(shifted, 2 * self._PARITY, out=magnitude)
        magnitude *= np.float32(0.25)
        np.rint(magnitude, out=magnitude)
        np.maximum(magnitude, 1 - self._PARITY, out=magnitude)
        magnitude *= 2
        magnitude += self._PARITY
        shifted -= magnitude
        shifted -= magnitude
        np.multiply(shifted, shifted, out=price)
        price *= self._weight
        whole = magnitude.astype(np.int32)
        zero = bits.take(first[::2])
        zero += size * size * self._weight
        first += np.minimum(whole, MAGNITUDES - 1)
        price += bits.take(first)
        whole[::2] *= price[::2] <= zero
        np.minimum(price[::2], zero, out=price[::2])
        return price, whole
