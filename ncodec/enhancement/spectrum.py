"""Distribution of the coefficient magnitudes of each band, so that trying a quantiser does not touch the samples."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Cells:
    """What falls to each magnitude 0, 1, ... of a quantiser.

    Attributes:
        count: float64 [bands, magnitudes].
        total: float64 [bands, magnitudes], sum of the coefficients' sizes, in pixel units.
    """

    count: np.ndarray
    total: np.ndarray


class Spectrum:
    """Cumulated histograms of coefficient sizes."""

    def __init__(self, planes: np.ndarray, bin_width: float, bins: int) -> None:
        """From float32 planes [C, 8, 8, by, bx]; what lies beyond the last bin counts as if it were there."""
        bands = planes.reshape(-1, planes.shape[3] * planes.shape[4])
        size = np.minimum(np.abs(bands), np.float32((bins - 0.5) * bin_width))
        index_in_band = (size * np.float32(1 / bin_width)).astype(np.int32)
        index = index_in_band + np.arange(0, len(bands) * bins, bins, dtype=np.int32)[:, None]
        counts = np.bincount(index.reshape(-1), minlength=len(bands) * bins).reshape(len(bands), bins)
        centres = (np.arange(bins) + 0.5) * bin_width
        used = int(index_in_band.max()) + 1
        counts, centres = counts[:, :used].astype(np.float64), centres[:used]
        self._bin_width = bin_width
        self._below = _cumulated(counts)
        self._total_below = _cumulated(counts * centres)
        self.energy = np.einsum("bi,bi->b", size, size).astype(np.float64)
        self.largest = used * bin_width

    def cells(self, limits: np.ndarray) -> Cells:
        """Quantise: limits [bands, magnitudes - 1] in pixel units, rising, are where magnitudes 1, 2, ... begin."""
        last = self._below.shape[1] - 1
        at = np.minimum(limits / self._bin_width, last - 1e-6)
        index = at.astype(np.intp)
        part = at - index
        index += np.arange(0, self._below.size, last + 1)[:, None]

        def cells(cumulated: np.ndarray) -> np.ndarray:
            flat = cumulated.reshape(-1)
            below = flat[index] * (1 - part) + flat[index + 1] * part
            ends = (np.zeros((len(below), 1)), below, cumulated[:, -1:])
            return np.diff(np.concatenate(ends, axis=1), axis=1)

        return Cells(cells(self._below), cells(self._total_below))


def _cumulated(values: np.ndarray) -> np.ndarray:
    out = np.zeros((values.shape[0], values.shape[1] + 1))
    np.cumsum(values, axis=1, out=out[:, 1:])
    return out
