"""Residual blocks as compiled code."""

from __future__ import annotations

import ctypes
from typing import Any

import torch
from torch import Tensor

from ncodec.nets.layers import SLOPE_CHANNEL, SLOPE_SPATIAL, Block
from ncodec.train.native.library import (
    UNIT,
    channels_last,
    context,
    load_library,
    pointer,
    under_bfloat16_autocast,
)

CHUNK_ROWS = 256
"""Positions that go through a block together: few enough for the second-level cache (512 KiB of it at width 192)."""


class Sizes(ctypes.Structure):
    """`Sizes` of kernels.cpp."""

    _fields_ = (
        *((name, ctypes.c_int) for name in ("samples", "height", "width", "channels", "expanded", "chunk")),
        ("slope_spatial", ctypes.c_float),
        ("slope_channel", ctypes.c_float),
    )


def block_fits(block: Block) -> bool:
    """Whether the tiles fit its channels."""
    return block.a.out_channels % UNIT == 0 and block.u.out_channels % UNIT == 0


def block_forward(block: Block, x: Tensor) -> Tensor:
    """`Block.forward`: float [B, width, H, W] -> float32 of that shape."""
    chunk = samples_per_chunk(x)
    if not chunk or not under_bfloat16_autocast(x):
        return Block.forward(block, x)
    parameters = [p for c in (block.a, block.d, block.b, block.u, block.v) for p in (c.weight, c.bias)]
    return _BlockFunction.apply(x, chunk, *parameters)


def samples_per_chunk(x: Tensor) -> int:
    """How many samples of float [B, width, H, W] go through together; 0 if there is no number that fits."""
    samples, area = x.shape[0], x.shape[2] * x.shape[3]
    fitting = [n for n in range(1, samples + 1) if samples % n == 0 and n * area % UNIT == 0]
    small = [n for n in fitting if n * area <= CHUNK_ROWS]
    return max(small) if small else min(fitting, default=0)


class _BlockFunction(torch.autograd.Function):
    """float32 [B, width, H, W] and the block's parameters -> float32 of that shape, channels last."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, chunk: int, *parameters: Tensor) -> Tensor:  # pyright: ignore[reportIncompatibleMethodOverride]
        x = channels_last(x)
        samples, width, rows, columns = x.shape
        expanded = parameters[6].shape[0]
        ctx.sizes = Sizes(samples, rows, columns, width, expanded, chunk, SLOPE_SPATIAL, SLOPE_CHANNEL)
        weights = _weights(parameters)
        y = torch.empty_like(x)
        kept = torch.empty(samples * rows * columns * (4 * width + expanded), dtype=torch.bfloat16)
        load_library().ncodec_forward(
            context(), ctypes.byref(ctx.sizes), _pointers(weights), pointer(x), pointer(y), pointer(kept)
        )
        ctx.save_for_backward(kept, *parameters)
        return y

    @staticmethod
    def backward(ctx: Any, grad_y: Tensor) -> tuple[Tensor | None, ...]:  # pyright: ignore[reportIncompatibleMethodOverride]
        kept, *parameters = ctx.saved_tensors
        grad_y = channels_last(grad_y)
        grad_x = torch.empty_like(grad_y)
        weights = _weights(parameters)
        sums = torch.empty(sum(p.numel() for p in parameters))
        arrays = (pointer(tensor) for tensor in (kept, grad_y, grad_x, sums))
        load_library().ncodec_backward(context(), ctypes.byref(ctx.sizes), _pointers(weights), *arrays)
        parts = sums.split([p.numel() for p in parameters])
        return grad_x, None, *(_gradient(part, p) for part, p in zip(parts, parameters, strict=True))


def _weights(parameters: tuple[Tensor, ...] | list[Tensor]) -> list[Tensor]:
    """As kernels.cpp wants them: 1x1 weights [out, in], depthwise ones [9, channels]; alive as long as the list is."""
    return [_flat(p.detach()).contiguous() for p in parameters]


def _flat(parameter: Tensor) -> Tensor:
    if parameter.dim() == 1:
        return parameter
    return parameter.flatten(1).t() if _is_depthwise(parameter) else parameter.flatten(1)


def _gradient(part: Tensor, parameter: Tensor) -> Tensor:
    return part.view(9, -1).t().reshape(parameter.shape) if _is_depthwise(parameter) else part.view(parameter.shape)


def _is_depthwise(parameter: Tensor) -> bool:
    return parameter.dim() == 4 and parameter.shape[-1] == 3


def _pointers(tensors: list[Tensor]) -> ctypes.Array:
    return (ctypes.c_void_p * len(tensors))(*(t.data_ptr() for t in tensors))
