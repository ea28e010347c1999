"""Result files made here: figures like those of a real run, so that tables, plots and pages can be tested."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from ncodec.bench.results import Results, write_results
from ncodec.bench.row import Circumstances, Row
from pictures import scene

CIRCUMSTANCES = Circumstances(
    ncodec="0.1.0",
    commit="216f6b0cafe0123456789abcdef0123456789abc",
    model="base-43e4cd9c",
    weights={"dncnn": "dncnn_GD_Color_Blind.pth 1a2b3c4d"},
    torch="2.13.0",
    pillow="13.0.0",
    packages={"numpy": "1.26.4", "libavif": "1.4.1"},
    code={"files": "00000000"},
    cpu="Some CPU (AVX512, AMX)",
    threads=2,
    device="cpu",
    dtype="bfloat16",
    seed=0,
    noise="gaussian:25",
    repeats=3,
    started="2026-11-20T12:00:00+00:00",
)


@dataclass(frozen=True)
class Shape:
    """How the figures of a method run: PSNR rises from `low` to `top` dB over the rates; times in seconds."""

    low: float
    top: float
    rates: tuple[float, ...] = (0.16, 0.23, 0.31, 0.41, 0.54, 0.68, 0.84, 1.02)
    denoise_s: float | None = None
    encode_s: float | None = 0.1
    decode_s: float | None = 0.05
    kmac: float | None = None
    falls: float = 0.0


AVIF_RATES = (0.1, 0.18, 0.3, 0.5, 0.8, 1.3)
JPEG_RATES = (0.3, 0.45, 0.7, 1.0, 1.6)
PLAIN_RATES = (0.16, 0.25, 0.63, 2.8, 4.4, 5.8, 7.3, 8.7)
SHAPES = {
    "noisy": Shape(20.4, 20.4, (), encode_s=None, decode_s=None),
    "dncnn": Shape(31.8, 31.8, (), 1.9, None, None, 668),
    "fdncnn-given": Shape(31.7, 31.7, (), 1.9, None, None, 668),
    "bm3d": Shape(31.5, 31.5, (), 9.5, None, None),
    "ncodec-plain": Shape(27.9, 20.6, PLAIN_RATES, None, 0.17, 0.1, 62),
    "ncodec-denoised": Shape(27.9, 31.25, encode_s=0.086, decode_s=0.071, kmac=62),
    "ncodec-refined": Shape(28.0, 31.3, encode_s=28.0, decode_s=0.071, kmac=4526),
    "ncodec-partial": Shape(27.0, 28.4, PLAIN_RATES, None, 0.17, 0.1, 62),
    "ncodec-then-dncnn": Shape(27.6, 31.7, PLAIN_RATES, 1.9, 0.17, 0.1, 730),
    "ncodec-then-fdncnn-given": Shape(27.5, 31.6, PLAIN_RATES, 1.9, 0.17, 0.1, 730),
    "hyperprior-then-dncnn": Shape(26.0, 29.5, (0.9, 1.6, 2.4, 3.4), 1.9, 0.35, 0.34, 780),
    "testolina": Shape(26.1, 29.9, (0.2, 0.4, 0.7, 1.1), None, 0.35, 0.39, 170),
    "avif-denoise": Shape(25.3, 27.4, AVIF_RATES, None, 0.62, 0.02),
    "dncnn-then-jpeg": Shape(24.6, 30.8, JPEG_RATES, 1.9, 0.004, 0.004, 668),
    "dncnn-then-webp": Shape(26.6, 31.0, JPEG_RATES, 1.9, 0.06, 0.01, 668),
    "dncnn-then-avif420": Shape(26.9, 31.4, AVIF_RATES, 1.9, 0.11, 0.02, 668),
    "dncnn-then-avif444": Shape(26.5, 31.65, AVIF_RATES, 1.9, 0.13, 0.02, 668),
    "dncnn-then-jpeg2000": Shape(25.0, 30.2, AVIF_RATES, 1.9, 0.09, 0.08, 668),
    "dncnn-then-jxl": Shape(25.7, 31.5, (0.2, 0.4, 0.7, 1.0, 1.5), 1.9, 0.3, 0.07, 668),
    "bm3d-then-avif420": Shape(26.8, 31.1, AVIF_RATES, 9.5, 0.11, 0.02),
    "bm3d-then-jxl": Shape(25.6, 31.2, (0.2, 0.4, 0.7, 1.0, 1.5), 9.5, 0.3, 0.07),
    "jpeg2000-alone": Shape(25.2, 25.2, (0.42,), None, 0.09, 0.06),
    "avif444-alone": Shape(26.7, 26.7, (0.31,), None, 0.12, 0.02),
}
NO_TIMES: dict[str, Any] = {
    "denoise_s": None, "encode_s": None, "decode_s": None, "repeats": 0, "memory_peak_mib": None,
}  # fmt: skip
USUAL = tuple(method for method in SHAPES if method != "ncodec-refined")
"""As `ncodec bench` measures them, unless a slow one is asked for."""
WIDTH, HEIGHT = 576, 384
"""Of scene-a: a page shows it dot by dot."""
PIXELS = "00000000"
NAMES = ("kodim01.png", "kodim05.png", "kodim15.png", "kodim04.png")


def made_rows(circumstances: Circumstances, methods: Sequence[str], pictures: Sequence[str] = NAMES) -> Iterator[Row]:
    """Rows of every method for every picture; pictures differ by a fixed amount, so means are the curves' own."""
    for number, picture in enumerate(pictures):
        away = number - (len(pictures) - 1) / 2
        for method in methods:
            for place, rate in enumerate(SHAPES[method].rates or (0.0,)):
                row = _row(circumstances, picture, method, place, rate, away)
                yield row if circumstances.repeats else replace(row, **NO_TIMES)


