"""Refining latents: its gradients are right, what it finds is better by its own measure, and any decoder reads it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

import ncodec
from conftest import TINY
from ncodec import base, codec, refine
from ncodec.container import dump, parse
from ncodec.effort import EFFORTS, SCHEDULES
from ncodec.errors import RequestError
from ncodec.nets.architecture import LAMBDAS
from ncodec.nets.inference import Transforms
from ncodec.nets.model import Model
from ncodec.nets.transform import Analysis, HyperAnalysis, Synthesis
from ncodec.noise import Noise
from ncodec.picture import Picture
from ncodec.target import best_estimate
from ncodec.weights import Models
from pictures import scene


@pytest.mark.parametrize("channels", [1, 3])
def test_gradient_is_that_of_the_trained_network(channels: int):
    """Against autograd through `Synthesis`, all its layers random, for a target inside the picture."""
    torch.manual_seed(2)
    nets = {"analysis": Analysis(TINY), "hyper_analysis": HyperAnalysis(TINY), "synthesis": Synthesis(TINY)}
    for parameter in (parameter for net in nets.values() for parameter in net.parameters()):
        parameter.data.normal_(0, 0.07)
    nets["synthesis"].patch.bias.data.add_(0.5)
    tensors = {f"{name}.{key}": value for name, net in nets.items() for key, value in net.state_dict().items()}
    transforms = Transforms(TINY, tensors, torch.device("cpu"), torch.float32)
    area = (slice(5, 60), slice(0, 75))
    target = torch.from_numpy(scene(55, 75, channels))
    y = (0.3 * torch.randn(4, 5, TINY.latent)).requires_grad_()
    picture = 255 * nets["synthesis"](y.permute(2, 0, 1)[None], torch.tensor([5]))[0].permute(1, 2, 0)
    error = ((picture if channels == 3 else picture.mean(2, keepdim=True))[area] - target).square().sum()
    assert 0 < picture.min() < picture.max() < 255, "where levels are clipped the gradient is meant to be another"
    (expected,) = torch.autograd.grad(error, y)
    found, gradient = transforms.synthesis_gradient(y.detach(), 6, target, area)
    torch.testing.assert_close(found, error.detach(), rtol=1e-4, atol=0.0)
    assert transforms.synthesis_gradient.error(y.detach(), 6, target, area) == found
    torch.testing.assert_close(gradient, expected, rtol=1e-3, atol=1e-3 * expected.abs().max().item())


def lagrangian(model: Model, data: bytes, quality: int, target: Tensor) -> float:
    """What a search lowers, of a file without enhancement layer."""
    picture = codec.decode(parse(data), Models(torch.device("cpu"), torch.float32), 1.0).pixels
    error = float(np.square(picture.astype(float) - target.numpy()).sum())
    return 8 * len(data) + refine.ERROR_FACTOR * float(LAMBDAS[quality - 1]) / picture.shape[2] * error


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("quality", [1, 7])
def test_every_effort_is_worth_its_time(model: Model, channels: int, quality: int):
    """In the file's real bytes and the decoder's own pixels, each effort ends nearer to the aim of the last one."""
    noisy = scene(192, 256, channels, sigma=25)  # smaller ones have too few latents at quality 1
    noise = Noise.gaussian(25)
    target = best_estimate(model, torch.from_numpy(noisy), noise, SCHEDULES[1].views)
    boxes = [codec.encode(Picture(noisy), model, quality, None, effort) for effort in (0, 1, 2)]
    found = [lagrangian(model, dump(box), quality, target) for box in boxes]
    assert found[0] * 0.99 > found[1] > found[2]


def test_refined_files_are_worth_more(model: Model, models: Models):
    """By the clean picture, which the search does not know."""
    clean, noisy = scene(128, 192), scene(128, 192, sigma=25)
    boxes = [codec.encode(Picture(noisy), model, 4, None, effort) for effort in (0, 2)]
    errors = [np.square(codec.decode(box, models, 1.0).pixels.astype(float) - clean).sum() for box in boxes]
    costs = [8 * len(dump(box)) + float(LAMBDAS[3]) / 3 * error for box, error in zip(boxes, errors, strict=True)]
    assert errors[1] < errors[0]
    assert costs[1] < 0.97 * costs[0]


@pytest.mark.parametrize(("slices", "tile", "group", "least"), [(64, 4, 192, 0.85), (8, 4, 8, 0.5), (4, 8, 8, 0.5)])
def test_parts_hang_together(
    model: Model, monkeypatch: pytest.MonkeyPatch, slices: int, tile: int, group: int, least: float
):
    """Latents refined in small parts do nearly as well as in one: none is forgotten, none out of step."""
    noisy = scene(112, 176, sigma=25)
    target = best_estimate(model, torch.from_numpy(noisy), Noise.gaussian(25), SCHEDULES[0].views)

    def cost(effort: int) -> float:
        return lagrangian(model, dump(codec.encode(Picture(noisy), model, 4, None, effort)), 4, target)

    won = cost(0) - cost(1)
    for name, value in (("SLICE_LATENTS", slices), ("TILE", tile), ("GROUP", group), ("HALO", 4)):
        monkeypatch.setattr(refine, name, value)
    monkeypatch.setattr(base, "SLICE_LATENTS", slices)
    monkeypatch.setattr(base, "SLICE_HYPER", max(1, slices // 4))
    assert cost(0) - cost(1) > least * won > 0


def test_progress_is_told_and_ends_at_one(model: Model, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(refine, "GROUP", 2)
    monkeypatch.setattr(refine, "TILE", 2)
    monkeypatch.setattr(refine, "SLICE_LATENTS", 2)
    told: list[float] = []
    codec.encode(Picture(scene(64, 32, sigma=25)), model, 3, None, 1, told.append)
    views, rounds = SCHEDULES[0].views, SCHEDULES[0].rounds
    expected = [view / (views + rounds) for view in range(1, views)]
    expected += [(views + number / 2) / (views + rounds) for number in range(1, 2 * rounds + 1)]
    assert told == pytest.approx(expected)
    assert told[-1] == 1.0


def test_same_picture_same_file(model: Model):
    noisy = Picture(scene(40, 56, sigma=25))
    files = [dump(codec.encode(noisy, model, 3, 3, 1)) for _ in range(2)]
    assert files[0] == files[1]
    assert files[0] != dump(codec.encode(noisy, model, 3, 3))


def test_what_is_not_better_is_not_taken(model: Model, monkeypatch: pytest.MonkeyPatch):
    """A search that goes astray leaves the latents as they were."""
    noisy = Picture(scene(40, 56, sigma=25))
    monkeypatch.setattr(refine, "CURVATURE", 0.01)
    assert codec.encode(noisy, model, 3, None, 1) == codec.encode(noisy, model, 3, None)


@pytest.mark.parametrize("shape", [(1, 1, 3), (1, 70, 1), (17, 15, 3)])
def test_any_size(model: Model, models: Models, shape: tuple[int, int, int]):
    picture = scene(*shape, sigma=10)
    box = parse(dump(codec.encode(Picture(picture), model, 5, 5, 1)))
    assert codec.decode(box, models, 0.0).pixels.shape == shape


def test_the_file_holds_what_the_search_counted_on(model: Model):
    """Its best symbols and their bits, in a picture of one window; symbols of rows that are not coded are 0 in both."""
    noisy = torch.from_numpy(scene(96, 96, sigma=25))
    y = model.transforms.analyse(noisy, 4)
    z = base.hyper_latents(model, y)
    found: list[refine._Search] = []

    class Watched(refine._Search):
        def __init__(self, *args: Any) -> None:
            super().__init__(*args)
            found.append(self)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(refine, "_Search", Watched)
        refined = refine.refine(model, noisy, Noise.gaussian(25), 4, 1, y.clone(), z)
    (search,) = found
    layer = base.encode_base(model, noisy, 4, lambda *_: refined)
    assert torch.equal(layer.y_hat, search.y)
    bits = search._cost - search.error_weight * search._error()
    overhead = 8 * 8  # symbol checksum and a length
    assert abs(8 * len(layer.latents.payload) - overhead - bits) <= 0.01 * bits + 2 * 64


def test_effort_of_the_library(model: Model):
    picture = scene(24, 32, sigma=25)
    assert ncodec.encode(picture, effort=0) == ncodec.encode(picture)
    assert ncodec.encode(picture, effort=np.int64(1)) != ncodec.encode(picture)
    for effort in (-1, EFFORTS + 1, True, "2", 1.0):
        with pytest.raises(RequestError, match=r"effort must be an integer in 0\.\.3"):
            ncodec.encode(picture, effort=effort)  # pyright: ignore[reportArgumentType]
