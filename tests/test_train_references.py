"""The trainer on the reference codecs: Testolina et al.'s network and the plain hyperprior."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner

from ncodec.errors import FormatError, ModelError
from ncodec.train.__main__ import describe
from ncodec.train.checkpoint import Progress, Start, load_start, save_weights
from ncodec.train.data import centre_crops, open_packs
from ncodec.train.loop import Budget, train
from ncodec.train.opponents import main as opponents_command
from ncodec.train.opponents import write_opponent
from ncodec.train.plot import plot_run
from ncodec.train.recipe import load_recipe
from ncodec.train.record import row
from ncodec.train.reference import ReferenceNetwork, load_reference
from ncodec.train.sizes import ReferenceSizes
from ncodec.train.tasks.reference import ReferenceTask
from pictures import scene
from train_tools import recipe_of

DENOISING = ReferenceSizes(width=8, latent=12, denoising=4, trade_off=0.01)
PLAIN = dataclasses.replace(DENOISING, denoising=0)


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
    torch.manual_seed(0)
    network = ReferenceNetwork(ReferenceSizes(16, 16))
    x = torch.rand((1, 3, 64, 64))

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
    for name, usual in gradients().items():
        assert (ours[name] - usual).norm() < 0.03 * usual.norm(), name


def test_files_that_are_no_references(tmp_path: Path) -> None:
    (tmp_path / "bad.safetensors").write_bytes(b"rubbish")
    for path, words in ((tmp_path / "bad.safetensors", "not a reference"), (tmp_path / "nothing", "cannot be read")):
        with pytest.raises(ModelError, match=words):
            load_reference(path)


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
