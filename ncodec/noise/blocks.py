"""A picture as a sample of 8x8 blocks: their mean and the energy of their spectrum in five bands."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

SIDE = 8
BANDS = ((1, 2), (3, 4), (5, 7), (8, 11), (12, 14))
"""First and last vertical-plus-horizontal frequency of each band of an 8x8 DCT; (0, 0), the mean, is in none."""
TOP = len(BANDS) - 1
"""The band that pictures have least of."""

MEANS = np.arange(255 * SIDE**2 + 1) / SIDE**2
"""float64: all means that a block can have, ascending."""

_MAX_BLOCKS = 12288
"""Larger pictures are sampled. A 768x512 RGB picture has 18432 blocks; with all of them the estimate takes twice as
long, and errs by 0.41 instead of 0.47 % (Kodak, white noise of sigma 25, root mean square)."""
_FEW_BLOCKS = 4096  # smaller pictures give overlapping blocks too


def _dct() -> np.ndarray:
    """Orthonormal 8x8 DCT-II as float32 [64 coefficients, 64 pixels]."""
    k, x = np.arange(SIDE)[:, None], np.arange(SIDE)[None]
    rows = np.cos(np.pi * k * (2 * x + 1) / (2 * SIDE)) * np.sqrt(np.where(k == 0, 1, 2) / SIDE)
    return np.kron(rows, rows).astype(np.float32)


_DCT = _dct()
_FREQUENCY = np.add.outer(np.arange(SIDE), np.arange(SIDE)).ravel()
_MEMBERS = np.stack([np.isin(_FREQUENCY, range(low, high + 1)) for low, high in BANDS], axis=1)

BAND_SIZES = _MEMBERS.sum(0)
"""Coefficients in each band."""
_BAND_MEANS = (_MEMBERS / BAND_SIZES).astype(np.float32)
_DCT[0] = SIDE**-2  # the mean, in no band: as the mean, it is exact


@dataclass(frozen=True, slots=True, eq=False)
class Blocks:
    """n blocks, each of one channel; in 8-bit levels and their squares.

    Attributes:
        mean: float32 [n].
        energy: float32 [n, bands], mean square of the coefficients of each band: the variance, for white noise.
        black, white: float32 [n], share of the pixels at 0 and at 255.
    """

    mean: np.ndarray
    energy: np.ndarray
    black: np.ndarray
    white: np.ndarray

    def __len__(self) -> int:
        return len(self.mean)

    def __getitem__(self, chosen: np.ndarray) -> Blocks:
        return Blocks(self.mean[chosen], self.energy[chosen], self.black[chosen], self.white[chosen])

    @property
    def constant(self) -> np.ndarray:
        """bool [n]: all pixels are equal. (One level in one pixel is an energy of 63/64, rounding below 1e-4.)"""
        return self.energy @ BAND_SIZES < 0.5


def sample_blocks(pixels: np.ndarray) -> Blocks:
    """Blocks of uint8 [height, width, channels], evenly spread, at most about 12000; none below 8x8 pixels."""
    octets = _cut(pixels, 0, 0)
    if len(octets) < _FEW_BLOCKS:
        half = SIDE // 2
        octets = np.concatenate([octets, *(_cut(pixels, y, x) for y, x in ((half, half), (half, 0), (0, half)))])
    coefficients = octets.astype(np.float32) @ _DCT.T
    mean = coefficients[:, 0].copy()
    energy = np.square(coefficients, out=coefficients) @ _BAND_MEANS
    return Blocks(mean, energy, _share(octets, 0), _share(octets, 255))


def _share(octets: np.ndarray, level: int) -> np.ndarray:
    """float32 [n]: of the samples of each block, those at a level."""
    return (octets == level).sum(1, dtype=np.uint8).astype(np.float32) / SIDE**2


def _cut(pixels: np.ndarray, top: int, left: int) -> np.ndarray:
    """uint8 [n, 64]: the blocks of the grid that begins at (top, left), or a regular sample of them."""
    channels = pixels.shape[2]
    rows, columns = max(0, pixels.shape[0] - top) // SIDE, max(0, pixels.shape[1] - left) // SIDE
    if not rows or not columns:
        return np.empty((0, SIDE * SIDE), np.uint8)
    # Both ways alike, and more along one of them where the picture is too narrow along the other.
    down = math.ceil(math.sqrt(max(1, rows * columns * channels / _MAX_BLOCKS)))
    across = min(columns, math.ceil(math.ceil(rows / down) * columns * channels / _MAX_BLOCKS))
    down = max(down, math.ceil(rows * math.ceil(columns / across) * channels / _MAX_BLOCKS))
    inside = pixels[top : top + rows * SIDE, left : left + columns * SIDE]
    grid = inside.reshape(rows, SIDE, columns, SIDE, channels)[::down, :, ::across]
    # Eight samples of a row are one word: few large elements are faster to bring into order than many small ones.
    words = np.ascontiguousarray(grid.transpose(4, 0, 1, 2, 3)).view(np.uint64)[..., 0]
    return np.ascontiguousarray(words.transpose(1, 3, 0, 2)).view(np.uint8).reshape(-1, SIDE * SIDE)
