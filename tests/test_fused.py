"""What makes the networks fast changes no value: the order of shuffled channels, and working in pieces."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from conftest import TINY
from ncodec.nets import fused
from ncodec.nets.inference import Transforms
from ncodec.nets.layers import Block
from ncodec.nets.prior import place_step, split_step
from ncodec.nets.shuffle import depth_to_space, positions_first, space_to_depth
from ncodec.nets.transform import Analysis, HyperAnalysis, Synthesis, as_trained
from pictures import scene


@torch.no_grad()
def test_transforms_as_they_run_give_what_the_trained_networks_give():
    """All their layers random, biases and scales of the qualities included: no channel can stand in for another."""
    torch.manual_seed(2)
    nets = {"analysis": Analysis(TINY), "hyper_analysis": HyperAnalysis(TINY), "synthesis": Synthesis(TINY)}
    for net in nets.values():
        for parameter in net.parameters():
            parameter.normal_(0, 0.3)
    tensors = {f"{name}.{key}": value for name, net in nets.items() for key, value in net.state_dict().items()}
    transforms = Transforms(TINY, tensors, torch.device("cpu"), torch.float32)
    pixels, quality = torch.from_numpy(scene(128, 192)), 4
    y = nets["analysis"](pixels.permute(2, 0, 1)[None] / 255, torch.tensor([quality - 1]))
    mine = transforms.analyse(pixels, quality)
    torch.testing.assert_close(mine, y[0].permute(1, 2, 0), rtol=1e-3, atol=1e-3)
    z = nets["hyper_analysis"](y)[0].permute(1, 2, 0)
    assert z.abs().max() > 3
    assert ((transforms.hyper_analyse(mine) - z).abs() < 0.51).all()
    latents = y / y.abs().max()
    estimate = 255 * nets["synthesis"](latents, torch.tensor([quality - 1]))[0].permute(1, 2, 0)
    picture = transforms.synthesise(latents[0].permute(1, 2, 0).contiguous(), quality, 128, 192, 3)
    assert 0 < (picture == 255).float().mean() < 0.9
    assert ((picture - estimate.clamp(0, 255)).abs() < 0.51).all()


def test_pixels_are_those_that_networks_learn_with():
    """Under autocast their first layer takes them in bfloat16, in which no two levels are one."""
    levels = as_trained(torch.arange(256, dtype=torch.uint8) / 255)
    assert levels.unique().numel() == 256
    assert levels[128] == 129 / 256
    autocast_sees = (torch.arange(256) / 255).bfloat16()
    assert torch.equal(levels, autocast_sees.float())


@pytest.mark.parametrize("size", [2, 8])
def test_shuffles_are_torchs_but_for_the_order_of_the_channels(size: int):
    x = torch.randn(3 * size, 5 * size, 7)
    deep = F.pixel_unshuffle(x.permute(2, 0, 1), size)
    assert torch.equal(space_to_depth(x, size).permute(2, 0, 1), positions_first(deep, size))
    assert torch.equal(depth_to_space(space_to_depth(x, size), size), x)


def test_a_stage_in_pieces_gives_the_values_of_a_stage_on_the_whole(monkeypatch: pytest.MonkeyPatch):
    torch.manual_seed(1)
    stage = fused.FusedStage(torch.nn.Sequential(Block(16), Block(16)).requires_grad_(False), torch.bfloat16)
    x = torch.randn(9, 11, 16)
    whole = stage(x.clone())
    monkeypatch.setattr(fused, "_PIECE_VALUES", 100)  # six positions, and a piece of three at the end
    assert torch.equal(stage(x.clone()), whole)
    assert not torch.equal(whole, x)


@pytest.mark.parametrize("shape", [(1, 1), (1, 4), (5, 1), (4, 6), (5, 7)])
def test_a_step_holds_the_channels_of_one_colour_at_each_position(shape: tuple[int, int]):
    latents = torch.randn(*shape, 6)
    i, j, c = torch.meshgrid(*(torch.arange(n) for n in latents.shape), indexing="ij")
    for step in (0, 1):
        of_step = (i + j + c) % 2 == step
        values = split_step(latents, step)
        assert torch.equal(values.flatten(), latents[of_step])
        empty = torch.zeros_like(latents)
        place_step(empty, values, step)
        assert torch.equal(empty, latents * of_step)
