"""What refining is worth: Kodak at every effort, rate and PSNR from the bytes of real files, time of the encoder.

python -m measure.refine FOLDER [--out docs/results/refine.jsonl]

Rows: `picture`, one a file. Noisy pictures, every so many, at all efforts; clean ones, all, without and with EFFORT.
"""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from pathlib import Path

import click

from measure.results import RESULTS, Row, circumstances, write
from measure.work import all_jobs, clean_and_noisy, kodak, models
from ncodec import codec
from ncodec.bench.metrics import psnr_db
from ncodec.container import dump, parse
from ncodec.effort import EFFORTS, ROUNDS, SCHEDULES
from ncodec.picture import Picture

QUALITIES = (2, 4, 6, 8)
SIGMA, EVERY = 25, 8
EFFORT = 1
CPU_SECONDS_PER_ROUND, CPU_SECONDS = 0.7, 4


@dataclass(frozen=True)
class Job:
    """One picture at one noise level and quality, at several efforts."""

    path: Path
    seed: int
    sigma: int
    quality: int
    efforts: tuple[int, ...]
    model: str


@click.command()
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), default=RESULTS / "refine.jsonl")
@click.option("--pictures", type=int, help="Only the first so many.")
@click.option("--model", default="base", show_default=True)
@click.option("--processes", type=int, default=os.cpu_count(), show_default=True)
def main(folder: Path, out: Path, pictures: int | None, model: str, processes: int) -> None:
    """Measure the pictures of FOLDER."""
    about = circumstances(
        "refine",
        model,
        threads=1,
        processes=processes,
        rounds=ROUNDS,
        views=(0, *(schedule.views for schedule in SCHEDULES)),
    )
    jobs = []
    for seed, path in enumerate(kodak(folder, pictures)):
        levels = {0: (0, EFFORT)} | ({SIGMA: tuple(range(EFFORTS + 1))} if seed % EVERY == 0 else {})
        for sigma, efforts in levels.items():
            jobs += [Job(path, seed, sigma, quality, efforts, model) for quality in QUALITIES]
    guess_s = sum(CPU_SECONDS + CPU_SECONDS_PER_ROUND * ROUNDS[effort] for job in jobs for effort in job.efforts) / 2
    rows = [row for part in all_jobs("refine", measure, jobs, processes, guess_s) for row in part]
    rows.sort(key=lambda row: (row["sigma"], row["picture"], row["quality"], row["effort"]))
    write(out, [about, *rows])


def measure(job: Job) -> list[Row]:
    """All rows of a job."""
    clean, noisy = clean_and_noisy(job.path, job.sigma, job.seed)
    model = models().by_name(job.model)
    rows: list[Row] = []
    for effort in job.efforts:
        begin = time.perf_counter()
        data = dump(codec.encode(Picture(noisy), model, job.quality, None, effort))
        encode_s = time.perf_counter() - begin
        denoised = codec.decode(parse(data), models(), 1.0).pixels
        rows.append(
            {
                "kind": "picture",
                "picture": job.path.stem,
                "sigma": job.sigma,
                "seed": job.seed,
                "quality": job.quality,
                "effort": effort,
                "base_bpp": 8 * len(data) / (clean.shape[0] * clean.shape[1]),
                "denoised_clean_psnr_db": psnr_db(denoised, clean),
                "encode_s_per_megapixel": 1e6 * encode_s / (clean.shape[0] * clean.shape[1]),
            }
        )
    return rows


if __name__ == "__main__":
    main()
