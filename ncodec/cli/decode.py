"""`ncodec decode`."""

from __future__ import annotations

import time

import click

from ncodec.cli import options
from ncodec.cli.batch import Manners, Product, run
from ncodec.cli.compute import Networks
from ncodec.cli.exits import Watch
from ncodec.cli.inputs import NCD
from ncodec.cli.jobs import Job, Kind, plan
from ncodec.errors import ModelError

_KIND = Kind(reads=NCD, ending=".png")


@click.command(cls=options.OptionalStrength, short_help="Decode .ncd files, plain or denoised.")
@options.inputs("FILES...")
@options.output("PNG file or folder to write, - for standard output.  [default: .png files beside the inputs]")
@click.option(
    "--denoise",
    type=options.Strength(),
    metavar="[STRENGTH]",
    help="Without the noise, or with part of it: STRENGTH 0 to 1. A number right after --denoise is the strength.",
)
@click.option("--grain", is_flag=True, help="Denoised, with synthetic noise like the input's: not a reconstruction.")
@click.option("--head", metavar="NAME", hidden=True, help="Another synthesis of the denoised picture.")
@options.metadata("Leave out the colour profile and EXIF, also where they are damaged. Pixels are turned as EXIF says.")
@click.option("--model", "extra", multiple=True, metavar="PATH", help="Weights file of your own; may be repeated.")
@options.compute
@options.manners
def decode(
    inputs: tuple[str, ...],
    output: str | None,
    denoise: float | None,
    grain: bool,
    head: str | None,
    metadata: bool,
    extra: tuple[str, ...],
    device: str,
    threads: int | None,
    force: bool,
    skips: bool,
    quiet: bool,
    as_json: bool,
) -> None:
    """Decode .ncd files to PNG pictures: plain, or with --denoise without their noise.

    A plain picture has as much of its noise as encode's --noise-quality paid for, which may be next to none.

    FILES are files, folders (all .ncd files in them), or - for standard input, whose picture goes to standard output.
    """
    if grain and denoise not in (None, 1):
        raise click.UsageError("--grain goes with the whole --denoise, not with part of it")
    if head is not None:
        _refuse_head(head)
    strength = 1.0 if grain else denoise or 0.0
    networks = Networks(device, threads, extra)

    def work(job: Job, watch: Watch) -> Product:
        return _decode(job, networks, strength, grain, metadata)

    run(plan(inputs, output, _KIND), work, Manners(force, skips, quiet, as_json))


def _decode(job: Job, networks: Networks, strength: float, grain: bool, metadata: bool) -> Product:
    from ncodec.cli import report
    from ncodec.cli.files import read
    from ncodec.container import parse
    from ncodec.info import describe
    from ncodec.picture import save_png
    from ncodec.upright import upright

    data = read(job.source)
    box = parse(data)
    models = networks.models
    from ncodec import codec  # with torch: after what can fail without

    if strength == 1 or box.enhancement:  # otherwise it is refused, whether the model is here or not
        models.by_id(box.header.model)  # now, so that its loading does not count
    begin = time.perf_counter()
    picture = codec.decode(box, models, strength, grain, metadata)
    if not metadata:
        picture = upright(picture, codec.readable_exif(box))
    time_s = time.perf_counter() - begin
    record = {
        "width": picture.width,
        "height": picture.height,
        "channels": picture.pixels.shape[2],
        "has_alpha": picture.alpha is not None,
        "strength": strength,
        "grain": grain,
        "time_s": round(time_s, 3),
    }
    what = _what(strength, grain)
    if strength < 1:
        info = describe(box, len(data))
        record["noise_kept"] = info.noise_kept
        what += report.kept(info, ", ")  # a plain picture without noise surprises those who paid little for it
    return Product(save_png(picture), report.picture(job.target, picture, what, time_s), record)


def _what(strength: float, grain: bool) -> str:
    if grain:
        return "denoised, with synthetic grain"
    if strength == 1:
        return "denoised"
    return f"denoised by {strength:g}" if strength else "plain"


def _refuse_head(name: str) -> None:
    """No release has a further synthesis head yet; the manifest has a place for them."""
    from ncodec.weights import releases

    known = ", ".join(sorted({row.name for row in releases() if row.kind == "head"})) or "none is released yet"
    raise ModelError(f"there is no synthesis head {name} here: {known}")
