"""Noise parameters from one noisy picture: the variance of flat blocks, against their mean.

Two estimators. White noise shows alone in the highest frequencies of an 8x8 DCT, so blocks can be chosen by the other
frequencies, which are independent of it, without a bias. Cameras' own processing (demosaicing, denoising, resizing)
takes just those frequencies away; then every band is measured by what even the flattest blocks have of it.
tests/test_noise.py holds both to measured pictures.
"""

from __future__ import annotations

import math

import numpy as np

from ncodec.noise.blocks import BAND_SIZES, MEANS, TOP, Blocks, sample_blocks
from ncodec.noise.line import ROUNDING_VARIANCE, Clipping, Line, Points, Spread, fit_line, unclip
from ncodec.noise.model import PEAK, Noise, check_pixels

_LEVELS_PER_BIN = 8  # blocks are sorted by their mean, so many levels to a bin
_TEXTURE_BANDS = (1, 2, 3)  # white noise: blocks are chosen by these and measured in TOP
_BALANCE = 0.95  # as many of the flattest blocks as have, on average, less energy in those than this share of TOP's
_WHITE_SPREAD = Spread(above=0.1, below=0.5, freedom=int(BAND_SIZES[TOP]))

_COLOURED_LEVELS_PER_BIN = 16
_COLOURED_LEAST = 64  # blocks in a bin from which a lower quantile is worth taking
_COLOURED_SPREAD = Spread(above=0.3, below=1e9, freedom=20)
_COLOURED_SLOPE = 5.0  # noise is coloured if its bands (3, 4) have so many times the standard deviation of TOP
_TIGHT = 1.15  # the 20 % quantile of energy tells at most so many times the standard deviation of the 5 % one ...
_TIGHT_SHARE = 0.35  # ... in bins with this share of the blocks; drawn lines, JPEG and most textures do not get there
_Q05, _Q20 = -1.645, -0.842  # normal quantiles at 0.05 and 0.2

_SATURATED = 0.1  # share of saturated pixels from which a block is no evidence of coloured noise
_CLIPPED = 1e-3  # share of pixels at 0 (or 255) from which noise is taken to have been cut there


def estimate_noise(pixels: np.ndarray) -> Noise:
    """Estimate the noise of a picture, one pair of parameters for all channels.

    Args:
        pixels: uint8 [height, width, channels], channels 1 or 3.

    Returns:
        Zero noise where nothing can be known (a side below 8 pixels, a flat picture, all but a quarter saturated), and
        for drawings (constant blocks of several levels, which noise does not leave).

    Raises:
        TypeError: `pixels` is not an array.
        ImageError: its type or shape is another.
    """
    check_pixels(pixels)
    blocks = sample_blocks(pixels)
    if len(blocks) == 0 or _is_drawn(blocks):
        return Noise(0.0, 0.0)
    blocks = blocks[~blocks.constant]  # saturated, or a border: noise leaves none
    line = _fit_coloured(blocks) or _fit_white(blocks)
    return Noise(min(line.slope / PEAK, 1.0), min(line.offset / PEAK**2, 1.0))


def _is_drawn(blocks: Blocks) -> bool:
    """Noise leaves constant blocks at black and white only, and a border has one level: more of them say no noise."""
    constant = blocks.constant
    if constant.mean() > 0.75:
        return True
    between = (blocks.mean > 0) & (blocks.mean < PEAK)
    constant, means = constant[between], blocks.mean[between]
    share = constant.mean()
    levels = np.bincount(_bins(means[constant], _LEVELS_PER_BIN))
    return bool(share > 0.5 or (share > 0.02 and np.count_nonzero(levels > 0.002 * len(means)) >= 3))


def _bins(mean: np.ndarray, levels: int) -> np.ndarray:
    return (mean / levels).astype(np.uint8)  # a type that argsort counts instead of comparing


def _by_bin(mean: np.ndarray, levels: int) -> list[np.ndarray]:
    """Indices of the blocks of each bin that has any."""
    bins = _bins(mean, levels)
    parts = np.split(np.argsort(bins, kind="stable"), np.cumsum(np.bincount(bins))[:-1])
    return [part for part in parts if len(part)]


