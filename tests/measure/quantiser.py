"""What the enhancement layer is held against: a uniform quantiser on Gaussian samples, its indices ideally coded."""

from __future__ import annotations

import math
from functools import cache

import numpy as np
from scipy.special import ndtr

STEPS = np.geomspace(0.05, 12, 1500)
"""Quantisation steps of the curve, in standard deviations; at the largest all but nothing is coded."""


def shannon_bits(distortion: float) -> float:
    """Bits a sample that a unit Gaussian needs at least at this mean squared error, 0 ... 1."""
    return max(0.0, 0.5 * math.log2(1 / distortion))


def ideal_bits(distortion: float) -> float:
    """Bits a sample of the quantiser at this mean squared error of a unit Gaussian, interpolated between steps."""
    distortions, bits = ideal_curve()
    return float(np.interp(distortion, distortions, bits))


@cache
def ideal_curve() -> tuple[np.ndarray, np.ndarray]:
    """(distortion ascending, bits) of uniform thresholds, the zero cell as wide as the others, points at centroids."""
    points = [_at_step(step) for step in STEPS]
    return np.array([d for d, _ in points]), np.array([b for _, b in points])


def _at_step(step: float) -> tuple[float, float]:
    """Distortion 1 - sum p c^2 with c the centroid of a cell, and the entropy of the cells."""
    edges = (np.arange(math.ceil(9 / step) + 1) + 0.5) * step
    density = np.exp(-(edges**2) / 2) / math.sqrt(2 * math.pi)
    tail = ndtr(-edges)
    probability, moment = tail[:-1] - tail[1:], density[:-1] - density[1:]  # of the cells right of the zero cell
    some = probability > 0
    probability, moment = probability[some], moment[some]
    zero = 1 - 2 * float(tail[0])
    bits = -2 * float(probability @ np.log2(probability)) - zero * math.log2(zero)
    return 1 - 2 * float(np.sum(moment**2 / probability)), bits
