"""Rate and distortion of a network on a fixed part of the validation split."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from ncodec.device import transform_dtype
from ncodec.nets.architecture import QUALITIES
from ncodec.train.network import Network
from ncodec.train.noise import LEVELS, to_8_bits
from ncodec.train.tasks.task import Point, autocast

CROP_SIDE = 256
SIGMAS = (0.0, 25.0)


@torch.no_grad()
def evaluate(network: Network, crops: np.ndarray, device: torch.device) -> list[Point]:
    """All qualities, clean and with white Gaussian noise of sigma 25 (seeded, rounded and clipped to 8 bits).

    Args:
        network: in evaluation mode, on `device`.
        crops: uint8 [n, side, side, 3], side a multiple of 64.
        device: where to compute.
    """
    points = []
    for sigma in SIGMAS:
        clean, noisy = noisy_crops(crops, sigma)
        for quality in range(QUALITIES):
            rate, psnr = _measure(network, noisy.to(device), clean.to(device), quality)
            points.append(Point(sigma, quality + 1, rate, psnr))
    return points


def noisy_crops(crops: np.ndarray, sigma: float) -> tuple[Tensor, Tensor]:
    """uint8 [n, side, side, 3] -> clean and noisy float32 [n, 3, side, side] in [0, 1], channels last.

    The noise is white Gaussian of `sigma` 8-bit levels, seeded; rounded and clipped to 8 bits.
    """
    clean = (torch.from_numpy(crops).permute(0, 3, 1, 2).float() / LEVELS).contiguous(memory_format=torch.channels_last)
    normal = torch.randn(clean.shape, generator=torch.Generator().manual_seed(0))
    return clean, to_8_bits(clean + normal * sigma / LEVELS).contiguous(memory_format=torch.channels_last)


def psnr_per_sample(estimate: Tensor, target: Tensor) -> Tensor:
    """float32 [n] in dB of two [n, 3, H, W] in [0, 1], the estimate rounded and clipped to 8 bits."""
    mse = (to_8_bits(estimate.float()) - target).square().mean((1, 2, 3)).clamp(min=1e-8)
    return -10 * mse.log10()


def _measure(network: Network, noisy: Tensor, clean: Tensor, quality: int) -> tuple[float, float]:
    with autocast(noisy.device, transform_dtype(noisy.device)):
        estimate, rate = network(noisy, torch.full((len(noisy),), quality, device=noisy.device))
    return rate.mean().item(), psnr_per_sample(estimate, clean).mean().item()
