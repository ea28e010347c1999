"""What a network's first weights and its optimiser are worth: short runs of the trainer, each from its own start.

python -m measure.starts FOLDER [--cache CACHE] [--steps 300] [--out docs/results/starts.jsonl]

FOLDER holds training pictures, CACHE what a training run decoded from them. Rows: `start`, one a run, its figures those
of the averaged weights on the validation split.
"""

from __future__ import annotations

import dataclasses
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from unittest import mock

import click
import torch

from measure.results import RESULTS, Row, circumstances, write
from ncodec.train.loop import Budget, train
from ncodec.train.recipe import load_recipe
from ncodec.train.tasks.registry import TASKS

LINEAR, RANDOM = "linear", "random"


@dataclass(frozen=True)
class Run:
    """A recipe with other rates, from its task's own start (LINEAR) or from PyTorch's (RANDOM)."""

    recipe: str
    start: str
    adam_rate: float
    muon_rate: float
    patch: int
    batch: int


def _runs(recipe: str, start: str, patch: int, *rates: tuple[float, float]) -> list[Run]:
    return [Run(recipe, start, adam, muon, patch, 8) for adam, muon in rates]


RUNS = (
    *_runs("dncnn", RANDOM, 64, (2e-4, 0), (5e-4, 0), (1e-3, 0.005), (1e-3, 0.01)),
    *_runs("dncnn", LINEAR, 64, (5e-4, 0), (1e-3, 0.005), (1e-3, 0.01), (1e-3, 0.02)),
    *_runs("fdncnn", LINEAR, 64, (3e-4, 0.002), (1e-3, 0.005)),
    *_runs("testolina-denoising", RANDOM, 128, (3e-4, 0), (3e-4, 0.001)),
    *_runs("testolina-denoising", LINEAR, 128, (3e-4, 0), (3e-4, 0.001), (3e-4, 0.003)),
)


@click.command()
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--cache", type=click.Path(file_okay=False, path_type=Path))
@click.option("--steps", type=click.IntRange(1), default=300, show_default=True)
@click.option("--threads", type=click.IntRange(1), default=2, show_default=True)
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), default=RESULTS / "starts.jsonl")
def main(folder: Path, cache: Path | None, steps: int, threads: int, out: Path) -> None:
    """Train every network anew, as often as there are starts for it."""
    torch.set_num_threads(threads)
    about = circumstances("starts", "base", steps=steps)
    rows = [measure(run, folder, cache, steps) for run in RUNS]
    write(out, [about, *rows])


def measure(run: Run, folder: Path, cache: Path | None, steps: int) -> Row:
    """The row of a run; its rates fall over all of its steps."""
    recipe = load_recipe(run.recipe).changed(
        f"optimiser.adam_rate={run.adam_rate}",
        f"optimiser.muon_rate={run.muon_rate}",
        f"data.patch={run.patch}",
        f"data.batch={run.batch}",
        "loop.evaluate_s=1e9",
    )
    task = type(TASKS[recipe.task])
    lines: list[Row] = []
    own_start = mock.patch.object(task, "begin", return_value=None) if run.start == RANDOM else nullcontext()
    with TemporaryDirectory() as scratch, own_start:
        train(recipe, folder, Path(scratch), cache=cache, device="cpu", budget=Budget(steps=steps), report=lines.append)
    points = [line["points"] for line in lines if line["event"] == "evaluate"][-1]
    click.echo(f"{run}: {points}", err=True)
    return {
        "kind": "start",
        **dataclasses.asdict(run),
        "steps": steps,
        "megapixels": steps * run.batch * run.patch**2 / 1e6,
        "points": points,
    }


if __name__ == "__main__":
    main()
