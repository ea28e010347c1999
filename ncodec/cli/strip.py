"""`ncodec strip`."""

from __future__ import annotations

import time
from dataclasses import asdict

import click

from ncodec.cli import options
from ncodec.cli.batch import Manners, Product, run
from ncodec.cli.exits import Watch
from ncodec.cli.files import read
from ncodec.cli.inputs import NCD
from ncodec.cli.jobs import Job, Kind, plan
from ncodec.container import ENHANCEMENTS, Tag, dump, parse
from ncodec.errors import Damaged

_KIND = Kind(reads=NCD, ending="-base.ncd")
_USED = frozenset(tag.label for tag in Tag)
"""Sections that stop a decode where they are damaged; it skips those that this version does not know."""


@click.command(short_help="Cut the noise out of .ncd files.")
@options.inputs("FILES...")
@options.output("File or folder to write, - for standard output.  [default: NAME-base.ncd beside the inputs]")
@options.manners
def strip(inputs: tuple[str, ...], output: str | None, force: bool, skips: bool, quiet: bool, as_json: bool) -> None:
    """Cut the noise (the enhancement layer) out of .ncd files, without decoding them.

    What is left decodes with --denoise or --grain, to the same picture as before. FILES are files, folders (all .ncd
    files in them), or - for standard input.
    """
    run(plan(inputs, output, _KIND), _strip, Manners(force, skips, quiet, as_json))


def _strip(job: Job, watch: Watch) -> Product:
    from ncodec.cli import report
    from ncodec.info import describe

    whole = read(job.source)
    begin = time.perf_counter()
    box = parse(whole).without(*ENHANCEMENTS)
    data = dump(box)
    time_s = time.perf_counter() - begin
    info = describe(box, len(data))
    if damaged := [name for name in info.damaged if name in _USED]:  # nobody would look for it in what strip made
        raise Damaged(f"checksums do not fit: {', '.join(damaged)}")
    return Product(data, report.encoded(job.target, info, time_s), asdict(info) | {"time_s": round(time_s, 3)})
