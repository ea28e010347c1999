"""The base codec: one network for eight qualities, from the KLT start."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from ncodec.nets.architecture import QUALITIES, Architecture
from ncodec.nets.layers import Block, QualityScale
from ncodec.train.data import Pack
from ncodec.train.evaluate import evaluate
from ncodec.train.grow import check_growth
from ncodec.train.klt import measure_klt, start_as_klt
from ncodec.train.loss import mse_per_sample, rate_distortion
from ncodec.train.network import Network, trainable_network
from ncodec.train.tasks.task import Batch, Forward, Groups, Point, Task


class CodecTask(Task[Network, Architecture]):
    """Samples: quality (0-based), bits per pixel, mean squared error."""

    def network(self, sizes: Architecture) -> Network:
        return trainable_network(sizes)

    def begin(self, network: Network, pack: Pack) -> None:
        start_as_klt(network, measure_klt(pack))

    def check_start(self, old: Architecture, new: Architecture) -> None:
        check_growth(old, new)

    def groups(self, network: Network) -> Groups:
        """Muon for the 1x1 weights inside blocks; gains, quality scales and the factorized prior are fast."""
        inner = [c.weight for m in network.modules() if isinstance(m, Block) for c in (m.a, m.b, m.u, m.v)]
        fast = [network.analysis.log_gain, network.synthesis.log_gain, *network.prior.parameters()]
        fast += [p for m in network.modules() if isinstance(m, QualityScale) for p in m.parameters()]
        return Groups.of(network, inner, [p for p in fast if p.requires_grad])

    def choices(self, count: int, random: torch.Generator) -> Tensor:
        """Qualities, in another order every time; of eight drawn each for itself, a third would not be in a step."""
        orders = (torch.randperm(QUALITIES, generator=random, device=random.device) for _ in range(0, count, QUALITIES))
        return torch.cat([*orders])[:count]

    def loss(self, sizes: Architecture, forward: Forward, batch: Batch) -> tuple[Tensor, Tensor]:
        quality = batch.choice
        with batch.autocast():
            estimate, rate_bpp = forward(batch.noisy, quality)
        mse = mse_per_sample(estimate, batch.clean)
        loss = rate_distortion(rate_bpp, mse, quality)
        return loss, torch.stack([quality.float(), rate_bpp.detach(), mse.detach()])

    def summary(self, sizes: Architecture, samples: Tensor) -> dict[str, Any]:
        """Means over all samples and per quality."""
        quality, rate, mse = samples
        chosen = [quality == q for q in range(QUALITIES)]
        each = [[round(v[c].mean().item(), 6) for v in (rate, mse)] if c.any() else None for c in chosen]
        return {
            "loss": rate_distortion(rate, mse, quality.long()).item(),
            "rate_bpp": rate.mean().item(),
            "mse": mse.mean().item(),
            "per_quality": each,
        }

    def evaluate(self, network: Network, crops: np.ndarray, device: torch.device) -> list[Point]:
        return evaluate(network, crops, device)
