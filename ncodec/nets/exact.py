"""Integer layers carried in floating point with stock kernels: the same result on every machine, bit for bit.

Activations are integers on the grid 2^-FEATURE_BITS, clamped to the range that the weights file gives each channel;
weights are int16 on a power-of-two grid of their own for each output. What a sum can reach at most is proven from the
actual weights when a model is loaded (`wiring.py`). Below 2^24 float32 holds every intermediate value exactly, below
2^52 float64, in whatever order a library adds. Layers are matrix products and shifted multiply-adds: no library can
choose an FFT or Winograd kernel for them.

Tensors are float32 or float64 [height, width, channels] of integer values. Normative text: docs/format.md.
"""

from __future__ import annotations

from collections.abc import Mapping
from copy import copy
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

FEATURE_BITS = 7
FEATURE_MAX = (1 << 23) - 1
"""No activation goes beyond, whatever the weights file says: its sum with another one is exact in float32."""
SUM_LIMITS = {torch.float32: 1 << 24, torch.float64: 1 << 52}
"""Sums, in units of their own grid, must stay below."""

TAPS = 9
SHIFT_MAX = 16
"""With the smallest slope, 2^-7, one half still is a multiple of the grid's unit below 2^24."""


@dataclass(frozen=True)
class IntegerWeights:
    """Of one layer, as the weights file has them: `out = clamp(floor(leaky(weight @ x + bias) * 2^-shift + 1/2))`.

    Attributes:
        weight: int16 [out, in]; a depthwise layer's are [channels, 9], taps in raster order.
        bias: int64 [out], on the grid 2^-(shift + FEATURE_BITS).
        shift: int64 [out]; the weights of an output are on the grid 2^-shift.
        clamp: int64 [out], the largest magnitudes that come out.
    """

    weight: Tensor
    bias: Tensor
    shift: Tensor
    clamp: Tensor

    @classmethod
    def of(cls, tensors: Mapping[str, Tensor], prefix: str, *, depthwise: bool = False) -> IntegerWeights:
        """From `{prefix}.weight` ([9, channels] of a depthwise layer), `.bias`, `.shift` and `.clamp`.

        `.clamp` is int32 [out]; where s^2 outputs become positions of one channel, [out / s^2].

        Raises:
            KeyError: one is missing.
            ValueError: one is not of that type, shape or range.
        """
        weight, bias = (tensors[f"{prefix}.{name}"] for name in ("weight", "bias"))
        weight, shift = weight.t() if depthwise else weight, shifts(tensors, prefix)
        types = (weight.dtype, bias.dtype)
        if types != (torch.int16, torch.int64) or weight.ndim != 2 or not weight.shape[:1] == bias.shape == shift.shape:
            raise ValueError(f"layer {prefix} is not an integer layer")
        if depthwise and weight.shape[1] != TAPS:
            raise ValueError(f"layer {prefix}: {weight.shape[1]} taps, {TAPS} expected")
        clamp = clamps(tensors, prefix)
        if len(bias) % len(clamp):
            raise ValueError(f"{prefix}.clamp does not fit the layer's {len(bias)} outputs")
        return cls(weight, bias, shift, clamp.repeat_interleave(len(bias) // len(clamp)))

    def largest_sum(self, reach: Tensor, name: str) -> int:
        """What no sum can pass, rounding included.

        Args:
            reach: int64 [in] (depthwise: [channels, 1]): the largest magnitudes of the inputs.
            name: for messages.

        Raises:
            ValueError: float64 would not hold it.
        """
        largest = int(largest_sums(self.weight, self.bias, self.shift, reach).max())
        if largest >= SUM_LIMITS[torch.float64]:
            raise ValueError(f"layer {name}: its weights could take a sum past 2^52")
        return largest


def largest_sums(weight: Tensor, bias: Tensor, shift: Tensor, reach: Tensor) -> Tensor:
    """int64 [out]: what no sum of a layer's can pass, rounding included; see `IntegerWeights`."""
    limit = SUM_LIMITS[torch.float64]
    # A bias beyond the limit is one too large anyway; clamped, it cannot wrap around.
    constant = bias.long().clamp(-limit, limit).abs() + (1 << shift.long())
    return (weight.long().abs() * reach).sum(1) + constant


def clamps(tensors: Mapping[str, Tensor], prefix: str) -> Tensor:
    """int64 [n]: the largest magnitudes in `{prefix}.clamp`. Raises KeyError, ValueError."""
    return _row(tensors, f"{prefix}.clamp", 1, FEATURE_MAX)


def shifts(tensors: Mapping[str, Tensor], prefix: str) -> Tensor:
    """int64 [n]: how many binary digits `{prefix}.shift` takes away. Raises KeyError, ValueError."""
    return _row(tensors, f"{prefix}.shift", 0, SHIFT_MAX)


def _row(tensors: Mapping[str, Tensor], name: str, least: int, most: int) -> Tensor:
    values = tensors[name]
    if values.dtype != torch.int32 or values.ndim != 1 or not len(values):
        raise ValueError(f"{name} is no row of int32 numbers")
    if int(values.min()) < least or int(values.max()) > most:
        raise ValueError(f"{name} is outside {least}..{most}")
    return values.long()


class ExactLinear:
    """1x1 convolution with requantisation: integers [H, W, in] -> integers [H, W, out].

    Args:
        weights: of the layer, proven (`IntegerWeights.largest_sum`).
        slope: of the leaky rectifier before requantisation, a power of two; 1 for none.
    """

    def __init__(self, weights: IntegerWeights, slope: float = 1.0) -> None:
        # Scaled by 2^-shift beforehand: multiplying by a power of two changes no digit, and saves a pass per layer.
        unit = torch.exp2(-weights.shift.double())
        self.weight = (weights.weight.double() * unit[:, None]).t().contiguous()
        self.bias = weights.bias.double() * unit
        self.clamp, self.slope = weights.clamp.double(), slope
        if slope == 1.0:
            self.bias = self.bias + 0.5

    def part(self, inputs: Tensor | slice = slice(None), outputs: Tensor | slice = slice(None)) -> ExactLinear:
        """A layer of these outputs in this order, from these inputs; the others are 0."""
        layer = copy(self)
        layer.weight, layer.bias = self.weight[inputs][:, outputs].contiguous(), self.bias[outputs].contiguous()
        layer.clamp = self.clamp[outputs].contiguous()
        return layer

    def to(self, device: torch.device, dtype: torch.dtype) -> ExactLinear:
        """Move the weights; returns itself."""
        self.weight, self.bias, self.clamp = (t.to(device, dtype) for t in (self.weight, self.bias, self.clamp))
        return self

    def __call__(self, x: Tensor, onto: Tensor | None = None) -> Tensor:
        """With `onto` [H, W, out], that is added before clamping."""
        weight, bias, clamp = (tensor.to(x.dtype) for tensor in (self.weight, self.bias, self.clamp))
        flat = torch.mm(x.reshape(-1, x.shape[-1]), weight).add_(bias)
        if self.slope != 1.0:
            F.leaky_relu(flat, self.slope, inplace=True).add_(0.5)
        out = flat.floor_().view(*x.shape[:-1], len(bias))
        if onto is not None:
            out.add_(onto)
        return out.clamp_(-clamp, clamp)


class ExactDepthwise:
    """Depthwise 3x3 convolution with zero padding and requantisation, as nine shifted multiply-adds.

    Args:
        weights: of the layer, proven (`IntegerWeights.largest_sum`).
    """

    def __init__(self, weights: IntegerWeights) -> None:
        unit = torch.exp2(-weights.shift.double())
        self.weight = (weights.weight.double() * unit[:, None]).t().contiguous()
        self.bias = weights.bias.double() * unit + 0.5
        self.clamp = weights.clamp.double()

    def to(self, device: torch.device, dtype: torch.dtype) -> ExactDepthwise:
        """Move the weights; returns itself."""
        self.weight, self.bias, self.clamp = (t.to(device, dtype) for t in (self.weight, self.bias, self.clamp))
        return self

    def __call__(self, x: Tensor) -> Tensor:
        height, width, _ = x.shape
        weight, bias, clamp = (tensor.to(x.dtype) for tensor in (self.weight, self.bias, self.clamp))
        padded = F.pad(x, (0, 0, 1, 1, 1, 1))
        out = torch.addcmul(bias, padded[:height, :width], weight[0])
        for tap in range(1, TAPS):
            i, j = divmod(tap, 3)
            out.addcmul_(padded[i : i + height, j : j + width], weight[tap])
        return out.floor_().clamp_(-clamp, clamp)


@dataclass(frozen=True)
class ExactBlock:
    """`ncodec.nets.layers.Block` in integers: both residual branches are added on the grid, then clamped."""

    a: ExactLinear
    d: ExactDepthwise
    b: ExactLinear
    u: ExactLinear
    v: ExactLinear

    def to(self, device: torch.device, dtype: torch.dtype) -> ExactBlock:
        """Move the weights; returns itself."""
        for layer in (self.a, self.d, self.b, self.u, self.v):
            layer.to(device, dtype)
        return self

    def __call__(self, x: Tensor) -> Tensor:
        x = self.b(self.d(self.a(x)), onto=x)
        return self.v(self.u(x), onto=x)
