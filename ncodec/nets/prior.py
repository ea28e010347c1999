"""The entropy model in exact integers: hyper-latents -> features -> means and table rows of the latents, in two steps.

Step 1 codes the latents of one colour of a checkerboard that alternates with the channel (c + i + j even), step 2 the
others, given step 1 (He et al., CVPR 2021, in the channel-alternating form). Arrays of one step are
[height, width, latent / 2]: at each position the channels of its colour, ascending. Layers whose inputs or outputs
depend on the colour run on the positions of one colour at a time.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from ncodec.nets.architecture import Architecture
from ncodec.nets.carrier import float32_is_exact
from ncodec.nets.exact import FEATURE_BITS, FEATURE_MAX, ExactBlock, ExactLinear
from ncodec.nets.layers import SLOPE_CHANNEL
from ncodec.nets.shuffle import depth_to_space, positions_first
from ncodec.nets.wiring import HYPER, LATENTS, LayerReader

FEATURE_HALO = 1
"""Hyper-latents beyond a window that its features depend on (3 latents, rounded up)."""
CONTEXT_HALO = 1
"""Latents beyond a window that step 2 depends on."""
SYMBOL_MAX = (1 << 15) - 1


class ExactPrior:
    """Hyper-synthesis, step-1 and context networks in integers, with the thresholds that choose table rows.

    Args:
        arch: sizes.
        tensors: `prior.*` of a weights file: the layers (see `ncodec.nets.exact`); `prior.hyper.clamp` and
            `prior.latents.clamp`, int32 [hyper] and [latent], the largest magnitudes that the layers see of them;
            `prior.latents.shift`, int32 [latent]: how many of their lowest bits the layers do not see; and
            `prior.thresholds`, int32 [rows - 1] ascending, on the grid of the raw scale. A raw scale takes the row of
            as many thresholds as it reaches.

    Raises:
        ValueError, KeyError: the tensors do not make such networks.
    """

    def __init__(self, arch: Architecture, tensors: Mapping[str, Tensor]) -> None:
        self.latent = arch.latent
        read = LayerReader(tensors)
        self.hyper_clamp = read.clamp(HYPER).float()
        self.up32, self.block32 = read.linear("up32"), read.block("block32")
        self.up16, self.block16 = read.linear("up16"), read.block("block16")
        self.first_inner = read.linear("first.inner", SLOPE_CHANNEL)
        first_out, context_inner = read.linear("first.out"), read.linear("context.inner")
        self.context_block, context_out = read.block("context.block"), read.linear("context.out")
        self.dtype = read.dtype
        self.offset, self.row_of = _row_lookup(tensors["prior.thresholds"])
        self._check_widths(arch, first_out, context_inner, context_out)
        shuffled = positions_first(torch.arange(4 * arch.entropy, device="cpu"), 2)
        self.up32, self.up16 = self.up32.part(outputs=shuffled), self.up16.part(outputs=shuffled)
        # By parity of the channels: what codes them, or looks at them.
        self.first_out = tuple(first_out.part(outputs=slice(parity, None, 2)) for parity in (0, 1))
        self.context_out = tuple(context_out.part(outputs=slice(parity, None, 2)) for parity in (0, 1))
        features, latents = torch.arange(arch.entropy + arch.latent, device="cpu").split([arch.entropy, arch.latent])
        seen = (torch.cat([features, latents[parity::2]]) for parity in (0, 1))
        self.context_inner = tuple(context_inner.part(inputs=inputs) for inputs in seen)
        scale, clamp = torch.exp2(-read.shift(LATENTS).float()), read.clamp(LATENTS).float()
        self.seen_latents = tuple((scale[parity::2], clamp[parity::2]) for parity in (0, 1))

    def _check_widths(
        self, arch: Architecture, first_out: ExactLinear, context_inner: ExactLinear, context_out: ExactLinear
    ) -> None:
        """Raise ValueError unless every layer has the inputs and outputs that the sizes ask for."""
        m, e = arch.latent, arch.entropy
        widths = {
            self.up32: (arch.hyper, 4 * e),
            self.up16: (e, 4 * e),
            self.first_inner: (e, e),
            first_out: (e, 2 * m),
            context_inner: (e + m, e),
            context_out: (e, 2 * m),
        }
        for block in (self.block32, self.block16, self.context_block):
            widths |= {block.a: (e, e), block.b: (e, e), block.u: (e, 2 * e), block.v: (2 * e, e)}
            if block.d.weight.shape[1] != e:
                raise ValueError("a depthwise layer does not have the width of the architecture")
        if any(tuple(layer.weight.shape) != width or len(layer.bias) != width[1] for layer, width in widths.items()):
            raise ValueError("an integer layer does not have the widths of the architecture")

    def to(self, device: torch.device) -> ExactPrior:
        """Move all weights; returns itself."""
        if device.type != "cpu":  # float64 costs little there, and what float32 is has more settings
            self.dtype = torch.float64
        for value in vars(self).values():
            for layer in value if isinstance(value, tuple) else (value,):
                if isinstance(layer, ExactLinear | ExactBlock):
                    layer.to(device, self.dtype)
        self.hyper_clamp = self.hyper_clamp.to(device)
        self.seen_latents = tuple((scale.to(device), clamp.to(device)) for scale, clamp in self.seen_latents)
        self.row_of = self.row_of.to(device)
        return self

    def carrier(self) -> torch.dtype:
        """The number format to compute in: that of the weights, unless this machine's float32 is not exact."""
        return torch.float64 if self.dtype == torch.float32 and not float32_is_exact() else self.dtype

    @property
    def device(self) -> torch.device:
        """Where the weights lie."""
        return self.row_of.device

    def features(self, hyper: Tensor) -> Tensor:
        """int16 [h, w, hyper] hyper-latents -> integers [4h, 4w, entropy] in the carrier's format."""
        # Clamped, since the proof of the layers counts on it; escaped symbols reach further.
        limit = self.hyper_clamp.to(self.carrier())
        x = (hyper.to(limit.dtype) * (1 << FEATURE_BITS)).clamp_(-limit, limit)
        x = self.block32(depth_to_space(self.up32(x), 2))
        return self.block16(depth_to_space(self.up16(x), 2))

    def step1(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """Parameters of the latents of step 1.

        Args:
            features: float integers [h, w, entropy] whose first position is an even one (row + column even).

        Returns:
            (mean float integers on the grid 2^-FEATURE_BITS, table row uint8), both [h, w, latent / 2].
        """
        dtype = self.carrier()
        mean, rows = self._empty_parameters(features, dtype)
        for parity in (0, 1):
            x = self.first_inner(_gather(features, parity).to(dtype))
            self._parameters(self.first_out[parity], x, (mean, rows), parity)
        return mean, rows

    def step2(self, features: Tensor, latents: Tensor, top: int, left: int) -> tuple[Tensor, Tensor]:
        """Parameters of the latents of step 2, from features and the decoded latents of step 1.

        Args:
            features: as for `step1`.
            latents: float integers [h, w, latent], on the grid of the features; those of step 2 are not looked at.
            top, left: the window's first position in the picture: its colour begins there.
        """
        dtype = self.carrier()
        x = torch.empty(features.shape, dtype=dtype, device=features.device)
        for parity in (0, 1):
            colour = (parity + top + left) % 2
            scale, clamp = (tensor.to(dtype) for tensor in self.seen_latents[parity])
            near = _gather(latents[:, :, parity::2], colour).to(dtype).mul_(scale).floor_().clamp_(-clamp, clamp)
            seen = torch.cat([_gather(features, colour).to(dtype), near], 1)
            _scatter(self.context_inner[parity](seen), x, colour)
        x = self.context_block(x)
        mean, rows = self._empty_parameters(features, dtype)
        for parity in (0, 1):
            colour = (parity + top + left + 1) % 2
            self._parameters(self.context_out[parity], _gather(x, colour), (mean, rows), colour)
        return mean, rows

    def _empty_parameters(self, features: Tensor, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
        shape = (*features.shape[:2], self.latent // 2)
        mean = torch.empty(shape, dtype=dtype, device=features.device)
        return mean, torch.empty(shape, dtype=torch.uint8, device=features.device)

    def _parameters(self, layer: ExactLinear, x: Tensor, out: tuple[Tensor, Tensor], colour: int) -> None:
        """Write means and rows of the positions of one colour."""
        mean, raw = layer(x).chunk(2, 1)
        index = (raw + self.offset).clamp_(0, len(self.row_of) - 1).to(torch.int32)
        _scatter(mean, out[0], colour)
        _scatter(self.row_of.index_select(0, index.view(-1)).view(index.shape), out[1], colour)


_PLACES = [[(slice(i, None, 2), slice((i + colour) % 2, None, 2)) for i in (0, 1)] for colour in (0, 1)]
"""Of the positions of a colour, 0 for row + column even: those in even rows, and those in odd rows."""


def _gather(x: Tensor, colour: int) -> Tensor:
    """[h, w, C] -> [positions of a colour, C]."""
    return torch.cat([x[place].reshape(-1, x.shape[2]) for place in _PLACES[colour]])


def _scatter(values: Tensor, x: Tensor, colour: int) -> None:
    """The mirror of `_gather`: write [positions of a colour, C] into [h, w, C]."""
    begin = 0
    for place in _PLACES[colour]:
        part = x[place]
        size = part.shape[0] * part.shape[1]
        part.copy_(values[begin : begin + size].view(part.shape))
        begin += size


def split_step(latents: Tensor, colour: int) -> Tensor:
    """[h, w, latent] -> [h, w, latent / 2]: the channels of one colour (0: step 1, 1: step 2) at each position."""
    height, width, channels = latents.shape
    values = latents.new_empty(height, width, channels // 2)
    for parity in (0, 1):
        for place in _PLACES[(parity + colour) % 2]:
            values[place] = latents[place][..., parity::2]
    return values


def place_step(latents: Tensor, values: Tensor, colour: int) -> None:
    """The mirror of `split_step`: write [h, w, latent / 2] into their places of [h, w, latent], in place."""
    for parity in (0, 1):
        for place in _PLACES[(parity + colour) % 2]:
            latents[place][..., parity::2] = values[place]


def decoded(mean: Tensor, halves: Tensor) -> Tensor:
    """Mean (float integers) and int32 half steps of one shape -> decoded latents, integers of its format, clamped."""
    return torch.add(mean, halves, alpha=1 << FEATURE_BITS - 1).clamp_(-FEATURE_MAX, FEATURE_MAX)


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
