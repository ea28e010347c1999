"""Real noise: cameras (CC15) and microscopes (FMD), each noisy picture beside the mean of many shots.

python -m measure.real FOLDER [--dncnn WEIGHTS] [--out docs/results/real.jsonl]

FOLDER has a folder a set, of *_real.png and *_mean.png. Rows: `picture`, one a file and quality, and one of a blind
DnCNN on the picture itself, which compresses nothing.
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
from measure.work import all_jobs, models
from ncodec import codec
from ncodec.bench.metrics import psnr_db
from ncodec.container import QUALITIES, dump
from ncodec.nets.dncnn import DnCnn, denoise, load_dncnn
from ncodec.picture import Picture, load

CPU_SECONDS_PER_PICTURE = 8


@dataclass(frozen=True)
class Job:
    """One pair."""

    set_name: str
    noisy: Path
    clean: Path
    model: str
    dncnn: Path | None


@click.command()
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--dncnn", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="Of a blind DnCNN.")
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), default=RESULTS / "real.jsonl")
@click.option("--model", default="base", show_default=True)
@click.option("--processes", type=int, default=os.cpu_count(), show_default=True)
def main(folder: Path, dncnn: Path | None, out: Path, model: str, processes: int) -> None:
    """Measure all pairs of FOLDER."""
    weights = {"file": dncnn.name, "sha256": hashlib.sha256(dncnn.read_bytes()).hexdigest()[:8]} if dncnn else None
    about = circumstances("real", model, threads=1, processes=processes, dncnn=weights)
    jobs = [
        Job(noisy.parent.name, noisy, noisy.with_name(noisy.name.replace("_real", "_mean")), model, dncnn)
        for noisy in sorted(folder.glob("*/*_real.png"))
    ]
    if not jobs:
        raise click.UsageError(f"{folder} holds no folders of *_real.png")
    found = all_jobs("real", measure, jobs, processes, len(jobs) * CPU_SECONDS_PER_PICTURE / 2)
    rows = [row for part in found for row in part]
    rows.sort(key=lambda row: (row["set"], row["picture"], row["method"], row["quality"] or 0))
    write(out, [about, *rows])


def measure(job: Job) -> list[Row]:
    """All rows of a pair."""
    noisy, clean = load(job.noisy.read_bytes()).pixels, load(job.clean.read_bytes()).pixels
    about = {"kind": "picture", "set": job.set_name, "picture": job.noisy.stem.removesuffix("_real")}
    about["noisy_psnr_db"] = psnr_db(noisy, clean)
    rows: list[Row] = []
    for quality in range(1, QUALITIES + 1):
        box = codec.encode(Picture(noisy), models().by_name(job.model), quality, None)
        denoised = codec.decode(box, models(), 1.0).pixels
        rate_bpp = 8 * len(dump(box)) / (noisy.shape[0] * noisy.shape[1])
        rows.append(about | {"method": "ncodec", "quality": quality, "base_bpp": rate_bpp,
                             "psnr_db": psnr_db(denoised, clean)})  # fmt: skip
    if job.dncnn:
        denoised = denoise(_dncnn(job.dncnn), noisy, None, torch.float32)
        rows.append(about | {"method": "dncnn", "quality": None, "base_bpp": None, "psnr_db": psnr_db(denoised, clean)})
    return rows


@cache
def _dncnn(path: Path) -> DnCnn:
    return load_dncnn(path)


if __name__ == "__main__":
    main()
