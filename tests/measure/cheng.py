"""Kodak with the camera noise of Cheng, Xie & Chen (ECCV 2022), level 3: our points beside theirs.

python -m measure.cheng FOLDER [--out docs/results/cheng.jsonl]

Their test noise is Gaussian in linear light, of variance read^2 + shot * signal. Their code slips in the gamma: it
takes (x + a)^2.4 / (1 + a) for ((x + a) / (1 + a))^2.4 and adds 0.001 on the way back, so that even without noise the
input is not the picture. Both ways are measured: theirs, to stand beside their figures, and the one meant. As files
have it, the input is rounded to 8 bits, which theirs is not. Rows: `picture`, one a file.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import click
import numpy as np

from measure.results import RESULTS, Row, circumstances, write
from measure.work import all_jobs, kodak, models
from ncodec import codec
from ncodec.bench.metrics import psnr_db
from ncodec.container import QUALITIES, dump
from ncodec.picture import Picture, load

LEVEL = 3
READ_SIGMA, SHOT_SIGMA = 0.03615925, 0.11960187
"""Of level 3, in linear light: `sigma_reads` and the root of `sigma_shots` of their SyntheticTestDataset."""
GAMMA, OFFSET, SLOPE, THRESHOLD = 2.4, 0.055, 12.92, 0.0031308
"""Of sRGB."""
CPU_SECONDS_PER_FILE = 0.25


@dataclass(frozen=True)
class Job:
    """One picture with one kind of noise, at all qualities."""

    path: Path
    seed: int
    slip: bool
    model: str


@click.command()
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), default=RESULTS / "cheng.jsonl")
@click.option("--pictures", type=int, help="Only the first so many.")
@click.option("--model", default="base", show_default=True)
@click.option("--processes", type=int, default=os.cpu_count(), show_default=True)
def main(folder: Path, out: Path, pictures: int | None, model: str, processes: int) -> None:
    """Measure all pictures of FOLDER."""
    about = circumstances("cheng", model, threads=1, processes=processes, level=LEVEL, noise_seed="the picture's place")
    paths = kodak(folder, pictures)
    jobs = [Job(path, seed, slip, model) for seed, path in enumerate(paths) for slip in (True, False)]
    guess_s = len(jobs) * QUALITIES * CPU_SECONDS_PER_FILE / 2
    rows = [row for part in all_jobs("cheng", measure, jobs, processes, guess_s) for row in part]
    rows.sort(key=lambda row: (not row["slip"], row["picture"], row["quality"]))
    write(out, [about, *rows])


def measure(job: Job) -> list[Row]:
    """All rows of a job."""
    clean = load(job.path.read_bytes()).pixels
    noisy = camera_noise(clean, READ_SIGMA, SHOT_SIGMA, job.slip, job.seed)
    rows: list[Row] = []
    for quality in range(1, QUALITIES + 1):
        box = codec.encode(Picture(noisy), models().by_name(job.model), quality, None)
        denoised = codec.decode(box, models(), 1.0).pixels
        rows.append({
            "kind": "picture",
            "picture": job.path.stem,
            "slip": job.slip,
            "seed": job.seed,
            "quality": quality,
            "base_bpp": 8 * len(dump(box)) / (clean.shape[0] * clean.shape[1]),
            "noisy_psnr_db": psnr_db(noisy, clean),
            "denoised_clean_psnr_db": psnr_db(denoised, clean),
        })  # fmt: skip
    return rows


def camera_noise(clean: np.ndarray, read_sigma: float, shot_sigma: float, slip: bool, seed: int) -> np.ndarray:
    """uint8 of any shape -> the same with noise drawn in linear light.

    Args:
        clean: the picture.
        read_sigma: standard deviation of the part that is the same everywhere, in linear light of [0, 1].
        shot_sigma: square root of the other part's variance at full light.
        slip: with the gamma as Cheng et al.'s code has it, instead of sRGB's.
        seed: of the noise.
    """
    linear = to_linear(clean / 255.0, slip)
    sigma = np.sqrt(read_sigma**2 + shot_sigma**2 * linear)
    noisy = linear + sigma * np.random.default_rng(seed).standard_normal(clean.shape)
    return np.rint(255 * np.clip(from_linear(noisy, slip), 0, 1)).astype(np.uint8)


def to_linear(x: np.ndarray, slip: bool) -> np.ndarray:
    """sRGB [0, 1] -> linear light; with the slip its threshold is that of linear light, and the scale is not raised."""
    if slip:
        return np.where(x > THRESHOLD, (x + OFFSET) ** GAMMA / (1 + OFFSET), x / SLOPE)
    return np.where(x > SLOPE * THRESHOLD, ((x + OFFSET) / (1 + OFFSET)) ** GAMMA, x / SLOPE)


def from_linear(x: np.ndarray, slip: bool) -> np.ndarray:
    """Linear light -> sRGB, not clipped."""
    bright = np.maximum(x, THRESHOLD) + (0.001 if slip else 0.0)
    return np.where(x > THRESHOLD, (1 + OFFSET) * bright ** (1 / GAMMA) - OFFSET, SLOPE * x)


if __name__ == "__main__":
    main()