def _fit_white(blocks: Blocks) -> Line:
    """White noise: first from the flattest blocks of each bin, then from the flattest of the picture."""
    clipping = Clipping(blocks.black.mean() > _CLIPPED, blocks.white.mean() > _CLIPPED)
    texture = np.average(blocks.energy[:, _TEXTURE_BANDS], axis=1, weights=BAND_SIZES[list(_TEXTURE_BANDS)])
    noise = blocks.energy[:, TOP].astype(np.float64)
    measured = np.empty(len(blocks))  # variance that its bin showed
    chosen = []
    mean_index = (blocks.mean / MEANS[1]).astype(np.intp)
    for part in _by_bin(blocks.mean, _LEVELS_PER_BIN):
        flat = part[_flattest(texture[part], noise[part], least=max(16, len(part) // 20))]
        measured[part] = noise[flat].mean()
        chosen.append(flat)
    line = fit_line(_points(blocks.mean, noise, np.concatenate(chosen)), clipping, _WHITE_SPREAD)
    for _ in range(2):
        level, factor = (of_mean[mean_index] for of_mean in unclip(MEANS, line, clipping))
        # Not above what the bin showed: a bin that the line is too high for (a black level) must not seem flat.
        expected = np.minimum((line.slope * level + line.offset) / factor, measured) + ROUNDING_VARIANCE
        flat = _flattest(texture / expected, noise / expected, least=max(64, len(blocks) // 33))
        line = fit_line(_points(blocks.mean, noise, flat), clipping, _WHITE_SPREAD)
    return line


def _flattest(texture: np.ndarray, noise: np.ndarray, least: int) -> np.ndarray:
    """Indices of the blocks with the least texture: `least`, and more as long as the balance holds."""
    order = np.argsort(texture)
    balanced = np.flatnonzero(np.cumsum(texture[order]) <= _BALANCE * np.cumsum(noise[order]))
    return order[: max(least, balanced[-1] + 1 if len(balanced) else 0)]


def _points(mean: np.ndarray, variance: np.ndarray, chosen: np.ndarray) -> Points:
    """One point for each bin that has chosen blocks; many blocks of one mean count less, to keep the line's ends."""
    bins = _bins(mean[chosen], _LEVELS_PER_BIN)
    count = np.bincount(bins)
    some = count > 0
    sums = (np.bincount(bins, values[chosen])[some] for values in (mean, variance))
    means, variances = (total / count[some] for total in sums)
    return Points(means, variances, count[some] ** 0.75)


def _fit_coloured(blocks: Blocks) -> Line | None:
    """Noise of any spectrum, or None where it may be white, or no noise.

    By bands and bins, the 5 % quantile of the blocks' energy over that of noise of variance 1 (chi-square). Texture
    spreads energies more than noise does: only bins whose 20 % quantile tells about the same count.
    """
    blocks = blocks[blocks.black + blocks.white < _SATURATED]
    rows = []
    for part in _by_bin(blocks.mean, _COLOURED_LEVELS_PER_BIN):
        if len(part) < _COLOURED_LEAST:
            continue
        energy = np.sort(blocks.energy[part], axis=0)
        low, high = (np.maximum(energy[len(part) // k] / _chi_square(q), 1e-3) for k, q in ((20, _Q05), (5, _Q20)))
        if max(high[1] / low[1], high[2] / low[2]) < _TIGHT**2:
            rows.append((blocks.mean[part].mean(), _variance(low), len(part), math.sqrt(low[1] / low[TOP])))
    if not rows:
        return None
    mean, variance, count, slope = np.array(rows, np.float64).T
    weight = np.sqrt(count)
    if count.sum() < _TIGHT_SHARE * len(blocks) or np.average(slope, weights=weight) < _COLOURED_SLOPE:
        return None
    return fit_line(Points(mean, variance, weight), Clipping(False, False), _COLOURED_SPREAD)


def _chi_square(normal_quantile: float) -> np.ndarray:
    """float64 [bands]: quantile of the mean of so many squared normals (Wilson and Hilferty 1931)."""
    part = 2 / (9 * BAND_SIZES)
    return (1 - part + normal_quantile * np.sqrt(part)) ** 3


def _variance(energy: np.ndarray) -> float:
    """Variance of a pixel from the energies of the bands; the mean's own is extrapolated from the two lowest bands."""
    bands = np.maximum(energy - ROUNDING_VARIANCE, 0)
    steepness = min(max(bands[0] / max(bands[1], 1e-6), 1.0), 3.0)
    return float(bands[0] * steepness + bands @ BAND_SIZES) / (1 + int(BAND_SIZES.sum())) + ROUNDING_VARIANCE
