"""What the scripts share: the pictures, the model, many processes of one thread each, progress on standard error."""

from __future__ import annotations

import multiprocessing
import os
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from functools import cache
from pathlib import Path
from typing import TypeVar

import click
import numpy as np

from ncodec.device import choose_device, transform_dtype
from ncodec.errors import NcodecError
from ncodec.noise import Noise, add_noise
from ncodec.picture import load
from ncodec.weights import Models

Job = TypeVar("Job")
Result = TypeVar("Result")

SECONDS_BETWEEN_LINES = 5


def kodak(folder: Path, count: int | None) -> list[Path]:
    """The first `count` pictures of a folder, in order of their names. Their place in it is the seed of their noise."""
    paths = sorted(folder.glob("kodim*.png"))[:count]
    if not paths:
        raise click.UsageError(f"{folder} holds no kodim*.png")
    return paths


def clean_and_noisy(path: Path, sigma: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """uint8 [H, W, 3] twice: white Gaussian noise of `sigma` (8-bit levels), rounded and clipped; 0 for none."""
    clean = load(path.read_bytes()).pixels
    return clean, add_noise(clean, Noise.gaussian(sigma), seed) if sigma else clean


@cache
def models(extra: Path | None = None) -> Models:
    """On the CPU, in the number format that the product takes there."""
    device = choose_device("cpu")
    return Models(device, transform_dtype(device), (extra,) if extra else ())


def all_jobs(
    what: str, work: Callable[[Job], Result], jobs: Sequence[Job], processes: int, guess_s: float
) -> Iterator[Result]:
    """Results as they come, from processes of one thread each.

    Args:
        what: for the progress lines.
        work: a function of a module's top level.
        jobs: pickled for it.
        processes: at a time.
        guess_s: how long all of it takes on two idle cores, for the first line.
    """
    os.environ["OMP_NUM_THREADS"] = "1"  # the children read it; torch and numpy's matrix products go by it
    progress = Progress(what, len(jobs), guess_s)
    with ProcessPoolExecutor(processes, multiprocessing.get_context("spawn")) as pool:
        for future in as_completed([pool.submit(work, job) for job in jobs]):
            yield future.result()
            progress.step()


class Progress:
    """Lines on standard error: how much is done, and when it will be.

    Args:
        what: is done.
        total: steps of it.
        guess_s: for all of them, on two idle cores.
    """

    def __init__(self, what: str, total: int, guess_s: float) -> None:
        self._what, self._total, self._done = what, total, 0
        self._begin = self._said = time.monotonic()
        click.echo(f"{what}: {total} steps, about {guess_s:.0f} s on two idle cores", err=True)

    def step(self) -> None:
        """One more is done."""
        self._done += 1
        now = time.monotonic()
        spent = now - self._begin
        if self._done == self._total:
            click.echo(f"{self._what}: done in {spent:.0f} s", err=True)
        elif now - self._said >= SECONDS_BETWEEN_LINES:
            self._said = now
            left = spent / self._done * (self._total - self._done)
            click.echo(f"{self._what}: {self._done} of {self._total}, {left:.0f} s left", err=True)


def fail_in_one_line(main: Callable[[], None]) -> None:
    """Run a script's command; what ncodec refuses ends it with one sentence."""
    try:
        main()
    except NcodecError as err:
        raise SystemExit(f"{type(err).__name__}: {err}") from err
