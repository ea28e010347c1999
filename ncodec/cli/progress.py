"""The progress bar; the only user of rich, which is loaded when a bar is drawn."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from ncodec.cli.exits import Watch, shown


@contextmanager
def bar(total: int) -> Iterator[Watch]:
    """Draw a bar on stderr, and above it the lines that are said."""
    columns = (BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(), TextColumn("{task.description}", markup=False))
    # Standard output may carry JSON; whether click writes past rich's redirection depends on the encoding.
    with Progress(*columns, console=Console(stderr=True), transient=True, redirect_stdout=False) as progress:
        task = progress.add_task("", total=total)

        def tick(name: str) -> None:
            progress.update(task, advance=1, description=shown(name))

        def say(line: str) -> None:
            progress.console.print(line, markup=False, highlight=False, soft_wrap=True)

        yield Watch(tick, say)
