"""Coefficients <-> symbols: a uniform quantiser whose dead zone depends on what a symbol costs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ncodec.enhancement.params import Params
from ncodec.entropy import Tables, magnitude_bits

_MAX_SYMBOL = (1 << 15) - 1
_LEAST_FIRST, _LEAST_SECOND, _MOST_SECOND = 0.3, 1.2, 1.999  # bounds of the thresholds of 1 and 2, in steps


@dataclass(frozen=True)
class Quantiser:
    """Thresholds of each table row, those of least lambda * error + bits.

    Attributes:
        step: in 8-bit units.
        first: float32 [rows], smallest magnitude in steps that becomes 1.
        rounding: float32 [rows], added before rounding down to magnitudes above 1.
    """

    step: float
    first: np.ndarray
    rounding: np.ndarray

    @classmethod
    def of(cls, params: Params, sample_lambda: float, tables: Tables) -> Quantiser:
        """For lambda per sample (that of the picture over the channels)."""
        bits = magnitude_bits(tables, 3)
        one, more = params.reconstruction
        first, second = thresholds(bits, one, 2 + more, 2 * sample_lambda * params.step**2)
        return cls(params.step, first, 2 - second)

    def quantise(self, coefficients: np.ndarray, rows: np.ndarray) -> np.ndarray:
        """Symbols int16 of float32 coefficients under their table rows, both of one shape."""
        size = np.abs(coefficients) * np.float32(1 / self.step)
        magnitude = np.maximum(np.floor(size + self.rounding[rows]), 1)
        magnitude *= size >= self.first[rows]
        return np.copysign(np.minimum(magnitude, _MAX_SYMBOL), coefficients).astype(np.int16)


def thresholds(bits: np.ndarray, one: float, two: float, weight: float) -> tuple[np.ndarray, np.ndarray]:
    """Where magnitude 1 and magnitude 2 begin, in steps.

    Args:
        bits: float [..., 3], of the magnitudes 0, 1, 2.
        one: reconstruction point of magnitude 1 in steps.
        two: that of magnitude 2.
        weight: 2 * lambda * step^2, lambda per sample.
    """
    first = one / 2 + (bits[..., 1] - bits[..., 0]) / (weight * one)
    second = (one + two) / 2 + (bits[..., 2] - bits[..., 1]) / (weight * (two - one))
    first = np.maximum(first, _LEAST_FIRST)
    second = np.clip(second, np.clip(first, _LEAST_SECOND, _MOST_SECOND), _MOST_SECOND)
    return first.astype(np.float32), second.astype(np.float32)


def dequantise(symbols: np.ndarray, params: Params) -> np.ndarray:
    """float32 coefficients of int16 symbols."""
    one, more = params.reconstruction
    levels = np.arange(_MAX_SYMBOL + 2) + more
    levels[:2] = 0, one
    # Index -m of an array is its m-th entry from the end: negative symbols find their negative levels there.
    both = np.concatenate([levels[:-1], -levels[:0:-1]]) * params.step
    return both.astype(np.float32)[symbols]
