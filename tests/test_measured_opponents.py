"""The scripts that measure the denoising module and our DnCNN: on a picture made here, with tiny networks."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner

from cli_tools import save_scene
from conftest import TINY
from measure import ablation, dncnn
from measure.report import document
from measure.results import read
from ncodec.nets.dncnn import DnCnnSizes
from ncodec.train.checkpoint import Progress, Start
from ncodec.train.export import write_release
from ncodec.train.network import trainable_network
from ncodec.train.opponents import write_opponent
from ncodec.train.sizes import DENOISER
from ncodec.train.tasks.registry import TASKS
from pictures import scene


@pytest.fixture(scope="module")
def release(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny network whose denoising blocks do something."""
    torch.manual_seed(0)
    network = trainable_network(TINY).eval()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter += 0.05 * torch.randn_like(parameter)
    record = {"record": json.dumps(asdict(Progress(lifetime_steps=7, lifetime_pixels=10**9)))}
    return write_release(network, "tiny", [scene(64, 64)], tmp_path_factory.mktemp("release"), record)


def test_the_ablation_tells_what_each_variant_gives(release: Path, tmp_path: Path) -> None:
    save_scene(tmp_path / "kodak" / "kodim01.png", 48, 64)
    jobs = [ablation.Job(tmp_path / "kodak" / "kodim01.png", 0, 25, (("released", release), ("without", release)))]
    rows = [row for job in jobs for row in ablation.measure(job)]
    by = {(row["variant"], row["quality"]): row for row in rows}
    assert len(by) == 3 * 8
    assert by["released", 3]["base_bpp"] == by["left out", 3]["base_bpp"]
    assert by["released", 3]["denoised_clean_psnr_db"] != by["left out", 3]["denoised_clean_psnr_db"]
    assert by["released", 3] == by["without", 3] | {"variant": "released"}
    seen = ablation.record(release)
    assert (seen["steps"], seen["gigapixels_seen"]) == (7, 1)
    about = {"stage": ablation.STAGE, "variants": {"released": seen, "without": seen}}
    text = ablation_section(about, rows)
    assert "1 residual block at" in text
    assert f"| 3 | {by['released', 3]['base_bpp']:.3f} / " in text


def ablation_section(about: dict, rows: list[dict]) -> str:
    from measure.sections.ablation import section

    return section(about, rows)


def test_blocks_that_are_the_identity_can_be_left_out(tmp_path: Path) -> None:
    torch.manual_seed(0)
    network = trainable_network(TINY).eval()
    path = write_release(network, "tiny", [scene(64, 64)], tmp_path, {"record": json.dumps(asdict(Progress()))})
    whole, part = ablation.load(path), ablation.load(path, leave_out=True)
    assert (whole.arch.denoising8, part.arch.denoising8) == (1, 0)
    y = torch.randn(3, 4, TINY.latent)
    assert torch.equal(*(m.transforms.synthesise(y, 4, 48, 64, 3) for m in (whole, part)))


def test_our_denoisers_are_measured_beside_others(tmp_path: Path) -> None:
    save_scene(tmp_path / "kodak" / "kodim01.png", 40, 48)
    sizes = DnCnnSizes(depth=2, width=8)
    state = TASKS[DENOISER].network(sizes).state_dict()
    start = Start(sizes, state, state, Progress(lifetime_steps=5, lifetime_pixels=10**9))
    write_opponent(start, tmp_path / "models" / dncnn.OURS["blind"], "nothing")
    out = tmp_path / "results" / "dncnn.jsonl"
    words = [tmp_path / "kodak", "--models", tmp_path / "models", "--out", out, "--processes", 1]
    done = CliRunner().invoke(dncnn.main, [*map(str, words)])
    assert done.exit_code == 0, done.output
    about, rows = read(out)
    assert about["networks"]["blind"]["steps"] == 5
    assert [row["sigma"] for row in rows] == [15, 25, 50]
    assert all(row["psnr_db"] == row["noisy_psnr_db"] for row in rows)  # a fresh network changes nothing
    text = document(out.parent)
    assert "1.00 gigapixels" in text
    assert f"| {rows[0]['psnr_db']:.2f} |" in text
