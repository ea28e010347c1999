"""Quality, and curves of it over rate: the few formulas that all tables go by."""

from __future__ import annotations

import math
from collections.abc import Sequence

import bjontegaard
import numpy as np
from scipy.interpolate import PchipInterpolator

Curve = Sequence[tuple[float, float]]
"""(rate, PSNR in dB), rates ascending."""


def psnr_db(a: np.ndarray, b: np.ndarray) -> float:
    """Of two uint8 pictures of one shape, over all their samples; infinite if they are equal."""
    mse = np.square(a.astype(np.float32) - b).mean(dtype=np.float64)
    return math.inf if mse == 0 else 10 * math.log10(255**2 / mse)


def psnr_at(curve: Curve, rate: float) -> float | None:
    """PSNR of a curve at a rate: monotone cubic (PCHIP) over the logarithm of the rate; None outside the curve."""
    rates, psnrs = zip(*sorted(curve), strict=True)
    if not rates[0] <= rate <= rates[-1]:
        return None
    return float(PchipInterpolator(np.log(rates), psnrs)(math.log(rate)))


def bd_rate_percent(anchor: Curve, curve: Curve) -> float:
    """Mean difference of the rate at equal PSNR in percent, below 0 where `curve` is better than `anchor`.

    Bjontegaard's measure with PCHIP, over the PSNRs that both curves reach, as the `bjontegaard` package computes it.
    """
    anchor_rates, anchor_psnrs = np.array(sorted(anchor)).T
    rates, psnrs = np.array(sorted(curve)).T
    options = {"method": "pchip", "require_matching_points": False, "min_overlap": 0}
    return float(bjontegaard.bd_rate(anchor_rates, anchor_psnrs, rates, psnrs, **options))  # pyright: ignore
