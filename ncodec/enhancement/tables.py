"""The family of frequency tables of the enhancement layer.

`build_tables` runs once, when a model is released; encoders and decoders read its integer counts from the weights
file. Row 0 is not coded. Row ``1 + shape * SCALES + scale - 1`` has the mean magnitude ``MEANS[scale - 1]`` and the
tails of a generalised Gaussian density exp(-|x|^EXPONENTS[shape]), quantised as the encoder quantises.
"""

from __future__ import annotations

import math

import numpy as np

from ncodec.entropy import TOTAL, Tables

_OCTAVES = ((-13, -10, 1), (-10, -4, 2), (-4, 3, 4), (3, 6.5, 2))  # from, to, steps an octave
MEANS = np.exp2(np.concatenate([np.arange(first, last, 1 / steps) for first, last, steps in _OCTAVES]))
"""Mean magnitude of each scale: in finer steps where a row that does not fit costs more of the rate."""

EXPONENTS = (2.0, 1.5, 1.1, 0.75)
"""Shapes: 2 is Gaussian (white noise), 1 would be Laplacian, less has heavier tails (sparse detail)."""

SCALES = len(MEANS)
SHAPES = len(EXPONENTS)
ROWS = 1 + SHAPES * SCALES

MAX_MAGNITUDE = 255
"""Tables hold at most -255 ... 255; larger symbols escape."""

MIN_MAGNITUDE = 7

_TAIL = 2.0**-20  # a table ends where so little is left outside that the escape's 16 raw bits do not matter
_OUTLIERS = 2.0**-9  # share of the non-zero symbols that is spread geometrically: real data has outliers
_RATE_WEIGHT = 20.0  # 2 * lambda * step^2 near the optimum: how far the encoder moves its thresholds per bit of rate
_MAX_SHIFT = 0.45  # of a threshold, in steps


class _Density:
    """exp(-|x|^exponent), its distribution of magnitudes tabulated on a grid."""

    def __init__(self, exponent: float) -> None:
        self.exponent = exponent
        self.grid = np.linspace(0, 30 ** (1 / exponent), 100_001)
        density = np.exp(-(self.grid**exponent))
        self.below = np.concatenate([[0], np.cumsum((density[1:] + density[:-1]) / 2)])
        self.below /= self.below[-1]

    def magnitudes(self, thresholds: np.ndarray) -> np.ndarray:
        """Probabilities of 0 (below the first threshold), 1, 2, ..."""
        below = np.interp(thresholds, self.grid, self.below)
        return np.diff(np.concatenate([[0], below, [1]]))


def build_tables() -> Tables:
    """Build all rows (about a second). Uses floating point: for releasing a model, not for coding.

    Returns:
        Tables of `ROWS` rows.
    """
    counts = [np.empty(0, np.int32)]
    for exponent in EXPONENTS:
        density = _Density(exponent)
        counts += [_integer_counts(_probabilities(density, mean)) for mean in MEANS]
    size = np.array([len(row) for row in counts], np.int32)
    low = np.array([-(len(row) // 2 - 1) if len(row) else 0 for row in counts], np.int16)
    return Tables(low=low, size=size, counts=np.concatenate(counts).astype(np.int32))


def _probabilities(density: _Density, mean: float) -> np.ndarray:
    """float64 [MAX_MAGNITUDE + 2]: magnitudes 0 ... MAX_MAGNITUDE and all larger ones, with this mean magnitude.

    The thresholds between magnitudes lie half way, moved towards the dearer one by its extra bits, as an encoder that
    minimises lambda * D + R moves them. Not so for the Gaussian: noise near the optimum is quantised plainly.
    """
    half_way = np.arange(MAX_MAGNITUDE + 1) + 0.5
    shift = np.zeros_like(half_way)
    probabilities = np.empty(0)
    for _ in range(1 if density.exponent == 2 else 8):
        probabilities = _with_mean(density, half_way + shift, mean)
        bits = -np.log2(np.maximum(probabilities, 1e-9))
        bits[1:] += 1  # the sign
        shift = (shift + np.clip(np.diff(bits) / _RATE_WEIGHT, 0, _MAX_SHIFT)) / 2
    return probabilities


def _with_mean(density: _Density, thresholds: np.ndarray, mean: float) -> np.ndarray:
    """Probabilities of magnitudes for the step size (found by bisection) that gives the wanted mean."""
    magnitude = np.arange(len(thresholds) + 1)
    low, high = math.log(1e-4), math.log(1e3)
    probabilities = np.empty(0)
    for _ in range(40):
        middle = (low + high) / 2
        probabilities = density.magnitudes(thresholds * math.exp(middle))
        if probabilities @ magnitude > mean:
            low = middle
        else:
            high = middle
    return probabilities


def _integer_counts(probabilities: np.ndarray) -> np.ndarray:
    """int64 [2 * m + 2]: counts of -m ... m and the escape, each >= 1, summing to TOTAL, symmetric."""
    outside = np.cumsum(probabilities[::-1])[::-1]
    m = int(np.clip(np.count_nonzero(outside > _TAIL) - 1, MIN_MAGNITUDE, MAX_MAGNITUDE))
    geometric = np.exp2(-np.arange(1.0, m + 1))
    positive = (1 - _OUTLIERS) * probabilities[1 : m + 1] + _OUTLIERS * outside[1] * geometric
    half = np.maximum(np.rint(positive / 2 * TOTAL), 1).astype(np.int64)
    escape = max(round(float(outside[m + 1]) * TOTAL), 1)
    return np.concatenate([half[::-1], [TOTAL - 2 * half.sum() - escape], half, [escape]])
