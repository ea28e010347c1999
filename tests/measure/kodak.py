"""Kodak, all pictures, noise levels and qualities: rate and PSNR from the bytes of real files.

python -m measure.kodak FOLDER [--out docs/results/kodak.jsonl] [--weights models/training/base.safetensors]

Rows: `picture`, one a file; on the noise level of the main tables also `stream`, one an entropy-coded stream, its bytes
beside the entropy of its symbols; with --weights also `integers`, one a picture and quality: what the floating-point
networks that the integer ones stand for would have cost.
"""

from __future__ import annotations

import math
import os
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from unittest.mock import patch

import click
import numpy as np
import torch

from ideal import entropy_bits
from measure.results import RESULTS, Row, circumstances, write
from measure.work import all_jobs, clean_and_noisy, kodak, models
from ncodec import base, codec
from ncodec.bench.metrics import psnr_db
from ncodec.container import ENHANCEMENTS, LATENTS, QUALITIES, Container, Tag, dump, parse
from ncodec.enhancement import slices
from ncodec.entropy import Encoder, Tables
from ncodec.nets.model import Model
from ncodec.nets.windows import Window
from ncodec.picture import Picture
from ncodec.residual import add_residual
from ncodec.train.checkpoint import load_start
from ncodec.train.release import ema_network

MAIN_SIGMA = 25
SIGMAS = (MAIN_SIGMA, 0, 10, 50)
CHECKED_QUALITY = 3
"""Files of this quality are decoded as a user would, to see that the short way here gives the same."""
FLOAT_QUALITIES = (1, 4, 8)
CPU_SECONDS_PER_FILE = 0.45
CPU_SECONDS_PER_FLOAT = 1.0


@dataclass(frozen=True)
class Job:
    """One picture at one noise level, at all qualities."""

    path: Path
    seed: int
    sigma: int
    model: str
    weights: Path | None


@click.command()
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), default=RESULTS / "kodak.jsonl")
@click.option("--pictures", type=int, help="Only the first so many.")
@click.option("--model", default="base", show_default=True)
@click.option("--weights", type=click.Path(exists=True, path_type=Path), help="The model's training weights or run.")
@click.option("--processes", type=int, default=os.cpu_count(), show_default=True)
def main(folder: Path, out: Path, pictures: int | None, model: str, weights: Path | None, processes: int) -> None:
    """Measure all pictures of FOLDER."""
    about = circumstances("kodak", model, threads=1, processes=processes, noise_seed="the picture's place, from 0")
    if weights:
        about["float_gigapixels_seen"] = seen = round(load_start(weights).record.lifetime_pixels / 1e9, 2)
        if seen != about["model"].get("gigapixels_seen"):
            raise click.UsageError(f"{weights} has seen {seen} gigapixels: it is not what {model} was released from")
    paths = kodak(folder, pictures)
    jobs = [Job(path, seed, sigma, model, weights) for seed, path in enumerate(paths) for sigma in SIGMAS]
    floats = len(FLOAT_QUALITIES) * CPU_SECONDS_PER_FLOAT if weights else 0
    guess_s = len(paths) * (len(SIGMAS) * QUALITIES * CPU_SECONDS_PER_FILE + floats) / 2
    rows = [row for part in all_jobs("kodak", measure, jobs, processes, guess_s) for row in part]
    rows.sort(key=lambda row: (row["kind"], row["sigma"], row["picture"], row["quality"]))
    write(out, [about, *rows])


def measure(job: Job) -> list[Row]:
    """All rows of a job."""
    clean, noisy = clean_and_noisy(job.path, job.sigma, job.seed)
    model = models().by_name(job.model)
    rows: list[Row] = []
    for quality in range(1, QUALITIES + 1):
        about = {"picture": job.path.stem, "sigma": job.sigma, "seed": job.seed, "quality": quality}
        coded = encode(model, noisy, quality)
        rows.append({"kind": "picture"} | about | file_row(coded, clean, noisy))
        if job.sigma != MAIN_SIGMA:
            continue
        rows += [{"kind": "stream"} | about | stream.row() for stream in coded.streams]
        if quality == CHECKED_QUALITY:
            check(coded)
        if job.weights and quality in FLOAT_QUALITIES:
            rows.append({"kind": "integers"} | about | integers_row(model, job.weights, coded, clean, noisy))
    return rows


@dataclass(frozen=True)
class Stream:
    """An entropy-coded stream: of what, its bytes, and the bits that its symbols should cost under their tables."""

    layer: str
    size_bytes: int
    ideal_bits: float

    def row(self) -> Row:
        return {"layer": self.layer, "bytes": self.size_bytes, "ideal_bits": self.ideal_bits}


@dataclass(frozen=True)
class Coded:
    """One file and the pictures that it decodes to."""

    box: Container
    data: bytes
    denoised: np.ndarray
    plain: np.ndarray
    streams: tuple[Stream, ...]


