"""`ncodec info`."""

from __future__ import annotations

from dataclasses import asdict

import click

from ncodec.cli import options
from ncodec.cli.batch import Manners, Product, run
from ncodec.cli.exits import Watch
from ncodec.cli.files import read
from ncodec.cli.inputs import NCD
from ncodec.cli.jobs import Job, plan_reading
from ncodec.container import parse
from ncodec.errors import Damaged


@click.command(short_help="Show what .ncd files hold and cost.")
@options.inputs("FILES...")
@click.option("--json", "as_json", is_flag=True, help="One JSON object per file.")
def info(inputs: tuple[str, ...], as_json: bool) -> None:
    """Show what .ncd files hold and what it costs, without decoding them.

    FILES are files, folders (all .ncd files in them), or - for standard input. A file with a damaged section is shown,
    and counts as a bad one.
    """
    run(plan_reading(inputs, NCD), _info, Manners(as_json=as_json, talks=True))


def _info(job: Job, watch: Watch) -> Product:
    from ncodec.cli import report
    from ncodec.info import describe

    data = read(job.source)
    found = describe(parse(data), len(data))
    what = f"checksums do not fit: {', '.join(found.damaged)}"
    return Product(b"", report.file_info(job.name, found), asdict(found), Damaged(what) if found.damaged else None)
