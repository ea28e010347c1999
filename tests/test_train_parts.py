"""What the trainer is made of: pictures, noise, optimisers, recipes."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from ncodec.errors import ImageError, RequestError
from ncodec.train.checkpoint import Progress, load_start
from ncodec.train.data import list_pictures, load_rgb, open_packs, split
from ncodec.train.export import write_release
from ncodec.train.integers import LATENT_BITS, exact_prior, float_prior
from ncodec.train.loop import Budget
from ncodec.train.loss import rate_distortion
from ncodec.train.muon import Muon, orthogonalise
from ncodec.train.network import trainable_network
from ncodec.train.noise import add_noise, camera_noise, jpeg_like, linear_noise
from ncodec.train.optimisers import rate_factor
from ncodec.train.patches import PatchSource
from ncodec.train.recipe import FOLDER, DataRecipe, NoiseRecipe, OptimiserRecipe, Recipe, load_recipe
from ncodec.train.release import ema_network
from pictures import scene
from train_tools import training_pictures

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return training_pictures(tmp_path_factory.mktemp("pictures"))


# Pictures and patches


def test_packs_hold_the_pictures_and_are_made_once(pictures: Path, tmp_path: Path) -> None:
    said: list[str] = []
    pack, validation = open_packs(pictures, tmp_path, said.append)
    assert (len(pack), len(validation)) == (5, 1)
    assert len(said) == 2
    train_paths, _ = split(list_pictures(pictures), indexed=False)
    for i, path in enumerate(train_paths):
        np.testing.assert_array_equal(pack.picture(i), load_rgb(path))
    open_packs(pictures, tmp_path, said.append)
    assert len(said) == 2


def test_an_indexed_set_validates_on_names_that_begin_with_0() -> None:
    paths = [Path(name) for name in ("0a.png", "1a.png", "fa.png")]
    assert split(paths, indexed=True) == (paths[1:], paths[:1])


def test_folders_that_cannot_be_used(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match="not a folder"):
        list_pictures(tmp_path / "nothing")
    with pytest.raises(ImageError, match="no pictures"):
        list_pictures(tmp_path)
    (tmp_path / "bad.png").write_bytes(b"not a picture")
    with pytest.raises(ImageError, match=r"bad\.png"):
        open_packs(tmp_path, tmp_path / "cache")
    Image.new("RGB", (9, 200)).save(tmp_path / "bad.png")
    with pytest.raises(ImageError, match="16 x 16"):
        open_packs(tmp_path, tmp_path / "cache")


def test_16_bit_gray_keeps_its_upper_bits(tmp_path: Path) -> None:
    Image.fromarray(np.full((20, 20), 0x80FF, np.uint16)).save(tmp_path / "deep.png")
    assert load_rgb(tmp_path / "deep.png").tolist() == np.full((20, 20, 3), 0x80).tolist()


def test_patches_are_repeatable_and_come_from_the_pictures(pictures: Path, tmp_path: Path) -> None:
    pack, _ = open_packs(pictures, tmp_path)
    recipe = DataRecipe(patch=64, batch=12, half_share=0.3, resized_share=0.3, gray_share=0.5)
    source, twin = (PatchSource(pack, recipe, CPU, seed=3) for _ in range(2))
    first = source.batch()
    assert first.shape == (12, 3, 64, 64)
    assert first.is_contiguous(memory_format=torch.channels_last)
    assert 0 <= first.min() < first.max() <= 1
    torch.testing.assert_close(first, twin.batch(), rtol=0, atol=0)
    state = source.state_dict()
    second = source.batch()
    twin.load_state_dict(state)
    torch.testing.assert_close(second, twin.batch(), rtol=0, atol=0)
    gray = (first == first[:, :1]).flatten(1).all(1).float().mean()
    assert 0.1 < gray < 0.95


def test_a_resident_set_gives_the_patches_of_the_memory_map(pictures: Path, tmp_path: Path) -> None:
    pack, _ = open_packs(pictures, tmp_path)
    source, resident = (PatchSource(pack, DataRecipe(patch=64, batch=16), CPU, seed=1) for _ in range(2))
    resident.resident = torch.from_numpy(np.array(pack.data))
    torch.testing.assert_close(source.batch(), resident.batch(), rtol=0, atol=0)


# Noise


def statistics(recipe: NoiseRecipe, level: float = 0.5, gray: bool = False) -> tuple[torch.Tensor, torch.Tensor]:
    """(clean, noise) of 400 flat patches."""
    clean = torch.full((400, 3, 16, 16), round(level * 255) / 255)
    clean[:, 0] += 0 if gray else 1 / 255
    return clean, add_noise(clean, recipe, torch.Generator().manual_seed(0)) - clean


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


def test_gray_pictures_get_gray_noise() -> None:
    _, noise = statistics(NoiseRecipe(camera_share=0.5), gray=True)
    assert torch.equal(noise[:, :1].expand_as(noise), noise)


def test_camera_noise_is_correlated_and_as_strong_as_asked() -> None:
    clean = torch.full((200, 3, 32, 32), 0.5)
    sigma = torch.full((200, 1, 1, 1), 8 / 255)
    noise = camera_noise(clean, sigma, torch.Generator().manual_seed(0)) - clean
    assert noise.std() * 255 == pytest.approx(8, rel=0.15)
    neighbours = (noise[..., 1:] * noise[..., :-1]).mean() / noise.var()
    assert neighbours > 0.3
    colours = (noise[:, 0] * noise[:, 1]).mean((1, 2)) / (noise[:, 0].std((1, 2)) * noise[:, 1].std((1, 2)))
    assert colours.abs().mean() > 0.05


def test_half_of_camera_noise_has_a_coarse_grain() -> None:
    clean = torch.full((200, 3, 32, 32), 0.5)
    noise = camera_noise(clean, torch.full((200, 1, 1, 1), 8 / 255), torch.Generator().manual_seed(0)) - clean
    # Fine noise reaches two pixels to each side: interpolation, then smoothing.
    far = (noise[..., 4:] * noise[..., :-4]).mean((1, 2, 3)) / noise.var((1, 2, 3))
    assert 0.2 < (far > 0.06).float().mean() < 0.6


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


# Optimisers, loss, schedule


@pytest.mark.parametrize("shape", [(3, 24, 24), (2, 16, 48), (2, 48, 16)])
def test_muon_makes_matrices_nearly_orthogonal(shape: tuple[int, int, int]) -> None:
    matrices = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    values = torch.linalg.svdvals(orthogonalise(matrices, steps=7))
    assert values.min() > 0.5
    assert values.max() < 1.3


def test_muon_descends_where_shapes_mix() -> None:
    torch.manual_seed(0)
    weights = [torch.nn.Parameter(torch.randn(shape)) for shape in ((8, 8, 1, 1), (16, 8, 1, 1), (8, 8, 1, 1))]
    optimiser = Muon(weights, lr=0.1)
    losses = []
    for _ in range(60):
        loss = torch.stack([w.square().mean() for w in weights]).sum()
        losses.append(loss.item())
        loss.backward()
        optimiser.step()
        optimiser.zero_grad()
    assert losses[-1] < 0.2 * losses[0]


def test_a_percent_of_every_samples_cost_weighs_alike() -> None:
    rate, mse, quality = torch.tensor([0.1, 4.0]), torch.tensor([1e-4, 2e-2]), torch.tensor([0, 7])
    before = rate_distortion(rate, mse, quality)
    for i in range(2):
        factor = torch.ones(2)
        factor[i] = 1.01
        after = rate_distortion(rate * factor, mse * factor, quality)
        assert (after - before).item() == pytest.approx(np.log(1.01) / 2, rel=1e-3)
    one = rate_distortion(torch.ones(1), torch.full((1,), 1e-4), torch.tensor([7]))
    assert one.exp().item() == pytest.approx(1 + 0.09 * 255**2 * 1e-4, rel=1e-5)


def test_rates_warm_up_and_fall_to_the_end() -> None:
    recipe = OptimiserRecipe(warmup_steps=10, fall_share=0.5, final_factor=0.01)
    assert rate_factor(0, 0.0, recipe) == pytest.approx(0.1)
    assert rate_factor(100, 0.5, recipe) == 1
    assert rate_factor(100, 0.75, recipe) == pytest.approx(0.5)
    assert rate_factor(100, 1.0, recipe) == pytest.approx(0.01)


def test_a_run_until_a_time_of_day_goes_on_where_it_was() -> None:
    done = Progress(seconds=600)
    budget = Budget(until=1_001_800.0).resolved(done, now=1_000_000.0)
    assert budget.share(done) == pytest.approx(600 / 2400)
    with pytest.raises(RequestError, match="end"):
        Budget().resolved(done, now=0)


# Recipes


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.toml")), ids=lambda path: path.stem)
def test_shipped_recipes_are_read(path: Path) -> None:
    recipe = load_recipe(path.stem)
    assert recipe.name == path.stem
    assert Recipe.from_dict(recipe.to_dict()) == recipe


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda v: v["noise"].pop("sigma_max"), "sigma_max is missing"),
        (lambda v: v["noise"].update(colour=1), "unknown key colour"),
        (lambda v: v.update(data=3), "must be a table"),
        (lambda v: v["data"].update(patch=100), "multiple of 64"),
        (lambda v: v["data"].update(batch=1.5), "whole number"),
        (lambda v: v["data"].update(batch=0), "above 0"),
        (lambda v: v["data"].update(half_share=2), r"in 0\.\.1"),
        (lambda v: v["data"].update(half_share="much"), "must be a number"),
        (lambda v: v["architecture"].update(width8=0), r"1\.\.4096"),
        (lambda v: v.update(name=""), "must be a text"),
    ],
)
def test_senseless_recipes_are_refused(change, message: str) -> None:
    values = Recipe().to_dict()
    change(values)
    with pytest.raises(RequestError, match=message):
        Recipe.from_dict(values)


def test_recipes_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(RequestError, match=r"shipped recipes: .*base"):
        load_recipe("nothing")
    (tmp_path / "bad.toml").write_text("name = ")
    with pytest.raises(RequestError, match="not TOML"):
        load_recipe(tmp_path / "bad.toml")


def test_single_values_can_be_changed() -> None:
    recipe = Recipe().changed("optimiser.adam_rate=1e-4", "data.batch=64", "name=mine")
    assert (recipe.optimiser.adam_rate, recipe.data.batch, recipe.name) == (1e-4, 64, "mine")
    for wrong in ("data.size=3", "data=3", "batch", "data.batch=many", "a.b.c=1"):
        with pytest.raises(RequestError):
            Recipe().changed(wrong)


def test_a_release_can_be_trained_on(tmp_path: Path):
    """Quantised and back: the network that goes on is the one that was released, within the grids' rounding."""
    from conftest import TINY

    torch.manual_seed(3)
    network = trainable_network(TINY).eval()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter += 0.05 * torch.randn_like(parameter)
    record = {"record": json.dumps(asdict(Progress(step=7, lifetime_pixels=99)))}
    path = write_release(network, "tiny", [scene(64, 64)], tmp_path, record)
    start = load_start(path)
    assert start.record.lifetime_pixels == 99
    again = ema_network(start)
    x = torch.from_numpy(scene(64, 64, sigma=9)).permute(2, 0, 1)[None].float() / 255
    with torch.no_grad():
        (before, bits), (after, bits_after) = (net(x, torch.tensor([4])) for net in (network, again))
    assert torch.allclose(before, after, atol=0.02)
    assert torch.allclose(bits, bits_after, rtol=0.01)


def test_wide_latents_are_seen_without_their_lowest_bits(tmp_path: Path):
    """And the weights that are scaled for it come back as they were."""
    from conftest import TINY

    torch.manual_seed(4)
    network = trainable_network(TINY).eval()
    with torch.no_grad():
        network.context.inner.weight += 0.05 * torch.randn_like(network.context.inner.weight)
        network.analysis.log_gain += 4.0
    tensors = exact_prior(network, [scene(64, 64)])
    assert int(tensors["prior.latents.shift"].max()) > 0
    assert int(tensors["prior.latents.clamp"].max()) < 1 << LATENT_BITS
    again = float_prior(tensors)["context.inner.weight"]
    torch.testing.assert_close(again, network.context.inner.weight.data, atol=2.0**-7, rtol=0)
    with pytest.raises(AssertionError):
        torch.testing.assert_close(again, torch.zeros_like(again), atol=2.0**-7, rtol=0)
