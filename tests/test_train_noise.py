"""The trainer's noise: as strong, as white or as correlated as the recipe asks."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import pytest
import torch

from ncodec.train.camera import camera_noise, linear_noise, reduced_noise
from ncodec.train.noise import jpeg_like, noisy_and_sigma
from ncodec.train.recipe import NoiseRecipe


def statistics(recipe: NoiseRecipe, level: float = 0.5, gray: bool = False) -> tuple[torch.Tensor, torch.Tensor]:
    """(clean, noise) of 400 flat patches."""
    clean = torch.full((400, 3, 16, 16), round(level * 255) / 255)
    clean[:, 0] += 0 if gray else 1 / 255
    return clean, noisy_and_sigma(clean, recipe, torch.Generator().manual_seed(0))[0] - clean


def test_white_noise_has_the_strengths_that_the_recipe_asks_for() -> None:
    recipe = NoiseRecipe(sigma_max=30, sigma_power=1, clean_share=0.2, poisson_share=0, camera_share=0)
    _, noise = statistics(recipe)
    sigma = noise.flatten(1).std(1) * 255
    clean = noise.abs().amax((1, 2, 3)) < 0.5 / 255
    assert clean.float().mean() == pytest.approx(0.2, abs=0.06)
    assert sigma.max() < 32
    assert sigma[~clean].mean() == pytest.approx(15, rel=0.1)


def test_noisy_pictures_are_8_bit_levels() -> None:
    clean, noise = statistics(NoiseRecipe(camera_share=0.5))
    levels = (clean + noise) * 255
    assert (levels - levels.round()).abs().max() < 1e-3
    assert levels.min() >= 0
    assert levels.max() <= 255


def test_poissonian_noise_grows_with_the_light() -> None:
    recipe = NoiseRecipe(sigma_max=10, poisson_share=1, clean_share=0, camera_share=0)
    dark, bright = (statistics(recipe, level)[1].std() for level in (0.25, 0.75))
    assert bright > 1.15 * dark


def test_photons_are_counted() -> None:
    recipe = NoiseRecipe(sigma_max=20, sigma_power=0, poisson_share=1, photon_share=1, clean_share=0, camera_share=0)
    _, noise = statistics(recipe, 0.25)
    # Of the variance of a mid-gray, 85 % is Poissonian on average and half as strong here.
    assert noise.std() * 255 == pytest.approx(20 * (0.85 * 0.5 + 0.15) ** 0.5, rel=0.05)
    assert noise.mean() * 255 == pytest.approx(0, abs=0.2)
    assert noise.pow(3).mean() / noise.std() ** 3 > 0.1  # normal noise has no skew
    normal = statistics(dataclasses.replace(recipe, photon_share=0), 0.25)[1]
    assert abs(normal.pow(3).mean() / normal.std() ** 3) < 0.05


@pytest.mark.parametrize("photon_share", [0, 1])
def test_gray_pictures_get_gray_noise(photon_share: float) -> None:
    _, noise = statistics(NoiseRecipe(camera_share=0.5, photon_share=photon_share), gray=True)
    assert torch.equal(noise[:, :1].expand_as(noise), noise)


def test_gray_pictures_get_any_plane_of_a_cameras_noise() -> None:
    recipe = NoiseRecipe(sigma_max=10, sigma_power=0, camera_share=1, linear_share=0, reduced_share=0, clean_share=0)
    clean, random = torch.full((8, 3, 32, 32), 0.5), torch.Generator().manual_seed(0)
    noise = [noisy_and_sigma(clean, recipe, random)[0] - clean for _ in range(40)]
    assert all(torch.equal(each[:, :1].expand_as(each), each) for each in noise)
    # Interpolated pixels have less noise: three of four in a red or blue plane, half of them in a green one.
    energy = torch.stack([each[:, 0].unfold(-2, 2, 2).unfold(-2, 2, 2).square().mean((0, 1, 2)) for each in noise])
    spread = energy.flatten(1).amax(1) / energy.flatten(1).amin(1)
    assert (spread > 1.6).any()
    assert (spread < 1.2).any()


def test_camera_noise_is_correlated_and_as_strong_as_asked() -> None:
    clean = torch.full((200, 3, 32, 32), 0.5)
    sigma = torch.full((200, 1, 1, 1), 8 / 255)
    noise = camera_noise(clean, sigma, torch.Generator().manual_seed(0)) - clean
    assert noise.std() * 255 == pytest.approx(8, rel=0.15)
    neighbours = (noise[..., 1:] * noise[..., :-1]).mean() / noise.var()
    assert neighbours > 0.3
    colours = (noise[:, 0] * noise[:, 1]).mean((1, 2)) / (noise[:, 0].std((1, 2)) * noise[:, 1].std((1, 2)))
    assert colours.abs().mean() > 0.05


def test_the_mosaic_of_camera_noise_begins_anywhere() -> None:
    clean = torch.full((8, 3, 16, 16), 0.5)
    sigma, random = torch.full((8, 1, 1, 1), 8 / 255), torch.Generator().manual_seed(0)
    noise = torch.stack([camera_noise(clean, sigma, random) - clean for _ in range(100)])
    phases = noise[..., 1, :, :].unfold(-2, 2, 2).unfold(-2, 2, 2).square()
    each = phases.mean((1, 2, 3))
    assert (each.flatten(1).amax(1) / each.flatten(1).amin(1)).median() > 1.2
    together = each.mean(0)
    assert together.max() / together.min() < 1.1


def test_half_of_camera_noise_has_a_coarse_grain() -> None:
    clean = torch.full((200, 3, 32, 32), 0.5)
    noise = camera_noise(clean, torch.full((200, 1, 1, 1), 8 / 255), torch.Generator().manual_seed(0)) - clean
    # Fine noise reaches two pixels to each side: interpolation, then smoothing.
    far = (noise[..., 4:] * noise[..., :-4]).mean((1, 2, 3)) / noise.var((1, 2, 3))
    assert 0.2 < (far > 0.06).float().mean() < 0.6


def reach(noise: torch.Tensor) -> torch.Tensor:
    """Correlation of neighbours three pixels apart."""
    return (noise[..., 3:] * noise[..., :-3]).mean() / noise.square().mean()


def test_reduced_noise_is_soft_and_its_colour_softer() -> None:
    clean = torch.full((100, 3, 64, 64), 0.5)
    sigma = torch.full((100, 1, 1, 1), 8 / 255)
    noise = reduced_noise(clean, sigma, torch.Generator().manual_seed(0)) - clean
    each = noise.flatten(1).std(1) * 255
    assert each.min() > 2.2
    assert each.max() < 1.2 * (2.5 + 0.8 * 8)
    luma = (noise * noise.new_tensor([0.299, 0.587, 0.114])[:, None, None]).sum(1)
    assert reach(noise[:, 2] - luma) > 0.4 > 0.2 > reach(luma)


def test_a_tone_curve_takes_reduced_noise_out_of_the_darks() -> None:
    sigma = torch.full((100, 1, 1, 1), 8 / 255)
    dark, middle = (torch.full((100, 3, 64, 64), level) for level in (0.03, 0.4))

    def ratio(add: Callable[[torch.Tensor, torch.Tensor, torch.Generator], torch.Tensor]) -> float:
        deviations = ((add(x, sigma, torch.Generator().manual_seed(0)) - x).std().item() for x in (dark, middle))
        return next(deviations) / next(deviations)

    assert ratio(reduced_noise) < 0.9
    assert ratio(camera_noise) > 1.5


def test_linear_noise_is_white_and_strongest_in_the_darks() -> None:
    sigma = torch.full((200, 1, 1, 1), 8 / 255)
    generator = torch.Generator().manual_seed(0)
    dark, middle = (torch.full((200, 3, 32, 32), level) for level in (0.15, 0.5))
    noise = linear_noise(middle, sigma, generator) - middle
    assert noise.std() * 255 == pytest.approx(8, rel=0.1)
    assert ((noise[..., 1:] * noise[..., :-1]).mean() / noise.var()).abs() < 0.03
    assert (linear_noise(dark, sigma, generator) - dark).std() > 1.2 * noise.std()


def test_jpeg_like_changes_little_and_leaves_flat_gray_alone() -> None:
    generator = torch.Generator().manual_seed(0)
    flat = torch.full((4, 3, 32, 32), 0.5)
    torch.testing.assert_close(jpeg_like(flat, generator), flat, rtol=0, atol=1e-5)
    rough = torch.rand((4, 3, 32, 32), generator=generator)
    error = (jpeg_like(rough, generator) - rough).std()
    assert 0.001 < error < 0.3
