"""The trainer on what is not the codec: recipes and sizes of all tasks, denoisers, files of what was trained."""

from __future__ import annotations

import dataclasses
import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner

from ncodec.errors import ModelError, RequestError
from ncodec.nets.dncnn import DnCnnSizes, denoise, load_dncnn
from ncodec.train.__main__ import describe
from ncodec.train.checkpoint import Progress, Start, load_start, load_state, save_weights
from ncodec.train.data import centre_crops, open_packs
from ncodec.train.grow import without_stages
from ncodec.train.loop import Budget, train
from ncodec.train.network import trainable_network
from ncodec.train.opponents import main as opponents_command
from ncodec.train.opponents import write_opponent
from ncodec.train.optimisers import Optimisers
from ncodec.train.plot import plot_run
from ncodec.train.recipe import Recipe, load_recipe
from ncodec.train.record import row
from ncodec.train.release import ema_network
from ncodec.train.sizes import CODEC, DENOISER, REFERENCE, SIZES, ReferenceSizes, task_of
from ncodec.train.tasks.denoiser import DenoiserTask
from ncodec.train.tasks.registry import TASKS
from ncodec.train.trainer import Trainer
from pictures import scene
from train_tools import TINY, recipe_of

BLIND = DnCnnSizes(depth=3, width=16)
TOLD = DnCnnSizes(depth=3, width=16, conditioned=True)
DIRECT = DnCnnSizes(depth=3, width=16, conditioned=True, residual=False)
DENOISING = ReferenceSizes(width=8, latent=12, denoising=4, trade_off=0.01)


# Recipes and sizes


@pytest.mark.parametrize(
    ("name", "task"), [("base", CODEC), ("dncnn", DENOISER), ("fdncnn", DENOISER), ("testolina-plain", REFERENCE)]
)
def test_recipes_say_what_they_train(name: str, task: str) -> None:
    recipe = load_recipe(name)
    assert (recipe.task, task_of(recipe.architecture)) == (task, task)
    assert SIZES.keys() == TASKS.keys()


def test_a_recipe_without_a_task_is_the_codecs() -> None:
    values = Recipe().to_dict()
    values.pop("task")
    assert Recipe.from_dict(values) == Recipe()
    with pytest.raises(RequestError, match="codec, denoiser, reference"):
        Recipe.from_dict(values | {"task": "poetry"})
    with pytest.raises(RequestError, match="unknown key analysis16"):
        Recipe.from_dict(values | {"task": DENOISER})


# Runs


@pytest.mark.parametrize("sizes", [BLIND, TOLD], ids=["blind", "told"])
def test_denoisers_learn_and_are_written_and_read(sizes: DnCnnSizes, pictures: Path, tmp_path: Path) -> None:
    lines: list[dict] = []
    recipe = recipe_of(sizes)
    result = train(recipe, pictures, tmp_path, budget=Budget(steps=40), device="cpu", report=lines.append)
    first, last = ([p["psnr_db"] for p in line["points"]] for line in lines if line["event"] == "evaluate")
    assert [p["sigma"] for p in lines[-1]["points"]] == [15, 25, 50]
    assert sum(last) > sum(first) + 1, (first, last)
    assert "15: " in describe(lines[-1])
    assert "loss" in describe(next(line for line in lines if line["event"] == "train"))
    assert "25: " in row("run", lines)
    assert plot_run(tmp_path).stat().st_size > 1000
    path = write_opponent(load_start(result.weights), tmp_path / "models" / "dncnn.safetensors", "shapes")
    net = load_dncnn(path)
    assert net.sizes == sizes
    noisy = scene(64, 64, sigma=25)
    error, before = (
        np.square(p.astype(float) - scene(64, 64)).mean() for p in (denoise(net, noisy, 25, torch.float32), noisy)
    )
    assert error < before
    assert load_start(path).record.lifetime_pixels == 40 * 8 * 64 * 64
    longer = train(recipe, pictures, tmp_path / "more", budget=Budget(steps=2), init=path, device="cpu")
    assert longer.progress.lifetime_steps == 42


def test_a_denoisers_run_goes_on_where_it_was(pictures: Path, tmp_path: Path) -> None:
    """Steps 1 to 4 and then to 8 are steps 1 to 8, in the weights and in every random state."""
    recipe, parts, whole = recipe_of(BLIND), tmp_path / "parts", tmp_path / "whole"
    constant = dataclasses.replace(recipe, optimiser=dataclasses.replace(recipe.optimiser, fall_share=0.0))
    for steps, out in ((4, parts), (8, parts), (8, whole)):
        train(constant, pictures, out, budget=Budget(steps=steps), device="cpu", cache=tmp_path / "cache")
    a, b = load_state(parts), load_state(whole)
    assert a is not None
    assert b is not None
    for key in ("network", "ema"):
        for name, value in a[key].items():
            assert torch.equal(value, b[key][name]), name
    assert a["patches"] == b["patches"]
    assert torch.equal(a["noise"], b["noise"])


