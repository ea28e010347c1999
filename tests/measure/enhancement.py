"""The enhancement layer alone on white noise, and plain decodes on Kodak against AVIF and JPEG of the noisy picture.

python -m measure.enhancement FOLDER [--out docs/results/enhancement.jsonl]

Rows: `white`, one a noise level and quality: rate and distortion of real bytes beside those of an ideal quantiser;
`same_bytes`, one a picture and quality: PSNR against the noisy picture of the plain decode, and of the other codecs at
as many bytes, interpolated between their own qualities.
"""

from __future__ import annotations

import io
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import numpy as np
from PIL import Image, ImageFile

from measure.quantiser import ideal_bits, shannon_bits
from measure.results import RESULTS, Row, circumstances, write
from measure.work import Progress, all_jobs, clean_and_noisy, kodak, models
from ncodec import codec
from ncodec.bench.curves import Point, value_at
from ncodec.bench.metrics import psnr_db
from ncodec.container import QUALITIES, Tag, dump
from ncodec.enhancement.params import Params
from ncodec.enhancement.slices import decode_slice
from ncodec.entropy import Tables
from ncodec.nets.architecture import LAMBDAS
from ncodec.picture import Picture
from ncodec.residual import encode_residual
from ncodec.streams import unpack_streams

SIGMAS = (10, 25, 50)
SHAPE = (512, 768, 3)
WHITE_SEED = 1
SIGMA = 25
QUALITIES_COMPARED = (3, 5, 6, 8)
"""Of both layers of the files on Kodak."""
AVIF_SPEED = 6
JPEG_QUALITIES = (5, 10, 20, 40, 60, 75, 85, 90, 93, 96, 98, 100)
LADDERS: dict[str, tuple[str, tuple[int, ...], dict[str, Any]]] = {
    "avif444": (
        "AVIF",
        (8, 16, 24, 34, 46, 58, 68, 78),
        {
            "subsampling": "4:4:4",
            "speed": AVIF_SPEED,
            "max_threads": 1,
            "codec": "aom",
            "advanced": {"tune": "ssim"},  # its default for stills, for the eye, has 1.4 to 3 dB less
        },
    ),
    "jpeg444": ("JPEG", JPEG_QUALITIES, {"subsampling": 0, "optimize": True}),
    "jpeg420": ("JPEG", JPEG_QUALITIES, {"subsampling": 2, "optimize": True}),
}
"""Pillow's format, its qualities, its options."""
CPU_SECONDS_PER_LEVEL, CPU_SECONDS_PER_PICTURE = 0.2, 12


@dataclass(frozen=True)
class Job:
    """One picture."""

    path: Path
    seed: int
    model: str


@click.command()
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), default=RESULTS / "enhancement.jsonl")
@click.option("--pictures", type=int, help="Only the first so many.")
@click.option("--model", default="base", show_default=True)
@click.option("--processes", type=int, default=os.cpu_count(), show_default=True)
def main(folder: Path, out: Path, pictures: int | None, model: str, processes: int) -> None:
    """Measure white noise, then the pictures of FOLDER."""
    about = circumstances(
        "enhancement", model, threads=1, processes=processes, white_seed=WHITE_SEED, avif_speed=AVIF_SPEED,
        noise_seed="the picture's place, from 0", ladders={name: ladder[1] for name, ladder in LADDERS.items()},
    )  # fmt: skip
    rows = white_rows(models().by_name(model).enhancement_tables)
    jobs = [Job(path, seed, model) for seed, path in enumerate(kodak(folder, pictures))]
    guess_s = len(jobs) * CPU_SECONDS_PER_PICTURE / 2
    for part in all_jobs("Kodak against AVIF and JPEG", same_bytes_rows, jobs, processes, guess_s):
        rows += part
    rows.sort(key=lambda row: (row["kind"], row["sigma"], row.get("picture", ""), row["quality"]))
    write(out, [about, *rows])


