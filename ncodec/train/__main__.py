"""`python -m ncodec.train`: train a model, or go on with a run."""

from __future__ import annotations

import sys
import time
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import click
import torch

from ncodec.errors import NcodecError
from ncodec.train.loop import Budget, train
from ncodec.train.recipe import load_recipe


def parse_time_of_day(text: str) -> float:
    """The next "HH:MM" of this machine's clock, as seconds since the epoch."""
    now = datetime.now()
    end = now.replace(**dict(zip(("hour", "minute"), map(int, text.split(":")), strict=True)), second=0, microsecond=0)  # pyright: ignore[reportArgumentType]
    return (end if end > now else end + timedelta(days=1)).timestamp()


def describe(line: dict[str, Any]) -> str:
    """One line of the log for people."""
    clock = time.strftime("%H:%M:%S ")
    if line["event"] == "train":
        keys = ("step", "loss", "rate_bpp", "mse", "rate_factor", "megapixels_per_s")
        return clock + "  ".join(f"{key} {line[key]:.5g}" for key in keys)
    if line["event"] == "evaluate":
        points = (f"{p['sigma']:g}: {p['rate_bpp']:.3f}/{p['psnr_db']:.2f}" for p in line["points"])
        return clock + f"evaluate {line['step']}  " + "  ".join(points)
    return clock + str(line.get("text", line["event"]))


@click.command()
@click.option("--recipe", default="base", show_default=True, help="Name of a shipped recipe, or a TOML file.")
@click.option(
    "--set", "changes", multiple=True, metavar="KEY=VALUE", help="Change a value, as optimiser.adam_rate=1e-4."
)
@click.option("--data", required=True, type=click.Path(path_type=Path), help="Folder of pictures.")
@click.option(
    "--out", required=True, type=click.Path(path_type=Path), help="Folder of the run; goes on with one there."
)
@click.option(
    "--init", type=click.Path(exists=True, path_type=Path), help="Weights to start from: a file or a run's folder."
)
@click.option("--cache", type=click.Path(path_type=Path), help="Folder for the decoded pictures.")
@click.option("--steps", type=click.IntRange(1))
@click.option("--pixels", type=click.IntRange(1))
@click.option("--seconds", type=click.FloatRange(0, min_open=True))
@click.option("--until", metavar="HH:MM", help="End this part of the run at that time of day.")
@click.option("--device", default="cuda" if torch.cuda.is_available() else "cpu", show_default=True)
@click.option("--threads", type=click.IntRange(1), help="Threads of the convolutions.")
@click.option("--pieces", is_flag=True, help="Write the state in pieces under 16 MB.")
def main(recipe: str, changes: tuple[str, ...], until: str | None, threads: int | None, **options: Any) -> None:
    """Train the base layer's network on a folder of pictures."""
    if threads:
        torch.set_num_threads(threads)
    limits = {key: options.pop(key) for key in ("steps", "pixels", "seconds")}
    budget = Budget(**limits, until=parse_time_of_day(until) if until else None)
    try:
        result = train(
            load_recipe(recipe).changed(*changes),
            options.pop("data"),
            options.pop("out"),
            budget=budget,
            report=lambda line: click.echo(describe(line)),
            **options,
        )
    except NcodecError as error:
        click.echo(f"ncodec: error: {error}", err=True)
        sys.exit(error.exit_status)
    click.echo(f"{'complete' if result.complete else 'stopped'}: {result.weights}")


if __name__ == "__main__":
    main()
