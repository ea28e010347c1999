"""The trainer, on a tiny network and pictures made here."""

from __future__ import annotations

import dataclasses
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from ncodec.errors import ImageError, ModelError, RequestError
from ncodec.nets.architecture import Architecture
from ncodec.train.checkpoint import (
    PIECE_BYTES,
    Progress,
    Start,
    load_start,
    load_state,
    load_weights,
    save_state,
    save_weights,
)
from ncodec.train.data import centre_crops, list_pictures, load_rgb, open_packs, split
from ncodec.train.evaluate import evaluate
from ncodec.train.grow import check_growth, grown_state
from ncodec.train.klt import measure_klt, start_as_klt
from ncodec.train.loop import Budget, train
from ncodec.train.loss import rate_distortion
from ncodec.train.muon import Muon, orthogonalise
from ncodec.train.network import trainable_network
from ncodec.train.noise import add_noise, camera_noise, jpeg_like
from ncodec.train.optimisers import rate_factor
from ncodec.train.patches import PatchSource
from ncodec.train.plot import plot_run, read_log
from ncodec.train.recipe import FOLDER, DataRecipe, NoiseRecipe, OptimiserRecipe, Recipe, load_recipe

TINY = Architecture(16, 16, 16, 8, 8, 1, 1, 1, 1, 1)
CPU = torch.device("cpu")


