"""DnCNN and FDnCNN: the denoisers that the codec is compared with."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ncodec.device import transform_dtype
from ncodec.nets.dncnn import DnCnn, DnCnnSizes
from ncodec.train.data import Pack
from ncodec.train.evaluate import noisy_crops, psnr_per_sample
from ncodec.train.loss import mse_per_sample
from ncodec.train.noise import LEVELS
from ncodec.train.tasks.task import Batch, Forward, Groups, PsnrPoint, Task, autocast
from ncodec.train.wiener import measure_blocks, start_as_wiener

SIGMAS = (15.0, 25.0, 50.0)
FLOOR = 1 / LEVELS**2
"""Mean squared error (one level squared) below which less is hardly worth more."""
CROPS_AT_ONCE = 4


class DenoiserTask(Task[DnCnn, DnCnnSizes]):
    """Samples: mean squared error."""

    def network(self, sizes: DnCnnSizes) -> DnCnn:
        return DnCnn(sizes)

    def begin(self, network: DnCnn, pack: Pack) -> None:
        start_as_wiener(network, *measure_blocks(pack))

    def check_start(self, old: DnCnnSizes, new: DnCnnSizes) -> None:
        """A blind network can also start one that is told sigma."""
        super().check_start(dataclasses.replace(old, conditioned=old.conditioned or new.conditioned), new)

    def groups(self, network: DnCnn) -> Groups:
        """Muon for all convolutions between the first and the last."""
        return Groups.of(network, [conv.weight for conv in network.layers[1:-1] if isinstance(conv, nn.Conv2d)])

    def loss(self, sizes: DnCnnSizes, forward: Forward, batch: Batch) -> tuple[Tensor, Tensor]:
        with batch.autocast():
            estimate = forward(batch.noisy, batch.sigma)
        mse = mse_per_sample(estimate, batch.clean)
        return mean_level_db(mse), mse.detach()[None]

    def summary(self, sizes: DnCnnSizes, samples: Tensor) -> dict[str, Any]:
        return {"loss": mean_level_db(samples[0]).item(), "mse": samples[0].mean().item()}

    def evaluate(self, network: DnCnn, crops: np.ndarray, device: torch.device) -> list[PsnrPoint]:
        """White Gaussian noise at three levels, seeded; a conditioned network is told which."""
        return [PsnrPoint(sigma, _psnr_db(network, crops, sigma, device)) for sigma in SIGMAS]


def mean_level_db(mse: Tensor) -> Tensor:
    """Mean over samples of 10 log10(mse + floor), float32 scalar of [B]: minus the PSNR that papers average.

    A plain mean would be ruled by the strongest noise and the richest textures.
    """
    return 10 * (mse + FLOOR).log10().mean()


@torch.no_grad()
def _psnr_db(network: DnCnn, crops: np.ndarray, sigma: float, device: torch.device) -> float:
    clean, noisy = noisy_crops(crops, sigma)
    told = torch.tensor([sigma / LEVELS], device=device)
    psnr = []
    for x, aim in zip(noisy.split(CROPS_AT_ONCE), clean.split(CROPS_AT_ONCE), strict=True):
        with autocast(device, transform_dtype(device)):
            estimate = network(x.to(device), told.expand(len(x)))
        psnr.append(psnr_per_sample(estimate, aim.to(device)))
    return torch.cat(psnr).mean().item()
