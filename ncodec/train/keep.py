"""Weights to go on from elsewhere: the averages of a run in one file of half its size, float16, fit to be committed.

python -m ncodec.train.keep --weights RUN --out models/training/base.safetensors
"""

from __future__ import annotations

import dataclasses
from pathlib import Path

import click

from ncodec.train.checkpoint import load_start, save_weights
from ncodec.train.commands import one_sentence


@click.command()
@click.option("--weights", required=True, type=click.Path(path_type=Path), help="A run's folder, or its weights.")
@click.option("--out", required=True, type=click.Path(dir_okay=False, path_type=Path), help="The file to write.")
def main(weights: Path, out: Path) -> None:
    """Keep the averaged weights of a run; `--init` takes the file."""
    with one_sentence():
        start = load_start(weights)
        out.parent.mkdir(parents=True, exist_ok=True)
        save_weights(out, dataclasses.replace(start, network={}))


if __name__ == "__main__":
    main()
