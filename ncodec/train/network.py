"""The trainable network: the codec's transforms plus floating-point twins of its integer networks.

```
x -> analysis -> y -> hyper-analysis -> z ~ factorized prior (compressai)
                 |                      z^ -> hyper-synthesis -> h
                 |   step 1: first(h) -> mean, scale of one half (channel-alternating checkerboard)
                 |   step 2: context(h, y^ of step 1) -> mean, scale of the other half
                 y^ -> synthesis (denoising module last) -> clean estimate
```
`ncodec.train.export` turns the twins into the integer networks of `ncodec.nets.exact`.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ncodec.compat import allow_torchvision_beside_cpu_torch
from ncodec.nets.architecture import Architecture
from ncodec.nets.layers import SLOPE_CHANNEL, Block, Up
from ncodec.nets.transform import Analysis, HyperAnalysis, Synthesis

allow_torchvision_beside_cpu_torch()
from compressai.entropy_models import EntropyBottleneck  # noqa: E402

SCALE_MIN = 0.11
LIKELIHOOD_MIN = 1e-9


class HyperSynthesis(nn.Module):
    """Hyper-latents -> features: float [B, hyper, H, W] -> [B, entropy, 4H, 4W]."""

    def __init__(self, arch: Architecture) -> None:
        super().__init__()
        self.up32 = Up(arch.hyper, arch.entropy)
        self.block32 = Block(arch.entropy)
        self.up16 = Up(arch.entropy, arch.entropy)
        self.block16 = Block(arch.entropy)

    def forward(self, z: Tensor) -> Tensor:
        return self.block16(self.up16(self.block32(self.up32(z))))


class FirstParameters(nn.Module):
    """Features -> (mean, raw scale) of the latents of step 1: [B, entropy, H, W] -> [B, 2 * latent, H, W]."""

    def __init__(self, arch: Architecture) -> None:
        super().__init__()
        self.inner = nn.Conv2d(arch.entropy, arch.entropy, 1)
        self.out = nn.Conv2d(arch.entropy, 2 * arch.latent, 1)

    def forward(self, features: Tensor) -> Tensor:
        return self.out(F.leaky_relu(self.inner(features), SLOPE_CHANNEL))


class ContextParameters(nn.Module):
    """Features and the latents of step 1 -> (mean, raw scale) of the latents of step 2."""

    def __init__(self, arch: Architecture) -> None:
        super().__init__()
        self.inner = nn.Conv2d(arch.entropy + arch.latent, arch.entropy, 1)
        self.block = Block(arch.entropy)
        self.out = nn.Conv2d(arch.entropy, 2 * arch.latent, 1)

    def forward(self, features: Tensor, first: Tensor) -> Tensor:
        return self.out(self.block(self.inner(torch.cat([features, first.to(features.dtype)], 1))))


class Network(nn.Module):
    """One base-layer network for all qualities."""

    def __init__(self, arch: Architecture | None = None) -> None:
        super().__init__()
        self.arch = arch = arch or Architecture()
        self.analysis = Analysis(arch)
        self.hyper_analysis = HyperAnalysis(arch)
        self.prior = EntropyBottleneck(arch.hyper)
        self.hyper_synthesis = HyperSynthesis(arch)
        self.first = FirstParameters(arch)
        self.context = ContextParameters(arch)
        self.synthesis = Synthesis(arch)

    def forward(self, x: Tensor, quality: Tensor) -> tuple[Tensor, Tensor]:
        """Clean estimate and rate.

        Args:
            x: float [B, 3, H, W] in [0, 1], H and W multiples of 64.
            quality: int64 [B], 0-based.

        Returns:
            float [B, 3, H, W], about [0, 1]; float32 [B], bits per pixel (noise-relaxed in training, of the rounded
            latents in evaluation).
        """
        y = self.analysis(x, quality)
        y_hat, bits = self.code(y)
        return self.synthesis(y_hat, quality), bits / (x.shape[-1] * x.shape[-2])

    def code(self, y: Tensor) -> tuple[Tensor, Tensor]:
        """float32 [B, latent, H, W] -> the decoder's latents (same shape) and float32 [B] bits."""
        z = self.hyper_analysis(y).float()
        features = self.hyper_synthesis(self.decoded(z, 0.0))
        first = self.first(features).float()
        is_first = checkerboard(first)  # of means and scales alike, since the latents' channels are even
        of_latents = is_first[:, : y.shape[1]]
        y_first = self.decoded(y, first.chunk(2, 1)[0]) * of_latents
        second = self.context(features, y_first).float()
        mean, scale = torch.where(is_first, first, second).chunk(2, 1)
        bits = gaussian_bits(self.relaxed(y, mean) - mean, F.softplus(scale)).sum((1, 2, 3))
        return self.decoded(y, mean), bits + self.hyper_bits(self.relaxed(z, 0.0))

    def decoded(self, y: Tensor, mean: Tensor | float) -> Tensor:
        """What the decoder gets: rounded to steps around `mean`; in training the gradient goes straight through."""
        rounded = torch.round(y - mean) + mean
        return y + (rounded - y).detach() if self.training else rounded

    def relaxed(self, y: Tensor, mean: Tensor | float) -> Tensor:
        """What the rate is that of: with noise instead of rounding in training (Balle et al. 2017), else as decoded."""
        return y + torch.empty_like(y).uniform_(-0.5, 0.5) if self.training else torch.round(y - mean) + mean

    def hyper_bits(self, z: Tensor) -> Tensor:
        """Bits of the hyper-latents under compressai's factorized prior (Balle et al. 2018, appendix 6.1)."""
        with torch.autocast(z.device.type, enabled=False):
            channels_first = z.transpose(0, 1).reshape(z.shape[1], 1, -1)
            likelihood, _, _ = self.prior._likelihood(channels_first)
        bits = -torch.log2(LowerBound.apply(likelihood, LIKELIHOOD_MIN))
        return bits.reshape(z.shape[1], len(z), -1).sum((0, 2))


