"""Inputs and `-o` -> which file is read and which is written, decided before any work."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import click

from ncodec.cli.exits import shown
from ncodec.cli.files import STDIN, STREAM, refuse_terminal
from ncodec.errors import RequestError

PICTURES = frozenset(
    ".png .jpg .jpeg .webp .tif .tiff .bmp .gif .ppm .pgm .pbm .pnm".split()  # noqa: SIM905
)
"""Suffixes of the files that are taken from a folder; a file that is named itself may have any."""
NCD = frozenset({".ncd"})
FILES = PICTURES | NCD
"""Suffixes of what is no name for a new folder; with a slash behind it, it is."""


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


def plan(inputs: tuple[str, ...], output: str | None, kind: Kind) -> list[Job]:
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
    found, bad = _find(names, kind.reads)
    single = len(names) == 1 and not _is(Path.is_dir, names[0])
    if output == STREAM or (output is None and STREAM in names):
        if not single:
            raise click.UsageError("several files cannot go to one standard output: say -o FOLDER")
        refuse_terminal()
        return [Job(found[0][0], STREAM)]
    return bad + _with_targets(found, output, kind, single)


def _with_targets(found: list[tuple[str, Path]], output: str | None, kind: Kind, single: bool) -> list[Job]:
    if single and output is not None and not _is_folder(output):
        _check_suffix(output, kind)
        jobs = [Job(found[0][0], output)]
    else:
        if output is not None and not _is_folder(output) and (_suffix(output) in FILES or _is(Path.exists, output)):
            why = "is a file's name: several inputs, and those of a folder, need a folder"
            raise click.UsageError(f"{shown(output)} {why}")
        jobs = [_into(output, source, place, kind) for source, place in found]
    return _checked(jobs)


def plan_reading(inputs: tuple[str, ...], reads: frozenset[str]) -> list[Job]:
    """As `plan`, for a command that writes nothing."""
    found, bad = _find([_plain(name) for name in inputs], reads)
    return bad + [Job(source) for source, _ in found]


def files_in(folder: str, suffixes: frozenset[str]) -> tuple[Path, ...]:
    """All files of a kind below a folder. Raises RequestError if it holds none, OSError if it cannot be read."""
    Path(folder).stat()
    found, bad = _find([folder], suffixes)
    for job in bad:
        raise job.problem if isinstance(job.problem, OSError) else RequestError(f"{folder}: {job.problem}")
    return tuple(Path(source) for source, _ in found)


def _plain(name: str) -> str:
    if not name:  # Path("") is the current folder
        raise click.UsageError("a file's name is empty")
    return STREAM if name in ("/dev/stdin", "/dev/stdout") else name


def _is_folder(output: str) -> bool:
    return output.endswith(("/", os.sep)) or _is(Path.is_dir, output)


def _is(test: Callable[[Path], bool], name: str) -> bool:
    """What the system lets nobody know is not so; why it does not is told when that file's turn comes."""
    try:
        return test(Path(name))
    except OSError:
        return False


def _find(names: list[str], suffixes: frozenset[str]) -> tuple[list[tuple[str, Path]], list[Job]]:
    """(source, its place in the output folder) of all inputs; folders are searched, in order of their names.

    Folders that cannot be read, or hold nothing, are jobs with a problem.
    """
    if STREAM in names:
        if len(names) > 1:
            raise click.UsageError("standard input (-) goes alone, without other files")
        if sys.stdin is not None and sys.stdin.isatty():
            raise click.UsageError("standard input is a terminal: name a file, or pipe one in")
        return [(STREAM, Path("stdin"))], []
    found: list[tuple[str, Path]] = []
    bad: list[Job] = []
    for name in names:
        if _is(Path.is_dir, name):
            found += _search(Path(name), suffixes, bad)
        else:
            found.append((name, Path(Path(name).name)))
    return found, bad


def _search(folder: Path, suffixes: frozenset[str], bad: list[Job]) -> list[tuple[str, Path]]:
    def note(err: OSError) -> None:
        bad.append(Job(err.filename or str(folder), problem=err))

    found: list[tuple[str, Path]] = []
    known = len(bad)
    for parent, folders, files in os.walk(folder, onerror=note):
        folders[:] = [name for name in folders if not name.startswith(".")]
        paths = (Path(parent, name) for name in files if not name.startswith("."))
        found += [(str(path), path.relative_to(folder)) for path in paths if path.suffix.lower() in suffixes]
    if not found and len(bad) == known:
        why = RequestError(f"the folder holds no {' '.join(sorted(suffixes))} file")
        bad.append(Job(str(folder), problem=why))
    return sorted(found, key=lambda pair: pair[1].parts)


def _into(output: str | None, source: str, place: Path, kind: Kind) -> Job:
    """The default name, beside the source or at its place in the output folder."""
    name = place.stem + kind.ending
    if output is None:
        return Job(source, str(Path(source).with_name(name)))
    return Job(source, str(Path(output) / place.parent / name), makes_folder=True)


def _suffix(output: str) -> str:
    return Path(output).suffix.lower()


def _check_suffix(output: str, kind: Kind) -> None:
    suffix = _suffix(output)
    other = suffix != kind.suffix and (kind.suffix == ".png" or suffix in PICTURES)
    if suffix and other and (_is(Path.is_file, output) or not _is(Path.exists, output)):
        raise click.UsageError(f"{shown(output)}: only {kind.suffix} files can be written here, not {suffix}")


def _checked(jobs: list[Job]) -> list[Job]:
    """The jobs, each once; those that would replace an input, or write one file, get a problem."""
    jobs = list(dict.fromkeys(jobs))
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
    """What a regular file is, whatever its names; None if there is no such file."""
    if not _is(Path.is_file, path):
        return None
    found = Path(path).stat()
    return found.st_dev, found.st_ino
