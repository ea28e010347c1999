"""How refined latents walk: the rounding and its slope, and the length of steps."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from ncodec.descent import LAST_RATE, Descent, soft_rounding, temperature
from ncodec.effort import SCHEDULES, Schedule

SHARE = torch.linspace(0.05, 0.95, 19, dtype=torch.float64)


@pytest.mark.parametrize("chance", [0.0, 0.6])
def test_rounding_is_the_papers_and_so_is_its_slope(chance: float):
    def rounded(values: Tensor) -> tuple[Tensor, Tensor]:
        return soft_rounding(values.clone(), 0.4, chance, torch.Generator().manual_seed(3))

    up, slope = rounded(SHARE)
    drawn = torch.empty_like(SHARE).uniform_(1e-6, 1 - 1e-6, generator=torch.Generator().manual_seed(3)).logit()
    preference = torch.atanh(SHARE) - torch.atanh(1 - SHARE)
    torch.testing.assert_close(up, torch.sigmoid(preference / 0.4 + chance * drawn))
    ahead, behind = (rounded(SHARE + step)[0] for step in (1e-6, -1e-6))
    torch.testing.assert_close(slope, (ahead - behind) / 2e-6, rtol=1e-4, atol=1e-6)


def test_rounding_gets_sharper():
    first, last = (soft_rounding(SHARE.clone(), temperature(done), 0.0, torch.Generator())[0] for done in (0.0, 1.0))
    distance = (SHARE.round() - last).abs()
    assert (distance <= (SHARE.round() - first).abs()).all()
    assert distance.mean() < 0.09
    torch.testing.assert_close(first + first.flip(0), torch.ones_like(first))


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_a_constant_gradient_is_walked_against_at_the_rate(schedule: Schedule):
    """Steps do not depend on a channel's scale, shrink evenly, and are as the schedule says from the first one on."""
    latents = torch.zeros(4, 5, 2)
    descent = Descent(latents, schedule)
    gradient = torch.ones(4, 5, 2) * torch.tensor([3.0, -1000.0])
    lengths = []
    for _ in range(schedule.rounds):
        before = latents.clone()
        descent.step(gradient.clone())
        lengths.append(latents - before)
    torch.testing.assert_close(lengths[0], -schedule.rate * gradient.sign())
    torch.testing.assert_close(lengths[-1], LAST_RATE * lengths[0])
    mean = schedule.rate * schedule.rounds * (1 + LAST_RATE) / 2
    torch.testing.assert_close(latents, -mean * gradient.sign())


def test_larger_gradients_go_farther_but_not_any_distance():
    latents = torch.zeros(100, 10, 1)
    gradient = torch.ones(100, 10, 1)
    gradient[0, 0], gradient[1, 0] = 1.5, 1e3
    Descent(latents, SCHEDULES[0]).step(gradient.clone().clamp(max=1.5))
    assert latents[0, 0] == pytest.approx(1.5 * latents[5, 5])
    latents.zero_()
    Descent(latents, SCHEDULES[0]).step(gradient)
    assert latents[1, 0] == pytest.approx(-2 * SCHEDULES[0].rate)


def test_what_has_no_gradient_stays():
    latents = torch.ones(2, 2, 3)
    Descent(latents, SCHEDULES[0]).step(torch.zeros(2, 2, 3))
    assert (latents == 1).all()
