"""The floating-point transforms as they run: windowed, in float32 or bfloat16, per-quality scales folded in.

Pixels need not be the same on every machine (format.md: within one level), so speed decides here. The layers in which
a rounding error becomes a pixel error at once (first, last, and those between the resolutions) run in float32.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import TypeVar

import torch
from torch import Tensor, nn

from ncodec.nets.architecture import HYPER_PER_LATENT, LATENT_STRIDE, STRIDE, Architecture
from ncodec.nets.fused import Affine, FusedStage, Linear, linear, matrix
from ncodec.nets.gradient import SynthesisGradient
from ncodec.nets.layers import QualityScale
from ncodec.nets.shuffle import depth_to_space, positions_first, space_to_depth
from ncodec.nets.transform import Analysis, HyperAnalysis, Synthesis, as_trained
from ncodec.nets.windows import windows

Net = TypeVar("Net", bound=nn.Module)

CORE = 128
"""Latents per side of a window's core: 2048 pixels."""


class Transforms:
    """Analysis, hyper-analysis and synthesis of one model on one device.

    `can_analyse` is False where only the synthesis is there; `ncodec.weights` gives no such model to an encoder.

    Args:
        arch: sizes.
        tensors: `analysis.*`, `hyper_analysis.*`, `synthesis.*` of a weights file; the first two may lack together,
            then it only decodes.
        device, dtype: where, and in float32 or bfloat16 inside the blocks.

    Raises:
        RuntimeError: the tensors do not fit the sizes.
    """

    def __init__(
        self, arch: Architecture, tensors: Mapping[str, Tensor], device: torch.device, dtype: torch.dtype
    ) -> None:
        self.arch, self.device = arch, device
        self.can_analyse = any(name.startswith(("analysis.", "hyper_analysis.")) for name in tensors)
        with torch.device("meta"):  # without memory: drawing random weights first would cost 0.1 s
            nets = Analysis(arch), HyperAnalysis(arch), Synthesis(arch)
        if self.can_analyse:
            self._analysis = _AnalysisStages(_load(nets[0], tensors, "analysis.", device), dtype)
            self._hyper_analysis = _HyperStages(_load(nets[1], tensors, "hyper_analysis.", device), dtype)
        self._synthesis = _SynthesisStages(_load(nets[2], tensors, "synthesis.", device), dtype)
        self.synthesis_gradient = SynthesisGradient(self._synthesis.net, self._synthesis.matrices, dtype)
        # Receptive fields in latents, half a latent rounded up: a block sees one position further at its resolution.
        self._analysis_halo = arch.analysis16 + (arch.analysis8 + 1) // 2
        self._synthesis_halo = arch.synthesis16 + (arch.synthesis8 + arch.denoising8 + 1) // 2

    @torch.inference_mode()
    def analyse(self, pixels: Tensor, quality: int, core: int = CORE) -> Tensor:
        """uint8 [H, W, 1 or 3] -> latents float32 [ceil(H/16), ceil(W/16), latent]; quality 1 ... 8."""
        height, width = (-(-size // LATENT_STRIDE) for size in pixels.shape[:2])
        out = torch.empty(height, width, self.arch.latent, dtype=torch.float32, device=self.device)
        for window in windows(height, width, core, self._analysis_halo):
            rows = window.outer_rows.scaled(LATENT_STRIDE)
            columns = window.outer_columns.scaled(LATENT_STRIDE)
            x = pixels[rows, columns].to(self.device)
            x = _replicate(x.expand(-1, -1, 3), LATENT_STRIDE)
            out[window.core] = self._analysis(x, quality)[window.inner()]
        return out

    @torch.inference_mode()
    def hyper_analyse(self, y: Tensor, core: int = CORE) -> Tensor:
        """Latents float32 [h, w, latent] -> hyper-latents, rounded, int16 [ceil(h/4), ceil(w/4), hyper]."""
        height, width = (-(-size // HYPER_PER_LATENT) for size in y.shape[:2])
        out = torch.empty(height, width, self.arch.hyper, dtype=torch.int16, device=self.device)
        for window in windows(height, width, core // HYPER_PER_LATENT, halo=1):
            part = y[window.outer_rows.scaled(HYPER_PER_LATENT), window.outer_columns.scaled(HYPER_PER_LATENT)]
            z = self._hyper_analysis(_replicate(part, HYPER_PER_LATENT))[window.inner()]
            out[window.core] = z.round().clamp(-32767, 32767).to(torch.int16)
        return out

    @torch.inference_mode()
    def synthesise(
        self, y_hat: Tensor, quality: int, height: int, width: int, channels: int, core: int = CORE
    ) -> Tensor:
        """Decoded latents float32 [h, w, latent] -> clean picture uint8 [height, width, channels] on the CPU."""
        out = torch.empty(height, width, channels, dtype=torch.uint8, device="cpu")
        for window in windows(y_hat.shape[0], y_hat.shape[1], core, self._synthesis_halo):
            x = self._synthesis(y_hat[window.outer], quality, channels)[window.inner(LATENT_STRIDE)]
            place = out[window.rows.scaled(LATENT_STRIDE), window.columns.scaled(LATENT_STRIDE)]
            place.copy_(x[: place.shape[0], : place.shape[1]])
        return out


@dataclass(frozen=True, slots=True)
class _Ends:
    """The float32 layers of a transform for one quality (and channel count), everything constant folded into them."""

    first: Linear
    between: Linear
    last: Linear


class _AnalysisStages:
    """uint8 [H, W, 3] -> float32 [H/16, W/16, latent]."""

    def __init__(self, net: Analysis, dtype: torch.dtype) -> None:
        self.net = net
        self.stage8, self.stage16 = FusedStage(net.stage8, dtype), FusedStage(net.stage16, dtype)
        self.ends = cache(self._ends)

    def _ends(self, quality: int) -> _Ends:
        net = self.net
        weight, bias = _scaled(*matrix(net.patch), net.quality8, quality)
        weight = positions_first(weight.t(), STRIDE).t()
        gain = net.log_gain[quality - 1].exp()
        last_weight, last_bias = matrix(net.latent)
        return _Ends(
            linear(weight, bias, torch.float32),
            linear(*_scaled(*matrix(net.down), net.quality16, quality), torch.float32),
            linear(last_weight * gain[:, None], last_bias * gain, torch.float32),
        )

    def __call__(self, x: Tensor, quality: int) -> Tensor:
        ends = self.ends(quality)
        x = self.stage8(ends.first(as_trained(space_to_depth(x, STRIDE) / 255)))
        x = self.stage16(ends.between(space_to_depth(x, 2)))
        return ends.last(x)


class _HyperStages:
    """float32 [h, w, latent] -> float32 [h/4, w/4, hyper]; what they become is rounded to integers."""

    def __init__(self, net: HyperAnalysis, dtype: torch.dtype) -> None:
        self.dtype = dtype
        self.first, self.down32 = (linear(*matrix(conv), dtype) for conv in (net.first, net.down32))
        self.stage32 = FusedStage(nn.Sequential(net.block32), dtype)
        self.down64 = linear(*matrix(net.down64), torch.float32)

    def __call__(self, y: Tensor) -> Tensor:
        x = self.down32(space_to_depth(self.first(y.to(self.dtype)), 2))
        return self.down64(space_to_depth(self.stage32(x.float()), 2))


class _SynthesisStages:
    """float32 [h, w, latent] -> uint8 [16h, 16w, channels]."""

    def __init__(self, net: Synthesis, dtype: torch.dtype) -> None:
        self.net = net
        self.stage16, self.stage8 = FusedStage(net.stage16, dtype), FusedStage(net.stage8, dtype)
        self.denoising8 = FusedStage(net.denoising8, dtype)
        self.ends = cache(self._ends)

    def _ends(self, quality: int, channels: int) -> _Ends:
        return _Ends(*(linear(weight, bias, torch.float32) for weight, bias in self.matrices(quality, channels)))

    def matrices(self, quality: int, channels: int) -> tuple[Affine, Affine, Affine]:
        """Weight and bias of the first layer, of the one between the resolutions, and of the last one."""
        net = self.net
        gain = net.log_gain[quality - 1].exp()
        weight, bias = matrix(net.latent)
        up_weight, up_bias = (positions_first(part, 2) for part in matrix(net.up.c))
        scale, shift = (part.repeat(4) for part in _scale_and_shift(net.quality8, quality))
        last_weight, last_bias = matrix(net.patch)
        if channels == 1:  # the gray picture is the mean of the three equal ones that the network was shown
            last_weight = last_weight.view(3, STRIDE**2, -1).mean(0)
            last_bias = last_bias.view(3, STRIDE**2).mean(0)
        last_weight, last_bias = (positions_first(part, STRIDE) for part in (last_weight, last_bias))
        return (
            _scaled(weight * gain, bias, net.quality16, quality),
            (up_weight * scale[:, None], up_bias * scale + shift),
            (last_weight * 255, last_bias * 255 + 0.5),
        )

    def __call__(self, y: Tensor, quality: int, channels: int) -> Tensor:
        ends = self.ends(quality, channels)
        x = self.stage16(ends.first(y))
        x = self.denoising8(self.stage8(depth_to_space(ends.between(x), 2)))
        # Cut off, not rounded: the bias holds the half.
        return depth_to_space(ends.last(x).clamp_(0, 255).to(torch.uint8), STRIDE)


def _scale_and_shift(layer: QualityScale, quality: int) -> tuple[Tensor, Tensor]:
    return 1 + layer.scale[quality - 1], layer.shift[quality - 1]


def _scaled(weight: Tensor, bias: Tensor, layer: QualityScale, quality: int) -> Affine:
    """A convolution with the per-quality scale and shift that follow it folded in."""
    scale, shift = _scale_and_shift(layer, quality)
    return weight * scale[:, None], bias * scale + shift


def _load(net: Net, tensors: Mapping[str, Tensor], prefix: str, device: torch.device) -> Net:
    state = {name.removeprefix(prefix): t.float() for name, t in tensors.items() if name.startswith(prefix)}
    net.load_state_dict(state, assign=True)
    return net.requires_grad_(False).eval().to(device)


def _replicate(x: Tensor, multiple: int) -> Tensor:
    """[H, W, C]: repeat the last row and column up to the next multiple; a black border would be an edge to pay for."""
    bottom, right = (-size % multiple for size in x.shape[:2])
    if bottom:
        x = torch.cat([x, x[-1:].expand(bottom, -1, -1)])
    if right:
        x = torch.cat([x, x[:, -1:].expand(-1, right, -1)], 1)
    return x
