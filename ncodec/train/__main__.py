"""`python -m ncodec.train` and `ncodec train`: train a model, or go on with a run."""

from __future__ import annotations

import re
import sys
import time
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import click
import torch

from ncodec.cli.signals import end_by_signal
from ncodec.errors import RequestError
from ncodec.train.budget import Budget
from ncodec.train.checkpoint import find_start, load_start
from ncodec.train.commands import one_sentence
from ncodec.train.grow import OPTIONAL_STAGES
from ncodec.train.loop import pictures_folder, train
from ncodec.train.noise_kinds import KINDS, noise_changes
from ncodec.train.recipe import load_recipe
from ncodec.train.release import write_model
from ncodec.train.sizes import CODEC

FOLDER = click.Path(file_okay=False, path_type=Path)


def parse_time_of_day(text: str, now: datetime) -> float:
    """The next "HH:MM" after `now`, as seconds since the epoch. RequestError if it is not a time of day."""
    if not re.fullmatch(r"([01]?\d|2[0-3]):[0-5]\d", text):
        raise RequestError(f"{text!r} is not a time of day as HH:MM")
    hour, minute = map(int, text.split(":"))
    end = now.replace(hour=hour, minute=minute, second=0, microsecond=0)
    return (end if end > now else end + timedelta(days=1)).timestamp()


def describe(line: dict[str, Any]) -> str:
    """One line of the log for people."""
    clock = time.strftime("%H:%M:%S ")
    if line["event"] == "train":
        keys = ("step", "loss", "rate_bpp", "mse", "rate_factor", "megapixels_per_s")
        return clock + "  ".join(f"{key} {line[key]:.5g}" for key in keys if key in line)
    if line["event"] == "evaluate":
        rates = (f"{p['rate_bpp']:.3f}/" if "rate_bpp" in p else "" for p in line["points"])
        points = (f"{p['sigma']:g}: {rate}{p['psnr_db']:.2f}" for p, rate in zip(line["points"], rates, strict=True))
        return clock + f"evaluate {line['step']}  " + "  ".join(points)
    return clock + str(line.get("text", line["event"]))


@click.command()
@click.option("--data", required=True, type=FOLDER, help="Folder of pictures, taken as clean.")
@click.option("--out", required=True, type=FOLDER, help="Folder of the run; a run that is there goes on.")
@click.option("--init", metavar="WEIGHTS", help="Start from a weights file, a run's folder, or a shipped model's name.")
@click.option(
    "--drop",
    multiple=True,
    type=click.Choice(OPTIONAL_STAGES),
    help="An ablation: do without this stage of the codec; its blocks in --init are left out.",
)
@click.option(
    "--recipe",
    default="base",
    show_default=True,
    help="Name of a shipped recipe, or a TOML file. Without --init take fresh: base has the rates to go on with.",
)
@click.option("--noise", metavar="KIND", help=f"Train for one kind of noise, up to a strength: {KINDS}.")
@click.option("--set", "changes", multiple=True, metavar="KEY=VALUE", help="Change the recipe: noise.sigma_max=30.")
@click.option("--cache", type=FOLDER, help="Folder for the decoded pictures; in the run's folder by default.")
@click.option("--steps", type=click.IntRange(1), help="Length of the whole run, resumed parts included ...")
@click.option("--pixels", type=click.IntRange(1), help="... or in pixels seen ...")
@click.option("--seconds", type=click.FloatRange(0, min_open=True), help="... or in seconds, without its evaluations.")
@click.option(
    "--until",
    metavar="HH:MM",
    help="Stop at that time of day; alone, it is also the end of the whole run, and stays it when it is said again.",
)
@click.option("--device", default="auto", show_default=True, help="auto, cpu, cuda or cuda:n.")
@click.option("--threads", type=click.IntRange(1, 256), help="Threads on a CPU; all by default.")
@click.option("--pieces", is_flag=True, help="Write the state in pieces under 16 MB.")
def main(
    recipe: str,
    noise: str | None,
    changes: tuple[str, ...],
    drop: tuple[str, ...],
    until: str | None,
    threads: int | None,
    **options: Any,
) -> None:
    """Train a model on a folder of pictures, for your own camera or microscope.

    \b
    ncodec train --data my_photos/ --out run --init base --noise camera:20 --seconds 3600
    ncodec encode noisy.png -o img.ncd --model run/run-1a2b3c4d.safetensors

    The rates fall over the whole run, which --steps, --pixels, --seconds or --until bounds. At its end the model is
    written into the run's folder, its name ending in digits of its own: keep it, files encoded with it need it. SIGTERM
    and Ctrl-C end a run with its state saved and no model; the same command goes on with it, after a kill, too, and
    when the run's end is past it writes the model at once.
    """
    if threads:
        torch.set_num_threads(threads)
    limits = {key: options.pop(key) for key in ("steps", "pixels", "seconds")}
    init, data, out = (options.pop(key) for key in ("init", "data", "out"))
    with one_sentence():
        kinds = noise_changes(noise) if noise else ()
        wanted = load_recipe(recipe).changed(*kinds, *changes, *(f"architecture.{stage}=0" for stage in drop))
        end = parse_time_of_day(until, datetime.now()) if until else None
        result = train(
            wanted,
            data,
            out,
            budget=Budget(**limits, until=end, said=until.zfill(5) if until else ""),
            init=find_start(init) if init else None,
            drop=drop,
            processes=None,
            report=lambda line: click.echo(describe(line), err=True),
            **options,
        )
        click.echo(f"{'complete' if result.complete else 'stopped'}: {result.weights}", err=True)
        if result.signal:
            sys.exit(128 + result.signal)
        if wanted.task == CODEC:
            model = write_model(load_start(out), data, pictures_folder(out, options["cache"]), out, out.resolve().name)
            click.echo(f"model, for ncodec encode --model: {model}", err=True)


if __name__ == "__main__":
    try:
        main()
    except SystemExit as ended:
        if isinstance(ended.code, int):
            end_by_signal(ended.code)
        raise