class LowerBound(torch.autograd.Function):
    """max(x, bound) whose gradient still lets x rise above the bound (Balle et al. 2018)."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, bound: float) -> Tensor:  # pyright: ignore[reportIncompatibleMethodOverride]
        ctx.save_for_backward(x)
        ctx.bound = bound
        return x.clamp(min=bound)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:  # pyright: ignore[reportIncompatibleMethodOverride]
        (x,) = ctx.saved_tensors
        return grad * ((x >= ctx.bound) | (grad < 0)), None


def gaussian_bits(centred: Tensor, scale: Tensor) -> Tensor:
    """Bits of an integer-quantised zero-mean Gaussian at `centred`, both float32 of one shape."""
    v = centred.abs()
    scale = LowerBound.apply(scale, SCALE_MIN)
    c = -math.sqrt(0.5)
    p = 0.5 * (torch.erfc(c * (0.5 - v) / scale) - torch.erfc(c * (-0.5 - v) / scale))
    return -torch.log2(LowerBound.apply(p, LIKELIHOOD_MIN))


def checkerboard(y: Tensor) -> Tensor:
    """bool [1, latent, H, W]: whether a latent belongs to step 1; the colours swap with the channel's parity."""
    _, channels, height, width = y.shape
    c, i, j = (torch.arange(n, device=y.device) for n in (channels, height, width))
    return ((c[:, None, None] + i[:, None] + j) % 2 == 0)[None]


def trainable_network(arch: Architecture | None = None) -> Network:
    """A network whose prior's quantiles are left out of training: tables come from the density itself."""
    network = Network(arch)
    network.prior.quantiles.requires_grad_(False)
    return network


__all__ = ["Network", "checkerboard", "gaussian_bits", "trainable_network"]
