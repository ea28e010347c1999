"""Going through the files of one command: on past bad ones, with a summary for each good one."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from ncodec.cli.exits import DISK_OR_BUG, BatchError, Failure, Watch, failure
from ncodec.cli.files import STDOUT, STREAM, check_source, check_target, closed, write
from ncodec.cli.inputs import is_so
from ncodec.cli.jobs import Job, Plan


@dataclass(frozen=True, slots=True)
class Manners:
    """How a command behaves, from its options.

    Attributes:
        force: replace outputs that are there.
        skips: pass over files whose outputs are there.
        quiet: no summaries.
        as_json: summaries are JSON objects on standard output.
        talks: what it says is its product, on standard output (`info`).
        is_slow: a single file takes so long that it gets a bar, too.
    """

    force: bool = False
    skips: bool = False
    quiet: bool = False
    as_json: bool = False
    talks: bool = False
    is_slow: bool = False


@dataclass(frozen=True, slots=True)
class Product:
    """What became of one file.

    Attributes:
        data: to be written.
        line: the summary for people.
        record: the summary for programs, of JSON types.
        complaint: an error that does not stand in the way of the summary, but makes the file a bad one.
    """

    data: bytes
    line: str
    record: dict[str, Any]
    complaint: Exception | None = None


Work = Callable[[Job, Watch], Product]
"""Does one job; it may say to the watch how much of it is done."""


def run(plan: Plan, work: Work, manners: Manners) -> None:
    """Do all jobs, write their products, say their summaries; then the sentences of those that failed.

    Raises:
        BatchError: at least one did. Its status is theirs if they share one.
        click.UsageError: JSON and the product would share standard output, or options contradict each other.
    """
    if manners.force and manners.skips:
        raise click.UsageError("--force and --skip-existing contradict each other")
    jobs = plan.jobs
    if manners.as_json and any(job.target == STREAM for job in jobs):
        raise click.UsageError("--json needs standard output, which carries the product: say -o FILE")
    if plan.note and not manners.quiet:
        _tell(f"ncodec: {plan.note}")
    failures: list[Failure] = []
    skipped = 0
    try:
        with _watch(jobs, manners) as watch:
            for job in jobs:
                if manners.skips and _is_there(job):
                    skipped += 1
                else:
                    failures += _attempt(job, work, manners, watch)
                watch.tick(job.name)
        if skipped and not manners.quiet:
            _tell(f"ncodec: {skipped} of {len(jobs)} files passed over: their outputs exist already")
    finally:  # also when it is interrupted, or ends with a bug
        for failed in failures:
            complain(failed.sentence)
    if failures:
        if len(jobs) > 1:
            complain(f"{len(failures)} of {len(jobs)} files failed")
        statuses = {failed.status for failed in failures}
        raise BatchError(statuses.pop() if len(statuses) == 1 else DISK_OR_BUG)


def complain(sentence: str) -> None:
    """An error, on stderr."""
    _tell(f"ncodec: error: {sentence}")


def _is_there(job: Job) -> bool:
    """Whether a job's output is; not if there is something to say of its input."""
    is_wrong = job.problem is not None or not (job.source == STREAM or is_so(Path.exists, job.source))
    return not is_wrong and job.target != STREAM and is_so(Path.is_file, job.target)


def _attempt(job: Job, work: Work, manners: Manners, watch: Watch) -> list[Failure]:
    try:
        if job.problem:
            raise job.problem
        check_source(job.source)
        if job.target:
            check_target(job.target, force=manners.force, makes_folder=job.makes_folder)
        product = work(job, watch)
        if job.target:
            write(job.target, product.data, force=manners.force, makes_folder=job.makes_folder)
        _summarise(job, product, manners, watch.say)
        if product.complaint:
            raise product.complaint
    except BrokenPipeError:
        raise
    except Exception as err:
        failed = failure(err, job.name)
        if failed is None:  # a bug, or the end of the whole batch
            raise
        return [failed]
    return []


def _summarise(job: Job, product: Product, manners: Manners, say: Callable[[str], None]) -> None:
    if manners.as_json:
        _print(json.dumps({"input": job.source} | ({"output": job.target} if job.target else {}) | product.record))
    elif manners.talks:
        _print(product.line)
    elif not manners.quiet and job.target != STREAM:
        say(product.line)


def _print(text: str) -> None:
    if sys.stdout is None:
        raise closed(STDOUT)
    try:
        click.echo(text)
    except OSError as err:
        raise OSError(err.errno, err.strerror, STDOUT) from err


def _tell(line: str) -> None:
    with suppress(OSError):  # nobody left to tell
        click.echo(line, err=True)


@contextmanager
def _watch(jobs: list[Job], manners: Manners) -> Iterator[Watch]:
    """A bar, but only for people who watch."""
    watched = sys.stderr is not None and sys.stderr.isatty() and not manners.quiet
    shares_terminal = manners.as_json and sys.stdout is not None and sys.stdout.isatty()
    if (len(jobs) < 2 and not manners.is_slow) or not watched or manners.talks or shares_terminal:
        yield Watch(lambda name: None, _tell)
        return
    from ncodec.cli.progress import bar

    with bar(len(jobs)) as watch:
        yield watch
