"""Curves of PSNR over rate: read between their points, and compared with each other (Bjontegaard's measures)."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import numpy as np
from scipy.interpolate import PchipInterpolator

Point = tuple[float, float]
"""(rate in bits per pixel, PSNR in dB)."""

MANY_POINTS = 4
"""Of both curves: what Bjontegaard's measures were defined on."""
NO_CURVE = "there is no rate, or no PSNR"
MIN_OVERLAP_DB = 0.5
"""Curves that share less of the PSNR axis are compared at their ends only, which says nothing about either."""
MIN_OVERLAP_RATIO = 1.15
"""The same for the rate axis: highest over lowest shared rate."""
OPTIONS = {"method": "pchip", "require_matching_points": False, "min_overlap": 0}
NO_PACKAGE = "the package bjontegaard is not installed"
try:
    _library: Any = import_module("bjontegaard")
except ModuleNotFoundError:  # it comes with the extra `bench`
    _library = None


@dataclass(frozen=True, slots=True)
class Delta:
    """A Bjontegaard measure, or why there is none.

    Attributes:
        value: percent of the rate (BD-rate) or dB (BD-PSNR); None where there is no answer.
        reason: one clause that says why not; empty where there is a value.
        lowest, highest: the PSNRs in dB (BD-rate) or rates in bits per pixel (BD-PSNR) that were compared.
        points: of the curve that has fewer.
    """

    value: float | None
    reason: str = ""
    lowest: float = math.nan
    highest: float = math.nan
    points: int = 0

    @property
    def few(self) -> str:
        """`, 3 points` where they are fewer than the measures were made for; empty where they suffice, or for one."""
        return f", {self.points} points" if 1 < self.points < MANY_POINTS else ""


def has_measures() -> bool:
    """Whether the package is there that Bjontegaard's measures are taken from."""
    return _library is not None


def curve_of(points: Iterable[Point]) -> tuple[Point, ...]:
    """Points by ascending rate; of several with one rate the best. Infinite PSNRs (lossless) are left out."""
    best: dict[float, float] = {}
    for rate, psnr in points:
        if rate > 0 and math.isfinite(psnr):
            best[rate] = max(psnr, best.get(rate, -math.inf))
    return tuple(sorted(best.items()))


def front(curve: Iterable[Point]) -> tuple[Point, ...]:
    """The points that no cheaper point reaches: PSNR rises along them.

    Where a codec keeps more of the noise at a higher rate its PSNR against the clean picture falls again; nobody pays
    for such a point, and a rate is not a function of the PSNR there.
    """
    rising: list[Point] = []
    for rate, psnr in curve_of(curve):
        if not rising or psnr > rising[-1][1]:
            rising.append((rate, psnr))
    return tuple(rising)


def value_at(curve: Iterable[Point], rate_bpp: float) -> float | None:
    """PSNR in dB (or what else the curve shows) at a rate; None outside the curve.

    Between the points a monotone cubic (PCHIP) over the logarithm of the rate.
    """
    points = curve_of(curve)
    if not points or not points[0][0] <= rate_bpp <= points[-1][0]:
        return None
    if len(points) == 1:
        return points[0][1]
    rates, psnrs = zip(*points, strict=True)
    return float(PchipInterpolator(np.log(rates), psnrs)(math.log(rate_bpp)))


def rate_at(curve: Iterable[Point], psnr_db: float) -> float | None:
    """Least rate in bits per pixel that reaches a PSNR, by the same interpolation on the rising front; None outside."""
    points = front(curve)
    if not points or not points[0][1] <= psnr_db <= points[-1][1]:
        return None
    if len(points) == 1:
        return points[0][0]
    rates, psnrs = zip(*points, strict=True)
    return float(np.exp(PchipInterpolator(psnrs, np.log(rates))(psnr_db)))


