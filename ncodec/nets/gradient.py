"""How far a synthesis is from a picture, and which way each latent would have to go: for refining them.

The layers of `ncodec.nets.fused` with their way back, written out: only the signs at the rectifiers have to be kept,
and no weight's gradient is wanted. Gradients are in the dtype of the work; they are directions, not pixels.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, cached_property

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ncodec.nets.architecture import STRIDE
from ncodec.nets.fused import Affine, FusedBlock, Linear, add_update, linear, matrix
from ncodec.nets.layers import SLOPE_CHANNEL, SLOPE_SPATIAL, Block
from ncodec.nets.shuffle import depth_to_space, space_to_depth
from ncodec.nets.transform import Synthesis

Matrices = Callable[[int, int], tuple[Affine, Affine, Affine]]
"""(quality, channels) -> the layers around the stages."""
Area = tuple[slice, slice]
Kept = tuple[Tensor, Tensor]
"""Results of a block's two rectifiers."""


@dataclass(frozen=True, slots=True)
class _Ends:
    """First, between and last layer, and the transposes of their weights."""

    there: tuple[Linear, Linear, Linear]
    back: tuple[Linear, Linear, Linear]


class SynthesisGradient:
    """The synthesis transform and its way back; its layers are made when they are first used.

    Args:
        net: the transform.
        matrices: its layers around the stages, with everything constant folded in.
        dtype: float32 or bfloat16, inside blocks and on the way back.
    """

    def __init__(self, net: Synthesis, matrices: Matrices, dtype: torch.dtype) -> None:
        self._net, self._matrices, self._dtype = net, matrices, dtype
        self._ends = cache(self._make_ends)

    @torch.inference_mode()
    def __call__(self, y: Tensor, quality: int, target: Tensor, area: Area) -> tuple[Tensor, Tensor]:
        """Squared error of the synthesis of `y`, and its gradient.

        Args:
            y: float32 [h, w, latent], rounded or not.
            quality: 1 ... 8.
            target: uint8 [rows, columns, 1 or 3].
            area: where in the synthesis' [16h, 16w] pixels the target lies; what is outside does not count.

        Returns:
            (float32 scalar: sum of squares, in squared 8-bit levels; float32 [h, w, latent]: its derivatives).
        """
        first, between, last = self._ends(quality, target.shape[2]).back
        error, kept16, kept8 = self._error(y, quality, target, area)
        gradient = last(space_to_depth(error, STRIDE).to(self._dtype) * 2)
        gradient = between(space_to_depth(_backward(self._stage8, gradient, kept8), 2))
        gradient = first(_backward(self._stage16, gradient, kept16))
        return error.square_().sum(), gradient.float()

    @torch.inference_mode()
    def error(self, y: Tensor, quality: int, target: Tensor, area: Area) -> Tensor:
        """The squared error alone, at a half of the price."""
        return self._error(y, quality, target, area)[0].square_().sum()

    def _error(self, y: Tensor, quality: int, target: Tensor, area: Area) -> tuple[Tensor, list[Kept], list[Kept]]:
        """Errors [16h, 16w, channels], and what the way back needs of the two stages."""
        first, between, last = self._ends(quality, target.shape[2]).there
        x, kept16 = _forward(self._stage16, first(y), self._dtype)
        x, kept8 = _forward(self._stage8, depth_to_space(between(x), 2), self._dtype)
        estimate = depth_to_space(last(x), STRIDE)
        error = torch.zeros_like(estimate)
        # The last layer's bias holds the half of rounding. Levels out of range err by what they err when clipped.
        error[area] = (estimate[area] - 0.5).clamp_(0, 255) - target
        return error, kept16, kept8

    @cached_property
    def _stage16(self) -> list[_TwoWayBlock]:
        return [_TwoWayBlock(block, self._dtype) for block in _blocks(self._net.stage16)]

    @cached_property
    def _stage8(self) -> list[_TwoWayBlock]:
        blocks = [*_blocks(self._net.stage8), *_blocks(self._net.denoising8)]
        return [_TwoWayBlock(block, self._dtype) for block in blocks]

    def _make_ends(self, quality: int, channels: int) -> _Ends:
        first, between, last = self._matrices(quality, channels)
        return _Ends(
            (linear(*first, torch.float32), linear(*between, torch.float32), linear(*last, torch.float32)),
            (
                _transposed(first[0], self._dtype),
                _transposed(between[0], self._dtype),
                _transposed(last[0], self._dtype),
            ),
        )


class _TwoWayBlock(FusedBlock):
    """A block that keeps what its way back needs."""

    def __init__(self, block: Block, dtype: torch.dtype) -> None:
        super().__init__(block, dtype)
        self.a_back, self.b_back, self.u_back, self.v_back = (
            _transposed(matrix(conv)[0], dtype) for conv in (block.a, block.b, block.u, block.v)
        )
        self.taps_back = self.taps.flip((2, 3))

    def forward(self, x: Tensor, low: Tensor) -> Kept:
        """`FusedBlock.__call__`; returns the two rectifiers' results."""
        channels = x.shape[2]
        flat, low = x.view(-1, channels), low.view(-1, channels)
        spatial = self.a(low)
        h = F.conv2d(_as_picture(spatial, x.shape), self.taps, self.tap_bias, padding=1, groups=channels)
        add_update(flat, low, self.b(h.permute(0, 2, 3, 1).reshape(-1, channels)))
        channel = self.u(low)
        add_update(flat, low, self.v(channel))
        return spatial, channel

    def backward(self, gradient: Tensor, kept: Kept) -> None:
        """Gradient [H, W, C] of the result -> that of the input, in place."""
        flat = gradient.view(-1, gradient.shape[2])
        spatial, channel = kept
        flat += self.u_back(_through_rectifier(self.v_back(flat), channel, SLOPE_CHANNEL))
        h = _as_picture(self.b_back(flat), gradient.shape)
        h = F.conv2d(h, self.taps_back, padding=1, groups=flat.shape[1]).permute(0, 2, 3, 1)
        flat += self.a_back(_through_rectifier(h.reshape(flat.shape), spatial, SLOPE_SPATIAL))


def _forward(blocks: list[_TwoWayBlock], x: Tensor, dtype: torch.dtype) -> tuple[Tensor, list[Kept]]:
    low = x.to(dtype)
    kept = [block.forward(x, low) for block in blocks]
    return x, kept


def _backward(blocks: list[_TwoWayBlock], gradient: Tensor, kept: list[Kept]) -> Tensor:
    for block in reversed(blocks):
        block.backward(gradient, kept.pop())
    return gradient


def _blocks(stage: nn.Sequential) -> list[Block]:
    return [block for block in stage if isinstance(block, Block)]


def _transposed(weight: Tensor, dtype: torch.dtype) -> Linear:
    return linear(weight.t(), None, dtype)


def _as_picture(x: Tensor, shape: torch.Size) -> Tensor:
    """[H * W, C] -> [1, C, H, W], channels last."""
    return x.view(1, *shape).permute(0, 3, 1, 2)


def _through_rectifier(gradient: Tensor, result: Tensor, slope: float) -> Tensor:
    return torch.ops.aten.leaky_relu_backward(gradient, result, slope, True)
