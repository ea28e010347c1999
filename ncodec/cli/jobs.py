"""Inputs and `-o` -> which file is read and which is written, decided before any work."""

from __future__ import annotations

import os
import stat
import sys
from dataclasses import dataclass, replace
from pathlib import Path

import click

from ncodec.cli.exits import shown
from ncodec.cli.files import STDIN, STREAM, refuse_terminal
from ncodec.cli.inputs import FILES, PICTURES, Input, Inputs, find, is_so
from ncodec.errors import RequestError

_SHOWN_KINDS = 10


@dataclass(frozen=True, slots=True)
class Kind:
    """What a command reads and writes.

    Attributes:
        reads: suffixes, in lower case, of its inputs in folders.
        ending: of an output's name, put to the input's stem: `.ncd`, `-noisy.png`.
    """

    reads: frozenset[str]
    ending: str = ""

    @property
    def suffix(self) -> str:
        """Of what it writes."""
        return Path("x" + self.ending).suffix


@dataclass(frozen=True, slots=True)
class Job:
    """One file's work.

    Attributes:
        source: the input.
        target: the output; empty if nothing is written, or if the input is a folder where nothing is to be read.
        makes_folder: the folders above the output are made.
        problem: why nothing can be done, or None.
    """

    source: str
    target: str = ""
    makes_folder: bool = False
    problem: Exception | None = None

    @property
    def name(self) -> str:
        """Of the input, for people."""
        return STDIN if self.source == STREAM else self.source


@dataclass(frozen=True, slots=True)
class Plan:
    """What a command has to do.

    Attributes:
        jobs: in order.
        note: what people should know before.
    """

    jobs: list[Job]
    note: str = ""


def plan(inputs: tuple[str, ...], output: str | None, kind: Kind) -> Plan:
    """What a command has to do, in order; what is wrong with one input is the problem of its job.

    Args:
        inputs: files, folders, or `-` alone.
        output: `-o`: None for beside the input.
        kind: of the command.

    Raises:
        click.UsageError: inputs and output contradict each other.
    """
    names = [_plain(name) for name in inputs]
    output = None if output is None else _plain(output)
    found = find(names, kind.reads, output)
    single = len(names) == 1 and not is_so(Path.is_dir, names[0])
    if output == STREAM or (output is None and STREAM in names):
        if not single:
            raise click.UsageError("several files cannot go to one standard output: say -o FOLDER")
        refuse_terminal()
        return Plan([Job(found.files[0].source, STREAM)])
    return Plan(_bad(found) + _with_targets(found.files, output, kind, single), _passed_over(found.others))


def _with_targets(files: list[Input], output: str | None, kind: Kind, single: bool) -> list[Job]:
    if single and output is not None and not _is_folder(output):
        _check_suffix(output, kind)
        jobs = [Job(files[0].source, output)]
    else:
        # A name that ends as a file's does is none for a new folder; with a slash behind it, it is.
        if output is not None and not _is_folder(output) and (_suffix(output) in FILES or is_so(Path.exists, output)):
            why = "is a file's name: several inputs, and those of a folder, need a folder"
            raise click.UsageError(f"{shown(output)} {why}")
        jobs = _without_products(files, [_into(output, file, kind) for file in files])
    return _checked(jobs)


def _without_products(files: list[Input], jobs: list[Job]) -> list[Job]:
    """Without the files in folders that another one's job makes: an earlier run left them there."""
    made = {_spot(job.target) for job in jobs}
    return [job for file, job in zip(files, jobs, strict=True) if not (file.is_found and _spot(job.source) in made)]


def plan_reading(inputs: tuple[str, ...], reads: frozenset[str]) -> Plan:
    """As `plan`, for a command that writes nothing."""
    found = find([_plain(name) for name in inputs], reads)
    return Plan(_bad(found) + [Job(file.source) for file in found.files])


def _bad(found: Inputs) -> list[Job]:
    return [Job(name, problem=problem) for name, problem in found.bad]


def _passed_over(others: set[Path]) -> str:
    """`4 files of other kinds were passed over (.dng .heic .jp2)`; nothing if there are none."""
    if not others:
        return ""
    kinds = sorted({path.suffix.lower() for path in others} - {""})
    kinds = kinds[:_SHOWN_KINDS] + ["..."] * (len(kinds) > _SHOWN_KINDS)
    what = "1 file of another kind was" if len(others) == 1 else f"{len(others)} files of other kinds were"
    return f"{what} passed over" + (f" ({' '.join(map(shown, kinds))})" if kinds else "")


def _plain(name: str) -> str:
    if not name:  # Path("") is the current folder
        raise click.UsageError("a file's name is empty")
    return STREAM if name in ("/dev/stdin", "/dev/stdout") else name


def _is_folder(output: str) -> bool:
    return output.endswith(("/", os.sep)) or is_so(Path.is_dir, output)


def _into(output: str | None, file: Input, kind: Kind) -> Job:
    """The default name, beside the source or at its place in the output folder."""
    name = file.place.stem + kind.ending
    if output is None:
        return Job(file.source, str(Path(file.source).with_name(name)))
    return Job(file.source, str(Path(output) / file.place.parent / name), makes_folder=True)


def _spot(path: str) -> Path:
    """Where a file lies, whatever the way to it; a link is not what it points to."""
    return Path(os.path.realpath(Path(path).parent), Path(path).name)


def _suffix(output: str) -> str:
    return Path(output).suffix.lower()


def _check_suffix(output: str, kind: Kind) -> None:
    suffix = _suffix(output)
    other = suffix != kind.suffix and (kind.suffix == ".png" or suffix in PICTURES)
    if suffix and other and (is_so(Path.is_file, output) or not is_so(Path.exists, output)):
        raise click.UsageError(f"{shown(output)}: only {kind.suffix} files can be written here, not {suffix}")


def _checked(jobs: list[Job]) -> list[Job]:
    """The jobs, each once, whatever its files are called; those that would replace an input, or write one file of two
    inputs, get a problem."""
    each: dict[object, Job] = {}
    for job in jobs:
        each.setdefault((_identity(job.source) or _spot(job.source), os.path.realpath(job.target)), job)
    jobs = list(each.values())
    sources = {_identity(job.source) for job in jobs} - {None}
    writers: dict[str, list[str]] = {}
    for job in jobs:
        writers.setdefault(os.path.realpath(job.target), []).append(job.source)
    return [_safe(job, sources, writers[os.path.realpath(job.target)]) for job in jobs]


def _safe(job: Job, sources: set[tuple[int, int] | None], writers: list[str]) -> Job:
    """The job, with a problem if its output is an input, or that of others: nobody knows which one was meant."""
    other = next((name for name in writers if name != job.source), None)
    if _identity(job.target) in sources:
        why = f"it would replace {shown(job.target)}, which is an input: say another -o"
    elif other is not None:
        why = f"{shown(other)} would write {shown(job.target)}, too: say -o FILE for one of them"
    else:
        return job
    return replace(job, problem=RequestError(why))


def _identity(path: str) -> tuple[int, int] | None:
    """What a regular file is, whatever its names, `-` for standard input among them; None if it is none."""
    try:
        found = os.fstat(sys.stdin.fileno()) if path == STREAM else Path(path).stat()
    except (OSError, ValueError, AttributeError):  # not there, no name of a file, or closed
        return None
    return (found.st_dev, found.st_ino) if stat.S_ISREG(found.st_mode) else None
