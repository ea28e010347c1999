"""`ncodec noise`."""

from __future__ import annotations

import time
from dataclasses import replace

import click

from ncodec.cli import options
from ncodec.cli.batch import Manners, Product, run
from ncodec.cli.exits import Watch
from ncodec.cli.files import read
from ncodec.cli.inputs import PICTURES
from ncodec.cli.jobs import Job, Kind, plan

_KIND = Kind(reads=PICTURES, ending="-noisy.png")


@click.command(short_help="Add noise to clean pictures.")
@options.inputs("PICTURES...")
@options.output("PNG file or folder to write, - for standard output.  [default: NAME-noisy.png beside the pictures]")
@click.option(
    "--noise",
    "spelling",
    default="gaussian:25",
    show_default=True,
    metavar="NOISE",
    help="gaussian:SIGMA (in 8-bit levels), poisson-gaussian:A,B (variance a*y + b at intensity y from 0 to 1), none.",
)
@click.option(
    "--seed", type=click.IntRange(0), default=0, show_default=True, help="Picture k of a batch takes SEED + k."
)
@options.manners
def noise(
    inputs: tuple[str, ...],
    output: str | None,
    spelling: str,
    seed: int,
    force: bool,
    skips: bool,
    quiet: bool,
    as_json: bool,
) -> None:
    """Add noise to clean pictures, for trying things out. The same seed gives the same noise.

    PICTURES are files, folders (all pictures in them), or - for standard input, whose picture goes to standard output.
    """
    from ncodec.noise import parse_noise

    parse_noise(spelling)  # a wrong one is the command line's fault, not the first picture's
    todo = plan(inputs, output, _KIND)
    pictures = (job for job in todo.jobs if job.target)  # the others are folders with nothing to read
    seeds = {job: seed + k for k, job in enumerate(pictures)}

    def work(job: Job, watch: Watch) -> Product:
        return _add_noise(job, spelling, seeds[job])

    run(todo, work, Manners(force, skips, quiet, as_json))


def _add_noise(job: Job, spelling: str, seed: int) -> Product:
    from ncodec.cli import report
    from ncodec.noise import add_noise, parse_noise
    from ncodec.picture import load, save_png

    model = parse_noise(spelling)
    clean = load(read(job.source))
    begin = time.perf_counter()
    noisy = replace(clean, pixels=add_noise(clean.pixels, model, seed))
    time_s = time.perf_counter() - begin
    record = {
        "width": noisy.width,
        "height": noisy.height,
        "channels": noisy.pixels.shape[2],
        "has_alpha": noisy.alpha is not None,
        "poisson_a": model.poisson_a,
        "gaussian_b": model.gaussian_b,
        "noise_sigma": model.sigma_8bit,
        "seed": seed,
        "time_s": round(time_s, 3),
    }
    what = f"noise of sigma {model.sigma_8bit:.1f} at mid gray, seed {seed}"
    return Product(save_png(noisy), report.picture(job.target, noisy, what, time_s), record)
