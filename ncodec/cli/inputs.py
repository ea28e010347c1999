"""Inputs: files that are named, and those that are found in folders."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import click

from ncodec.cli.files import STREAM
from ncodec.errors import RequestError

PICTURES = frozenset(
    ".png .jpg .jpeg .jpe .jfif .webp .tif .tiff .bmp .gif .ppm .pgm .pbm .pnm".split()  # noqa: SIM905
)
"""Suffixes of the files that are taken from a folder; a file that is named itself may have any."""
NCD = frozenset({".ncd"})
FILES = PICTURES | NCD


@dataclass(frozen=True, slots=True)
class Input:
    """One file to be read.

    Attributes:
        source: its name, or `-`.
        place: of what is made of it, in an output folder.
        is_found: in a folder; nobody has named it.
    """

    source: str
    place: Path
    is_found: bool = False


@dataclass(slots=True)
class Inputs:
    """What the names on a command line come to.

    Attributes:
        files: to be read, in order; those of a folder in order of their names.
        bad: folders that cannot be read, or hold nothing, and why.
        others: files in folders that are neither pictures nor .ncd files, and not hidden.
    """

    files: list[Input] = field(default_factory=list)
    bad: list[tuple[str, Exception]] = field(default_factory=list)
    others: set[Path] = field(default_factory=set)


def find(names: list[str], suffixes: frozenset[str], output: str | None = None) -> Inputs:
    """All inputs; folders are searched.

    Args:
        names: files, folders, or `-` alone.
        suffixes: of the files that are taken from folders.
        output: a folder that is not searched where it lies in another one: what an earlier run made is there.

    Raises:
        click.UsageError: `-` does not go alone, or is a terminal.
    """
    if STREAM in names:
        if len(names) > 1:
            raise click.UsageError("standard input (-) goes alone, without other files")
        if sys.stdin is not None and sys.stdin.isatty():
            raise click.UsageError("standard input is a terminal: name a file, or pipe one in")
        return Inputs([Input(STREAM, Path("stdin"))])
    inputs = Inputs()
    for name in names:
        if is_so(Path.is_dir, name):
            _search(Path(name), suffixes, output, inputs)
        else:
            inputs.files.append(Input(name, Path(Path(name).name)))
    return inputs


def files_in(folder: str, suffixes: frozenset[str]) -> tuple[Path, ...]:
    """All files of a kind below a folder. Raises RequestError if it holds none, OSError if it cannot be read."""
    Path(folder).stat()
    inputs = find([folder], suffixes)
    for _, problem in inputs.bad:
        raise problem if isinstance(problem, OSError) else RequestError(f"{folder}: {problem}")
    return tuple(Path(file.source) for file in inputs.files)


def is_so(test: Callable[[Path], bool], name: str) -> bool:
    """What the system lets nobody know is not so; why it does not is told when that file's turn comes."""
    try:
        return test(Path(name))
    except OSError:
        return False


def _search(folder: Path, suffixes: frozenset[str], output: str | None, inputs: Inputs) -> None:
    def note(err: OSError) -> None:
        inputs.bad.append((err.filename or str(folder), err))

    found: list[Input] = []
    known, own, outside = len(inputs.bad), output and os.path.realpath(output), ""
    for parent, folders, files in os.walk(folder, onerror=note):
        seen = [name for name in folders if not name.startswith(".")]
        folders[:] = [name for name in seen if os.path.realpath(Path(parent, name)) != own]
        if len(folders) < len(seen):
            outside = f" outside {output}"
        paths = [Path(parent, name) for name in files if not name.startswith(".")]
        inputs.others.update(path for path in paths if path.suffix.lower() not in FILES)
        found += [Input(str(path), path.relative_to(folder), True) for path in paths if path.suffix.lower() in suffixes]
    if not found and len(inputs.bad) == known:
        why = f"the folder holds no {' '.join(sorted(suffixes))} file{outside}"
        inputs.bad.append((str(folder), RequestError(why)))
    inputs.files.extend(sorted(found, key=lambda file: file.place.parts))
