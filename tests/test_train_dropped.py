"""The codec without its denoising module, and states from before there were tasks."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from click.testing import CliRunner

from ncodec.errors import RequestError
from ncodec.nets.architecture import Architecture
from ncodec.train.__main__ import main as train_command
from ncodec.train.checkpoint import Progress, Start, load_start, load_state, save_state
from ncodec.train.grow import without_stages
from ncodec.train.loop import Budget, train
from ncodec.train.network import trainable_network
from ncodec.train.release import ema_network
from train_tools import TINY, as_toml, tiny_recipe


def test_the_denoising_module_can_be_dropped(pictures: Path, tmp_path: Path) -> None:
    recipe = tiny_recipe()
    (tmp_path / "r.toml").write_text(as_toml(recipe.to_dict()))
    full = train(recipe, pictures, tmp_path / "full", budget=Budget(steps=2), device="cpu", cache=tmp_path / "cache")
    words = ["--data", pictures, "--cache", tmp_path / "cache", "--recipe", tmp_path / "r.toml", "--device", "cpu"]
    without = tmp_path / "without"
    words += ["--init", full.weights, "--out", without, "--drop", "denoising8", "--steps"]
    for steps in (2, 5):
        done = CliRunner().invoke(train_command, [*map(str, words), str(steps)])
        assert done.exit_code == 0, done.output
    start = load_start(without)
    assert isinstance(start.architecture, Architecture)
    assert (start.architecture.denoising8, start.record.lifetime_steps) == (0, 7)
    begun = load_start(full.weights).ema
    names = begun.keys() & start.ema.keys()
    moved, left = (sum((start.ema[k] - other[k]).abs().sum() for k in names) for other in (begun, start.network))
    assert left < moved
    assert not any("denoising8" in name for name in start.ema)
    assert ema_network(start).synthesis.denoising8 is not None
    smaller = recipe.changed("architecture.denoising8=0")
    with pytest.raises(RequestError, match="denoising8 = 1"):  # not by the way
        train(smaller, pictures, tmp_path / "c", budget=Budget(steps=1), init=full.weights, device="cpu")


def test_leaving_blocks_out_keeps_all_else() -> None:
    torch.manual_seed(0)
    network = trainable_network(TINY)
    state = network.state_dict()
    start = without_stages(Start(TINY, state, state, Progress()), ["denoising8"])
    small = ema_network(start)
    assert all(torch.equal(value, state[name]) for name, value in small.state_dict().items())
    x, quality = torch.rand(1, 3, 64, 64), torch.tensor([3])
    with torch.no_grad():  # fresh blocks are the identity
        for before, after in zip(network.eval()(x, quality), small(x, quality), strict=True):
            torch.testing.assert_close(before, after)


def test_a_state_from_before_there_were_tasks_goes_on(pictures: Path, tmp_path: Path) -> None:
    recipe = tiny_recipe()
    train(recipe, pictures, tmp_path, budget=Budget(steps=1), device="cpu")
    state = load_state(tmp_path)
    assert state is not None
    state["recipe"].pop("task")
    save_state(state, tmp_path)
    assert load_start(tmp_path).architecture == TINY
    assert train(recipe, pictures, tmp_path, budget=Budget(steps=2), device="cpu").progress.step == 2
