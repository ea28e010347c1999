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
        through = 0

        def tick(name: str) -> None:
            nonlocal through
            through += 1
            progress.update(task, completed=through, description=shown(name))

        def share(done: float) -> None:
            progress.update(task, completed=through + done)

        def say(line: str) -> None:
            progress.console.print(line, markup=False, highlight=False, soft_wrap=True)

        yield Watch(tick, say, share)
