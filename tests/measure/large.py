"""A picture of 100 megapixels, made here, through the command line: peak memory and time of each command.

python -m measure.large [--out docs/results/large.jsonl] [--width 11585 --height 8640] [--threads 2]

Rows: `command`: wall time of the whole process, its peak resident memory as the kernel counted it, and the time of the
coding alone as the command itself tells (`--json`).
"""

from __future__ import annotations

import json
import multiprocessing
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import click
import numpy as np
from PIL import Image

from measure.results import RESULTS, ROOT, Row, circumstances, write
from measure.work import Progress
from ncodec.noise import Noise, add_noise

QUALITY, SIGMA, SEED = 3, 25, 1
STRIP_ROWS = 256
DISCS = 60
SECONDS_PER_MEGAPIXEL = 4.0


@click.command()
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), default=RESULTS / "large.jsonl")
@click.option("--width", type=int, default=11585, show_default=True)
@click.option("--height", type=int, default=8640, show_default=True)
@click.option("--threads", type=int, default=2, show_default=True)
def main(out: Path, width: int, height: int, threads: int) -> None:
    """Encode and decode a large picture."""
    about = circumstances(
        "large", "base", width=width, height=height, quality=QUALITY, sigma=SIGMA, noise_seed=SEED
    ) | {"threads": threads}
    options = ["--threads", str(threads), "--json", "--force"]
    commands = {
        "encode": ["encode", "noisy.png", "-o", "img.ncd", "--quality", str(QUALITY), *options],
        "encode --noise-quality off": ["encode", "noisy.png", "-o", "b.ncd", "--noise-quality", "off", *options],
        "decode --denoise": ["decode", "img.ncd", "-o", "out.png", "--denoise", *options],
        "decode": ["decode", "img.ncd", "-o", "out.png", *options],
    }
    progress = Progress("large", len(commands) + 1, width * height / 1e6 * SECONDS_PER_MEGAPIXEL)
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        # In a process of its own: the memory of this one is where those of the commands begin to count.
        maker = multiprocessing.get_context("spawn").Process(target=make, args=(place / "noisy.png", height, width))
        maker.start()
        maker.join()
        progress.step()
        rows: list[Row] = []
        for command, words in commands.items():
            rows.append({"kind": "command", "command": command} | run(words, place))
            progress.step()
        about["png_bytes"] = (place / "noisy.png").stat().st_size
    write(out, [about, *rows])


def run(words: list[str], place: Path) -> Row:
    """One command as a process. Raises RuntimeError if it fails."""
    begin = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, "-m", "ncodec", *words],
        cwd=place,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=(place / "stdout").open("w"),
    )
    _, status, usage = os.wait4(process.pid, 0)
    wall_s = time.perf_counter() - begin
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RuntimeError(f"ncodec {' '.join(words)} ended with status {process.returncode}")
    said = json.loads((place / "stdout").read_text())
    return {
        "wall_s": wall_s,
        "coding_s": said["time_s"],
        "peak_bytes": 1024 * usage.ru_maxrss,
        "cpu_s": usage.ru_utime + usage.ru_stime,
        "rate_bpp": said.get("rate_bpp"),
    }


def make(path: Path, height: int, width: int) -> None:
    """Write the noisy picture as a PNG file."""
    pixels = np.empty((height, width, 3), np.uint8)
    for number, (top, strip) in enumerate(strips(height, width)):
        pixels[top : top + len(strip)] = add_noise(strip, Noise.gaussian(SIGMA), SEED + number)
    Image.fromarray(pixels).save(path, compress_level=1)


def strips(height: int, width: int) -> Iterator[tuple[int, np.ndarray]]:
    """(first row, uint8 [rows, width, 3]) of a clean scene: sky, discs with hard edges, stripes, strokes."""
    rng = np.random.default_rng(SEED)
    discs = [
        (rng.uniform(0, height), rng.uniform(0, width), rng.uniform(0.02, 0.12) * width, rng.uniform(1, 9),
         rng.uniform(20, 235, 3).astype(np.float32))
        for _ in range(DISCS)
    ]  # fmt: skip
    glyphs = rng.random((64, 4096)) > 0.55
    x = np.arange(width, dtype=np.float32)
    stripes = np.sin(x**1.5 / 40) > 0
    for top in range(0, height, STRIP_ROWS):
        y = np.arange(top, min(top + STRIP_ROWS, height), dtype=np.float32)[:, None]
        strip = np.stack(np.broadcast_arrays(170 - 40 * y / height, 150 + 30 * x / width, 120 + 60 * x / width), 2)
        strip = strip.astype(np.float32)
        for centre_y, centre_x, radius, period, colour in discs:
            if abs(centre_y - y).min() < radius:
                inside = (y - centre_y) ** 2 + (x - centre_x) ** 2 < radius**2
                strip[inside] = colour + 12 * np.sin((y + x)[inside] / period)[:, None]
        strip[(y > 0.8 * height) & stripes] = 30
        rows, columns = (y.astype(int) // 4) % len(glyphs), (x.astype(int) // 3) % glyphs.shape[1]
        strip[(y % 24 < 12) & (x < width / 4) & glyphs[rows, columns]] = 245
        yield top, np.rint(strip).clip(0, 255).astype(np.uint8)


if __name__ == "__main__":
    main()
