"""The trainer on what the codec is compared with (denoisers, reference codecs), and the codec without its denoising."""

from __future__ import annotations

import dataclasses
import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner

from ncodec.errors import FormatError, ModelError, RequestError
from ncodec.nets.architecture import Architecture
from ncodec.nets.dncnn import DnCnnSizes, denoise, load_dncnn
from ncodec.train.__main__ import describe
from ncodec.train.__main__ import main as train_command
from ncodec.train.checkpoint import Progress, Start, load_start, load_state, save_state, save_weights
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
from ncodec.train.reference import ReferenceNetwork, load_reference
from ncodec.train.release import ema_network
from ncodec.train.sizes import CODEC, DENOISER, REFERENCE, SIZES, ReferenceSizes, Sizes, task_of
from ncodec.train.tasks.denoiser import DenoiserTask
from ncodec.train.tasks.reference import ReferenceTask
from ncodec.train.tasks.registry import TASKS
from ncodec.train.trainer import Trainer
from pictures import scene
from train_tools import TINY, tiny_recipe, training_pictures

BLIND = DnCnnSizes(depth=3, width=16)
TOLD = DnCnnSizes(depth=3, width=16, conditioned=True)
DIRECT = DnCnnSizes(depth=3, width=16, conditioned=True, residual=False)
DENOISING = ReferenceSizes(width=8, latent=12, denoising=4, trade_off=0.01)
PLAIN = dataclasses.replace(DENOISING, denoising=0)


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return training_pictures(tmp_path_factory.mktemp("pictures"))


def recipe_of(sizes: Sizes) -> Recipe:
    return dataclasses.replace(tiny_recipe(), task=task_of(sizes), architecture=sizes)


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


def test_the_two_testolina_recipes_differ_in_their_convolutions_alone() -> None:
    denoising, plain = load_recipe("testolina-denoising"), load_recipe("testolina-plain")
    sizes = dataclasses.replace(denoising.architecture, denoising=0)
    assert dataclasses.replace(denoising, name=plain.name, architecture=sizes) == plain
    assert (denoising.data.patch, denoising.noise) == (load_recipe("base").data.patch, load_recipe("base").noise)
    other = denoising.changed("architecture.trade_off=0.025")
    assert other.architecture.trade_off == 0.025  # pyright: ignore[reportAttributeAccessIssue]


@pytest.mark.parametrize("change", [{"width": 0}, {"denoising": -1}, {"trade_off": 0}, {"latent": 1.5}, {"more": 1}])
def test_senseless_reference_sizes_are_refused(change: dict[str, float]) -> None:
    assert ReferenceSizes.from_dict(PLAIN.to_dict()) == PLAIN
    with pytest.raises(ValueError):  # noqa: PT011 - the words differ
        ReferenceSizes.from_dict(PLAIN.to_dict() | change)


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


@pytest.mark.parametrize("sizes", [DENOISING, PLAIN], ids=["denoising", "plain"])
def test_references_learn_and_code_real_bytes(sizes: ReferenceSizes, pictures: Path, tmp_path: Path) -> None:
    lines: list[dict] = []
    result = train(recipe_of(sizes), pictures, tmp_path, budget=Budget(steps=30), device="cpu", report=lines.append)
    first, last = (line["points"][1] for line in lines if line["event"] == "evaluate")
    costs = [p["rate_bpp"] + sizes.trade_off * 255**2 * 10 ** (-p["psnr_db"] / 10) for p in (first, last)]
    assert costs[1] < costs[0], (first, last)
    assert "25: " in describe(lines[-1])
    assert "| 30 |" in row("run", lines)
    assert plot_run(tmp_path).stat().st_size > 1000
    path = write_opponent(load_start(result.weights), tmp_path / "reference.safetensors", "shapes")
    reference = load_reference(path)
    assert reference.denoises == bool(sizes.denoising)
    picture = scene(70, 100, sigma=5)
    data = reference.encode(picture)
    decoded = reference.decode(data)
    assert (decoded.shape, decoded.dtype) == (picture.shape, np.uint8)
    with torch.no_grad():
        x = torch.nn.functional.pad(torch.from_numpy(picture).permute(2, 0, 1)[None] / 255, (0, 28, 0, 58), "replicate")
        estimate, rate_bpp = reference.network(x)
    assert np.abs(decoded - 255 * estimate[0, :, :70, :100].permute(1, 2, 0).clamp(0, 1).numpy()).max() < 1
    # Hardly trained, many a symbol lies where the estimate is capped and the coder escapes.
    assert 0.5 < 8 * len(data) / (rate_bpp.item() * 128 * 128) < 1.2
    with pytest.raises(FormatError):
        reference.decode(data[:5])
    with pytest.raises(FormatError):
        reference.decode(data[:12])
    other = dataclasses.replace(recipe_of(sizes), architecture=dataclasses.replace(sizes, trade_off=0.05))
    assert train(other, pictures, tmp_path / "b", budget=Budget(steps=1), init=path, device="cpu").complete


