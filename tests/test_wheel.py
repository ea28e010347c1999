"""The installed package in an empty folder: weights inside, nothing of the checkout needed."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pictures import scene


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


def test_the_wheel_holds_the_files_of_the_manifest_and_no_others(installed: Path):
    code = "from ncodec.weights import *; f = models_folder(); print(f); print(*sorted(p.name for p in f.iterdir()))"
    folder, names = isolated(installed, "-c", code).stdout.splitlines()
    assert "site-packages" in folder
    manifest = json.loads((Path(folder) / "manifest.json").read_text())
    assert set(names.split()) == {"manifest.json", *(row["file"] for rows in manifest.values() for row in rows)}
