"""Integer frequency tables and thresholds, made once when a model is released and stored in its weights file."""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np
import torch

from ncodec.entropy import TOTAL, Tables
from ncodec.nets.exact import FEATURE_BITS

LATENT_ROWS = 64
SCALE_SKIP = 0.16
"""Latents of a smaller standard deviation are not coded: all but 2 in a thousand would round to 0."""
SCALE_MAX = 256.0
PRIOR_WEIGHT = 2000.0
"""The model's own density counts as this many observed symbols beside the calibration's histogram."""
ALWAYS_ZERO = 0.9995
"""A channel of hyper-latents that is 0 this often is not coded: networks leave most of their channels unused."""


def latent_scales() -> np.ndarray:
    """float64 [LATENT_ROWS]: standard deviation of each row, log-spaced; row 0 stands for what is not coded."""
    coded = np.geomspace(SCALE_SKIP, SCALE_MAX, LATENT_ROWS)
    return np.concatenate([[0.0], np.sqrt(coded[1:] * coded[:-1])])


def raw_thresholds() -> np.ndarray:
    """int32 [LATENT_ROWS - 1]: where a raw scale (before softplus) enters the next row, on the features' grid."""
    borders = np.geomspace(SCALE_SKIP, SCALE_MAX, LATENT_ROWS)[:-1]
    raw = np.where(borders > 30, borders, np.log(np.expm1(np.minimum(borders, 30))))
    return np.round(raw * (1 << FEATURE_BITS)).astype(np.int32)


def reach(scale: float) -> int:
    """The largest magnitude that a row of this scale codes without an escape."""
    return math.ceil(6 * scale) + 2


def gaussian(scale: float) -> np.ndarray:
    """float64 [2 * reach + 2]: probabilities of -reach ... reach of a rounded Gaussian, and of the escape."""
    edges = np.arange(-reach(scale), reach(scale) + 2) - 0.5
    inside = np.diff(torch.special.ndtr(torch.from_numpy(edges / scale)).numpy())
    return np.append(inside, max(0.0, 1 - inside.sum()))


def latent_tables(histograms: np.ndarray | None = None) -> Tables:
    """Tables of the latents.

    Args:
        histograms: int64 [LATENT_ROWS, 2 * H + 1] of the symbols -H ... H that a calibration set met in each row, or
            None for pure Gaussians. Real latents have heavier tails than the network's Gaussians say.
    """
    rows: list[tuple[int, np.ndarray]] = [(0, np.empty(0))]
    for row, scale in enumerate(latent_scales()[1:], start=1):
        density = gaussian(scale)
        if histograms is not None:
            density = _blend(density, _fold(histograms[row], reach(scale)))
        rows.append((-reach(scale), density))
    return build(rows)


def hyper_tables(cumulative: np.ndarray, lowest: int, histograms: np.ndarray | None = None) -> Tables:
    """Tables of the hyper-latents, one row a channel.

    Args:
        cumulative: float64 [channels, n + 1]: the prior's distribution function at lowest - 1/2 ... lowest + n - 1/2.
        lowest: the first symbol.
        histograms: int64 [channels, n] of the same symbols, or None.
    """
    rows = []
    for channel, values in enumerate(cumulative):
        inside = np.maximum(np.diff(values), 0)
        if histograms is not None:
            inside = (inside * PRIOR_WEIGHT + histograms[channel]) / (PRIOR_WEIGHT + histograms[channel].sum())
        if inside[-lowest] >= ALWAYS_ZERO * inside.sum():
            rows.append((0, np.empty(0)))
            continue
        kept = np.flatnonzero(inside > 1e-6)
        first, last = (int(kept[0]), int(kept[-1])) if len(kept) else (-lowest, -lowest)
        density = inside[first : last + 1]
        rows.append((lowest + first, np.append(density, max(0.0, 1 - density.sum()))))
    return build(rows)


def build(rows: Iterable[tuple[int, np.ndarray]]) -> Tables:
    """(lowest symbol, probabilities with the escape last) of every row -> integer tables; empty: a row not coded."""
    low, size, counts = [], [], []
    for lowest, density in rows:
        low.append(lowest if len(density) else 0)
        size.append(len(density))
        counts.append(quantise_density(density))
    return Tables(np.array(low, np.int16), np.array(size, np.int32), np.concatenate(counts).astype(np.int32))


def quantise_density(density: np.ndarray) -> np.ndarray:
    """Probabilities float64 [n] -> int64 [n] frequencies, each >= 1, summing to 2^24 (the largest takes the rest)."""
    if len(density) == 0:
        return np.empty(0, np.int64)
    counts = 1 + np.floor(density / density.sum() * (TOTAL - len(density))).astype(np.int64)
    counts[np.argmax(counts)] += TOTAL - counts.sum()
    return counts


def prior_cumulative(prior: torch.nn.Module, lowest: int, count: int) -> np.ndarray:
    """Distribution functions of compressai's EntropyBottleneck at the borders of `count` integers from `lowest`.

    Returns:
        float64 [channels, count + 1].
    """
    channels = prior.quantiles.shape[0]  # pyright: ignore
    borders = torch.arange(lowest, lowest + count + 1, dtype=torch.float32) - 0.5
    with torch.no_grad():
        logits = prior._logits_cumulative(borders.expand(channels, 1, -1), stop_gradient=True)  # pyright: ignore
    return torch.sigmoid(logits.double())[:, 0].cpu().numpy()


def _fold(histogram: np.ndarray, limit: int) -> np.ndarray:
    """Counts of -H ... H -> of -limit ... limit and the escape, symmetric."""
    half = len(histogram) // 2
    even = (histogram + histogram[::-1]) / 2
    inside = np.zeros(2 * limit + 1)
    common = min(half, limit)
    inside[limit - common : limit + common + 1] = even[half - common : half + common + 1]
    return np.append(inside, even.sum() - inside.sum())


def _blend(density: np.ndarray, histogram: np.ndarray) -> np.ndarray:
    return (density * PRIOR_WEIGHT + histogram) / (PRIOR_WEIGHT + histogram.sum())
