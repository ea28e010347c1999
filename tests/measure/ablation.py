"""What the denoising module does: Kodak with its blocks left out, and with networks that were trained on without them.

python -m measure.ablation FOLDER [--without WEIGHTS --control WEIGHTS] [--out docs/results/ablation.jsonl]

The module is the stage `denoising8` of the synthesis. Rows: `picture`, one a file and variant: `released` is the model,
`left out` the same files without the module's blocks in the decoder, `without` a release of the network trained on
without the module, `control` one trained on with it for as long:

python -m ncodec.train --init base --out A --drop denoising8 --data ... --seconds ...
python -m ncodec.train --init base --out B --data ... --seconds ...
python -m ncodec.train.release --weights A --models FOLDER_A --data ... --trained-on ...   # and B
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import click
import torch
from safetensors import safe_open

from measure.results import RESULTS, Row, circumstances, write
from measure.work import all_jobs, clean_and_noisy, kodak
from ncodec import base, codec
from ncodec.bench.metrics import psnr_db
from ncodec.container import QUALITIES, Tag, dump
from ncodec.device import choose_device, transform_dtype
from ncodec.nets.model import Model, model_from_tensors
from ncodec.picture import Picture
from ncodec.weights import Models, models_folder, releases

STAGE = "denoising8"
SIGMAS = (25, 0)
CPU_SECONDS_PER_FILE = 0.5


@dataclass(frozen=True)
class Job:
    """One picture at one noise level, at all qualities, by all variants."""

    path: Path
    seed: int
    sigma: int
    weights: tuple[tuple[str, Path], ...]


@click.command()
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--model", default="base", show_default=True)
@click.option(
    "--without", type=click.Path(exists=True, path_type=Path), help="A release, trained on without the module."
)
@click.option(
    "--control", type=click.Path(exists=True, path_type=Path), help="A release, trained on with it for as long."
)
@click.option("--pictures", type=int, help="Only the first so many.")
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), default=RESULTS / "ablation.jsonl")
@click.option("--processes", type=int, default=os.cpu_count(), show_default=True)
def main(
    folder: Path,
    model: str,
    without: Path | None,
    control: Path | None,
    pictures: int | None,
    out: Path,
    processes: int,
) -> None:
    """Measure the pictures of FOLDER."""
    named = {"released": released(model), "without": without, "control": control}
    weights = tuple((name, path) for name, path in named.items() if path)
    seen = {name: record(path) for name, path in weights}
    about = circumstances("ablation", model, threads=1, processes=processes, stage=STAGE, variants=seen)
    paths = kodak(folder, pictures)
    jobs = [Job(path, seed, sigma, weights) for seed, path in enumerate(paths) for sigma in SIGMAS]
    guess_s = len(jobs) * QUALITIES * len(weights) * CPU_SECONDS_PER_FILE / 2
    rows = [row for part in all_jobs("ablation", measure, jobs, processes, guess_s) for row in part]
    rows.sort(key=lambda row: (row["sigma"], row["variant"], row["picture"], row["quality"]))
    write(out, [about, *rows])


def measure(job: Job) -> list[Row]:
    """All rows of a job."""
    return [row for name, path in job.weights for row in rows_of(job, name, path)]


def rows_of(job: Job, name: str, path: Path) -> Iterator[Row]:
    """Rows of one weights file; of the released one also those of its decoder without the module."""
    clean, noisy = clean_and_noisy(job.path, job.sigma, job.seed)
    height, width, channels = noisy.shape
    model = load(path)
    decoders = {name: model} | ({"left out": load(path, leave_out=True)} if name == "released" else {})
    for quality in range(1, QUALITIES + 1):
        box = codec.encode(Picture(noisy), model, quality, None)
        y_hat = base.decode_base(model, box.section(Tag.HYPERPRIOR), box.checked(box.latents), height, width)
        about = {"kind": "picture", "picture": job.path.stem, "sigma": job.sigma, "quality": quality}
        about["base_bpp"] = 8 * len(dump(box)) / (height * width)
        for variant, decoder in decoders.items():
            pixels = decoder.transforms.synthesise(y_hat, quality, height, width, channels).numpy()
            yield about | {"variant": variant, "denoised_clean_psnr_db": psnr_db(pixels, clean)}


@cache
def load(path: Path, leave_out: bool = False) -> Model:
    """A model from its weights file; with its module's blocks left out if asked."""
    device = choose_device("cpu")
    dtype = transform_dtype(device)
    if not leave_out:
        return Models(device, dtype).by_name(str(path))
    with safe_open(path, "pt") as file:
        metadata = file.metadata()
        tensors = {key: file.get_tensor(key) for key in file.keys() if f".{STAGE}." not in key}  # noqa: SIM118
    sizes = json.loads(metadata["architecture"]) | {STAGE: 0}
    return model_from_tensors(
        bytes(8), path.name, metadata | {"architecture": json.dumps(sizes)}, tensors, device, dtype
    )


def released(model: str) -> Path:
    """The weights file of a model's current release, or the path that `model` is."""
    files = [row.file for row in releases() if row.kind == "base" and model in (row.name, Path(row.file).stem)]
    return models_folder() / files[-1] if files else Path(model)


def record(path: Path) -> Row:
    """What a weights file has seen, and its size."""
    with safe_open(path, "pt") as file:
        metadata = file.metadata()
    seen = json.loads(metadata["record"])
    return {
        "file": path.name,
        "gigapixels_seen": seen["lifetime_pixels"] / 1e9,
        "steps": seen["lifetime_steps"],
        "architecture": json.loads(metadata["architecture"]),
    }


if __name__ == "__main__":
    torch.set_num_threads(1)
    main()
