"""`ncodec bench`: options and their checks, progress, the tables; what is done stands in ncodec.bench."""

from __future__ import annotations

import os
import re
import sys
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

import click

from ncodec.cli import options
from ncodec.cli.batch import complain
from ncodec.cli.compute import SPIN_COUNT
from ncodec.cli.exits import DISK_OR_BUG, BatchError, Watch, failure, shown
from ncodec.cli.inputs import PICTURES, files_in
from ncodec.container import QUALITIES
from ncodec.errors import RequestError

FOLDER = click.Path(exists=True, file_okay=False, path_type=Path)
WIDTH = 200
"""Of the tables where no terminal tells one."""


class Qualities(click.ParamType):
    """`1-8`, `3`, `1,4-6`."""

    name = "qualities"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[int, ...]:
        """Ascending, each once. Raises click.BadParameter."""
        if isinstance(value, tuple):
            return value
        found: set[int] = set()
        for part in value.split(","):
            match = re.fullmatch(r"\s*([1-9])(?:-([1-9]))?\s*", part)
            first, last = (int(match[1]), int(match[2] or match[1])) if match else (0, 0)
            if not 1 <= first <= last <= QUALITIES:
                self.fail(f"{value} is not like 1-{QUALITIES} or 2,4,6", param, ctx)
            found.update(range(first, last + 1))
        return tuple(sorted(found))


@click.command(short_help="Compare ncodec with what you would do otherwise.")
@click.argument("folder", type=click.Path(path_type=Path))
@click.option(
    "--noise",
    default="gaussian:25",
    show_default=True,
    metavar="NOISE",
    help="Added to clean pictures: gaussian:SIGMA, poisson-gaussian:A,B (as `ncodec noise`), or none.",
)
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="Picture k takes SEED + k.")
@click.option(
    "--reference", type=FOLDER, metavar="CLEAN_FOLDER", help="FOLDER holds noisy pictures, this one clean ones of them."
)
@click.option(
    "--endings",
    default="_real:_mean",
    show_default=True,
    metavar="NOISY:CLEAN",
    help="How names end where those of a noisy picture and its clean one differ.",
)
@click.option(
    "--qualities",
    type=Qualities(),
    default=f"1-{QUALITIES}",
    show_default=True,
    metavar="1-8",
    help="Steps of every codec's own scale.",
)
@click.option(
    "--methods",
    default="",
    metavar="NAMES",
    help="Only these, commas between, * allowed; a wrong one lists all. ncodec-refined is slow: name it whole.",
)
@click.option("--without", default="", metavar="NAMES", help="Leave these out.")
@click.option(
    "--repeats",
    type=click.IntRange(0),
    default=3,
    show_default=True,
    help="Timed runs; the median counts. 0: neither times nor memory, for a busy machine.",
)
@click.option(
    "--anchor", default="ncodec-denoised", show_default=True, metavar="METHOD", help="BD-rates are against it."
)
@click.option(
    "--model", default="base", show_default=True, metavar="NAME|PATH", help="Of ncodec: a release, or a weights file."
)
@click.option(
    "--dtype",
    type=click.Choice(["auto", "float32", "bfloat16"]),
    default="auto",
    show_default=True,
    help="Of ncodec's and the denoisers' networks.",
)
@click.option(
    "--dncnn-weights",
    type=FOLDER,
    metavar="FOLDER",
    help="DnCNN and FDnCNN: ours, or the authors' .pth.  [default: shipped ones]",
)
@click.option("--references", type=FOLDER, metavar="FOLDER", help="Reference codecs.  [default: a checkout's]")
@click.option(
    "--lpips-weights",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    metavar="FILE",
    help="LPIPS with SqueezeNet; without it no LPIPS.",
)
@click.option("--show", type=click.IntRange(0), default=3, show_default=True, help="Pictures to look at in the report.")
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    default="report",
    show_default=True,
    help="Folder of results.jsonl and report.html.",
)
@options.compute
@click.option("-q", "--quiet", is_flag=True, help="Say nothing but errors.")
def bench(folder: Path, threads: int | None, quiet: bool, **wishes: Any) -> None:
    """Compare ncodec with denoisers and other codecs, on your own pictures and this machine.

    FOLDER holds clean pictures, which get noise, or noisy ones with --reference. Every row goes to OUT/results.jsonl at
    once, and rows that are there are not measured again while all that they depend on is the same: the same command
    goes on with an interrupted run, and parts may be measured one after the other (--methods). What needs a package or
    weights that are not here is left out; `pip install 'ncodec[bench]'` has the packages.
    """
    paths = _outside(files_in(str(folder), PICTURES), wishes["out"])
    os.environ.setdefault("GOMP_SPINCOUNT", SPIN_COUNT)
    import torch

    from ncodec.weights import models_folder

    if threads:
        torch.set_num_threads(threads)
    for name, inside in (("dncnn_weights", ""), ("references", "references")):
        wishes[name] = wishes[name] or models_folder() / inside
    command = _command()
    _run(command.Bench(command.Wishes(folder=folder, paths=paths, **wishes)), wishes["out"], quiet)