def encode(model: Model, pixels: np.ndarray, quality: int) -> Coded:
    """`ncodec.codec.encode`, as it is; its own denoised picture is kept, so that the base is not decoded again."""
    denoised: list[np.ndarray] = []
    streams: list[Stream] = []
    layer_of = {id(getattr(model, f"{name}_tables")): name for name in ("hyper", "latent", "enhancement")}
    synthesise = codec._synthesise

    def keep(*args: object) -> np.ndarray:
        denoised.append(synthesise(*args))  # pyright: ignore[reportArgumentType]
        return denoised[-1]

    class CountingEncoder(Encoder):
        def __init__(self, tables: Tables) -> None:
            super().__init__(tables)
            self.ideal_bits = 0.0

        def push(self, symbols: np.ndarray, rows: np.ndarray) -> None:
            super().push(symbols, rows)
            self.ideal_bits += entropy_bits(symbols, rows, self._tables)

        def finish(self) -> bytes:
            data = super().finish()
            streams.append(Stream(layer_of[id(self._tables)], len(data), self.ideal_bits))
            return data

    with (
        patch.object(codec, "_synthesise", keep),
        patch.object(base, "Encoder", CountingEncoder),
        patch.object(slices, "Encoder", CountingEncoder),
    ):
        box = codec.encode(Picture(pixels), model, quality, quality)
    plain = denoised[-1].copy()
    layer = next(section for section in box.sections if section.tag == box.enhancement)
    add_residual(plain, layer, 1.0, model.enhancement_tables)
    return Coded(box, dump(box), denoised[-1], plain, tuple(streams))


def file_row(coded: Coded, clean: np.ndarray, noisy: np.ndarray) -> Row:
    """Rates, PSNRs and what the header says of the noise."""
    box = coded.box
    bits_per_pixel = 8 / (box.header.width * box.header.height)
    sections = {tag: bits_per_pixel * box.size_bytes(tag) for tag in Tag}
    noise = box.header.poisson_a / 2 + box.header.gaussian_b
    return {
        "base_bpp": bits_per_pixel * len(dump(box.without(*ENHANCEMENTS))),
        "total_bpp": bits_per_pixel * len(coded.data),
        "hyperprior_bpp": sections[Tag.HYPERPRIOR],
        "latents_bpp": sum(sections[tag] for tag in LATENTS),
        "enhancement_bpp": sum(sections[tag] for tag in ENHANCEMENTS),
        "noisy_psnr_db": psnr_db(noisy, clean),
        "denoised_clean_psnr_db": psnr_db(coded.denoised, clean),
        "plain_noisy_psnr_db": psnr_db(coded.plain, noisy),
        "plain_clean_psnr_db": psnr_db(coded.plain, clean),
        "noise_sigma": 255 * math.sqrt(noise),
        "kept_share": box.kept_share(),
    }


def check(coded: Coded) -> None:
    """Raise RuntimeError unless a user's decode of the bytes gives the pictures that were measured."""
    box = parse(coded.data)
    for strength, expected in ((1.0, coded.denoised), (0.0, coded.plain)):
        if not np.array_equal(codec.decode(box, models(), strength).pixels, expected):
            raise RuntimeError(f"decoding with strength {strength} gives another picture than encoding")


def integers_row(model: Model, weights: Path, coded: Coded, clean: np.ndarray, noisy: np.ndarray) -> Row:
    """Bits of the base layer and PSNR by the floating-point networks, and by the integer ones, rounded as plainly."""
    quality = coded.box.header.quality
    x = torch.from_numpy(noisy).permute(2, 0, 1)[None].float() / 255
    with torch.inference_mode():
        estimate, rate_bpp = network(weights)(x, torch.tensor([quality - 1]))
    denoised = (255 * estimate[0].permute(1, 2, 0)).round().clamp(0, 255).to(torch.uint8).numpy()
    latent_bits, rounded = rounded_plainly(model, noisy, quality)
    return {
        "float_bits": rate_bpp.item() * x.shape[2] * x.shape[3],
        "integer_bits": sum(stream.ideal_bits for stream in coded.streams if stream.layer == "hyper") + latent_bits,
        "float_psnr_db": psnr_db(denoised, clean),
        "integer_psnr_db": psnr_db(rounded, clean),
    }


def rounded_plainly(model: Model, noisy: np.ndarray, quality: int) -> tuple[float, np.ndarray]:
    """Entropy of the latents in bits, and the denoised picture, without a trellis: as the networks were trained."""
    bits = 0.0
    with torch.inference_mode():
        y = model.transforms.analyse(torch.from_numpy(noisy), quality)
        z = base.hyper_latents(model, y)

        def code(step: int, window: Window, mean: torch.Tensor, rows: np.ndarray) -> np.ndarray:
            nonlocal bits
            symbols = base.residual(y[window.core], step, mean).round().short().numpy().reshape(-1)
            symbols *= model.latent_tables.codes(rows)
            bits += entropy_bits(symbols, rows, model.latent_tables)
            return base.whole_steps(symbols)

        base._code_latents(model, z, y, code)
        return bits, codec._synthesise(model, y, quality, noisy.shape)


@cache
def network(weights: Path) -> torch.nn.Module:
    """The trained network whose integer twin was released: float32, evaluation mode."""
    return ema_network(load_start(weights))


if __name__ == "__main__":
    main()
