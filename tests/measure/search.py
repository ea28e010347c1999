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
import torch
from torch import Tensor

from measure.results import RESULTS, Row, circumstances, write
from measure.work import all_jobs, models
from ncodec import codec, refine
from ncodec.bench.metrics import psnr_db
from ncodec.container import dump, parse
from ncodec.descent import Descent
from ncodec.effort import SCHEDULES, Schedule
from ncodec.noise import Noise, add_noise
from ncodec.picture import Picture
from ncodec.train.data import centre_crops, open_packs
from ncodec.train.evaluate import CROP_SIDE

QUALITIES = (2, 4, 6, 8)
SIGMAS = (0, 25)
CPU_SECONDS_PER_VARIANT = 60


class EachForItself(Descent):
    """Adam (Kingma and Ba 2015): the usual gradient is each latent's own."""

    def __init__(self, latents: Tensor, schedule: Schedule) -> None:
        super().__init__(latents, schedule)
        self._squares = torch.zeros_like(latents)

    def _mean_square(self, gradient: Tensor) -> Tensor:
        return gradient.square()


FIRST = SCHEDULES[0]
VARIANTS: dict[str, tuple[Schedule | None, float, type[Descent]]] = {
    "no search": (None, 1.25, Descent),
    "effort 1": (FIRST, 1.25, Descent),
    "random rounding (chance 1)": (replace(FIRST, chance=1.0), 1.25, Descent),
    "each latent its own scale (Adam)": (FIRST, 1.25, EachForItself),
    "one view": (replace(FIRST, views=1), 1.25, Descent),
    "two views": (replace(FIRST, views=2), 1.25, Descent),
    "eight views": (replace(FIRST, views=8), 1.25, Descent),
    "lambda times 1": (FIRST, 1.0, Descent),
    "effort 2": (SCHEDULES[1], 1.25, Descent),
    "effort 2 without chance": (replace(SCHEDULES[1], chance=0.0), 1.25, Descent),
}
"""Name -> schedule, factor of lambda, and what walks."""


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
    schedule, factor, walks = VARIANTS[job.variant]
    if schedule is not None:
        refine.SCHEDULES, refine.ERROR_FACTOR, refine.Descent = (schedule,), factor, walks
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
