"""Residual pixels <-> coefficient planes: an orthonormal colour transform and an orthonormal 8x8 DCT (format.md).

Blocks at the right and bottom edge that hold fewer than 8 columns or rows use the DCT of that size. So nothing is
padded, a picture has exactly as many coefficients as samples, and squared errors are the same in both domains.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

import numpy as np

BLOCK = 8
"""Width and height of a block in pixels."""

COLOUR = np.array([[1, 1, 1], [1, 0, -1], [1, -2, 1]]) / np.sqrt([[3], [2], [6]])
"""Orthonormal rows: luma, then two chroma differences, of (red, green, blue)."""


@cache
def dct_matrix(size: int) -> np.ndarray:
    """The orthonormal DCT-II, float64 [size, size]: row k is the cosine of frequency k."""
    k = np.arange(size)
    matrix = np.sqrt(2 / size) * np.cos(np.pi * np.outer(k, 2 * k + 1) / (2 * size))
    matrix[0] /= np.sqrt(2)
    return matrix


@cache
def _block_matrix(rows: int, columns: int) -> np.ndarray:
    """float32 [rows*columns, rows*columns]: the two-dimensional DCT of a flattened block of this size."""
    return np.kron(dct_matrix(rows), dct_matrix(columns)).astype(np.float32)


def planes_shape(height: int, width: int, channels: int) -> tuple[int, int, int, int, int]:
    """Shape of the coefficient planes of a picture: [channel, vertical frequency, horizontal frequency, by, bx]."""
    return channels, BLOCK, BLOCK, -(-height // BLOCK), -(-width // BLOCK)


def _regions(height: int, width: int) -> Iterator[tuple[slice, int, slice, int]]:
    """Parts of a picture whose blocks have one size: block rows, block height, block columns, block width."""
    for rows, block_height in _runs(height):
        for columns, block_width in _runs(width):
            yield rows, block_height, columns, block_width


def _runs(length: int) -> Iterator[tuple[slice, int]]:
    whole, rest = divmod(length, BLOCK)
    if whole:
        yield slice(0, whole), BLOCK
    if rest:
        yield slice(whole, whole + 1), rest


def forward(residual: np.ndarray) -> np.ndarray:
    """Coefficients of a residual.

    Args:
        residual: int16 [H, W, C] with C = 1 or 3, any H and W from 1.

    Returns:
        float32 [C, 8, 8, ceil(H/8), ceil(W/8)]; frequencies that a partial block does not have are 0.
    """
    height, width, channels = residual.shape
    samples = residual.reshape(-1, channels).T.astype(np.float32)
    if channels == 3:
        samples = COLOUR.astype(np.float32) @ samples
    samples = samples.reshape(channels, height, width)
    planes = np.zeros(planes_shape(height, width, channels), np.float32)
    for rows, bh, columns, bw in _regions(height, width):
        ny, nx = rows.stop - rows.start, columns.stop - columns.start
        y, x = rows.start * BLOCK, columns.start * BLOCK
        blocks = samples[:, y : y + ny * bh, x : x + nx * bw].reshape(channels, ny, bh, nx, bw)
        blocks = blocks.transpose(0, 2, 4, 1, 3).reshape(channels, bh * bw, ny * nx)
        planes[:, :bh, :bw, rows, columns] = (_block_matrix(bh, bw) @ blocks).reshape(channels, bh, bw, ny, nx)
    return planes


def inverse(planes: np.ndarray, height: int, width: int) -> np.ndarray:
    """The mirror of `forward`: float32 [C, 8, 8, by, bx] -> float32 [H, W, C]."""
    channels = planes.shape[0]
    samples = np.empty((channels, height, width), np.float32)
    for rows, bh, columns, bw in _regions(height, width):
        ny, nx = rows.stop - rows.start, columns.stop - columns.start
        y, x = rows.start * BLOCK, columns.start * BLOCK
        blocks = planes[:, :bh, :bw, rows, columns].reshape(channels, bh * bw, ny * nx)
        blocks = (_block_matrix(bh, bw).T @ blocks).reshape(channels, bh, bw, ny, nx)
        part = blocks.transpose(0, 3, 1, 4, 2).reshape(channels, ny * bh, nx * bw)
        samples[:, y : y + ny * bh, x : x + nx * bw] = part
    samples = samples.reshape(channels, -1)
    if channels == 3:
        samples = COLOUR.T.astype(np.float32) @ samples
    return np.ascontiguousarray(samples.T).reshape(height, width, channels)
