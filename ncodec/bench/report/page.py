"""docs/benchmarks.md from result files of `ncodec bench`: what is measured in it comes from one of their rows.

Numbers of others come from published.json, and where ncodec is behind them from beyond.json beside the result files.

python -m ncodec.bench.report.page docs/results/bench-*.jsonl > docs/benchmarks.md
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

import click

from ncodec.bench.curves import NO_PACKAGE, has_measures
from ncodec.bench.report import beyond, goals, sections, training
from ncodec.bench.report.experiment import Experiment, about_lines, load_experiments
from ncodec.bench.report.goals import GOALS_NOISE
from ncodec.bench.report.naming import noise_text
from ncodec.bench.report.tables import Cell, Line, Table, markdown
from ncodec.errors import NcodecError, RequestError

HEAD = """# Benchmarks

What `ncodec bench` measures on your own pictures and machine, here on test sets: every way that we know of to get a \
small file and a clean picture from a noisy one. Generated from result files by `python -m ncodec.bench.report.page \
docs/results/bench-*.jsonl > docs/benchmarks.md`; a test compares. [What the figures are](#what-the-figures-are), and \
[how they were measured](#circumstances), stands at the end.
"""
FIGURES = """Rates are bits of real files per pixel. PSNR is that of the 8-bit picture over all its samples, in dB: \
*plain* is an output with its noise, *denoised* one without, *noisy* the input, *clean* the picture as it should be. \
**Every figure is computed for each picture, then averaged**; BD-rate, BD-PSNR, PSNR at equal bits and the goals in \
bits are computed on the curves of these averages. Methods compress the same noisy pictures; what *ncodec, denoised* \
puts out is decoded from the base layer alone, and only its bytes count. Denoisers that want to be told the noise \
level are told the true one, on real pictures that of their difference from the clean ones.

BD-rate and BD-PSNR are Bjontegaard's measures, by monotone cubic interpolation over what both curves reach: the mean \
difference of the rate at equal PSNR, and of the PSNR at equal rate. Where ncodec is compared with a method, that \
method is the anchor, and below 0 % ncodec needs fewer bits. Where a curve falls again, the BD-rate goes by its rising \
part, for nobody pays for the rest; the PSNR at equal bits shows what happens there. Where curves share no \
PSNR, a goal is met only if ncodec's smallest file is better than the other's best and takes so few bits against every \
point of that part.

Titles begin with the name of their result file, `docs/results/bench-NAME.jsonl`.
"""
DENOISERS = """DnCNN and FDnCNN have weights that we trained, on white noise. On Kodak they are at or above their \
authors' own ([measured](measurements.md#our-dncnn-beside-its-authors)); on real noise they are other networks than \
those ([the authors' DnCNN](measurements.md#real-noise)).
"""
"""Where the weights are ours; a test compares it with docs/results/dncnn.jsonl."""
OUR_DENOISERS = ("dncnn-blind.safetensors ", "dncnn-conditioned.safetensors ")
FILES = """Files without times were measured without a clock, beside other work; those whose names begin with `times` \
are of few pictures, settings and methods, which the chapter on time names, for their times alone.
"""


@click.command()
@click.argument("results", nargs=-1, required=True, type=click.Path(exists=True, dir_okay=False, path_type=Path))
def main(results: tuple[Path, ...]) -> None:
    """Write docs/benchmarks.md to the standard output."""
    try:
        if not has_measures():
            raise RequestError(f"{NO_PACKAGE}: pip install 'ncodec[bench]'")
        text = document(results)
    except NcodecError as err:
        click.echo(f"ncodec: error: {err}", err=True)
        sys.exit(err.exit_status)
    click.echo(text, nl=False)


def document(results: Sequence[Path]) -> str:
    """The page of some result files, in their order, but first those that have goals, and last those of real noise."""
    experiments = sorted(
        load_experiments(results), key=lambda e: (e.about.noise != GOALS_NOISE, e.is_real, not e.tells_quality)
    )
    made = [experiment for experiment in experiments if experiment.tells_quality and not experiment.is_real]
    real = [experiment for experiment in experiments if experiment.tells_quality and experiment.is_real]
    main = [experiment for experiment in made if experiment.about.noise == GOALS_NOISE]
    parts = [
        HEAD,
        _chapter("Where ncodec loses", [beyond.losses(results), *map(sections.losses, experiments)]),
        _chapter("Goals", [goals.chapter(experiments)]),
        _chapter("Bits at equal PSNR", (sections.bits(experiment) for experiment in made)),
        _chapter("PSNR at equal bits", (sections.equal_bits(experiment) for experiment in made)),
        _chapter("Time", [sections.time(experiments)]),
        _chapter("Real noise", (sections.real(experiment) for experiment in real)),
        _chapter("Where ncodec wins", (sections.wins(experiment) for experiment in experiments)),
        _chapter(
            "All methods near 0.5 bpp",
            map(sections.methods, main or made),
        ),
        _chapter("What the figures are", [FIGURES, _denoisers(experiments)] if experiments else []),
        _chapter("Training", [training.table(experiments)]),
        _chapter("Circumstances", [_files(experiments), *_circumstances(experiments)]),
    ]
    return "\n".join(filter(None, parts))


def _chapter(title: str, texts: Iterable[str]) -> str:
    """Nothing where there is nothing to tell."""
    there = [text for text in texts if text]
    return "\n".join([f"## {title}\n", *there]) if there else ""


def _denoisers(experiments: Sequence[Experiment]) -> str:
    """Whose they are, if a method has one of ours."""
    names = [file for experiment in experiments for file in experiment.about.weights.values()]
    return DENOISERS if any(name.startswith(OUR_DENOISERS) for name in names) else ""


def _files(experiments: Sequence[Experiment]) -> str:
    """Which chapters come from which file."""
    lines = tuple(Line(tuple(map(Cell, _gives(experiment)))) for experiment in experiments)
    head = ("file", "gives", "pictures", "methods", "noise", "networks in")
    return f"{markdown(Table(head, lines, frozenset({0, 1, 4, 5})))}\n{FILES}" if lines else ""


def _gives(experiment: Experiment) -> tuple[str, ...]:
    gives = [*(["rates and quality"] if experiment.tells_quality else []), *(["times"] if experiment.is_timed else [])]
    summary, about = experiment.summary, experiment.about
    counts = (str(len(summary.pictures)), str(len(summary.methods)))
    return experiment.name, " and ".join(gives), *counts, noise_text(about.noise), about.dtype


def _circumstances(experiments: Sequence[Experiment]) -> list[str]:
    """What is the same for all is told once, then what is not."""
    told = [about_lines(experiment.found) for experiment in experiments]
    shared = [line for line in told[0] if all(line in lines for lines in told)] if len(told) > 1 else []
    texts = ["### All files\n\n" + _bullets(shared)] if shared else []
    for experiment, lines in zip(experiments, told, strict=True):
        count = len(experiment.summary.left_out)
        left = [("pictures left out", f"{count}, which not all methods have")] if count else []
        own = [line for line in (*lines, *left) if line not in shared]
        texts.append(f"### {experiment.title}\n\n{_bullets(own)}")
    return texts


def _bullets(lines: Sequence[tuple[str, str]]) -> str:
    return "".join(f"* {name}: {text}\n" for name, text in lines)


if __name__ == "__main__":
    main()
