"""Fitting a line, variance = slope * mean + offset, to measured variances, through clipping and past outliers.

In 8-bit levels throughout. Clipping as in Foi et al. 2008: normal noise that is cut at 0 and 255 has another mean and
less variance; both are known functions of the line, so measurement and line are brought together by iterating.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from ncodec.noise.model import PEAK

ROUNDING_VARIANCE = 1 / 12
"""What rounding to whole levels adds to the variance."""

_MAX_STEPS = 12
_NEVER = 30.0  # so many standard deviations away, a clipping level does nothing
_TEXTURE_RISE = 2.5  # levels squared: what texture adds to the variance of some means and not of others
_CHANCE_RISE = 0.03  # the same of statistics, as a share of the variance

_NODES = np.linspace(-8, 8, 2049)
_CDF = np.array([0.5 * math.erfc(-node / math.sqrt(2)) for node in _NODES])
_LEVELS = np.linspace(0, PEAK, 52)


@dataclass(frozen=True, slots=True, eq=False)
class Points:
    """Measured variances: float64 [n] each. `weight` counts the blocks that a point stands for."""

    mean: np.ndarray
    variance: np.ndarray
    weight: np.ndarray


@dataclass(frozen=True, slots=True)
class Line:
    """variance = slope * mean + offset, neither below 0."""

    slope: float
    offset: float


@dataclass(frozen=True, slots=True)
class Clipping:
    """Whether the noise was cut at 0 and at 255."""

    low: bool
    high: bool


@dataclass(frozen=True, slots=True)
class Spread:
    """How far a point's variance may be off, as a ratio less 1, before the fit begins to disbelieve it.

    Attributes:
        above: upwards, where texture leads.
        below: downwards.
        freedom: degrees of freedom of one block's variance, for the statistical part.
    """

    above: float
    below: float
    freedom: int


def unclip(mean: np.ndarray, line: Line, clipping: Clipping) -> tuple[np.ndarray, np.ndarray]:
    """What noise that follows `line` was before it was cut.

    Args:
        mean: float [n], of the clipped values.

    Returns:
        float64 [n], the mean before clipping, within 0 ... 255; and float64 [n], the variance before clipping over that
        after it.
    """
    sigma = np.sqrt(line.slope * _LEVELS + line.offset) + 1e-3
    low = -_LEVELS / sigma if clipping.low else -_NEVER
    high = (PEAK - _LEVELS) / sigma if clipping.high else _NEVER
    below, above = np.interp(low, _NODES, _CDF), 1 - np.interp(high, _NODES, _CDF)
    at_low, at_high = (np.exp(-0.5 * np.minimum(t * t, 900)) / math.sqrt(2 * math.pi) for t in (low, high))
    # Moments of clip(n, low, high), n standard normal.
    first = low * below + high * above + at_low - at_high
    second = low * low * below + high * high * above + (1 - below - above) + low * at_low - high * at_high
    clipped_mean = _LEVELS + sigma * first
    share = np.interp(mean, clipped_mean, np.broadcast_to(second - first * first, clipped_mean.shape))
    return np.interp(mean, clipped_mean, _LEVELS), 1 / np.maximum(share, 1e-3)


def fit_line(points: Points, clipping: Clipping, spread: Spread) -> Line:
    """The robust fit with the lower cost of two, one begun at constant variance and one at variance ~ mean.

    Iterated re-weighting: relative errors count, and points that are `spread` off count half.
    """
    constant = float(np.average(points.variance, weights=points.weight))
    slope = max(constant - ROUNDING_VARIANCE, 0) / max(float(np.average(points.mean, weights=points.weight)), 1e-3)
    fits = (_descend(points, clipping, spread, start) for start in (Line(0.0, constant), Line(slope, 0.0)))
    return min(fits, key=lambda fit: fit[0])[1]


def _descend(points: Points, clipping: Clipping, spread: Spread, line: Line) -> tuple[float, Line]:
    """Cost and line at the end of the iteration from `line`."""
    chance = 2 / (points.weight * spread.freedom)
    cost = math.inf
    for _ in range(_MAX_STEPS):
        level, factor = unclip(points.mean, line, clipping)
        variance = np.maximum(points.variance - ROUNDING_VARIANCE, 0) * factor
        expected = line.slope * level + line.offset + ROUNDING_VARIANCE
        error = np.log((variance + ROUNDING_VARIANCE) / expected)
        off = error**2 / (np.where(error > 0, spread.above, spread.below) ** 2 + chance)
        cost = float(points.weight @ np.log1p(off))
        before, line = line, _regress(level, variance, points.weight / (expected * factor) ** 2 / (1 + off))
        if _change(before, line) < 1e-4:
            break
    return cost, line


def _change(before: Line, after: Line) -> float:
    """Relative to the variance at white."""
    moved = abs(after.slope - before.slope) * PEAK + abs(after.offset - before.offset)
    return moved / (after.slope * PEAK + after.offset + 1e-3)


def _regress(x: np.ndarray, y: np.ndarray, weight: np.ndarray) -> Line:
    """Weighted least squares with neither coefficient below 0; slopes that mean little shrink to 0."""
    weight = weight / weight.sum()
    centre, height = float(weight @ x), float(weight @ y)
    variance = float(weight @ (x - centre) ** 2)
    slope = float(weight @ ((x - centre) * y)) / variance if variance > 1 else 0.0
    rise = slope * math.sqrt(variance) / (_TEXTURE_RISE + _CHANCE_RISE * height)
    if rise < 1e-3:
        return Line(0.0, height)
    slope *= 1 - 1 / (1 + rise**8)
    if height < slope * centre:
        return Line(float(weight @ (x * y)) / float(weight @ (x * x)), 0.0)
    return Line(slope, height - slope * centre)
