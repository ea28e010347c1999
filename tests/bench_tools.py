"""For the tests of the comparison: rows, pictures in a folder, small networks in weights files."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import torch
from safetensors.torch import save_file

from cli_tools import save_scene
from ncodec.bench.results import read_results
from ncodec.bench.row import Circumstances, Row
from ncodec.nets.dncnn import DnCnn, DnCnnSizes
from ncodec.train.reference import ReferenceNetwork
from ncodec.train.sizes import ReferenceSizes

ABOUT = Circumstances(
    ncodec="0.1.0", commit="c0ffee", model="base-00000000", weights={}, torch="2", pillow="13", packages={"numpy": "1"},
    code={"files": "00000000"}, cpu="abacus", threads=1, device="cpu", dtype="float32", seed=0, noise="gaussian:25",
    repeats=3, started="2026",
)  # fmt: skip
ROW = Row(
    ABOUT.id, "a.png", "01234567", 64, 48, "ncodec-denoised", "3", size_bytes=384, rate_bpp=1.0,
    psnr_denoised_clean_db=30.0, ssim=0.9, ms_ssim=0.95, encode_s=0.25, decode_s=0.5, repeats=3, memory_peak_mib=7.0,
    kmac_per_pixel=60.0,
)  # fmt: skip
QUICK = ("--repeats", "1", "--threads", "1", "--dtype", "float32", "--quiet")
"""Options of `ncodec bench`."""


def row(**changes: object) -> Row:
    """ROW with other values."""
    return replace(ROW, **changes)  # pyright: ignore[reportArgumentType]


def save_scenes(folder: Path, count: int = 2, height: int = 48, width: int = 64, **options: int) -> Path:
    """A folder of pictures a.png, b.png, ..."""
    for k in range(count):
        save_scene(folder / f"{'abcdef'[k]}.png", height, width, seed=k, **options)
    return folder


def save_dncnn(folder: Path) -> Path:
    """Both denoisers, which give the picture back as it is, under the names of the shipped ones."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, conditioned in (("blind", False), ("conditioned", True)):
        sizes = DnCnnSizes(depth=3, width=8, conditioned=conditioned)
        metadata = {"kind": "ncodec-dncnn", "architecture": json.dumps(sizes.to_dict())}
        save_file(DnCnn(sizes).state_dict(), folder / f"dncnn-{name}.safetensors", metadata)
    return folder


def save_references(folder: Path) -> Path:
    """Small random reference codecs: two rates of the plain one, one of Testolina et al.'s."""
    folder.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(0)
    for name, denoising in (("plain-0.5", 0), ("plain-0.25", 0), ("denoising-0.25", 4)):
        sizes = ReferenceSizes(width=8, latent=8, denoising=denoising)
        metadata = {"kind": "ncodec-reference", "architecture": json.dumps(sizes.to_dict())}
        state = {
            key: value.contiguous() for key, value in ReferenceNetwork(sizes).state_dict().items() if value.numel()
        }
        save_file(state, folder / f"{name}.safetensors", metadata)
    return folder


def small_weights(folder: Path) -> tuple[str, ...]:
    """The options of `ncodec bench` that name small networks, which are written there."""
    dncnn, references = save_dncnn(folder / "dncnn"), save_references(folder / "references")
    return "--dncnn-weights", str(dncnn), "--references", str(references)


def rows_in(folder: Path) -> dict[tuple[str, str, str], Row]:
    """Of the result file in a folder, by picture, method and setting."""
    return {(row.picture, row.method, row.setting): row for row in read_results(folder / "results.jsonl").rows}
