"""The README's picture: one crop of the astronaut as she is, noisy, and as several ways to a small file leave her.

python -m measure.figure [--out docs/results/figure.jsonl] [--image docs/images/comparison.png]

Rows: `panel`, from left to right; bytes and PSNR are those of the whole picture. The other codecs get the quality whose
file is as large as ncodec's, or the next larger one.
"""

from __future__ import annotations

from pathlib import Path

import click
import numpy as np
import torch
from PIL import Image

from measure.results import RESULTS, ROOT, Row, circumstances, write
from measure.work import models
from ncodec import codec
from ncodec.bench.methods.files import PillowCodec, avif
from ncodec.bench.methods.kit import BLIND
from ncodec.bench.metrics import psnr_db
from ncodec.container import dump
from ncodec.nets.dncnn import denoise, load_dncnn
from ncodec.noise import Noise, add_noise
from ncodec.picture import Picture, load
from ncodec.weights import models_folder

SOURCE = ROOT / "docs" / "images" / "astronaut.png"
SIGMA, SEED, QUALITY = 25, 0, 3
TOP, LEFT, SIDE, GAP = 0, 90, 212, 4
Panel = tuple[str, int | None, np.ndarray]
"""What it is, bytes of its file, pixels."""


@click.command()
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), default=RESULTS / "figure.jsonl")
@click.option("--image", type=click.Path(dir_okay=False, path_type=Path), default=SOURCE.with_name("comparison.png"))
def main(out: Path, image: Path) -> None:
    """Make the picture."""
    about = circumstances("figure", "base", picture=SOURCE.name, sigma=SIGMA, noise_seed=SEED, quality=QUALITY)
    clean = load(SOURCE.read_bytes()).pixels
    shown = panels(add_noise(clean, Noise.gaussian(SIGMA), SEED))
    rows: list[Row] = [
        {"kind": "panel", "what": what, "size_bytes": size_bytes, "psnr_db": psnr_db(pixels, clean)}
        for what, size_bytes, pixels in shown
    ]
    side_by_side([pixels for _, _, pixels in shown]).save(image, optimize=True)
    write(out, [about, *rows])


def panels(noisy: np.ndarray) -> list[Panel]:
    """Of a noisy picture, uint8 [H, W, 3]."""
    box = codec.encode(Picture(noisy), models().by_name("base"), QUALITY, None)
    size_bytes = len(dump(box))
    clean = denoise(load_dncnn(models_folder() / BLIND[0]), noisy, None, torch.float32)
    return [
        ("noisy", None, noisy),
        ("AVIF", *_of_size(avif("4:2:0", 1, tune="ssim"), noisy, size_bytes)),
        ("DnCNN, then AVIF", *_of_size(avif("4:2:0", 1, tune="ssim"), clean, size_bytes)),
        (f"ncodec --quality {QUALITY}, denoised", size_bytes, codec.decode(box, models(), 1.0).pixels),
    ]


def _of_size(files: PillowCodec, pixels: np.ndarray, size_bytes: int) -> tuple[int, np.ndarray]:
    """(bytes, decoded pixels) of the smallest file with at least `size_bytes`; of the best one if none has."""
    for quality in range(101):
        data = files.save(pixels, quality)
        if len(data) >= size_bytes:
            break
    return len(data), files.decode(data)


def side_by_side(pictures: list[np.ndarray]) -> Image.Image:
    """The same crop of each, a white gap between them."""
    crops = [picture[TOP : TOP + SIDE, LEFT : LEFT + SIDE] for picture in pictures]
    gap = np.full((SIDE, GAP, 3), 255, np.uint8)
    parts = [part for crop in crops for part in (crop, gap)]
    return Image.fromarray(np.concatenate(parts[:-1], axis=1))


if __name__ == "__main__":
    main()