def white_rows(tables: Tables) -> list[Row]:
    """All noise levels and qualities."""
    progress = Progress("white noise", len(SIGMAS) * QUALITIES, len(SIGMAS) * QUALITIES * CPU_SECONDS_PER_LEVEL)
    rows = []
    for sigma in SIGMAS:
        noise = np.rint(np.random.default_rng(WHITE_SEED).normal(0, sigma, SHAPE)).clip(-255, 255).astype(np.int16)
        for quality in range(1, QUALITIES + 1):
            rows.append({"kind": "white", "sigma": sigma, "quality": quality} | white_row(noise, quality, tables))
            progress.step()
    return rows


def white_row(noise: np.ndarray, quality: int, tables: Tables) -> Row:
    """Rate and distortion of the layer, and the rate that the ideal quantiser needs for that distortion."""
    height, width, channels = noise.shape
    rd_lambda, variance = float(LAMBDAS[quality - 1]), float(np.square(noise, dtype=np.float64).mean())
    clean = np.where(noise < 0, 255, 0).astype(np.uint8)  # so that their sum is a picture of 8 bits
    section = encode_residual((clean + noise).astype(np.uint8), clean, rd_lambda, tables)
    payload = section.payload
    row: Row = {"lambda": rd_lambda, "variance": variance, "is_coded": bool(payload)}
    if not payload:
        return row | {"rate_bpp": 0.0, "mse": variance, "ideal_bpp": 0.0, "shannon_bpp": 0.0, "step": None}
    params, used = Params.from_bytes(payload[1:], channels, section.tag == Tag.ENHANCEMENT_TRELLIS)
    _, (stream,) = unpack_streams(payload[1 + used :], 1, "enhancement")
    decoded, _ = decode_slice(stream, height, width, params, tables)
    mse = float(np.square(decoded - noise, dtype=np.float64).mean())
    return row | {
        "rate_bpp": 8 * len(payload) / (height * width),
        "mse": mse,
        "ideal_bpp": channels * ideal_bits(mse / variance),
        "shannon_bpp": channels * shannon_bits(mse / variance),
        "step": 2 ** (params.step_index / 16),
    }


def same_bytes_rows(job: Job) -> list[Row]:
    """One picture at all compared qualities."""
    _, noisy = clean_and_noisy(job.path, SIGMA, job.seed)
    model = models().by_name(job.model)
    curves = {name: ladder_curve(noisy, *ladder) for name, ladder in LADDERS.items()}
    rows = []
    for quality in QUALITIES_COMPARED:
        box = codec.encode(Picture(noisy), model, quality, quality)
        size = len(dump(box))
        plain = codec.decode(box, models(), 0.0).pixels
        row = {"kind": "same_bytes", "picture": job.path.stem, "sigma": SIGMA, "seed": job.seed, "quality": quality}
        row |= {"bytes": size, "rate_bpp": 8 * size / (box.header.width * box.header.height)}
        row |= {"kept_share": box.kept_share(), "ncodec": psnr_db(plain, noisy)}
        rows.append(row | {name: value_at(curve, size) for name, curve in curves.items()})
    return rows


def ladder_curve(pixels: np.ndarray, kind: str, qualities: tuple[int, ...], options: dict[str, Any]) -> list[Point]:
    """(bytes, PSNR) of a picture at all qualities of another codec."""
    ImageFile.MAXBLOCK = 4 * pixels.size  # Pillow's JPEG writer wants an optimised file to fit into one block
    points = []
    for quality in qualities:
        out = io.BytesIO()
        Image.fromarray(pixels).save(out, kind, quality=quality, **options)
        decoded = np.asarray(Image.open(io.BytesIO(out.getvalue())).convert("RGB"))
        psnr = psnr_db(decoded, pixels)
        if psnr is not None:  # lossless
            points.append((len(out.getvalue()), psnr))
    return points


if __name__ == "__main__":
    main()
