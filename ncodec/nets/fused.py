"""The transforms' blocks as they run: matrices of [positions, channels], few passes over memory.

Work inside blocks is in `dtype` (bfloat16 where the hardware has it); the residual stream stays float32, since a
rounded one shows as steps in flat skies. On a CPU, oneDNN's fused operators (those of torch's own compiler) take the
rectifier into the matrix product; where they are missing, plain operators give the same result.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ncodec.nets.layers import SLOPE_CHANNEL, SLOPE_SPATIAL, Block

Linear = Callable[[Tensor], Tensor]
Affine = tuple[Tensor, Tensor]
"""Weight [out, in] and bias [out]."""

_PIECE_VALUES = 1 << 18  # 1 MiB of float32


def linear(weight: Tensor, bias: Tensor | None, dtype: torch.dtype, slope: float = 1.0) -> Linear:
    """1x1 convolution with an optional leaky rectifier: [positions, in] of `dtype` -> [positions, out] of `dtype`."""
    w, b = weight.to(dtype).contiguous(), None if bias is None else bias.to(dtype)
    if dtype == torch.bfloat16 and w.device.type == "cpu" and _has_fused_linear():
        attribute, scalars = ("none", []) if slope == 1.0 else ("leaky_relu", [slope])
        packed = torch.ops.mkldnn._reorder_linear_weight(w)
        return lambda x: torch.ops.mkldnn._linear_pointwise(x, packed, b, attribute, scalars, "")
    if slope == 1.0:
        return lambda x: F.linear(x, w, b)
    return lambda x: F.leaky_relu(F.linear(x, w, b), slope, inplace=True)


class FusedBlock:
    """`ncodec.nets.layers.Block` on [H, W, C], in place."""

    def __init__(self, block: Block, dtype: torch.dtype) -> None:
        self.a = linear(*matrix(block.a), dtype, SLOPE_SPATIAL)
        self.b = linear(*matrix(block.b), dtype)
        self.u = linear(*matrix(block.u), dtype, SLOPE_CHANNEL)
        self.v = linear(*matrix(block.v), dtype)
        self.taps = block.d.weight.detach().to(dtype)
        self.tap_bias = block.d.bias.detach().to(dtype)  # pyright: ignore[reportOptionalMemberAccess]

    def __call__(self, x: Tensor, low: Tensor) -> None:
        """x: the residual stream, float32; low: the same in the dtype of the work."""
        height, width, channels = x.shape
        flat, low = x.view(-1, channels), low.view(-1, channels)
        h = self.a(low).view(1, height, width, channels).permute(0, 3, 1, 2)
        h = F.conv2d(h, self.taps, self.tap_bias, padding=1, groups=channels).permute(0, 2, 3, 1)
        add_update(flat, low, self.b(h.reshape(-1, channels)))
        add_update(flat, low, self.v(self.u(low)))


class FusedStage:
    """Blocks in a row on float32 [H, W, C], in place."""

    def __init__(self, stage: nn.Sequential, dtype: torch.dtype) -> None:
        self.dtype = dtype
        self.blocks = [FusedBlock(block, dtype) for block in stage if isinstance(block, Block)]

    def __call__(self, x: Tensor) -> Tensor:
        low = x.to(self.dtype)
        for block in self.blocks:
            block(x, low)
        return x


def add_update(x: Tensor, low: Tensor, update: Tensor) -> None:
    """x += update, low = x; where they are large, in pieces that are still in the cache for the second."""
    if x.dtype == low.dtype:  # then they are one tensor
        x.add_(update)
        return
    size = len(x) if x.numel() <= 2 * _PIECE_VALUES or x.is_cuda else max(1, _PIECE_VALUES // x.shape[1])
    for part, low_part, update_part in zip(x.split(size), low.split(size), update.split(size), strict=True):
        low_part.copy_(part.add_(update_part))


def matrix(conv: nn.Conv2d) -> Affine:
    """Weight [out, taps * in] and bias [out] of a convolution whose windows do not overlap, for `space_to_depth`."""
    return conv.weight.detach().permute(0, 2, 3, 1).flatten(1), conv.bias.detach()  # pyright: ignore[reportOptionalMemberAccess]


def _has_fused_linear() -> bool:
    return hasattr(torch.ops.mkldnn, "_linear_pointwise") and hasattr(torch.ops.mkldnn, "_reorder_linear_weight")
