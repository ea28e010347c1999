"""Rate and distortion of a network on a fixed part of the validation split."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ncodec.nets.architecture import QUALITIES
from ncodec.train.network import Network
from ncodec.train.noise import LEVELS, to_8_bits

CROP_SIDE = 256
SIGMAS = (0.0, 25.0)


@dataclass(frozen=True, slots=True)
class Point:
    """Mean over pictures. The rate is estimated; the PSNR is the denoised 8-bit picture's against the clean one."""

    sigma: float
    quality: int
    rate_bpp: float
    psnr_db: float


@torch.no_grad()
def evaluate(network: Network, crops: np.ndarray, device: torch.device) -> list[Point]:
    """All qualities, clean and with white Gaussian noise of sigma 25 (seeded, rounded and clipped to 8 bits).

    Args:
        network: in evaluation mode, on `device`.
        crops: uint8 [n, side, side, 3], side a multiple of 64.
        device: where to compute.
    """
    clean = (torch.from_numpy(crops).permute(0, 3, 1, 2).float() / LEVELS).contiguous(memory_format=torch.channels_last)
    normal = torch.randn(clean.shape, generator=torch.Generator().manual_seed(0))
    points = []
    for sigma in SIGMAS:
        noisy = to_8_bits(clean + normal * sigma / LEVELS).contiguous(memory_format=torch.channels_last)
        for quality in range(QUALITIES):
            rate, psnr = _measure(network, noisy.to(device), clean.to(device), quality)
            points.append(Point(sigma, quality + 1, rate, psnr))
    return points


def _measure(network: Network, noisy: Tensor, clean: Tensor, quality: int) -> tuple[float, float]:
    with torch.autocast(noisy.device.type, dtype=torch.bfloat16):
        estimate, rate = network(noisy, torch.full((len(noisy),), quality, device=noisy.device))
    mse = (to_8_bits(estimate.float()) - clean).square().mean((1, 2, 3)).clamp(min=1e-8)
    return rate.mean().item(), (-10 * mse.log10()).mean().item()
