"""The training step on a CPU: with the compiled layers and without them, in turns.

python -m measure.step FOLDER [--cache CACHE] [--out docs/results/step.jsonl]

FOLDER holds training pictures, CACHE what a training run decoded from them. Rows: `step`, one a variant.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from unittest.mock import patch

import click
import torch

from measure.results import RESULTS, Row, circumstances, write
from ncodec.train import accelerate, muon, trainer
from ncodec.train.checkpoint import find_start, load_start
from ncodec.train.data import Pack, open_packs
from ncodec.train.native import NativeUnavailable
from ncodec.train.recipe import load_recipe

WARM_STEPS, ROUNDS, STEPS_PER_ROUND = 3, 4, 5


@click.command()
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--cache", type=click.Path(file_okay=False, path_type=Path))
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), default=RESULTS / "step.jsonl")
@click.option("--threads", type=int, default=2, show_default=True)
def main(folder: Path, cache: Path | None, out: Path, threads: int) -> None:
    """Time steps of the base model's training on the pictures of FOLDER."""
    torch.set_num_threads(threads)
    about = circumstances("step", "base", rounds=ROUNDS, steps_per_round=STEPS_PER_ROUND)
    with TemporaryDirectory() as scratch:
        pack, _ = open_packs(folder, cache or Path(scratch), lambda text: click.echo(text, err=True))
        write(out, [about, *measure(pack)])


def measure(pack: Pack) -> list[Row]:
    """All rows."""
    start = load_start(find_start("base"))
    recipe = replace(load_recipe("base"), architecture=start.architecture)
    variants = {"compiled": nullcontext, "PyTorch": without_native}
    trainers, times = {}, {name: [] for name in variants}
    for name, context in variants.items():
        with context():
            trainers[name] = trainer.Trainer(recipe, pack, torch.device("cpu"), start)
            for _ in range(WARM_STEPS):
                trainers[name].step(0.5)
    for _ in range(ROUNDS):
        for name, context in variants.items():
            with context():
                for _ in range(STEPS_PER_ROUND):
                    begin = time.perf_counter()
                    trainers[name].step(0.5)
                    times[name].append(time.perf_counter() - begin)
    pixels = recipe.data.batch * recipe.data.patch**2
    return [
        {"kind": "step", "layers": name, "batch": recipe.data.batch, "patch": recipe.data.patch,
         "step_s": median(seconds), "megapixels_per_s": pixels / median(seconds) / 1e6}
        for name, seconds in times.items()
    ]  # fmt: skip


@contextmanager
def without_native() -> Iterator[None]:
    """As on a machine that cannot compile the layers."""

    def refuse(network: torch.nn.Module) -> int:
        raise NativeUnavailable("left out to be compared with")

    with (
        patch.object(accelerate, "use_native_layers", refuse),
        patch.object(muon, "orthogonalise_native", lambda *arguments: None),
    ):
        yield


if __name__ == "__main__":
    main()
