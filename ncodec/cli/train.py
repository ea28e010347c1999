"""`ncodec train`: hands its arguments on."""

from __future__ import annotations

from importlib import import_module

import click

from ncodec.cli.exits import DISK_OR_BUG


@click.command(
    add_help_option=False,
    context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False},
)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
@click.pass_context
def train(ctx: click.Context, arguments: tuple[str, ...]) -> None:
    """Train a model on a folder of pictures."""
    try:
        training_command().main(list(arguments), prog_name=ctx.info_name, standalone_mode=False, parent=ctx.parent)
    except SystemExit as err:  # it has said why
        ctx.exit(err.code if isinstance(err.code, int) else DISK_OR_BUG)


def training_command() -> click.Command:
    """`python -m ncodec.train`, loaded by name: the package works without its training code, and imports none of it."""
    return import_module("ncodec.train.__main__").main
