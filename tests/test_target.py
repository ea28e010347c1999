"""What latents are refined towards: nearer to the clean picture than one pass comes; a clean picture itself."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from ncodec import target
from ncodec.nets.model import Model
from ncodec.noise import Noise
from pictures import scene


def test_target_of_a_clean_picture_is_the_picture(model: Model):
    clean = torch.from_numpy(scene(96, 96))
    assert torch.equal(target.best_estimate(model, clean, Noise(0.0, 0.0)), clean)


def test_target_of_a_noisy_picture_is_nearer_to_the_clean_one(model: Model):
    clean, noisy = (scene(128, 160, sigma=sigma) for sigma in (0.0, 25.0))
    found = target.best_estimate(model, torch.from_numpy(noisy), Noise.gaussian(25)).numpy().astype(float)
    assert np.square(found - clean).mean() < 0.2 * np.square(noisy.astype(float) - clean).mean()


@pytest.mark.parametrize("channels", [1, 3])
def test_more_views_come_nearer_to_the_clean_picture(model: Model, channels: int):
    clean, noisy = (scene(112, 160, channels, sigma=sigma) for sigma in (0.0, 25.0))
    found = [target.best_estimate(model, torch.from_numpy(noisy), Noise.gaussian(25), views) for views in (1, 4, 8)]
    errors = [np.square(each.numpy().astype(float) - clean).mean() for each in found]
    assert 0.99 * errors[0] > errors[1] > errors[2]


@pytest.mark.parametrize("view", range(1, 8))
def test_every_view_is_turned_back(model: Model, view: int):
    """Of a picture that no turn and no mirror leaves as it is."""
    noisy = torch.from_numpy(scene(80, 112, sigma=10))
    straight, turned = (target._denoised(model, noisy, 8, number).float() for number in (0, view))
    errors = [(straight - other).square().mean() for other in (turned, turned.flip(0), turned.flip(1), turned.rot90(2))]
    assert 0 < errors[0] < 0.1 * min(errors[1:])


def test_views_of_a_clean_picture_are_not_made(model: Model, monkeypatch: pytest.MonkeyPatch):
    seen: list[int] = []
    inner = target._denoised

    def watched(*args: Any) -> torch.Tensor:
        seen.append(args[3])
        return inner(*args)

    monkeypatch.setattr(target, "_denoised", watched)
    pixels = torch.from_numpy(scene(32, 48))
    assert torch.equal(target.best_estimate(model, pixels, Noise(0.0, 0.0), 8), pixels)
    target.best_estimate(model, pixels, Noise.gaussian(3), 3)
    assert seen == [0, 0, 1, 2]


def test_target_does_not_depend_on_strips(model: Model, monkeypatch: pytest.MonkeyPatch):
    noisy, noise = torch.from_numpy(scene(50, 40, sigma=15)), Noise(0.01, 0.002)
    whole = target.best_estimate(model, noisy, noise, 2)
    monkeypatch.setattr(target, "STRIP", 16)
    assert torch.equal(target.best_estimate(model, noisy, noise, 2), whole)


def made(monkeypatch: pytest.MonkeyPatch, errors: dict[tuple[int, int], float]) -> list[tuple[int, int]]:
    """Let the codec's denoised picture err by so much, by quality and view, of 100 +- 10; all others by nothing."""
    seen: list[tuple[int, int]] = []

    def denoised(_: Any, pixels: torch.Tensor, quality: int, view: int) -> torch.Tensor:
        seen.append((quality, view))
        return (100 + (pixels.float() - 100) * errors.get((quality, view), 0)).to(torch.uint8)

    monkeypatch.setattr(target, "_denoised", denoised)
    return seen


GRAIN = (100 + 10 * (-1) ** torch.arange(64 * 48)).to(torch.uint8).view(64, 48, 1)


def test_noise_that_stays_is_taken_at_a_lower_quality(model: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = made(monkeypatch, {(8, 0): 0.8, (7, 0): 0.5, (6, 0): 0.2})
    found = target.best_estimate(model, GRAIN, Noise.gaussian(10), 3)
    assert seen == [(8, 0), (7, 0), (6, 0), (6, 1), (6, 2)]
    assert (found.float() - 100).abs().max() <= 1  # the first view has removed two thirds of it
    seen = made(monkeypatch, {(quality, 0): 0.9 for quality in range(1, 9)})
    target.best_estimate(model, GRAIN, Noise.gaussian(10), 1)
    assert seen[-1] == (1, 0)


@pytest.mark.parametrize("bad", [0, 1, 2])
def test_a_view_on_which_noise_stays_does_not_count(model: Model, bad: int, monkeypatch: pytest.MonkeyPatch) -> None:
    made(monkeypatch, {(8, bad): 0.2})
    found = target.best_estimate(model, GRAIN, Noise.gaussian(10), 3)
    assert torch.equal(found, torch.full_like(GRAIN, 100))
