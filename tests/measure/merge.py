"""Rows of several runs of `ncodec bench` in one result file, those that no longer hold left out.

python -m measure.merge OUT IN...

OUT may be one of IN. Which rows hold is told by the last row of the last file: it belongs to the newest run.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click

from ncodec.bench.results import Results, read_results, write_results
from ncodec.bench.selection import latest


def merged(parts: Sequence[Results]) -> Results:
    """What holds under the circumstances of the last row; rows of the newest run stand last."""
    known = {name: about for part in parts for name, about in part.circumstances.items()}
    found = latest(Results(known, tuple(row for part in parts for row in part.rows)))
    order = list(known)
    rows = sorted(found.rows, key=lambda row: (row.circumstances == found.about.id, order.index(row.circumstances)))
    used = {row.circumstances for row in rows}
    return Results({name: about for name, about in known.items() if name in used}, tuple(rows))


@click.command()
@click.argument("out", type=click.Path(dir_okay=False, path_type=Path))
@click.argument("parts", nargs=-1, required=True, type=click.Path(exists=True, dir_okay=False, path_type=Path))
def main(out: Path, parts: tuple[Path, ...]) -> None:
    """Merge PARTS into OUT."""
    found = merged([read_results(part) for part in parts])
    write_results(out, found)
    models = ", ".join(dict.fromkeys(about.model for about in found.circumstances.values()))
    click.echo(f"{out}: {len(found.rows)} rows, measured with {models}", err=True)


if __name__ == "__main__":
    main()
