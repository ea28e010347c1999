"""The gradient of a step: clipped sample by sample."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import torch

from ncodec.train.gradients import Gradients, Part
from ncodec.train.trainer import Trainer
from train_tools import parts_of, recipe_with, tiny_recipe, trainer_of

CPU = torch.device("cpu")
FLOAT = torch.float32


def gradient(trainer: Trainer, parts: list[Part], clip_norm: float) -> torch.Tensor:
    gradients = Gradients(recipe_with(clip_norm=clip_norm), trainer.network, trainer.network, FLOAT)
    total = [torch.zeros_like(parameter) for parameter in gradients.parameters]
    assert gradients.add(parts, total).skipped == 0
    return torch.cat([tensor.flatten() for tensor in total])


def test_every_sample_is_clipped_on_its_own(pictures: Path, tmp_path: Path) -> None:
    trainer = trainer_of(tiny_recipe(), pictures, tmp_path)
    parts = parts_of(3)
    alone = [gradient(trainer, [dataclasses.replace(part, share=1.0)], 1e9) for part in parts]
    norms = torch.stack([one.norm() for one in alone])
    limit = norms.median().item()  # one is louder, one is not
    expected = sum(one * min(1.0, limit / norm.item()) / 3 for one, norm in zip(alone, norms, strict=True))
    torch.testing.assert_close(gradient(trainer, parts, limit), expected, rtol=1e-3, atol=1e-5)
    assert norms.max() > 1.01 * limit


def test_a_sample_without_a_finite_gradient_is_left_out(pictures: Path, tmp_path: Path) -> None:
    trainer = trainer_of(tiny_recipe(), pictures, tmp_path)
    good, bad = parts_of(2)
    bad.clean[0, 0, 0, 0] = float("nan")
    gradients = Gradients(tiny_recipe(), trainer.network, trainer.network, FLOAT)
    total = [torch.zeros_like(parameter) for parameter in gradients.parameters]
    assert gradients.add([bad], total).skipped == 1
    assert all((tensor == 0).all() for tensor in total)
    assert gradients.add([good, bad], total).skipped == 1
    assert all(tensor.isfinite().all() for tensor in total)
    assert any(tensor.any() for tensor in total)


def test_a_step_does_not_depend_on_what_was_drawn_before(pictures: Path, tmp_path: Path) -> None:
    found = []
    for seed in (1, 2):
        trainer = trainer_of(tiny_recipe(), pictures, tmp_path)
        torch.manual_seed(seed)
        trainer.step(0.0)
        found.append(torch.cat([p.detach().flatten() for p in trainer.network.parameters()]))
    torch.testing.assert_close(*found, rtol=0, atol=0)
