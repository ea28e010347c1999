"""The entropy model in exact integers: hyper-latents -> features -> means and table rows of the latents, in two steps.

Step 1 codes the latents of one colour of a checkerboard that alternates with the channel (c + i + j even), step 2 the
others, given step 1 (He et al., CVPR 2021, in the channel-alternating form). Arrays of one step are
[height, width, latent / 2]: at each position the channels of its colour, ascending.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from ncodec.nets.architecture import Architecture
from ncodec.nets.exact import FEATURE_BITS, FEATURE_MAX, ExactBlock, ExactLinear, pixel_shuffle
from ncodec.nets.layers import SLOPE_CHANNEL

FEATURE_HALO = 1
"""Hyper-latents beyond a window that its features depend on (3 latents, rounded up)."""
CONTEXT_HALO = 1
"""Latents beyond a window that step 2 depends on."""
SYMBOL_MAX = (1 << 15) - 1


class ExactPrior:
    """Hyper-synthesis, step-1 and context networks in integers, with the thresholds that choose table rows.

    Args:
        arch: sizes.
        tensors: `prior.*` of a weights file: the layers (see `ncodec.nets.exact`) and `prior.thresholds`, int32
            [rows - 1] ascending, on the grid of the raw scale. A raw scale takes the row of as many thresholds as it
            reaches.

    Raises:
        ValueError, KeyError: the tensors do not make such networks.
    """

    def __init__(self, arch: Architecture, tensors: Mapping[str, Tensor]) -> None:
        self.latent = arch.latent
        self.up32 = ExactLinear(tensors, "prior.up32")
        self.block32 = ExactBlock(tensors, "prior.block32")
        self.up16 = ExactLinear(tensors, "prior.up16")
        self.block16 = ExactBlock(tensors, "prior.block16")
        self.first_inner = ExactLinear(tensors, "prior.first.inner", SLOPE_CHANNEL)
        self.first_out = ExactLinear(tensors, "prior.first.out")
        self.context_inner = ExactLinear(tensors, "prior.context.inner")
        self.context_block = ExactBlock(tensors, "prior.context.block")
        self.context_out = ExactLinear(tensors, "prior.context.out")
        self.offset, self.row_of = _row_lookup(tensors["prior.thresholds"])
        self._check_widths(arch)
        self._by_colour = {layer: _split_colours(layer) for layer in (self.first_out, self.context_out)}

    def _check_widths(self, arch: Architecture) -> None:
        """Raise ValueError unless every layer has the inputs and outputs that the sizes ask for."""
        m, e = arch.latent, arch.entropy
        widths = {
            self.up32: (arch.hyper, 4 * e),
            self.up16: (e, 4 * e),
            self.first_inner: (e, e),
            self.first_out: (e, 2 * m),
            self.context_inner: (e + m, e),
            self.context_out: (e, 2 * m),
        }
        for block in (self.block32, self.block16, self.context_block):
            widths |= {block.a: (e, e), block.b: (e, e), block.u: (e, 2 * e), block.v: (2 * e, e)}
            if block.d.weight.shape[1] != e:
                raise ValueError("a depthwise layer does not have the width of the architecture")
        if any(tuple(layer.weight.shape) != width or len(layer.bias) != width[1] for layer, width in widths.items()):
            raise ValueError("an integer layer does not have the widths of the architecture")

    def to(self, device: torch.device) -> ExactPrior:
        """Move all weights; returns itself."""
        for value in vars(self).values():
            if isinstance(value, ExactLinear | ExactBlock):
                value.to(device)
        for halves in self._by_colour.values():
            for half in halves:
                half.to(device)
        self.row_of = self.row_of.to(device)
        return self

    @property
    def device(self) -> torch.device:
        """Where the weights lie."""
        return self.row_of.device

    def features(self, hyper: Tensor) -> Tensor:
        """int16 [h, w, hyper] hyper-latents -> float64 integers [4h, 4w, entropy]."""
        # Clamped, since the proof of the layers counts on inputs within +-FEATURE_MAX; escaped symbols reach further.
        x = (hyper.to(torch.float64) * (1 << FEATURE_BITS)).clamp_(-FEATURE_MAX, FEATURE_MAX)
        x = self.block32(pixel_shuffle(self.up32(x)))
        return self.block16(pixel_shuffle(self.up16(x)))

    def step1(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """Parameters of the latents of step 1.

        Args:
            features: float64 integers [h, w, entropy] whose first position is an even one (row + column even).

        Returns:
            (mean float64 integers on the grid 2^-FEATURE_BITS, table row uint8), both [h, w, latent / 2].
        """
        return self._parameters(self.first_out, self.first_inner(features), 0)

    def step2(self, features: Tensor, first: Tensor, top: int, left: int) -> tuple[Tensor, Tensor]:
        """Parameters of the latents of step 2, from features and the decoded latents of step 1.

        Args:
            features: as for `step1`.
            first: float64 integers [h, w, latent], on the grid of the features; 0 where step 2 is to come.
            top, left: the window's first position in the picture: its colour begins there.
        """
        x = self.context_block(self.context_inner(torch.cat([features, first], 2)))
        return self._parameters(self.context_out, x, 1 + top + left)

    def _parameters(self, layer: ExactLinear, x: Tensor, colour: int) -> tuple[Tensor, Tensor]:
        """Only the half of the outputs that a position's colour needs: even channels at one, odd ones at the other."""
        height, width, _ = x.shape
        even = is_even(height, width, x.device).view(-1)
        if colour % 2:
            even = ~even
        flat = x.reshape(height * width, -1)
        out = torch.empty(height * width, self.latent, dtype=torch.float64, device=x.device)
        for half, where in zip(self._by_colour[layer], (even, ~even), strict=True):
            index = where.nonzero().view(-1)
            out[index] = half(flat[index])
        mean, raw = out.view(height, width, 2, self.latent // 2).unbind(2)
        index = raw.add(self.offset).clamp_(0, len(self.row_of) - 1).to(torch.int64)
        return mean, self.row_of[index]


def is_even(height: int, width: int, device: torch.device) -> Tensor:
    """bool [height, width]: True where row + column is even."""
    i = torch.arange(height, device=device)
    j = torch.arange(width, device=device)
    return (i[:, None] + j) % 2 == 0


def split_step(latents: Tensor, colour: int) -> Tensor:
    """[h, w, latent] -> [h, w, latent / 2]: the channels of one colour (0: step 1, 1: step 2) at each position."""
    height, width, channels = latents.shape
    pairs = latents.view(height, width, channels // 2, 2)
    even = is_even(height, width, latents.device)
    return torch.where((even if colour % 2 == 0 else ~even)[:, :, None], pairs[..., 0], pairs[..., 1])


def place_step(latents: Tensor, values: Tensor, colour: int) -> None:
    """The mirror of `split_step`: write [h, w, latent / 2] into their places of [h, w, latent], in place."""
    height, width, channels = latents.shape
    pairs = latents.view(height, width, channels // 2, 2)
    even = is_even(height, width, latents.device)
    first = (even if colour % 2 == 0 else ~even)[:, :, None]
    pairs[..., 0] = torch.where(first, values, pairs[..., 0])
    pairs[..., 1] = torch.where(first, pairs[..., 1], values)


def decoded(mean: Tensor, symbols: Tensor) -> Tensor:
    """Mean (float64 integers) and int16 symbols of one shape -> decoded latents, float64 integers, clamped."""
    return (mean + symbols.to(torch.float64) * (1 << FEATURE_BITS)).clamp_(-FEATURE_MAX, FEATURE_MAX)


def _split_colours(layer: ExactLinear) -> tuple[ExactLinear, ExactLinear]:
    """Two layers of half the outputs (means, then raw scales): for even channels, and for odd ones."""
    halves = []
    for parity in (0, 1):
        half = object.__new__(ExactLinear)
        half.weight, half.bias = layer.weight[:, parity::2].contiguous(), layer.bias[parity::2].contiguous()
        half.slope = layer.slope
        halves.append(half)
    return halves[0], halves[1]


def _row_lookup(thresholds: Tensor) -> tuple[int, Tensor]:
    """Thresholds -> (offset, uint8 rows): the row of raw scale s is rows[clamp(s + offset)]."""
    values = thresholds.long()
    if values.ndim != 1 or not 1 <= len(values) <= 255 or (values.diff() <= 0).any():
        raise ValueError("thresholds must ascend, 1 to 255 of them")
    if int(values.abs().max()) > 1 << 22:
        raise ValueError("a threshold lies beyond the features' range")
    low = int(values[0]) - 1
    scales = torch.arange(low, int(values[-1]) + 1, device="cpu")
    return -low, torch.bucketize(scales, values, right=True).to(torch.uint8)
