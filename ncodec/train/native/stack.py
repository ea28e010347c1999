"""DnCNN's inner layers as compiled code: a patch goes through all of them while it lies in the cache."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from ncodec.nets.dncnn import DnCnn
from ncodec.train.native.library import UNIT, context, load_library, pointer, under_bfloat16_autocast


def stack_fits(net: DnCnn) -> bool:
    """Whether the tiles fit its channels."""
    return net.sizes.width % UNIT == 0


def stack_forward(net: DnCnn, h: Tensor) -> Tensor:
    """`DnCnn.inner`: float [B, width, H, W] -> bfloat16 of that shape; W a multiple of 32, else PyTorch does it."""
    if not under_bfloat16_autocast(h) or h.shape[3] % UNIT:
        return DnCnn.inner(net, h)
    layers = net.inner_layers()
    h = h.bfloat16().contiguous(memory_format=torch.channels_last)
    return _StackFunction.apply(h, *[c.weight for c in layers], *[c.bias for c in layers])


class _StackFunction(torch.autograd.Function):
    """bfloat16 [B, C, H, W], weights [C, C, 3, 3], then biases [C] -> bfloat16 [B, C, H, W], channels last."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, *parameters: Tensor) -> Tensor:  # pyright: ignore[reportIncompatibleMethodOverride]
        depth = len(parameters) // 2
        samples, channels, height, width = x.shape
        ctx.sizes = (depth, samples, height, width, channels)
        weights, biases = _by_taps(parameters[:depth]), torch.stack(parameters[depth:])
        outputs = _take((depth, samples, height, width, channels))
        arrays = [pointer(tensor) for tensor in (weights, biases, x, outputs)]
        load_library().ncodec_stack_forward(context(), *ctx.sizes, *arrays)
        ctx.save_for_backward(x, weights)
        ctx.outputs = outputs
        return outputs[-1].permute(0, 3, 1, 2).clone()

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:  # pyright: ignore[reportIncompatibleMethodOverride]
        x, weights = ctx.saved_tensors
        outputs, ctx.outputs = ctx.outputs, None
        depth, channels = ctx.sizes[0], ctx.sizes[-1]
        grad = grad.bfloat16().contiguous(memory_format=torch.channels_last)
        grad_x = torch.empty_like(x)
        grads = torch.empty(weights.numel() + depth * channels)
        arrays = [pointer(tensor) for tensor in (weights, x, outputs, grad, grad_x, grads)]
        load_library().ncodec_stack_backward(context(), *ctx.sizes, *arrays)
        _spare.append(outputs)
        of_weights, of_biases = grads.split([weights.numel(), depth * channels])
        taps = of_weights.view(depth, 3, 3, channels, channels).permute(0, 3, 4, 1, 2)
        return grad_x, *taps.unbind(), *of_biases.view(depth, channels).unbind()


_spare: list[Tensor] = []
"""Outputs of all layers that are not needed any more. Fresh memory of that size would be asked of the system, and its
pages filled with zeros, at every step: half of the forward pass."""


def _take(shape: tuple[int, ...]) -> Tensor:
    """bfloat16, uninitialised."""
    while _spare:
        tensor = _spare.pop()
        if tensor.shape == shape:
            return tensor
    return torch.empty(shape, dtype=torch.bfloat16)


def _by_taps(weights: Sequence[Tensor]) -> Tensor:
    """[out, in, 3, 3] of every layer -> [depth, 9, out, in]."""
    return torch.stack([w.detach().permute(2, 3, 0, 1).flatten(0, 1) for w in weights]).contiguous()


def stacks(network: nn.Module) -> list[DnCnn]:
    """The denoisers in a network, itself included."""
    return [m for m in network.modules() if isinstance(m, DnCnn) and stack_fits(m)]
