"""`python -m ncodec.train.record RUN...`: rows of docs/training-log.md, from the logs of runs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from ncodec.errors import RequestError
from ncodec.train.commands import one_sentence
from ncodec.train.plot import read_log
from ncodec.train.sizes import CODEC

QUALITIES_SHOWN = (1, 4, 7)
LINES_AVERAGED = 10


@click.command()
@click.argument("runs", nargs=-1, required=True, type=click.Path(exists=True, file_okay=False, path_type=Path))
def main(runs: tuple[Path, ...]) -> None:
    """Print one row of the training log for every run's folder."""
    with one_sentence():
        for run in runs:
            click.echo(row(run.name, read_log(run)))


def row(name: str, lines: list[dict[str, Any]]) -> str:
    """Markdown of a run: when, on what, from what, rates, minutes, pixels, result. RequestError if no step is done."""
    starts, steps, evaluations = ([e for e in lines if e["event"] == kind] for kind in ("start", "train", "evaluate"))
    if not starts or not steps or not evaluations:
        raise RequestError(f"{name}: its log holds no step yet")
    first, last = starts[0], steps[-1]
    rates = first["recipe"]["optimiser"]
    fresh = "KLT" if first["recipe"].get("task", CODEC) == CODEC else "fresh"
    batch = first["recipe"]["data"]
    cells = [
        name,
        first["time"][:16],
        f"{first['device']}, {len(starts)} part{'s' if len(starts) > 1 else ''}",
        Path(first["init"]).name if first["init"] else fresh,
        f"{first['recipe']['name']}: Adam {rates['adam_rate']:g}, Muon {rates['muon_rate']:g}, falling over "
        f"{100 * rates['fall_share']:g} % to {100 * rates['final_factor']:g} %; {batch['batch']} x {batch['patch']}^2",
        f"{last['seconds'] / 60:.0f}",
        f"{last['step']:,}",
        f"{last['pixels'] / 1e9:.2f} ({last['lifetime_pixels'] / 1e9:.2f})",
        f"{mean_loss(steps[:LINES_AVERAGED]):.3f} -> {mean_loss(steps[-LINES_AVERAGED:]):.3f}",
        "; ".join(points(e) for e in (evaluations[0], evaluations[-1])),
    ]
    return f"| {' | '.join(cells)} |"


def mean_loss(steps: list[dict[str, Any]]) -> float:
    return sum(line["loss"] for line in steps) / len(steps)


def points(evaluation: dict[str, Any]) -> str:
    """bpp/dB of a few qualities of the noisy validation crops; of a denoiser sigma: dB."""
    every = evaluation["points"]
    if "rate_bpp" not in every[0]:
        pairs = " ".join(f"{p['sigma']:g}: {p['psnr_db']:.2f}" for p in every)
        return f"step {evaluation['step']:,}: {pairs}"
    noisy = [p for p in every if p["sigma"] == max(p["sigma"] for p in every)]
    shown = noisy if len(noisy) == 1 else [p for p in noisy if p["quality"] in QUALITIES_SHOWN]
    pairs = " ".join(f"{p['rate_bpp']:.3f}/{p['psnr_db']:.2f}" for p in shown)
    return f"step {evaluation['step']:,}: {pairs}"


if __name__ == "__main__":
    main()