def test_a_muon_rate_of_0_leaves_all_to_adam() -> None:
    recipe = recipe_of(BLIND)
    task = TASKS[DENOISER]
    groups = task.groups(task.network(BLIND))
    assert len(groups.matrices) == BLIND.depth - 2
    both = Optimisers(groups, recipe.optimiser)
    alone = Optimisers(groups, dataclasses.replace(recipe.optimiser, muon_rate=0.0))
    assert [type(o).__name__ for o in both.all] == ["Muon", "Adam"]
    assert [type(o).__name__ for o in alone.all] == ["Adam"]
    assert len(alone.all[0].param_groups[0]["params"]) == 2 * BLIND.depth


def test_a_denoiser_of_two_layers_is_all_adams(pictures: Path, tmp_path: Path) -> None:
    recipe = recipe_of(DnCnnSizes(depth=2, width=16))
    assert train(recipe, pictures, tmp_path, budget=Budget(steps=1), device="cpu").complete


def test_a_run_goes_on_with_its_own_optimisers(pictures: Path, tmp_path: Path) -> None:
    train(recipe_of(BLIND), pictures, tmp_path, budget=Budget(steps=1), device="cpu")
    without = recipe_of(BLIND).changed("optimiser.muon_rate=0")
    with pytest.raises(RequestError, match="muon_rate"):
        train(without, pictures, tmp_path, budget=Budget(steps=2), device="cpu")


def test_weights_start_only_what_they_fit(pictures: Path, tmp_path: Path) -> None:
    network = TASKS[DENOISER].network(BLIND)
    state = network.state_dict()
    save_weights(tmp_path / "blind.safetensors", Start(BLIND, state, state, Progress()))
    for sizes, words in ((DIRECT, "cannot start one with"), (TINY, "cannot start a codec")):
        with pytest.raises(RequestError, match=words):
            train(
                recipe_of(sizes), pictures, tmp_path / sizes.__class__.__name__, budget=Budget(steps=1),
                init=tmp_path / "blind.safetensors", device="cpu",
            )  # fmt: skip
    with pytest.raises(ModelError, match="denoiser"):
        ema_network(load_start(tmp_path / "blind.safetensors"))
    with pytest.raises(ModelError, match="denoiser"):
        without_stages(load_start(tmp_path / "blind.safetensors"), ["denoising8"])
    codec = trainable_network(TINY).state_dict()
    with pytest.raises(ModelError, match=r"ncodec\.train\.release"):
        write_opponent(Start(TINY, codec, codec, Progress()), tmp_path / "x", "")
    with pytest.raises(ModelError, match="no layers"):
        write_opponent(Start(BLIND, {}, {}, Progress()), tmp_path / "x", "")


def test_a_denoiser_beside_a_manifest_gets_its_row_there(tmp_path: Path) -> None:
    models = tmp_path / "models"
    models.mkdir()
    (models / "manifest.json").write_text('{"models": []}')
    words = ["--out", str(models / "dncnn-blind.safetensors"), "--trained-on", "shapes"]
    for steps in (3, 4):
        state = TASKS[DENOISER].network(BLIND).state_dict()
        weights = tmp_path / f"{steps}.safetensors"
        save_weights(weights, Start(BLIND, state, state, Progress(step=steps, lifetime_steps=steps)))
        done = CliRunner().invoke(opponents_command, ["--weights", str(weights), *words])
        assert done.exit_code == 0, done.output
    manifest = json.loads((models / "manifest.json").read_text())
    (row,) = manifest["denoisers"]
    assert (row["file"], row["steps"], row["trained_on"]) == ("dncnn-blind.safetensors", 4, "shapes")
    assert manifest["models"] == []
    assert "## dncnn-blind.safetensors" in (models / "README.md").read_text()


@pytest.mark.parametrize("sizes", [BLIND, TOLD, DIRECT, DnCnnSizes(), DnCnnSizes(conditioned=True)])
def test_a_fresh_denoiser_is_a_linear_filter(sizes: DnCnnSizes, pictures: Path, tmp_path: Path) -> None:
    pack, _ = open_packs(pictures, tmp_path)
    task = DenoiserTask()
    network = task.network(sizes)
    task.begin(network, pack)
    points = task.evaluate(network.eval(), centre_crops(pack, 2, 64), torch.device("cpu"))
    gains = [p.psnr_db - 20 * math.log10(255 / p.sigma) for p in points]
    assert gains[1] > 1
    x = torch.rand(1, 3, 16, 16)
    with torch.no_grad():
        moved = network(0.5 * x, torch.zeros(1)) - 0.5 * network(x, torch.zeros(1))
    assert moved.abs().max() < 1e-4


def test_a_blind_denoiser_starts_one_that_is_told(pictures: Path, tmp_path: Path) -> None:
    blind = load_start(train(recipe_of(BLIND), pictures, tmp_path, budget=Budget(steps=4), device="cpu").weights)
    pack, _ = open_packs(pictures, tmp_path)
    told = Trainer(recipe_of(TOLD), pack, torch.device("cpu"), blind)
    before = Trainer(recipe_of(BLIND), pack, torch.device("cpu"), blind)
    x = torch.rand(1, 3, 16, 16)
    torch.testing.assert_close(told.ema(x, torch.tensor([0.2])), before.ema(x))
    with pytest.raises(RequestError, match="cannot start"):
        Trainer(recipe_of(BLIND), pack, torch.device("cpu"), told.weights())
