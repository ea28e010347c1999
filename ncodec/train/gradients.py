"""The gradient of a step: the mean over its samples, that of every few of them clipped first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, _foreach_add_, _foreach_norm, nn  # pyright: ignore[reportPrivateImportUsage]

from ncodec.train.noise import noisy_and_sigma
from ncodec.train.recipe import Recipe
from ncodec.train.tasks.registry import TASKS
from ncodec.train.tasks.task import Batch, Forward


@dataclass(frozen=True, slots=True)
class Part:
    """The samples whose gradient is clipped together, as in `Batch`.

    Attributes:
        clean, choice: as in `Batch`.
        seed: of their noise, and of what networks draw for them.
        share: theirs in the mean over the batch.
    """

    clean: Tensor
    choice: Tensor
    seed: int
    share: float


@dataclass(frozen=True, slots=True)
class Outcome:
    """Of some parts: float32 [n, samples] for the task's summary, and how many parts had no finite gradient."""

    samples: Tensor
    skipped: int


class Gradients:
    """Those of one network, which `forward` runs (compiled, say)."""

    def __init__(self, recipe: Recipe, network: nn.Module, forward: Forward, dtype: torch.dtype) -> None:
        self.recipe, self.forward, self.dtype = recipe, forward, dtype
        self.task = TASKS[recipe.task]
        self.parameters = trained(network)

    def add(self, parts: Sequence[Part], total: list[Tensor]) -> Outcome:
        """Add every part's share of the gradient to `total`, tensors like the trained parameters.

        Clipped, since a few loud samples (smooth, noisy, of high quality) would drown all others: docs/training.md.
        Parts whose gradient is not finite are left out.
        """
        samples, skipped = [], 0
        for part in parts:
            loss, values = self._loss(part)
            gradients = torch.autograd.grad(loss, self.parameters)
            norm = torch.stack(_foreach_norm(gradients)).norm().item()
            if norm < float("inf"):
                limit = self.recipe.optimiser.clip_norm
                _foreach_add_(total, gradients, alpha=part.share * limit / max(norm, limit))
            else:
                skipped += 1
            samples.append(values)
        return Outcome(torch.cat(samples, 1), skipped)

    def _loss(self, part: Part) -> tuple[Tensor, Tensor]:
        random = torch.Generator(part.clean.device).manual_seed(part.seed)
        noisy, sigma = noisy_and_sigma(part.clean, self.recipe.noise, random)
        torch.manual_seed(part.seed + 1)  # with the same seed networks would draw the noise's numbers again
        batch = Batch(part.clean, noisy, sigma, part.choice, self.dtype)
        return self.task.loss(self.recipe.architecture, self.forward, batch)


def trained(network: nn.Module) -> list[Tensor]:
    """The parameters that learn."""
    return [parameter for parameter in network.parameters() if parameter.requires_grad]
