"""Integer layers carried in float64 with stock kernels: the same result on every machine, bit for bit.

Activations are integers on the grid 2^-FEATURE_BITS, clamped to +-FEATURE_MAX; weights are int16 on a power-of-two grid
of their own. All sums stay below 2^52, proven from the actual weights when a layer is made, so float64 holds every
intermediate value exactly, in whatever order a library adds. Layers are matrix products and shifted multiply-adds: no
library can choose an FFT or Winograd kernel for them.

Tensors are float64 [height, width, channels] of integer values. Normative text: docs/format.md.
"""

from __future__ import annotations

from collections.abc import Mapping
from copy import copy

import torch
from torch import Tensor
from torch.nn import functional as F

from ncodec.nets.layers import SLOPE_CHANNEL, SLOPE_SPATIAL

FEATURE_BITS = 10
FEATURE_MAX = (1 << 23) - 1
"""Activations stay within +-8192 in steps of 1/1024: exact in float32 too, for storage."""
ACCUMULATOR_MAX = 1 << 52

TAPS = 9
SHIFT_MAX = 24
_LEAKY_BITS = 7  # the smallest slope is 2^-7: products with it need seven more fraction bits


class ExactLinear:
    """1x1 convolution with requantisation: integers [H, W, in] -> integers [H, W, out].

    ``out = clamp(floor(leaky(x @ weight^T + bias) * 2^-shift + 1/2))`` with weight on the grid 2^-shift and the bias on
    the grid 2^-(shift + FEATURE_BITS).

    Args:
        tensors: `{prefix}.weight` int16 [out, in], `{prefix}.bias` int64 [out], `{prefix}.shift` int32 [1].
        prefix: the layer's name in the weights file.
        slope: of the leaky rectifier before requantisation, a power of two; 1 for none.

    Raises:
        ValueError: the weights would let an accumulator pass 2^52.
    """

    def __init__(self, tensors: Mapping[str, Tensor], prefix: str, slope: float = 1.0) -> None:
        weight, bias, bits = _layer(tensors, prefix)
        prove_bound(weight, bias, prefix)
        # Scaled by 2^-shift beforehand: multiplying by a power of two changes no digit, and saves a pass per layer.
        self.weight = (weight.double() * 2.0**-bits).t().contiguous()
        self.bias = bias.double() * 2.0**-bits
        self.slope = slope
        if slope == 1.0:
            self.bias = self.bias + 0.5

    def part(self, inputs: Tensor | slice = slice(None), outputs: Tensor | slice = slice(None)) -> ExactLinear:
        """A layer of these outputs in this order, from these inputs; the others are 0."""
        layer = copy(self)
        layer.weight, layer.bias = self.weight[inputs][:, outputs].contiguous(), self.bias[outputs].contiguous()
        return layer

    def to(self, device: torch.device) -> ExactLinear:
        """Move the weights; returns itself."""
        self.weight, self.bias = self.weight.to(device), self.bias.to(device)
        return self

    def __call__(self, x: Tensor) -> Tensor:
        flat = torch.mm(x.reshape(-1, x.shape[-1]), self.weight).add_(self.bias)
        if self.slope != 1.0:
            F.leaky_relu(flat, self.slope, inplace=True).add_(0.5)
        return flat.floor_().clamp_(-FEATURE_MAX, FEATURE_MAX).view(*x.shape[:-1], len(self.bias))


class ExactDepthwise:
    """Depthwise 3x3 convolution with zero padding and requantisation, as nine shifted multiply-adds.

    Args:
        tensors: `{prefix}.weight` int16 [9, channels] (row-major taps), `{prefix}.bias` int64, `{prefix}.shift` int32.
        prefix: the layer's name in the weights file.

    Raises:
        ValueError: the weights would let an accumulator pass 2^52.
    """

    def __init__(self, tensors: Mapping[str, Tensor], prefix: str) -> None:
        weight, bias, bits = _layer(tensors, prefix)
        if weight.shape[0] != TAPS:
            raise ValueError(f"layer {prefix}: {weight.shape[0]} taps, {TAPS} expected")
        prove_bound(weight.t(), bias, prefix)
        self.weight = weight.double() * 2.0**-bits
        self.bias = bias.double() * 2.0**-bits + 0.5

    def to(self, device: torch.device) -> ExactDepthwise:
        """Move the weights; returns itself."""
        self.weight, self.bias = self.weight.to(device), self.bias.to(device)
        return self

    def __call__(self, x: Tensor) -> Tensor:
        height, width, _ = x.shape
        padded = F.pad(x, (0, 0, 1, 1, 1, 1))
        out = torch.addcmul(self.bias, padded[:height, :width], self.weight[0])
        for tap in range(1, TAPS):
            i, j = divmod(tap, 3)
            out.addcmul_(padded[i : i + height, j : j + width], self.weight[tap])
        return out.floor_().clamp_(-FEATURE_MAX, FEATURE_MAX)


class ExactBlock:
    """`ncodec.nets.layers.Block` in integers: both residual branches add to the grid and clamp."""

    def __init__(self, tensors: Mapping[str, Tensor], prefix: str) -> None:
        self.a = ExactLinear(tensors, f"{prefix}.a", SLOPE_SPATIAL)
        self.d = ExactDepthwise(tensors, f"{prefix}.d")
        self.b = ExactLinear(tensors, f"{prefix}.b")
        self.u = ExactLinear(tensors, f"{prefix}.u", SLOPE_CHANNEL)
        self.v = ExactLinear(tensors, f"{prefix}.v")

    def to(self, device: torch.device) -> ExactBlock:
        """Move the weights; returns itself."""
        for layer in (self.a, self.d, self.b, self.u, self.v):
            layer.to(device)
        return self

    def __call__(self, x: Tensor) -> Tensor:
        x = self.b(self.d(self.a(x))).add_(x).clamp_(-FEATURE_MAX, FEATURE_MAX)
        return self.v(self.u(x)).add_(x).clamp_(-FEATURE_MAX, FEATURE_MAX)


def _layer(tensors: Mapping[str, Tensor], prefix: str) -> tuple[Tensor, Tensor, int]:
    """Weight, bias and shift of a layer, of the types that the proof counts on. Raises KeyError, ValueError."""
    weight, bias, shift = (tensors[f"{prefix}.{name}"] for name in ("weight", "bias", "shift"))
    types = (weight.dtype, bias.dtype, shift.dtype)
    if types != (torch.int16, torch.int64, torch.int32) or (weight.ndim, bias.ndim, shift.numel()) != (2, 1, 1):
        raise ValueError(f"layer {prefix} is not an integer layer")
    if not 1 <= int(shift) <= SHIFT_MAX:
        raise ValueError(f"layer {prefix}: shift {int(shift)} is outside 1..{SHIFT_MAX}")
    return weight, bias, int(shift)


def prove_bound(weight: Tensor, bias: Tensor, name: str) -> None:
    """Raise ValueError unless no input within +-FEATURE_MAX can take an accumulator of [out, in] weights past 2^52."""
    if int(bias.long().abs().max()) >= ACCUMULATOR_MAX or int(bias.long().min()) < -ACCUMULATOR_MAX:
        raise ValueError(f"layer {name}: a bias is past 2^52")
    largest = weight.long().abs().sum(1) * FEATURE_MAX + bias.long().abs()
    if int(largest.max()) << _LEAKY_BITS >= ACCUMULATOR_MAX:
        raise ValueError(f"layer {name}: its weights could take an accumulator past 2^52, fraction bits included")
