"""Our DnCNN and FDnCNN beside their authors', on Kodak with white noise.

python -m measure.dncnn FOLDER [--blind WEIGHTS] [--conditioned WEIGHTS] [--authors FOLDER] [--dtype float32]
    [--out docs/results/dncnn.jsonl]

Rows: `picture`, one a picture, noise level and network. The noise is seeded, rounded and clipped to 8 bits.
"""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import click
import torch

from measure.results import RESULTS, Row, circumstances, write
from measure.work import all_jobs, clean_and_noisy, fail_in_one_line, kodak
from ncodec.bench.metrics import psnr_db
from ncodec.errors import ModelError
from ncodec.nets.dncnn import DnCnn, denoise, load_dncnn
from ncodec.train.checkpoint import load_start

SIGMAS = (15, 25, 50)
OURS = {"blind": "dncnn-blind.safetensors", "conditioned": "dncnn-conditioned.safetensors"}
AUTHORS = {
    "authors' blind": "dncnn_GD_Color_Blind.pth",
    "authors' for sigma 25": "dncnn_color_sigma25.pth",
    "authors' conditioned": "dncnn_FDnCNN_color.pth",
}
ONLY = {"authors' for sigma 25": 25}
"""Networks for one noise level."""
CPU_SECONDS_PER_PICTURE = {"float32": 6.0, "bfloat16": 1.5}


@dataclass(frozen=True)
class Job:
    """One picture at one noise level."""

    path: Path
    seed: int
    sigma: int
    weights: tuple[tuple[str, Path], ...]
    dtype: str


@click.command()
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--models", type=click.Path(exists=True, file_okay=False, path_type=Path), default="models")
@click.option(
    "--authors", type=click.Path(exists=True, file_okay=False, path_type=Path), help="Folder of their weights."
)
@click.option("--pictures", type=int, help="Only the first so many.")
@click.option("--dtype", type=click.Choice(list(CPU_SECONDS_PER_PICTURE)), default="float32", show_default=True)
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), default=RESULTS / "dncnn.jsonl")
@click.option("--processes", type=int, default=os.cpu_count(), show_default=True)
def main(
    folder: Path, models: Path, authors: Path | None, pictures: int | None, dtype: str, out: Path, processes: int
) -> None:
    """Measure the pictures of FOLDER by the networks that are there."""
    named = {name: models / file for name, file in OURS.items()}
    named |= {name: authors / file for name, file in AUTHORS.items()} if authors else {}
    weights = tuple((name, path) for name, path in named.items() if path.is_file())
    if not weights:
        raise ModelError(f"no weights in {models}" + (f" or {authors}" if authors else ""))
    known = {name: record(path) for name, path in weights}
    about = circumstances("dncnn", weights[0][1], threads=1, processes=processes, dtype=dtype, networks=known)
    paths = kodak(folder, pictures)
    jobs = [Job(path, seed, sigma, weights, dtype) for seed, path in enumerate(paths) for sigma in SIGMAS]
    guess_s = len(jobs) * len(weights) * CPU_SECONDS_PER_PICTURE[dtype] / 2
    rows = [row for part in all_jobs("dncnn", measure, jobs, processes, guess_s) for row in part]
    rows.sort(key=lambda row: (row["network"], row["sigma"], row["picture"]))
    write(out, [about, *rows])


def measure(job: Job) -> list[Row]:
    """All rows of a job."""
    clean, noisy = clean_and_noisy(job.path, job.sigma, job.seed)
    about = {"kind": "picture", "picture": job.path.stem, "sigma": job.sigma, "noisy_psnr_db": psnr_db(noisy, clean)}
    rows = []
    for name, path in job.weights:
        if ONLY.get(name, job.sigma) == job.sigma:
            denoised = denoise(network(path), noisy, job.sigma, getattr(torch, job.dtype))
            rows.append(about | {"network": name, "psnr_db": psnr_db(denoised, clean)})
    return rows


@cache
def network(path: Path) -> DnCnn:
    """Loaded once a process."""
    return load_dncnn(path)


def record(path: Path) -> Row:
    """Which weights, and of ours what they have seen."""
    row: Row = {"file": path.name, "sha256": hashlib.sha256(path.read_bytes()).hexdigest()[:8]}
    if path.suffix == ".safetensors":
        seen = load_start(path).record
        row |= {"gigapixels_seen": seen.lifetime_pixels / 1e9, "steps": seen.lifetime_steps}
    return row


if __name__ == "__main__":
    torch.set_num_threads(1)
    fail_in_one_line(main)
