"""How long an encoder searches for better latents (`ncodec.refine`): what can be asked for, known without torch."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Schedule:
    """A search. All but the number of rounds were tuned for it, on pictures of the validation split.

    Attributes:
        rounds: how many.
        rate: length of a step along a gradient as large as its channel's usually are, in quantisation steps, in the
            first round.
        momentum: 0 ... 1, how much of the last rounds' gradients counts.
        squares_decay: 0 ... 1, how much of the last rounds tells how large a channel's gradients usually are.
        chance: share of the noise in rounding; a short search has no time for detours, a long one needs them.
        views: 1 ... 8, how many turned and mirrored copies of a noisy picture are denoised for the search's aim.
    """

    rounds: int
    rate: float
    momentum: float
    squares_decay: float
    chance: float
    views: int


SCHEDULES = (
    Schedule(rounds=5, rate=0.2, momentum=0.3, squares_decay=0.8, chance=0.0, views=4),
    Schedule(rounds=20, rate=0.1, momentum=0.6, squares_decay=0.9, chance=0.5, views=8),
    Schedule(rounds=60, rate=0.08, momentum=0.8, squares_decay=0.95, chance=0.8, views=8),
)
"""Of effort 1 and above; effort 0 takes the latents as the analysis transform gives them."""
ROUNDS = (0, *(schedule.rounds for schedule in SCHEDULES))
"""Rounds of the search, by effort."""
EFFORTS = len(SCHEDULES)
"""The highest effort."""
