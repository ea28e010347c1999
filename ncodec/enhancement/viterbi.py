"""The encoder's search for the path of least lambda * error + bits through a block's coefficients (Viterbi 1967)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ncodec.enhancement.quantiser import magnitude_bits
from ncodec.enhancement.tables import ROWS
from ncodec.enhancement.trellis import NEXT_STATE, has_odd
from ncodec.entropy import Tables

MAGNITUDES = 128
"""Larger ones are thought to cost what the largest of these does."""

STATES = len(NEXT_STATE)

_BLOCKS = 2048  # searched at once: what they need stays in the processor's cache
_UNREACHABLE = 1e9

# The state before, for each state and parity of the symbol between; and which candidate that is: 2 * odd + parity.
_BEFORE = np.array([[int(np.flatnonzero(NEXT_STATE[:, p] == s)[0]) for p in (0, 1)] for s in range(STATES)])
_CANDIDATE = 2 * (_BEFORE & 1) + [[0, 1]]
_NEXT_CANDIDATE = 2 * (np.arange(STATES)[:, None] & 1) + [[0, 1]]


@dataclass(frozen=True)
class SymbolCosts:
    """Bits of magnitudes, signs included.

    Attributes:
        bits: float32 [2 * ROWS * MAGNITUDES], of the rows with those of the odd quantiser after them.
        has_odd: bool [ROWS].
    """

    bits: np.ndarray
    has_odd: np.ndarray

    @classmethod
    def of(cls, tables: Tables) -> SymbolCosts:
        """From the tables that `with_odd_rows` gives."""
        bits = magnitude_bits(tables, MAGNITUDES)
        return cls(bits.reshape(-1), np.array([has_odd(row) for row in range(ROWS)]))


@dataclass(frozen=True)
class Stretch:
    """Bands that lie one after another in coding order.

    Attributes:
        sizes: float32 [bands, blocks], the coefficients without sign, in half steps.
        rows: uint8 [bands, blocks], of `tables.enhancement`.
        weight: bits that a squared error of one squared half step is worth.
        costs: of the tables.
    """

    sizes: np.ndarray
    rows: np.ndarray
    weight: float
    costs: SymbolCosts

    def parts(self) -> list[tuple[slice, Stretch]]:
        """Blocks that are looked at together."""
        starts = range(0, self.sizes.shape[1], _BLOCKS)
        places = [slice(start, start + _BLOCKS) for start in starts]
        return [(at, Stretch(self.sizes[:, at], self.rows[:, at], self.weight, self.costs)) for at in places]


def search(stretch: Stretch, states: np.ndarray, ahead: np.ndarray | None = None) -> np.ndarray:
    """The best magnitudes.

    Args:
        stretch: where.
        states: uint8 [blocks], in which the paths begin.
        ahead: float32 [STATES, blocks], costs of what follows, by the state in which the stretch ends; None: none.

    Returns:
        int16 [bands, blocks].
    """
    magnitudes = np.empty(stretch.sizes.shape, np.int16)
    for at, part in stretch.parts():
        magnitudes[:, at] = _search(part, states[at], None if ahead is None else ahead[:, at])
    return magnitudes


def costs_ahead(stretch: Stretch, places: list[int]) -> np.ndarray:
    """float32 [len(places), STATES, blocks]: least costs from the bands `places` (ascending, from 1) to the end."""
    ahead = np.zeros((len(places), STATES, stretch.sizes.shape[1]), np.float32)
    for at, part in stretch.parts():
        total = np.zeros((STATES, part.sizes.shape[1]), np.float32)
        candidates = np.empty((4, part.sizes.shape[1]), np.int16)
        left = len(places)
        for band in range(len(part.sizes) - 1, -1, -1):
            if left and places[left - 1] == band + 1:
                left -= 1
                ahead[left, :, at] = total
            price = _prices(part, band, candidates)
            even, odd = (total[NEXT_STATE[:, parity]] + price[_NEXT_CANDIDATE[:, parity]] for parity in (0, 1))
            total = np.minimum(even, odd)
    return ahead


def _search(part: Stretch, states: np.ndarray, ahead: np.ndarray | None) -> np.ndarray:
    bands, blocks = part.sizes.shape
    block = np.arange(blocks)
    is_odd_better = np.empty((bands, STATES, blocks), bool)
    candidates = np.empty((bands, 4, blocks), np.int16)
    total = np.full((STATES, blocks), _UNREACHABLE, np.float32)
    total[states, block] = 0
    for band in range(bands):
        price = _prices(part, band, candidates[band])
        even, odd = (total[_BEFORE[:, parity]] + price[_CANDIDATE[:, parity]] for parity in (0, 1))
        np.less(odd, even, out=is_odd_better[band])
        total = np.minimum(even, odd)
    state = (total if ahead is None else total + ahead).argmin(0)
    magnitudes = np.empty((bands, blocks), np.int16)
    for band in range(bands - 1, -1, -1):
        parity = is_odd_better[band, state, block].astype(np.intp)
        magnitudes[band] = candidates[band, _CANDIDATE[state, parity], block]
        state = _BEFORE[state, parity]
    return magnitudes


def _prices(part: Stretch, band: int, k: np.ndarray) -> np.ndarray:
    """float32 [4, blocks]: the least cost for each quantiser and parity; int16 `k` gets the magnitudes that cost it."""
    price = np.empty(k.shape, np.float32)
    rows = part.rows[band]
    first = rows.astype(np.int32) * MAGNITUDES
    _candidates(part, band, first, 0, price[:2], k[:2])
    active = part.costs.has_odd.take(rows)
    if active.any():
        _candidates(part, band, first + ROWS * MAGNITUDES, 1, price[2:], k[2:])
    if not active.all():
        np.copyto(price[2:], price[:2], where=~active)
        np.copyto(k[2:], k[:2], where=~active)
    return price


def _candidates(part: Stretch, band: int, first: np.ndarray, odd: int, price: np.ndarray, k: np.ndarray) -> None:
    """The nearest magnitude of each parity, or 0 instead of the even one where that is cheaper.

    Args:
        part: where.
        band: of it.
        first: int32 [blocks], where the costs of the row begin.
        odd: 1 for the quantiser of the odd multiples.
        price: float32 [2, blocks], gets the costs.
        k: int16 [2, blocks], gets the magnitudes.
    """
    size, weight, bits = part.sizes[band], np.float32(part.weight), part.costs.bits
    parity = np.array([[0], [1]], np.float32)
    quarter = np.rint((size + (odd - 2 * parity)) * np.float32(0.25))
    magnitude = 2 * np.maximum(quarter, 1 - parity) + parity
    error = (size + np.float32(odd)) - 2 * magnitude
    np.multiply(error * error, weight, out=price)
    magnitude = magnitude.astype(np.int32)
    price += bits.take(first + np.minimum(magnitude, MAGNITUDES - 1))
    zero = size * size * weight + bits.take(first)
    magnitude[0] *= price[0] <= zero
    np.minimum(price[0], zero, out=price[0])
    k[:] = magnitude
