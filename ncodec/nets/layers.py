"""The two building blocks of all networks: a residual block without full-resolution work, and 1x1 up-sampling.

The style is DCVC-RT's (Jia et al., CVPR 2025): 1x1 and depthwise convolutions at low resolution only.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

SLOPE_SPATIAL = 2.0**-7
SLOPE_CHANNEL = 2.0**-3
"""Slopes of the leaky rectifiers: powers of two, so that integer arithmetic can follow them exactly."""


class Block(nn.Module):
    """Residual block: 1x1, depthwise 3x3 and 1x1 convolution, then a 1x1 feed-forward pair; both residual.

    float [B, width, H, W] -> the same shape.
    """

    def __init__(self, width: int, expand: int = 2) -> None:
        super().__init__()
        self.a = nn.Conv2d(width, width, 1)
        self.d = nn.Conv2d(width, width, 3, padding=1, groups=width)
        self.b = nn.Conv2d(width, width, 1)
        self.u = nn.Conv2d(width, width * expand, 1)
        self.v = nn.Conv2d(width * expand, width, 1)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.b(self.d(F.leaky_relu(self.a(x), SLOPE_SPATIAL)))
        return x + self.v(F.leaky_relu(self.u(x), SLOPE_CHANNEL))

    @torch.no_grad()
    def make_identity(self) -> Block:
        """Zero the last convolution of both branches: the block then changes nothing and can learn from there."""
        for conv in (self.b, self.v):
            nn.init.zeros_(conv.weight)
            nn.init.zeros_(conv.bias)  # pyright: ignore[reportArgumentType]
        return self


def stage(width: int, count: int) -> nn.Sequential:
    """`count` residual blocks in a row, as the identity at first."""
    return nn.Sequential(*[Block(width).make_identity() for _ in range(count)])


class Up(nn.Module):
    """1x1 convolution and pixel shuffle by 2: float [B, width_in, H, W] -> [B, width_out, 2H, 2W]."""

    def __init__(self, width_in: int, width_out: int) -> None:
        super().__init__()
        self.c = nn.Conv2d(width_in, width_out * 4, 1)

    def forward(self, x: Tensor) -> Tensor:
        return F.pixel_shuffle(self.c(x), 2)


class QualityScale(nn.Module):
    """Per-quality scale and shift of every channel, the identity at first.

    It tells a stage which quantisation step the latents have or will have. At inference it is folded into the
    convolution before it (`ncodec.nets.inference`) and costs nothing.
    """

    def __init__(self, qualities: int, width: int) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.zeros(qualities, width))
        self.shift = nn.Parameter(torch.zeros(qualities, width))

    def forward(self, x: Tensor, quality: Tensor) -> Tensor:
        """x float [B, width, H, W]; quality int64 [B], 0-based."""
        return x * (1 + self.scale[quality])[:, :, None, None] + self.shift[quality][:, :, None, None]
