"""1x1 convolutions, and 2x2 ones of stride 2, as compiled matrix products.

They are few beside the blocks, but oneDNN's threads wait for each other by spinning: beside other work on the machine
one of its backward passes can take a hundred times as long as it should.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from ncodec.train.native.library import (
    UNIT,
    channels_last,
    context,
    load_library,
    pointer,
    under_bfloat16_autocast,
)


def convolution_fits(conv: nn.Conv2d) -> bool:
    """Whether it is one of these, and the tiles fit its channels."""
    kernel = conv.kernel_size
    one = kernel == (1, 1) and conv.stride == (1, 1)
    two = kernel == (2, 2) and conv.stride == (2, 2) and conv.padding == (0, 0)
    plain = conv.groups == 1 and conv.bias is not None
    return plain and (one or two) and conv.in_channels % UNIT == 0 and conv.out_channels % UNIT == 0


def convolution_forward(conv: nn.Conv2d, x: Tensor) -> Tensor:
    """`Conv2d.forward`: float [B, in, H, W] -> float32 [B, out, H, W], or half the height and width."""
    side = conv.kernel_size[0]
    samples, _, height, width = x.shape
    rows = samples * (height // side) * (width // side)
    if not under_bfloat16_autocast(x) or rows % UNIT or height % side or width % side:
        return nn.Conv2d.forward(conv, x)
    weight = conv.weight.permute(0, 2, 3, 1).flatten(1)
    y = _LinearFunction.apply(_as_rows(channels_last(x), side), weight, conv.bias)
    return y.view(samples, height // side, width // side, conv.out_channels).permute(0, 3, 1, 2)


def _as_rows(x: Tensor, side: int) -> Tensor:
    """[B, C, H, W] -> [B * H / side * W / side, side * side * C]."""
    samples, channels, height, width = x.shape
    x = x.permute(0, 2, 3, 1)
    if side > 1:
        x = x.reshape(samples, height // side, side, width // side, side, channels).permute(0, 1, 3, 2, 4, 5)
    return x.reshape(-1, side * side * channels)


class _LinearFunction(torch.autograd.Function):
    """float32 x [rows, inner], weight [columns, inner], bias [columns] -> float32 [rows, columns]."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:  # pyright: ignore[reportIncompatibleMethodOverride]
        x, weight = x.contiguous(), weight.contiguous()
        ctx.sizes = (*x.shape, len(weight))
        y = x.new_empty(len(x), len(weight))
        kept = torch.empty_like(x, dtype=torch.bfloat16)
        arrays = (pointer(tensor) for tensor in (weight, bias, x, y, kept))
        load_library().ncodec_linear_forward(context(), *ctx.sizes, *arrays)
        ctx.save_for_backward(kept, weight)
        return y

    @staticmethod
    def backward(ctx: Any, grad_y: Tensor) -> tuple[Tensor | None, ...]:  # pyright: ignore[reportIncompatibleMethodOverride]
        kept, weight = ctx.saved_tensors
        grad_y = grad_y.float().contiguous()
        grad_x = grad_y.new_empty(kept.shape) if ctx.needs_input_grad[0] else None
        grads = grad_y.new_empty(weight.numel() + len(weight))
        arrays = (pointer(tensor) for tensor in (weight, kept, grad_y, grad_x, grads))
        load_library().ncodec_linear_backward(context(), *ctx.sizes, *arrays)
        return grad_x, grads[: weight.numel()].view_as(weight), grads[weight.numel() :]