def bd_rate(anchor: Iterable[Point], curve: Iterable[Point]) -> Delta:
    """Mean difference of the rate at equal PSNR in percent; below 0 where `curve` needs fewer bits than `anchor`.

    Bjontegaard's measure over the PSNRs that both rising fronts reach, as the `bjontegaard` package computes it. Where
    one of them is a single point it is the difference there.
    """
    theirs, ours = front(anchor), front(curve)
    if not has_measures():
        return Delta(None, NO_PACKAGE)
    if not theirs or not ours:
        return Delta(None, NO_CURVE)
    if len(theirs) == 1 or len(ours) == 1:
        psnr = theirs[0][1] if len(theirs) == 1 else ours[0][1]
        old, new = rate_at(theirs, psnr), rate_at(ours, psnr)
        if old is None or new is None:
            return Delta(None, _apart(theirs, ours, 1, "dB"))
        return Delta(100 * (new / old - 1), "", psnr, psnr, 1)
    lowest, highest = max(ours[0][1], theirs[0][1]), min(ours[-1][1], theirs[-1][1])
    if highest - lowest < MIN_OVERLAP_DB:
        return Delta(None, _apart(theirs, ours, 1, "dB"))
    value = _library.bd_rate(*_columns(theirs), *_columns(ours), **OPTIONS)
    return Delta(float(value), "", lowest, highest, min(len(theirs), len(ours)))


def is_above(anchor: Iterable[Point], curve: Iterable[Point]) -> bool:
    """Whether `curve`'s smallest file is better than `anchor`'s best; False where one of them has no point."""
    theirs, ours = front(anchor), curve_of(curve)
    return bool(theirs and ours) and ours[0][1] > theirs[-1][1]


def saved_percent(anchor: Iterable[Point], curve: Iterable[Point]) -> float | None:
    """By how much the rate of `curve`'s smallest file differs from that of `anchor`'s best; None if it is no better.

    None, too, where `anchor`'s best is its smallest file: of one that is smaller yet and may be better, nobody knows.
    """
    theirs, ours = front(anchor), curve_of(curve)
    if not is_above(theirs, ours) or len(theirs) == 1:
        return None
    return 100 * (ours[0][0] / theirs[-1][0] - 1)


def bd_psnr(anchor: Iterable[Point], curve: Iterable[Point]) -> Delta:
    """Mean difference of the PSNR at equal rate in dB; above 0 where `curve` is better than `anchor`. As `bd_rate`."""
    theirs, ours = curve_of(anchor), curve_of(curve)
    if not has_measures():
        return Delta(None, NO_PACKAGE)
    if not theirs or not ours:
        return Delta(None, NO_CURVE)
    if len(theirs) == 1 or len(ours) == 1:
        rate = theirs[0][0] if len(theirs) == 1 else ours[0][0]
        old, new = value_at(theirs, rate), value_at(ours, rate)
        if old is None or new is None:
            return Delta(None, _apart(theirs, ours, 0, "bpp"))
        return Delta(new - old, "", rate, rate, 1)
    lowest, highest = max(ours[0][0], theirs[0][0]), min(ours[-1][0], theirs[-1][0])
    if highest < MIN_OVERLAP_RATIO * lowest:
        return Delta(None, _apart(theirs, ours, 0, "bpp"))
    value = _library.bd_psnr(*_columns(theirs), *_columns(ours), **OPTIONS)
    return Delta(float(value), "", lowest, highest, min(len(theirs), len(ours)))


def _columns(points: tuple[Point, ...]) -> tuple[np.ndarray, np.ndarray]:
    rates, psnrs = np.array(points).T
    return rates, psnrs


def _apart(anchor: tuple[Point, ...], curve: tuple[Point, ...], axis: int, unit: str) -> str:
    lowest, highest = max(curve[0][axis], anchor[0][axis]), min(curve[-1][axis], anchor[-1][axis])
    if highest > lowest:
        return f"the curves share only {lowest:.2f} to {highest:.2f} {unit}"
    side = "below" if curve[-1][axis] <= anchor[0][axis] else "above"
    reach = f"{anchor[0][axis]:.2f}" + (f" to {anchor[-1][axis]:.2f}" if len(anchor) > 1 else "")
    return f"all of it lies {side} the anchor's {reach} {unit}"
