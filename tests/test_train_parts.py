"""What the trainer is made of: optimisers, loss, schedule, evaluation, compiled layers, releases."""

from __future__ import annotations

import json
import warnings
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
import torch

from ncodec.train import accelerate, evaluate, release
from ncodec.train.checkpoint import Progress, load_start
from ncodec.train.data import centre_crops, open_packs
from ncodec.train.export import write_release
from ncodec.train.integers import LATENT_BITS, exact_prior, float_prior
from ncodec.train.loop import Budget, train
from ncodec.train.loss import rate_distortion
from ncodec.train.muon import Muon, orthogonalise
from ncodec.train.native import NativeUnavailable, library
from ncodec.train.network import trainable_network
from ncodec.train.noise_kinds import noise_changes
from ncodec.train.optimisers import rate_factor
from ncodec.train.recipe import OptimiserRecipe
from ncodec.train.release import ema_network
from pictures import scene
from train_tools import tiny_recipe


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


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_evaluation_computes_in_the_number_format_of_training(dtype: torch.dtype, monkeypatch) -> None:
    seen: list[bool] = []

    def network(noisy: torch.Tensor, quality: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        seen.append(torch.is_autocast_enabled("cpu"))
        return noisy, torch.ones(len(noisy))

    monkeypatch.setattr(evaluate, "transform_dtype", lambda device: dtype)
    evaluate.evaluate(network, scene(64, 64)[None], torch.device("cpu"))  # pyright: ignore[reportArgumentType]
    assert seen == [dtype == torch.bfloat16] * 16


class _FailsOnTheWayBack(torch.autograd.Function):
    @staticmethod
    def forward(ctx: object, x: torch.Tensor) -> torch.Tensor:
        return x.clone()

    @staticmethod
    def backward(ctx: object, *gradients: torch.Tensor) -> torch.Tensor:
        raise RuntimeError("no Triton")


@pytest.mark.parametrize("fails", [False, True])
def test_a_compiler_that_fails_late_is_done_without(fails: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """The backward pass is only compiled when it first runs; the trial leaves random numbers alone."""
    network = torch.nn.Linear(3, 3)
    last = _FailsOnTheWayBack.apply if fails else torch.tanh
    monkeypatch.setattr(torch, "compile", lambda net, dynamic: lambda x: last(net(x) + torch.rand(1)))
    forward = accelerate.compiled(network)
    x = torch.ones(2, 3)
    torch.manual_seed(5)
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        y = forward(x)
    torch.autograd.grad(y.sum(), list(network.parameters()))
    assert len(said) == fails
    torch.manual_seed(5)
    expected = network(x) if fails else torch.tanh(network(x) + torch.rand(1))
    torch.testing.assert_close(y, expected)


def test_a_home_that_nobody_has_is_no_reason_to_fail(monkeypatch: pytest.MonkeyPatch) -> None:
    def nobody() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setattr(library.Path, "home", nobody)
    monkeypatch.setattr(library, "_processor_flags", lambda: library.NEEDED)
    with pytest.raises(NativeUnavailable, match="no cache folder"):
        library.load_library.__wrapped__()


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


def test_a_release_is_calibrated_on_the_noise_that_it_was_trained_for(
    pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every second picture, from a run's folder and from its weights; where it is not known, none."""
    recipe = tiny_recipe().changed(*noise_changes("none"))
    result = train(recipe, pictures, tmp_path / "run", budget=Budget(steps=1), cache=tmp_path, device="cpu")
    calibrated: list[np.ndarray] = []
    monkeypatch.setattr(release, "write_release", lambda net, name, noisy, *rest: calibrated.extend(noisy) or tmp_path)
    pack, _ = open_packs(pictures, tmp_path)
    clean = list(centre_crops(pack, release.CALIBRATION_PICTURES, release.CALIBRATION_SIDE))
    white = list(release.calibration(pack, None))
    assert [np.array_equal(a, b) for a, b in zip(white, clean, strict=True)] == [True, *[False] * (len(clean) - 1)]
    for path in (tmp_path / "run", result.weights):
        calibrated.clear()
        release.write_model(load_start(path), pictures, tmp_path, tmp_path, "tiny")
        for i, (found, *expected) in enumerate(zip(calibrated, white, clean, strict=True)):
            np.testing.assert_array_equal(found, expected[i % 2])
    mixture = [list(release.calibration(pack, tiny_recipe().noise)) for _ in range(2)]
    for i, (first, again) in enumerate(zip(*mixture, strict=True)):
        np.testing.assert_array_equal(first, again)
        assert first.flags.c_contiguous
        assert np.array_equal(first, white[i]) == (i % 2 == 0)


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
