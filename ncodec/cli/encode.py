"""`ncodec encode`."""

from __future__ import annotations

import time
from dataclasses import asdict

import click

from ncodec.cli import options
from ncodec.cli.batch import Manners, Product, run
from ncodec.cli.compute import Networks
from ncodec.cli.exits import Watch
from ncodec.cli.inputs import PICTURES
from ncodec.cli.jobs import Job, Kind, plan
from ncodec.container import QUALITIES
from ncodec.effort import EFFORTS

Wanted = tuple[int, int | None, int]
"""Quality, noise quality (None for no enhancement layer), effort."""
_KIND = Kind(reads=PICTURES, ending=".ncd")


@click.command()
@options.inputs("PICTURES...")
@options.output("File or folder to write, - for standard output.  [default: .ncd files beside the pictures]")
@click.option(
    "--quality",
    type=click.IntRange(1, QUALITIES),
    default=3,
    show_default=True,
    help="1 smallest file, 8 best picture.",
)
@click.option(
    "--noise-quality",
    type=options.NoiseQuality(),
    metavar="1-8|off",
    help="Quality of the noise and fine detail; off: the files decode denoised only.  [default: as --quality]",
)
@click.option(
    "--effort",
    type=click.IntRange(0, EFFORTS),
    default=0,
    show_default=True,
    help="Search for better latents: a better picture for its bits, seconds to minutes a megapixel.",
)
@options.metadata("Leave out EXIF (camera, time, place). Pixels are turned as it says; the colour profile stays.")
@click.option("--model", default="base", show_default=True, metavar="NAME|PATH", help="A release, or a weights file.")
@options.compute
@options.manners
def encode(
    inputs: tuple[str, ...],
    output: str | None,
    quality: int,
    noise_quality: int | None,
    effort: int,
    metadata: bool,
    model: str,
    device: str,
    threads: int | None,
    force: bool,
    skips: bool,
    quiet: bool,
    as_json: bool,
) -> None:
    """Encode pictures to .ncd files.

    PICTURES are files, folders (all pictures in them), or - for standard input, whose file goes to standard output.
    """
    networks = Networks(device, threads)
    noise = (quality if noise_quality is None else noise_quality) or None

    def work(job: Job, watch: Watch) -> Product:
        return _encode(job, networks, model, (quality, noise, effort), metadata, watch)

    run(plan(inputs, output, _KIND), work, Manners(force, skips, quiet, as_json, is_slow=effort > 0))


def _encode(job: Job, networks: Networks, name: str, wanted: Wanted, metadata: bool, watch: Watch) -> Product:
    from ncodec.cli import report
    from ncodec.cli.files import read
    from ncodec.container import dump
    from ncodec.info import describe
    from ncodec.picture import load
    from ncodec.upright import upright

    picture = load(read(job.source))
    if not metadata:
        picture = upright(picture, picture.exif)
    model = networks.model(name)
    from ncodec import codec  # with torch: after what can fail without

    begin = time.perf_counter()
    box = codec.encode(picture, model, *wanted, watch.share)
    data = dump(box)
    time_s = time.perf_counter() - begin
    info = describe(box, len(data))
    return Product(data, report.encoded(job.target, info, time_s), asdict(info) | {"time_s": round(time_s, 3)})
