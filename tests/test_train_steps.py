"""Steps of a run in memory: the average of its weights, the qualities of its patches."""

from __future__ import annotations

import copy
from pathlib import Path

import pytest
import torch

from ncodec.train.data import open_packs
from ncodec.train.trainer import EMA_STEPS, Trainer
from train_tools import recipe_with, trainer_of

CPU = torch.device("cpu")


def test_a_short_run_from_trained_weights_leaves_them_behind(pictures: Path, tmp_path: Path) -> None:
    """Its average is mostly what it learnt, however slow the recipe's; a run that goes on does not begin again."""
    recipe = recipe_with(ema_decay=0.999)
    begun = copy.deepcopy(trainer_of(recipe, pictures, tmp_path).weights())
    pack, _ = open_packs(pictures, tmp_path)
    trainer = Trainer(recipe, pack, CPU, begun)
    for _ in range(12):
        trainer.step(0.0)
    averages, network = trainer.ema.state_dict(), trainer.network.state_dict()
    moved, left = (sum((averages[k] - other[k]).abs().sum() for k in network) for other in (begun.ema, network))
    assert left < 0.5 * moved
    again = Trainer(recipe, pack, CPU, begun)
    again.load_state_dict(copy.deepcopy(trainer.state_dict()))
    for _ in range(EMA_STEPS):
        again.step(0.0)
    decay = ((1 + 16) / (10 + 16)) ** EMA_STEPS
    for name, new in again.network.named_parameters():
        mean = again.ema.state_dict()[name]
        torch.testing.assert_close(mean, decay * averages[name] + (1 - decay) * new)


@pytest.mark.parametrize(("step", "decay"), [(4, 5 / 14), (96, 0.9)])
def test_the_average_slows_down_to_the_recipes_decay(step: int, decay: float, pictures: Path, tmp_path: Path) -> None:
    trainer = trainer_of(recipe_with(ema_decay=0.9), pictures, tmp_path)
    before = copy.deepcopy(trainer.ema.state_dict())
    trainer.progress.step = step - 1
    trainer.step(0.0)
    for name, parameter in trainer.network.named_parameters():
        expected = torch.lerp(parameter.detach(), before[name], decay**EMA_STEPS)
        torch.testing.assert_close(trainer.ema.state_dict()[name], expected)


def test_every_step_has_every_quality(pictures: Path, tmp_path: Path) -> None:
    """As often as can be, in another order every time, however the step is cut into parts; a run goes on with them."""
    one, whole = (trainer_of(recipe_with(clip_batch=size), pictures, tmp_path) for size in (1, 8))
    orders = [one.step(0.0)[0] for _ in range(3)]
    assert all(torch.equal(order.sort().values, torch.arange(8.0)) for order in orders)
    assert len({tuple(order.tolist()) for order in orders}) == 3
    assert torch.equal(whole.step(0.0)[0], orders[0])
    whole.load_state_dict(copy.deepcopy(one.state_dict()))
    assert torch.equal(whole.step(0.0)[0], one.step(0.0)[0])
    random = torch.Generator().manual_seed(0)
    assert one.task.choices(20, random).bincount().sort().values.tolist() == [2] * 4 + [3] * 4
    assert len(one.task.choices(3, random).unique()) == 3
