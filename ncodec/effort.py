"""How long an encoder searches for better latents (`ncodec.refine`): what can be asked for, known without torch."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Schedule:
    """A search, tuned on crops of the validation split.

    Attributes:
        rounds: how many.
        last: length of the last round's step as a share of the first one's.
        views: 1 ... 8, how many turned and mirrored copies of a noisy picture are denoised for the search's aim.
    """

    rounds: int
    last: float
    views: int


SCHEDULES = (
    Schedule(rounds=5, last=0.25, views=4),
    Schedule(rounds=20, last=0.1, views=8),
    Schedule(rounds=60, last=0.05, views=8),
)
"""Of effort 1 and above; effort 0 takes the latents as the analysis transform gives them."""
ROUNDS = (0, *(schedule.rounds for schedule in SCHEDULES))
"""Rounds of the search, by effort."""
EFFORTS = len(SCHEDULES)
"""The highest effort."""