def _outside(paths: tuple[Path, ...], out: Path) -> tuple[Path, ...]:
    """Those that are none of an earlier run's own pictures. Raises RequestError if none is left."""
    own = out.resolve()
    left = tuple(path for path in paths if not path.resolve().is_relative_to(own))
    if not left:
        raise RequestError(f"all pictures lie in {out}, where the results go: say another --out")
    return left


def _command() -> ModuleType:
    """`ncodec.bench.command`, by name: the package works without its comparison. Raises RequestError."""
    try:
        return import_module("ncodec.bench.command")
    except ModuleNotFoundError as err:
        if (err.name or "").startswith("ncodec"):
            raise
        raise RequestError(f"the package {err.name} is not installed: pip install 'ncodec[bench]'") from err


def _run(bench: Any, out: Path, quiet: bool) -> None:
    for note in bench.notes:
        click.echo(f"ncodec: {note}", err=True)
    watcher = Watcher(quiet)
    for subject, err in bench.failures.items():
        watcher.fail(subject, err)
    try:
        if bench.size:
            watcher.watch(bench)
            if not quiet:
                _print(bench)
            path = bench.report()
            if path and not quiet:
                click.echo(f"{path}: open it in a browser", err=True)
    except KeyboardInterrupt:
        click.echo(f"ncodec: {out} keeps what was measured: the same command goes on with it", err=True)
        raise
    finally:
        watcher.complain()
    watcher.end()


class Watcher:
    """Tells people how it goes, and keeps what has failed for the end.

    Args:
        quiet: no bar, no lines.
    """

    def __init__(self, quiet: bool) -> None:
        self._quiet = quiet
        self._watch = Watch(lambda name: None, lambda line: None)
        self._failures: list[Any] = []

    def watch(self, bench: Any) -> None:
        """Run it, with a bar for people who watch."""
        if self._quiet:
            bench.run(self)
        elif sys.stderr is not None and sys.stderr.isatty():
            from ncodec.cli.progress import bar

            with bar(bench.size) as self._watch:
                bench.run(self)
        else:
            self._watch = Watch(lambda name: None, lambda line: click.echo(line, err=True))
            bench.run(self)

    def tick(self, name: str) -> None:
        """One more row."""
        self._watch.tick(name)

    def say(self, line: str) -> None:
        """A line between the others."""
        self._watch.say(shown(line))

    def fail(self, subject: str, err: Exception) -> None:
        """Keep it for the end; raise it if it is a bug."""
        failed = failure(err, subject)
        if failed is None:
            raise err
        self._failures.append(failed)

    def complain(self) -> None:
        """Say what has failed."""
        for failed in self._failures:
            complain(failed.sentence)

    def end(self) -> None:
        """Raise BatchError if something has failed."""
        statuses = {failed.status for failed in self._failures}
        if statuses:
            raise BatchError(statuses.pop() if len(statuses) == 1 else DISK_OR_BUG)


def _print(bench: Any) -> None:
    from rich.console import Console

    is_terminal = sys.stdout is not None and sys.stdout.isatty()
    console = Console(width=None if is_terminal else WIDTH)
    for table in bench.tables(console):
        console.print(table)
