"""The installed package in an empty folder: weights inside, nothing of the checkout needed."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from safetensors.numpy import load_file

from pictures import scene

CHECKOUT = Path(__file__).parent.parent / "models"


def isolated(folder: Path, *command: str) -> subprocess.CompletedProcess[str]:
    """A process that sees the installed packages and nothing of the current folder."""
    return subprocess.run([sys.executable, "-I", *command], cwd=folder, capture_output=True, text=True, check=False)


@pytest.fixture
def installed(tmp_path: Path) -> Path:
    """An empty folder; skips where ncodec runs from a checkout."""
    where = isolated(tmp_path, "-c", "import ncodec; print(ncodec.__file__)").stdout.strip()
    if "site-packages" not in where:
        pytest.skip("ncodec is not installed as a wheel here (.ci/run does)")
    return tmp_path


def test_the_wheel_works_in_an_empty_folder(installed: Path):
    Image.fromarray(scene(64, 96, sigma=20)).save(installed / "a.png")
    for command in (["encode", "a.png"], ["decode", "a.ncd", "--denoise", "-o", "b.png"], ["info", "a.ncd", "--json"]):
        done = isolated(installed, "-m", "ncodec", *command)
        assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["width"] == 96
    assert np.asarray(Image.open(installed / "b.png")).shape == (64, 96, 3)


def test_the_comparison_finds_its_denoisers_in_an_empty_folder(installed: Path):
    Image.fromarray(scene(64, 96)).save(installed / "a.png")
    options = [
        "--methods",
        "dncnn-then-jpeg,hyperprior-then-dncnn",
        "--qualities",
        "4",
        "--repeats",
        "0",
        "--threads",
        "1",
    ]
    done = isolated(installed, "-m", "ncodec", "bench", "a.png", *options)
    assert done.returncode == 0, done.stderr
    (left_out,) = (line for line in done.stderr.splitlines() if "left out" in line)
    assert left_out.startswith("ncodec: left out: hyperprior-then-dncnn: ")  # no reference codecs in the wheel
    (row,) = (json.loads(line) for line in (installed / "report" / "results.jsonl").read_text().splitlines()[1:])
    assert row["method"] == "dncnn-then-jpeg"
    assert row["psnr_denoised_clean_db"] > 20


def models_inside(installed: Path) -> Path:
    folder = isolated(installed, "-c", "from ncodec.weights import *; print(models_folder())").stdout.strip()
    assert "site-packages" in folder
    return Path(folder)


def test_the_wheel_holds_the_files_of_the_manifest_and_no_others(installed: Path):
    folder = models_inside(installed)
    manifest = json.loads((folder / "manifest.json").read_text())
    names = {"manifest.json", *(row["file"] for rows in manifest.values() for row in rows)}
    assert {path.name for path in folder.iterdir()} == names


def test_the_wheel_holds_the_decoders_of_older_models_and_the_newest_one_whole(installed: Path):
    folder = models_inside(installed)
    *older, newest = json.loads((folder / "manifest.json").read_text())["models"]
    assert older
    assert [{**row, "decoder_sha256": ""} for row in older] == [
        {**row, "decoder_sha256": ""} for row in json.loads((CHECKOUT / "manifest.json").read_text())["models"][:-1]
    ]
    for row in older:
        assert hashlib.sha256((folder / row["file"]).read_bytes()).hexdigest() == row["decoder_sha256"]
        whole, inside = load_file(CHECKOUT / row["file"]), load_file(folder / row["file"])
        assert {name.partition(".")[0] for name in whole.keys() - inside.keys()} == {
            "analysis",
            "hyper_analysis",
            "training",
        }
        assert all(np.array_equal(whole[name], inside[name]) for name in inside)
    assert (folder / newest["file"]).read_bytes() == (CHECKOUT / newest["file"]).read_bytes()


def test_encoding_or_training_with_an_older_model_of_the_wheel_is_one_sentence(installed: Path):
    older = Path(json.loads((models_inside(installed) / "manifest.json").read_text())["models"][0]["file"]).stem
    Image.fromarray(scene(64, 96, sigma=20)).save(installed / "a.png")
    done = isolated(installed, "-m", "ncodec", "encode", "a.png", "--model", older)
    assert (done.returncode, done.stdout) == (5, "")
    assert done.stderr == (
        f"ncodec: error: {older} is an older model of which only the decoder is here: encode with a newer one\n"
    )
    assert not (installed / "a.ncd").exists()
    done = isolated(installed, "-m", "ncodec", "train", "--data", ".", "--out", "run", "--init", older, "--steps", "1")
    assert "of this older model only the decoder is here" in done.stderr
    assert done.returncode == 5
