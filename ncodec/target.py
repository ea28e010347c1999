"""The picture that refined latents are to come near: what the codec makes of it where bits do not count.

Of a noisy picture that is an estimate of the clean one. How far it is off does not depend on the latents.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from ncodec.container import QUALITIES
from ncodec.nets.model import Model
from ncodec.noise import Noise

Progress = Callable[[float], None]
"""Gets how much of the search is done, 0 ... 1."""

STRIP = 1024
"""Rows of a picture that are worked on together where all of them in floating point would take memory."""


def ignore(done: float) -> None:
    """The progress that nobody watches."""


def best_estimate(model: Model, pixels: Tensor, noise: Noise, views: int = 1, progress: Progress = ignore) -> Tensor:
    """The clean picture as far as it can be known, uint8 [H, W, 1 or 3] on the CPU.

    The codec's own denoised picture of the best quality, without rounding of latents; and of what that has lost, as
    much of the input as is more than noise. Where some is, the mean of several such pictures is nearer to the clean
    one: the network errs in other ways on a turned copy (self-ensemble; Lim et al.: EDSR, CVPRW 2017, section 3.3).

    Args:
        model: that denoises.
        pixels: uint8 [H, W, 1 or 3].
        noise: of the picture.
        views: 1 ... 8, of how many turned and mirrored copies the mean is taken.
        progress: told how much is done, after each of them.
    """
    total = _denoised_view(model, pixels, 0).short()
    if _share_kept(pixels, total, 1, noise) < 1:
        for view in range(1, views):
            progress(view / views)
            total += _denoised_view(model, pixels, view)
    else:
        views = 1
    share = _share_kept(pixels, total, views, noise)
    out = torch.empty_like(pixels)
    for strip, part, estimate in zip(out.split(STRIP), pixels.split(STRIP), total.split(STRIP), strict=True):
        estimate = estimate / views
        strip.copy_(torch.lerp(estimate, part.float(), share).round_().clamp_(0, 255))
    return out


def _denoised_view(model: Model, pixels: Tensor, view: int) -> Tensor:
    """uint8 of the shape of `pixels`: turned by view // 2 quarters and mirrored if it is odd, denoised, turned back."""
    turned = pixels.rot90(view // 2)
    turned = (turned.flip(1) if view % 2 else turned).contiguous()
    found = model.transforms.synthesise(model.transforms.analyse(turned, QUALITIES), QUALITIES, *turned.shape)
    return (found.flip(1) if view % 2 else found).rot90(-(view // 2))


def _share_kept(pixels: Tensor, total: Tensor, views: int, noise: Noise) -> float:
    """How much of what an estimate, `total` / `views`, lacks of the picture is no noise: 0 ... 1, 1 without noise."""
    lost = light = 0.0
    for part, estimate in zip(pixels.split(STRIP), total.split(STRIP), strict=True):
        lost += part.float().sub_(estimate / views).square_().sum(dtype=torch.float64).item()
        light += part.sum(dtype=torch.float64).item()
    noise_variance = 255 * noise.poisson_a * light / pixels.numel() + 255**2 * noise.gaussian_b
    return max(0.0, 1 - noise_variance / max(lost / pixels.numel(), 1e-9))
