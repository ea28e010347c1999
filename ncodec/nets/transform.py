"""Analysis, hyper-analysis and synthesis transforms: picture <-> latents, in ordinary floating point."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ncodec.container import QUALITIES
from ncodec.nets.architecture import STRIDE, Architecture
from ncodec.nets.layers import Block, QualityScale, Up, stage

PATCH_CHANNELS = 3 * STRIDE * STRIDE


def as_trained(pixels: Tensor) -> Tensor:
    """Pixels in [0, 1] as bfloat16 has them, in float32: the upper half of the levels moves up by as much as a half.

    Networks learn with such pixels, and take off again what rounding has added. Of others they make pictures that are
    too dark by half a level.
    """
    return pixels.bfloat16().float()


class Analysis(nn.Module):
    """Noisy picture -> latents of the clean picture, in units of quantisation steps.

    float [B, 3, H, W] in [0, 1], H and W multiples of 16 -> float32 [B, latent, H/16, W/16].
    """

    def __init__(self, arch: Architecture) -> None:
        super().__init__()
        self.patch = nn.Conv2d(PATCH_CHANNELS, arch.width8, 1)
        self.quality8 = QualityScale(QUALITIES, arch.width8)
        self.stage8 = stage(arch.width8, arch.analysis8)
        self.down = nn.Conv2d(arch.width8, arch.width16, 2, stride=2)
        self.quality16 = QualityScale(QUALITIES, arch.width16)
        self.stage16 = stage(arch.width16, arch.analysis16)
        self.latent = nn.Conv2d(arch.width16, arch.latent, 1)
        self.log_gain = nn.Parameter(torch.zeros(QUALITIES, arch.latent))

    def forward(self, x: Tensor, quality: Tensor) -> Tensor:
        x = self.quality8(self.patch(F.pixel_unshuffle(as_trained(x), STRIDE)), quality)
        x = self.quality16(self.down(self.stage8(x)), quality)
        y = self.latent(self.stage16(x)).float()
        return y * self.log_gain[quality].exp()[:, :, None, None]


class HyperAnalysis(nn.Module):
    """Latents -> hyper-latents: float [B, latent, H, W] -> float32 [B, hyper, H/4, W/4], H and W multiples of 4."""

    def __init__(self, arch: Architecture) -> None:
        super().__init__()
        e = arch.entropy
        self.first = nn.Conv2d(arch.latent, e, 1)
        self.down32 = nn.Conv2d(e, e, 2, stride=2)
        self.block32 = Block(e)
        self.down64 = nn.Conv2d(e, arch.hyper, 2, stride=2)

    def forward(self, y: Tensor) -> Tensor:
        return self.down64(self.block32(self.down32(self.first(y)))).float()


class Synthesis(nn.Module):
    """Decoded latents -> clean picture; the denoising module is the last stage, at 1/8 resolution.

    float32 [B, latent, H, W] in quantisation steps -> float [B, 3, 16H, 16W], about [0, 1], not clipped.
    Source of the idea: Testolina et al. 2021 put four denoising convolutions into the decoder's low-resolution end.
    """

    def __init__(self, arch: Architecture) -> None:
        super().__init__()
        self.log_gain = nn.Parameter(torch.zeros(QUALITIES, arch.latent))
        self.latent = nn.Conv2d(arch.latent, arch.width16, 1)
        self.quality16 = QualityScale(QUALITIES, arch.width16)
        self.stage16 = stage(arch.width16, arch.synthesis16)
        self.up = Up(arch.width16, arch.width8)
        self.quality8 = QualityScale(QUALITIES, arch.width8)
        self.stage8 = stage(arch.width8, arch.synthesis8)
        self.denoising8 = stage(arch.width8, arch.denoising8)
        self.patch = nn.Conv2d(arch.width8, PATCH_CHANNELS, 1)

    def forward(self, y: Tensor, quality: Tensor) -> Tensor:
        x = self.latent(y * self.log_gain[quality].exp()[:, :, None, None])
        x = self.stage16(self.quality16(x, quality))
        x = self.stage8(self.quality8(self.up(x), quality))
        return F.pixel_shuffle(self.patch(self.denoising8(x)), STRIDE)
