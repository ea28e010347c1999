"""Squares of positions <-> channels, in an order that is fast to copy; the weights are brought into it beforehand."""

from __future__ import annotations

from torch import Tensor


def positions_first(x: Tensor, size: int) -> Tensor:
    """[C * size^2, ...], channels in torch's order for pixel shuffling -> in that of `space_to_depth`."""
    return x.unflatten(0, (-1, size * size)).transpose(0, 1).flatten(0, 1)


def space_to_depth(x: Tensor, size: int) -> Tensor:
    """[H, W, C] -> [H / size, W / size, size^2 * C].

    The position inside a square comes first and the channel last, other than in torch's pixel_unshuffle: then whole
    rows of a square lie together before and after, and copying them is several times faster.
    """
    height, width, channels = x.shape
    rows = x.reshape(height // size, size, width // size, size * channels)
    return rows.transpose(1, 2).reshape(height // size, width // size, size * size * channels)


def depth_to_space(x: Tensor, size: int) -> Tensor:
    """The mirror of `space_to_depth`."""
    height, width, channels = x.shape
    rows = x.reshape(height, width, size, channels // size)
    return rows.transpose(1, 2).reshape(height * size, width * size, channels // size**2)
