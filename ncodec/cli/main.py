"""The command group, and the one place where exceptions become exit statuses."""

from __future__ import annotations

import io
import sys

import click

from ncodec.cli.batch import complain
from ncodec.cli.bench import bench
from ncodec.cli.decode import decode
from ncodec.cli.encode import encode
from ncodec.cli.exits import INTERRUPTED, BatchError, SetupError, failure
from ncodec.cli.files import abandon_stdout
from ncodec.cli.info import info
from ncodec.cli.noise import noise
from ncodec.cli.signals import Ended, signals_raise
from ncodec.cli.strip import strip
from ncodec.cli.train import train


def _show_version(ctx: click.Context, _: click.Parameter, wanted: bool) -> None:
    if wanted and not ctx.resilient_parsing:
        from ncodec import __version__

        click.echo(f"ncodec {__version__}")
        ctx.exit()


@click.group(
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    commands=[encode, decode, info, strip, noise, train, bench],
)
@click.option(
    "--version", is_flag=True, is_eager=True, expose_value=False, callback=_show_version, help="Show the version."
)
@click.pass_context
def cli(ctx: click.Context) -> None:
    """An image codec for pictures that carry noise: one small file, decoded plain or denoised.

    \b
    ncodec encode noisy.png -o img.ncd
    ncodec decode img.ncd -o plain.png
    ncodec decode img.ncd --denoise -o clean.png
    """
    if ctx.invoked_subcommand is None:
        click.echo(ctx.get_help(), err=True)
        ctx.exit(2)


def main(argv: list[str] | None = None) -> int:
    """Run one command line (None: this process's).

    Returns:
        The exit status.

    Raises:
        SystemExit: with status 1, by click, if whoever read our output has gone.
        Exception: a bug.
    """
    if isinstance(sys.stdout, io.TextIOWrapper):  # a file's name may hold what the terminal's encoding does not
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        with signals_raise():
            return cli.main(argv, prog_name="ncodec", standalone_mode=False) or 0
    except click.ClickException as err:
        ctx = getattr(err, "ctx", None)
        complain(f"{' '.join(err.format_message().split())} (see {ctx.command_path if ctx else 'ncodec'} --help)")
        return err.exit_code
    except BatchError as err:
        return err.status
    except SetupError as err:
        return _report(err.__cause__ or err)
    except (KeyboardInterrupt, click.Abort) as err:
        if isinstance(err.__cause__, EOFError):  # to click the same as Ctrl-C, to us a bug
            raise err.__cause__ from None
        return INTERRUPTED
    except Ended as err:
        return 128 + err.signal_number
    except Exception as err:
        return _report(err)
    finally:
        _flush_stdout()


def _flush_stdout() -> None:
    """Here, and not when the interpreter ends: it would fail then with a status and a text of its own."""
    try:
        if sys.stdout is not None:
            sys.stdout.flush()
    except OSError:
        abandon_stdout()


def _report(err: BaseException) -> int:
    failed = failure(err)
    if failed is None:
        raise err
    complain(failed.sentence)
    return failed.status
