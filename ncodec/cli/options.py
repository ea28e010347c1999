"""Options that several commands share, and the kinds of values that click does not know."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from ncodec.cli.exits import shown
from ncodec.container import QUALITIES

Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]

_FILE = click.Path(allow_dash=True, readable=False)
"""Nothing is checked here: what is wrong with one file of a batch must not stop the others."""
THREADS = click.IntRange(1, 256)
"""Far more end in a system that can start no more of them, in words of its own."""
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")


def inputs(metavar: str) -> Decorator:
    """The files and folders of a command."""
    return click.argument("inputs", nargs=-1, required=True, metavar=metavar, type=_FILE)


def output(what: str) -> Decorator:
    """Where the product goes."""
    return click.option("-o", "--output", metavar="OUT", type=_FILE, help=what)


def manners(command: Callable[..., Any]) -> Callable[..., Any]:
    """--force, --skip-existing, --quiet, --json."""
    force = click.option("--force", is_flag=True, help="Replace outputs that exist already.")
    skips = click.option("--skip-existing", "skips", is_flag=True, help="Pass over files whose outputs exist already.")
    quiet = click.option("-q", "--quiet", is_flag=True, help="Say nothing but errors.")
    as_json = click.option("--json", "as_json", is_flag=True, help="Print one JSON object per file on standard output.")
    return force(skips(quiet(as_json(command))))


def compute(command: Callable[..., Any]) -> Callable[..., Any]:
    """--device, --threads."""
    threads = click.option("--threads", type=THREADS, help="Processor threads.  [default: one per core]")
    device = click.option(
        "--device", default="auto", show_default=True, metavar="NAME", help="auto, cpu, cuda or cuda:N."
    )
    return device(threads(command))


def metadata(help: str) -> Decorator:  # noqa: A002 - click's word
    """--no-metadata; `help` says what it leaves out."""
    return click.option("--no-metadata", "metadata", flag_value=False, default=True, type=bool, help=help)


class NoiseQuality(click.ParamType):
    """1 ... 8, or `off`, which becomes 0."""

    name = "noise quality"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Raises click.BadParameter."""
        if value == "off":
            return 0
        if str(value) not in map(str, range(1, QUALITIES + 1)):
            self.fail(f"{value} is neither off nor a number from 1 to {QUALITIES}", param, ctx)
        return int(value)


class Strength(click.ParamType):
    """A number from 0 to 1."""

    name = "strength"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Raises click.BadParameter."""
        try:
            strength = float(value)
        except ValueError:
            strength = -1.0
        if not 0 <= strength <= 1:  # NaN fails too
            self.fail(f"{value} is not a number from 0 to 1", param, ctx)
        return strength


class OptionalStrength(click.Command):
    """A command whose --denoise takes a value only where a number follows; click would take a file's name for it."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Rewrite `--denoise` to `--denoise=STRENGTH`."""
        try:
            args = with_strength(args)
        except click.UsageError as err:
            err.ctx = ctx  # whose help is meant
            raise
        return super().parse_args(ctx, args)


def with_strength(args: list[str]) -> list[str]:
    """`--denoise 0.6 FILE` -> `--denoise=0.6 FILE`; `--denoise FILE` -> `--denoise=1 FILE`.

    Raises:
        click.UsageError: what follows is neither a number nor a file: `--denoise 0,6 FILE`.
    """
    out: list[str] = []
    k = 0
    while k < len(args) and args[k] != "--":
        arg = args[k]
        k += 1
        if arg == "--denoise":
            has_value = k < len(args) and _NUMBER.fullmatch(args[k]) is not None
            if k < len(args) and not has_value and not _may_be_file(args[k]):
                raise click.UsageError(f"{shown(args[k])} is neither a file nor a strength from 0 to 1")
            arg = f"--denoise={args[k] if has_value else 1}"
            k += has_value
        out.append(arg)
    return out + args[k:]


def _may_be_file(arg: str) -> bool:
    return arg.startswith("-") or Path(arg).suffix.lower() == ".ncd" or Path(arg).exists()
