"""The progress bar; the only user of rich, which is loaded when a bar is drawn."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from ncodec.cli.exits import shown


@contextmanager
def bar(total: int) -> Iterator[Callable[[str], None]]:
    """Draw a bar on stderr; gives the function to call after each file, with its name. Lines go above the bar."""
    columns = (BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(), TextColumn("{task.description}"))
    # Standard output stays as it is: it may carry JSON.
    with Progress(*columns, console=Console(stderr=True), transient=True, redirect_stdout=False) as progress:
        task = progress.add_task("", total=total)

        def tick(name: str) -> None:
            progress.update(task, advance=1, description=escape(shown(name)))

        yield tick
