"""What walks when latents are refined: rounding that has a slope, and steps along a gradient.

The rounding is that of stochastic Gumbel annealing (Yang, Bamler, Mandt: Improving inference for neural image
compression, NeurIPS 2020, section 3.2) with less of its chance, or none: its detours pay in a hundred rounds, not in
five. And with none of it gradients have so little noise that their size can be trusted: a channel's latents share one
scale, so those that matter most go farthest, where Adam has them all go as far.
"""

from __future__ import annotations

import torch
from torch import Tensor

from ncodec.effort import Schedule

LAST_RATE = 0.1
"""Length of the last round's steps as a share of the first one's."""
_TEMPERATURES = 0.5, 0.15
"""Of rounding, in the first round and after the last one."""
_FARTHEST = 2.0
"""Of a step, in lengths of a usual one."""


def temperature(done: float) -> float:
    """Of rounding when this share of the rounds is done: the lower, the nearer to all or nothing."""
    first, last = _TEMPERATURES
    return first * (last / first) ** done


def soft_rounding(share: Tensor, temperature: float, chance: float, random: torch.Generator) -> tuple[Tensor, Tensor]:
    """How much of each latent is rounded up (Yang et al. 2020, equations 7 and 8), and its derivative by `share`.

    Args:
        share: float32, fractional parts, above 0 and below 1; overwritten.
        temperature: above 0.
        chance: of the logistic noise that makes rounding random.
        random: draws it.
    """
    rest = 1 - share
    # atanh(share) - atanh(rest), and its derivative
    preference = (share * (1 + share)).div_(rest * (1 + rest)).log_().mul_(0.5)
    rise = (share * (1 + rest)).reciprocal_().add_((rest * (1 + share)).reciprocal_())
    preference.div_(temperature)
    if chance:
        drawn = torch.empty_like(share).uniform_(1e-6, 1 - 1e-6, generator=random)
        preference.add_(drawn.logit_(), alpha=chance)
    up = preference.sigmoid_()
    return up, rise.mul_(up).mul_(1 - up).div_(temperature)


class Descent:
    """Momentum, and steps in units of the gradients that a channel usually has.

    Args:
        latents: float32 [h, w, channels], which walk, in place.
        schedule: of the search.
    """

    def __init__(self, latents: Tensor, schedule: Schedule) -> None:
        self._latents, self._schedule = latents, schedule
        self._momentum = torch.zeros_like(latents)
        self._squares = latents.new_zeros(latents.shape[2])
        self._rounds = 0

    def step(self, gradient: Tensor) -> None:
        """Walk against a gradient of the latents' shape; overwritten."""
        schedule = self._schedule
        done = self._rounds / max(1, schedule.rounds - 1)
        self._rounds += 1
        self._momentum.lerp_(gradient, 1 - schedule.momentum)
        self._squares.lerp_(self._mean_square(gradient), 1 - schedule.squares_decay)
        # Both began at 0 (Adam's correction; Kingma and Ba 2015).
        usual = (self._squares / (1 - schedule.squares_decay**self._rounds)).sqrt_().add_(1e-8)
        usual *= 1 - schedule.momentum**self._rounds
        rate = schedule.rate * (1 + (LAST_RATE - 1) * done)
        step = torch.div(self._momentum, usual, out=gradient).clamp_(-_FARTHEST, _FARTHEST)
        self._latents.add_(step, alpha=-rate)

    def _mean_square(self, gradient: Tensor) -> Tensor:
        return gradient.square().mean((0, 1))
