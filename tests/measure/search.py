"""What the search for better latents is made of: variants of it, on crops of the validation split, from real files.

python -m measure.search FOLDER [--cache CACHE] [--crops 6] [--out docs/results/search.jsonl]

FOLDER holds training pictures, CACHE what a training run decoded from them. Rows: `picture`, one a file. The settings
in `ncodec/effort.py` were chosen on six such crops, by hand.
"""

from __future__ import annotations

import os
import time
from dataclasses import dataclass, replace
from pathlib import Path

import click
import numpy as np

from measure.results import RESULTS, Row, circumstances, write
from measure.work import all_jobs, models
from ncodec import codec, refine
from ncodec.bench.metrics import psnr_db
from ncodec.container import dump, parse
from ncodec.effort import SCHEDULES, Schedule
from ncodec.noise import Noise, add_noise
from ncodec.picture import Picture
from ncodec.train.data import centre_crops, open_packs
from ncodec.train.evaluate import CROP_SIDE

QUALITIES = (2, 4, 6, 8)
SIGMAS = (0, 25)
CPU_SECONDS_PER_VARIANT = 60


FIRST = SCHEDULES[0]
USUAL = refine.ERROR_FACTOR, refine.CURVATURE
VARIANTS: dict[str, tuple[Schedule | None, float, float]] = {
    "no search": (None, *USUAL),
    "effort 1": (FIRST, *USUAL),
    "steps of one length": (replace(FIRST, last=1.0), *USUAL),
    "curvature 16": (FIRST, refine.ERROR_FACTOR, 16.0),
    "curvature 27": (FIRST, refine.ERROR_FACTOR, 27.0),
    "lambda times 1": (FIRST, 1.0, refine.CURVATURE),
    "one view": (replace(FIRST, views=1), *USUAL),
    "two views": (replace(FIRST, views=2), *USUAL),
    "eight views": (replace(FIRST, views=8), *USUAL),
    "effort 2": (SCHEDULES[1], *USUAL),
    "effort 3": (SCHEDULES[2], *USUAL),
}
"""Name -> schedule, factor of lambda, curvature."""


@dataclass(frozen=True)
class Job:
    """One variant on one crop."""

    variant: str
    clean: np.ndarray
    number: int
    sigma: int
    model: str


@click.command()
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--cache", type=click.Path(file_okay=False, path_type=Path), help="Of the decoded pictures.")
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), default=RESULTS / "search.jsonl")
@click.option("--crops", type=int, default=6, show_default=True)
@click.option("--model", default="base", show_default=True)
@click.option("--processes", type=int, default=os.cpu_count(), show_default=True)
def main(folder: Path, cache: Path | None, out: Path, crops: int, model: str, processes: int) -> None:
    """Measure on pictures of FOLDER's validation split."""
    about = circumstances("search", model, threads=1, processes=processes, crops=crops, side=CROP_SIDE)
    _, validation = open_packs(folder, cache or folder / "pictures", click.echo)
    jobs = [
        Job(variant, clean, number, sigma, model)
        for variant in VARIANTS
        for number, clean in enumerate(centre_crops(validation, crops, CROP_SIDE))
        for sigma in SIGMAS
    ]
    guess_s = CPU_SECONDS_PER_VARIANT * len(VARIANTS) / 2
    rows = [row for part in all_jobs("search", measure, jobs, processes, guess_s) for row in part]
    order = list(VARIANTS)
    rows.sort(key=lambda row: (order.index(row["variant"]), row["sigma"], row["picture"], row["quality"]))
    write(out, [about, *rows])


def measure(job: Job) -> list[Row]:
    """A variant's rows of one crop, all qualities."""
    model = models().by_name(job.model)
    noisy = add_noise(job.clean, Noise.gaussian(job.sigma), job.number) if job.sigma else job.clean
    schedule, factor, curvature = VARIANTS[job.variant]
    if schedule is not None:
        refine.SCHEDULES, refine.ERROR_FACTOR, refine.CURVATURE = (schedule,), factor, curvature
    rows: list[Row] = []
    for quality in QUALITIES:
        begin = time.process_time()
        data = dump(codec.encode(Picture(noisy), model, quality, None, effort=0 if schedule is None else 1))
        encode_s = time.process_time() - begin
        denoised = codec.decode(parse(data), models(), 1.0).pixels
        rows.append(
            {
                "kind": "picture",
                "variant": job.variant,
                "picture": job.number,
                "sigma": job.sigma,
                "quality": quality,
                "base_bpp": 8 * len(data) / (denoised.shape[0] * denoised.shape[1]),
                "denoised_clean_psnr_db": psnr_db(denoised, job.clean),
                "encode_s_per_megapixel": 1e6 * encode_s / (denoised.shape[0] * denoised.shape[1]),
            }
        )
    return rows


if __name__ == "__main__":
    main()