def test_transposed_convolutions_have_pytorchs_gradients() -> None:
    network = ReferenceNetwork(ReferenceSizes(16, 16))
    x = torch.rand((1, 3, 64, 64), generator=torch.Generator().manual_seed(0))

    def gradients() -> dict[str, torch.Tensor]:
        network.zero_grad()
        torch.manual_seed(1)  # of the noise that stands for rounding
        with torch.autocast("cpu", dtype=torch.bfloat16):
            picture, rate_bpp = network(x)
        (picture.float().square().mean() + rate_bpp.mean()).backward()
        return {name: p.grad for name, p in network.named_parameters() if p.grad is not None}

    ours = gradients()
    layers = [m for m in network.modules() if isinstance(m, torch.nn.ConvTranspose2d)]
    assert len(layers) == 6
    for layer in layers:
        del layer.forward
    torch.testing.assert_close(
        gradients(), ours, rtol=0.02, atol=1e-3 * max(g.abs().max().item() for g in ours.values())
    )


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


def test_files_that_are_no_references(tmp_path: Path) -> None:
    (tmp_path / "bad.safetensors").write_bytes(b"rubbish")
    for path, words in ((tmp_path / "bad.safetensors", "not a reference"), (tmp_path / "nothing", "cannot be read")):
        with pytest.raises(ModelError, match=words):
            load_reference(path)


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


def test_the_command_writes_an_opponent(tmp_path: Path) -> None:
    state = ReferenceNetwork(PLAIN).state_dict()
    save_weights(tmp_path / "w.safetensors", Start(PLAIN, state, state, Progress(step=3, lifetime_steps=3)))
    words = ["--out", str(tmp_path / "r.safetensors"), "--trained-on", "nothing"]
    done = CliRunner().invoke(opponents_command, ["--weights", str(tmp_path / "w.safetensors"), *words])
    assert done.exit_code == 0, done.output
    assert load_reference(tmp_path / "r.safetensors").network.sizes == PLAIN
    (tmp_path / "w.safetensors").write_bytes(b"rubbish")
    done = CliRunner().invoke(opponents_command, ["--weights", str(tmp_path / "w.safetensors"), *words])
    assert done.exit_code == 5
    assert done.stderr.count("\n") == 1


# The codec without its denoising module


def test_the_denoising_module_can_be_dropped(pictures: Path, tmp_path: Path) -> None:
    recipe = tiny_recipe()
    (tmp_path / "r.toml").write_text(toml(recipe.to_dict()))
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
    assert left < moved  # the first average is of a network that did not work
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


def toml(values: dict, prefix: str = "") -> str:
    plain = [f"{k} = {json.dumps(v)}" for k, v in values.items() if not isinstance(v, dict)]
    tables = [f"[{prefix}{k}]\n{toml(v)}" for k, v in values.items() if isinstance(v, dict)]
    return "\n".join([*plain, *tables]) + "\n"


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


@pytest.mark.parametrize("denoising", [0, 4])
def test_a_fresh_reference_is_a_linear_transform_codec(denoising: int, pictures: Path, tmp_path: Path) -> None:
    pack, _ = open_packs(pictures, tmp_path)
    task = ReferenceTask()
    torch.manual_seed(0)
    psnr = []
    for trade_off in (0.0018, 0.09):
        network = task.network(ReferenceSizes(64, 96, denoising, trade_off))
        task.begin(network, pack)
        psnr.append(task.evaluate(network.eval(), centre_crops(pack, 2, 128), torch.device("cpu"))[0].psnr_db)
    assert psnr[0] > 24
    assert psnr[1] > psnr[0] + 2
