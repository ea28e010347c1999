"""Testolina et al.'s codec with denoising convolutions, and the plain codec that it is made of, one lambda each."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from ncodec.train.data import Pack
from ncodec.train.evaluate import SIGMAS, noisy_crops, psnr_per_sample
from ncodec.train.loss import PEAK, mse_per_sample
from ncodec.train.pyramid import measure_levels, start_as_pyramid
from ncodec.train.reference import ReferenceNetwork
from ncodec.train.sizes import ReferenceSizes
from ncodec.train.tasks.task import Batch, Forward, Groups, Point, Task


class ReferenceTask(Task[ReferenceNetwork, ReferenceSizes]):
    """Samples: bits per pixel, mean squared error."""

    def network(self, sizes: ReferenceSizes) -> ReferenceNetwork:
        return ReferenceNetwork(sizes)

    def begin(self, network: ReferenceNetwork, pack: Pack) -> None:
        start_as_pyramid(network, measure_levels(pack, network.sizes.width, network.sizes.latent))

    def check_start(self, old: ReferenceSizes, new: ReferenceSizes) -> None:
        """One lambda's weights can start another's."""
        super().check_start(ReferenceSizes(old.width, old.latent, old.denoising, new.trade_off), new)

    def groups(self, network: ReferenceNetwork) -> Groups:
        """Muon for the convolutions between two wide layers; the factorized prior is fast."""
        inner = [p for p in network.parameters() if p.ndim == 4 and min(p.shape[:2]) > 3]
        fast = [p for p in network.entropy_bottleneck.parameters() if p.requires_grad]
        return Groups.of(network, inner, fast)

    def loss(self, sizes: ReferenceSizes, forward: Forward, batch: Batch) -> tuple[Tensor, Tensor]:
        """The plain codec's target is the noisy picture itself."""
        with batch.autocast():
            estimate, rate_bpp = forward(batch.noisy)
        mse = mse_per_sample(estimate, batch.clean if sizes.denoising else batch.noisy)
        loss = (rate_bpp + sizes.trade_off * PEAK**2 * mse).mean()
        return loss, torch.stack([rate_bpp.detach(), mse.detach()])

    def summary(self, sizes: ReferenceSizes, samples: Tensor) -> dict[str, Any]:
        rate, mse = samples
        return {
            "loss": (rate + sizes.trade_off * PEAK**2 * mse).mean().item(),
            "rate_bpp": rate.mean().item(),
            "mse": mse.mean().item(),
        }

    @torch.no_grad()
    def evaluate(self, network: ReferenceNetwork, crops: np.ndarray, device: torch.device) -> list[Point]:
        """Clean and with noise of sigma 25; the PSNR is against what the network aims at."""
        points = []
        for sigma in SIGMAS:
            clean, noisy = (part.to(device) for part in noisy_crops(crops, sigma))
            estimate, rate_bpp = network(noisy)
            psnr = psnr_per_sample(estimate, clean if network.sizes.denoising else noisy)
            points.append(Point(sigma, 1, rate_bpp.mean().item(), psnr.mean().item()))
        return points