def tiny_recipe(**loop: float) -> Recipe:
    recipe = Recipe(
        architecture=TINY,
        data=DataRecipe(patch=64, batch=8),
        optimiser=OptimiserRecipe(adam_rate=2e-3, muon_rate=0.02, warmup_steps=4, ema_decay=0.95),
    )
    return dataclasses.replace(recipe, loop=dataclasses.replace(recipe.loop, log_steps=2, evaluate_crops=2, **loop))


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of smooth shapes with edges, one of them gray, one small, and a file that is no picture."""
    folder = tmp_path_factory.mktemp("pictures")
    random = np.random.default_rng(0)
    for i in range(6):
        height, width = (40, 50) if i == 5 else (150 + 30 * i, 260 - 20 * i)
        y, x = np.mgrid[:height, :width]
        waves = [np.sin(x * random.uniform(0.02, 0.2) + y * random.uniform(0.02, 0.2)) for _ in range(3)]
        picture = 128 + 60 * np.stack(waves, 2) + 50 * ((x // 37 + y // 29) % 2)[..., None]
        image = Image.fromarray(picture.clip(0, 255).astype(np.uint8))
        (image.convert("L") if i == 4 else image).save(folder / f"{i}.png")
    (folder / "readme.txt").write_text("not a picture")
    return folder


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
    assert noise.std() * 255 == pytest.approx(8, rel=0.1)
    neighbours = (noise[..., 1:] * noise[..., :-1]).mean() / noise.var()
    assert neighbours > 0.3
    colours = (noise[:, 0] * noise[:, 1]).mean((1, 2)) / (noise[:, 0].std((1, 2)) * noise[:, 1].std((1, 2)))
    assert colours.abs().mean() > 0.05


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


def test_the_loss_weighs_qualities_alike() -> None:
    rate, mse = torch.ones(2), torch.zeros(2)
    both = rate_distortion(rate, mse, torch.tensor([0, 7]))
    assert both.item() == pytest.approx(1)
    one = rate_distortion(torch.ones(1), torch.full((1,), 1e-4), torch.tensor([7]))
    assert one.item() == pytest.approx(1 + 0.09 * 255**2 * 1e-4, rel=1e-5)


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


# Networks


def test_a_fresh_network_codes_like_a_linear_transform(pictures: Path, tmp_path: Path) -> None:
    pack, _ = open_packs(pictures, tmp_path)
    torch.manual_seed(0)
    arch = dataclasses.replace(TINY, width8=192, width16=320, latent=320)
    network = trainable_network(arch)
    start_as_klt(network, measure_klt(pack))
    points = evaluate(network.eval(), centre_crops(pack, 2, 128), CPU)
    clean = [p.psnr_db for p in points if p.sigma == 0]
    assert clean[-1] > 35
    assert clean[-1] > clean[0] + 5


def test_growing_changes_nothing() -> None:
    torch.manual_seed(0)
    small = trainable_network(TINY).eval()
    for parameter in small.parameters():
        torch.nn.init.normal_(parameter, std=0.1)
    large_arch = dataclasses.replace(TINY, analysis8=3, denoising8=2)
    large = trainable_network(large_arch).eval()
    large.load_state_dict(grown_state(large.state_dict(), small.state_dict()))
    x, quality = torch.rand(2, 3, 64, 64), torch.tensor([0, 7])
    with torch.no_grad():
        for before, after in zip(small(x, quality), large(x, quality), strict=True):
            torch.testing.assert_close(before, after, rtol=0, atol=0)
    check_growth(TINY, large_arch)
    with pytest.raises(RequestError, match="analysis8 = 3"):
        check_growth(large_arch, TINY)
    with pytest.raises(RequestError, match="no analysis"):
        grown_state(large.state_dict(), {})


# Checkpoints


def test_weights_survive_a_file(tmp_path: Path) -> None:
    network = trainable_network(TINY)
    state = network.state_dict()
    start = Start(TINY, state, state, Progress(step=3, lifetime_pixels=10**10))
    save_weights(tmp_path / "w.safetensors", start, "tiny")
    again = load_start(tmp_path / "w.safetensors")
    assert (again.architecture, again.record) == (TINY, start.record)
    trainable_network(TINY).load_state_dict(grown_state(state, again.network))
    for name, value in again.ema.items():
        torch.testing.assert_close(value, state[name], rtol=1e-3, atol=1e-6)


def test_weights_that_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "bad").write_bytes(b"rubbish")
    with pytest.raises(ModelError, match="bad"):
        load_weights(tmp_path / "bad")
    with pytest.raises(ModelError, match="neither"):
        load_start(tmp_path)
    (tmp_path / "state.pt").write_bytes(b"rubbish")
    with pytest.raises(ModelError, match="cannot be read"):
        load_state(tmp_path)


def test_a_state_in_pieces(tmp_path: Path) -> None:
    state = {"a": torch.arange(PIECE_BYTES // 3), "b": {"c": 1}}
    save_state(state, tmp_path)
    save_state(state, tmp_path, pieces=True)
    sizes = [p.stat().st_size for p in tmp_path.iterdir()]
    assert len(sizes) == 4
    assert max(sizes) < 16 * 2**20
    loaded = load_state(tmp_path)
    assert loaded is not None
    assert torch.equal(loaded["a"], state["a"])
    save_state({"a": 1}, tmp_path, pieces=True)
    assert len(list(tmp_path.iterdir())) == 2
    next(tmp_path.glob("state-*")).write_bytes(b"other")
    with pytest.raises(ModelError, match="do not fit"):
        load_state(tmp_path)


# Whole runs


def test_training_lowers_the_loss_and_leaves_its_records(pictures: Path, tmp_path: Path) -> None:
    lines: list[dict] = []
    recipe = tiny_recipe()
    result = train(recipe, pictures, tmp_path, budget=Budget(steps=80), device="cpu", report=lines.append)
    assert result.complete
    assert (result.progress.step, result.progress.skipped) == (80, 0)
    assert result.progress.pixels == 80 * 8 * 64 * 64
    assert read_log(tmp_path) == json.loads(json.dumps(lines))
    first, last = (line for line in lines if line["event"] == "evaluate")
    costs = [sum(p["rate_bpp"] - p["psnr_db"] / 6.02 for p in line["points"]) for line in (first, last)]
    assert costs[1] < costs[0] - 0.5
    assert plot_run(tmp_path).stat().st_size > 1000
    longer = train(recipe, pictures, tmp_path, budget=Budget(steps=82), device="cpu", cache=tmp_path / "pictures")
    assert longer.progress.step == 82
    wider = dataclasses.replace(recipe, architecture=dataclasses.replace(TINY, width8=24))
    with pytest.raises(RequestError, match="another architecture"):
        train(wider, pictures, tmp_path, budget=Budget(steps=90), device="cpu")
    deeper = dataclasses.replace(recipe, architecture=dataclasses.replace(TINY, denoising8=2))
    grown = train(deeper, pictures, tmp_path / "deep", budget=Budget(steps=2), init=result.weights, device="cpu")
    assert grown.progress.lifetime_steps == 82 + 2


STEPS = 14


def command(pictures: Path, out: Path, recipe: Path) -> list[str]:
    options = {"recipe": recipe, "data": pictures, "out": out, "steps": STEPS, "threads": torch.get_num_threads()}
    words = [word for key, value in options.items() for word in (f"--{key}", str(value))]
    return [sys.executable, "-m", "ncodec.train", "--device", "cpu", *words]


def as_toml(values: dict, prefix: str = "") -> str:
    plain = [f"{k} = {json.dumps(v)}" for k, v in values.items() if not isinstance(v, dict)]
    tables = [f"[{prefix}{k}]\n{as_toml(v)}" for k, v in values.items() if isinstance(v, dict)]
    return "\n".join([*plain, *tables]) + "\n"


def steps_logged(out: Path) -> int:
    rows = read_log(out) if (out / "log.jsonl").exists() else []
    return max((row["step"] for row in rows if row["event"] == "train"), default=0)


def assert_same(a: object, b: object, where: str = "") -> None:
    if isinstance(a, torch.Tensor):
        assert torch.equal(a, b), where  # pyright: ignore[reportArgumentType]
    elif isinstance(a, dict):
        assert a.keys() == b.keys()  # pyright: ignore[reportAttributeAccessIssue]
        for key in a:
            if "seconds" not in str(key) and key != "recipe":
                assert_same(a[key], b[key], f"{where}/{key}")  # pyright: ignore[reportIndexIssue]
    elif isinstance(a, list):
        for i, (x, y) in enumerate(zip(a, b, strict=True)):  # pyright: ignore[reportArgumentType]
            assert_same(x, y, f"{where}/{i}")
    else:
        assert a == b, where


def test_a_killed_run_goes_on_as_if_nothing_had_happened(pictures: Path, tmp_path: Path) -> None:
    recipe = tiny_recipe(save_s=0.0)  # a state after every step
    (tmp_path / "r.toml").write_text(as_toml(recipe.to_dict()))
    killed, whole = tmp_path / "killed", tmp_path / "whole"
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[1])}
    words = command(pictures, killed, tmp_path / "r.toml")
    process = subprocess.Popen(words, env=environment, stdout=subprocess.DEVNULL)
    while steps_logged(killed) < 4 and process.poll() is None:
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    state = load_state(killed)
    assert state is not None
    assert 3 <= state["progress"]["step"] < STEPS
    train(recipe, pictures, killed, budget=Budget(steps=STEPS), device="cpu")
    train(recipe, pictures, whole, budget=Budget(steps=STEPS), device="cpu")
    assert_same(load_state(killed), load_state(whole))


def test_sigterm_ends_a_run_with_its_state_saved(pictures: Path, tmp_path: Path) -> None:
    def stop(line: dict) -> None:
        if line["event"] == "train" and line["step"] == 4:
            os.kill(os.getpid(), signal.SIGTERM)

    result = train(tiny_recipe(), pictures, tmp_path, budget=Budget(steps=50), device="cpu", report=stop)
    assert not result.complete
    state = load_state(tmp_path)
    assert state is not None
    assert state["progress"]["step"] == result.progress.step == 4
