"""The picture that refined latents are to come near: what the codec makes of it where bits do not count.

Of a noisy picture that is an estimate of the clean one. How far it is off does not depend on the latents.

White noise is gone at the best quality, and detail is not. Noise of cameras and microscopes, whose grain is coarser,
may stay for the most part, and what a search then codes better than one pass is noise. How much is gone can be told: it
is as much as the noise was estimated to be. Where it is much less, the estimate is that of a lower quality, which takes
more for noise.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from ncodec.container import QUALITIES
from ncodec.nets.model import Model
from ncodec.noise import Noise

Progress = Callable[[float], None]
"""Gets how much of the search is done, 0 ... 1."""

STRIP = 1024
"""Rows of a picture that are worked on together where all of them in floating point would take memory."""
REMOVED = 0.6
"""Share of the estimated noise's energy that has to be gone. Of white noise it is 0.8 and more at the best quality
(sigma 5 to 50, Kodak), of half of CC15's pictures below 0.6; and the quality where it is 0.6 is nearly their best."""
ALIKE = 0.9
"""A view counts if it has removed this much of what others have: noise whose grain lies along a diagonal (FMD, wide
field) goes on one half of the views and stays on the other."""


def ignore(done: float) -> None:
    """The progress that nobody watches."""


def best_estimate(model: Model, pixels: Tensor, noise: Noise, views: int = 1, progress: Progress = ignore) -> Tensor:
    """The clean picture as far as it can be known, uint8 [H, W, 1 or 3] on the CPU.

    The codec's own denoised picture, without rounding of latents; and of what that has lost, as much of the input as
    is more than noise. Where all is noise, the mean of several such pictures is nearer to the clean one: the network
    errs in other ways on a turned copy (self-ensemble; Lim et al.: EDSR, CVPRW 2017, section 3.3).

    Args:
        model: that denoises.
        pixels: uint8 [H, W, 1 or 3].
        noise: of the picture.
        views: 1 ... 8, of how many turned and mirrored copies the mean is taken.
        progress: told how much is done, after each of them.
    """
    light = sum(part.sum(dtype=torch.float64).item() for part in pixels.split(STRIP)) / pixels.numel()
    variance = 255 * noise.poisson_a * light + 255**2 * noise.gaussian_b
    quality, mean = _first_view(model, pixels, variance)
    for view in range(1, views if variance > 0 else 1):
        progress(view / views)
        mean.add(pixels, _denoised(model, pixels, quality, view))
    share = _share_kept(pixels, mean, variance)
    out = torch.empty_like(pixels)
    for strip, part, total in zip(out.split(STRIP), pixels.split(STRIP), mean.total.split(STRIP), strict=True):
        strip.copy_(torch.lerp(total / mean.count, part.float(), share).round_().clamp_(0, 255))
    return out


@dataclass
class _Mean:
    """Of the views that count.

    Attributes:
        total: int16 [H, W, 1 or 3], their sum.
        count: how many.
        removed: mean square of what the view among them that removed most has removed.
    """

    total: Tensor
    count: int
    removed: float

    @classmethod
    def of(cls, pixels: Tensor, view: Tensor) -> _Mean:
        total = view.short()
        return cls(total, 1, _mean_square(pixels, total, 1))

    def add(self, pixels: Tensor, view: Tensor) -> None:
        """One more, unless it has removed less than the others; if they have, it stands for all."""
        other = _Mean.of(pixels, view)
        if self.removed < ALIKE * other.removed:
            self.total, self.count, self.removed = other.total, 1, other.removed
        elif other.removed >= ALIKE * self.removed:
            self.total += view
            self.count += 1
            self.removed = max(self.removed, other.removed)


def _first_view(model: Model, pixels: Tensor, variance: float) -> tuple[int, _Mean]:
    """The best quality at which most of the noise is gone, and the picture as it is denoised there."""
    quality = QUALITIES
    mean = _Mean.of(pixels, _denoised(model, pixels, quality, 0))
    while mean.removed < REMOVED * variance and quality > 1:
        quality -= 1
        mean = _Mean.of(pixels, _denoised(model, pixels, quality, 0))
    return quality, mean


def _denoised(model: Model, pixels: Tensor, quality: int, view: int) -> Tensor:
    """uint8 of the shape of `pixels`: turned by view // 2 quarters and mirrored if it is odd, denoised, turned back."""
    turned = pixels.rot90(view // 2)
    turned = (turned.flip(1) if view % 2 else turned).contiguous()
    found = model.transforms.synthesise(model.transforms.analyse(turned, quality), quality, *turned.shape)
    return (found.flip(1) if view % 2 else found).rot90(-(view // 2))


def _share_kept(pixels: Tensor, mean: _Mean, variance: float) -> float:
    """How much of what the mean lacks of the picture is no noise: 0 ... 1, 1 without noise."""
    return max(0.0, 1 - variance / max(_mean_square(pixels, mean.total, mean.count), 1e-9))


def _mean_square(pixels: Tensor, total: Tensor, count: int) -> float:
    """Of what `total` / `count` lacks of the picture."""
    squares = 0.0
    for part, estimate in zip(pixels.split(STRIP), total.split(STRIP), strict=True):
        squares += part.float().sub_(estimate / count).square_().sum(dtype=torch.float64).item()
    return squares / pixels.numel()
