"""The command line's documentation."""

from __future__ import annotations

import subprocess
import sys

import click

from cli_tools import ROOT
from ncodec.cli.main import cli
from ncodec.cli.reference import exit_statuses


def test_every_command_has_help() -> None:
    assert set(cli.commands) == {"encode", "decode", "info", "strip", "noise", "train", "bench"}
    assert all(command.help and command.get_short_help_str() for command in cli.commands.values())
    options = [option for command in cli.commands.values() for option in command.params]
    assert all(option.help for option in options if isinstance(option, click.Option))


def test_help_has_no_option_that_can_only_fail() -> None:
    """No model has a further head yet."""
    assert "--head" not in (ROOT / "docs" / "cli.md").read_text()


def test_reference_is_up_to_date() -> None:
    # In a process of its own: click keeps the --help option of a command that a test has called by itself.
    command = [sys.executable, "-m", "ncodec.cli.reference"]
    reference = subprocess.run(command, check=True, capture_output=True, text=True, cwd=ROOT).stdout
    assert (ROOT / "docs" / "cli.md").read_text() == reference, "run python -m ncodec.cli.reference > docs/cli.md"


def test_reference_has_every_exit_status() -> None:
    assert set(exit_statuses()) == {0, 1, 2, 3, 4, 5, 6, 129, 130, 143}
