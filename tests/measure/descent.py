"""What a change of the training is worth: validation points of runs that began with the same weights.

python -m measure.descent NAME=RUN... [--out docs/results/descent.jsonl]

RUN is a folder of a training run, its log.jsonl in it. Rows: `run`, what it was; `descent`, one an evaluation.
"""

from __future__ import annotations

from pathlib import Path

import click

from measure.results import RESULTS, Row, circumstances, write
from ncodec.train.plot import read_log


def rows_of(name: str, run: Path) -> list[Row]:
    """Of one run."""
    lines = read_log(run)
    start = next(line for line in lines if line["event"] == "start")
    recipe = start["recipe"]
    about = {"kind": "run", "run": name, "steps": start["budget"]["steps"], "data": recipe["data"],
             "optimiser": recipe["optimiser"], "began": start["time"]}  # fmt: skip
    found = [line for line in lines if line["event"] == "evaluate"]
    keys = ("step", "pixels", "seconds", "points")
    return [about, *({"kind": "descent", "run": name} | {key: line[key] for key in keys} for line in found)]


@click.command()
@click.argument("runs", nargs=-1, required=True, metavar="NAME=RUN...")
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), default=RESULTS / "descent.jsonl")
def main(runs: tuple[str, ...], out: Path) -> None:
    """Collect the evaluations of training runs."""
    rows = []
    for text in runs:
        name, _, folder = text.rpartition("=")
        rows += rows_of(name, Path(folder))
    write(out, [circumstances("descent", "base"), *rows])


if __name__ == "__main__":
    main()