def _row(circumstances: Circumstances, picture: str, method: str, place: int, rate: float, away: float) -> Row:
    shape = SHAPES[method]
    share = place / max(len(shape.rates) - 1, 1)
    psnr = shape.low + (shape.top - shape.low) * math.sin(share * math.pi / 2) + 0.7 * away
    keeps = method in {"noisy", "ncodec-plain"}
    rate *= 1 + 0.1 * away
    return Row(
        circumstances.id, picture, PIXELS, 768, 512, method, str(place + 1) if shape.rates else "default",
        size_bytes=round(rate * 768 * 512 / 8) or None, rate_bpp=rate or None,
        psnr_plain_noisy_db=20 + 15 * share if method == "ncodec-plain" else None,
        psnr_plain_clean_db=psnr if keeps else None, psnr_denoised_clean_db=None if keeps else psnr,
        ssim=0.5 + psnr / 80, ms_ssim=0.65 + psnr / 100, lpips=0.9 - psnr / 40,
        denoise_s=shape.denoise_s, encode_s=shape.encode_s, decode_s=shape.decode_s, repeats=3,
        memory_peak_mib=180 + 40 * (shape.denoise_s is not None), kmac_per_pixel=shape.kmac,
    )  # fmt: skip


def made_results(path: Path, methods: Sequence[str] = USUAL, pictures: Sequence[str] = NAMES, **changes: Any) -> Path:
    """A result file; `changes` go into the circumstances."""
    about = replace(CIRCUMSTANCES, **changes)
    write_results(path, Results({about.id: about}, tuple(made_rows(about, methods, pictures))))
    return path


def made_pictures(folder: Path, clean: dict[str, np.ndarray] | None = None, sigma: float = 25) -> Path:
    """Pictures of a few methods in the folders that the viewer reads: blurred noise stands in for denoising."""
    clean = clean or {"scene-a.png": scene(HEIGHT, WIDTH, seed=1), "scene-b.png": scene(300, 200, seed=2)}
    for number, (picture, pixels) in enumerate(clean.items()):
        target = folder / picture
        target.mkdir(parents=True)
        noise = np.random.default_rng(number).normal(0, sigma, pixels.shape)
        shown = {"clean": (0, 0), "noisy": (1, 0), "ncodec-plain-3": (0.9, 1), "ncodec-denoised-5": (0.1, 1),
                 "ncodec-then-dncnn-3": (0.15, 1), "dncnn-then-avif420-4": (0.12, 2)}  # fmt: skip
        for name, (share, step) in shown.items():
            mixed = pixels + share * noise
            mixed = np.round(mixed / (4 * step)) * 4 * step if step else mixed
            full = f"{name}-{CIRCUMSTANCES.id}-{PIXELS}" if "-" in name else f"{name}-{PIXELS}"
            Image.fromarray(np.clip(np.round(mixed), 0, 255).astype(np.uint8)).save(target / f"{full}.png")
    return folder
