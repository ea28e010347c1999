"""Exit statuses, and one sentence for everything that is not a bug."""

from __future__ import annotations

import errno
from collections.abc import Callable
from dataclasses import dataclass

from ncodec.errors import NcodecError

OK, DISK_OR_BUG, USAGE, HUNG_UP, INTERRUPTED, TERMINATED = 0, 1, 2, 129, 130, 143

MEANINGS = {
    OK: "All is well.",
    DISK_OR_BUG: "A file cannot be read or written, the memory is used up, the files of a batch failed for different "
    "reasons, the reader of our output went away, or ncodec has a bug (which shows a traceback).",
    USAGE: "The command line is wrong, or an output exists already.",
    HUNG_UP: "The terminal went away (SIGHUP).",
    INTERRUPTED: "Interrupted (Ctrl-C).",
    TERMINATED: "Terminated (SIGTERM).",
}
"""Beside the statuses of the error tree in ncodec.errors."""

_WORDS = {
    errno.ENOENT: "there is no such file or folder",
    errno.EACCES: "permission denied",
    errno.EPERM: "permission denied",
    errno.EISDIR: "it is a folder, not a file",
    errno.ENOTDIR: "a part of its path is a file, not a folder",
    errno.EEXIST: "a file of that name is in the way",
    errno.ENOSPC: "the disk is full",
    errno.EDQUOT: "the disk quota is used up",
    errno.EFBIG: "the file is larger than is allowed here",
    errno.EROFS: "the disk is read-only",
}


@dataclass(frozen=True, slots=True)
class Failure:
    """How one file, or the whole command, failed."""

    status: int
    sentence: str


@dataclass(frozen=True, slots=True)
class Watch:
    """What is shown while a batch goes on.

    Attributes:
        tick: gets the name of each file that is through.
        say: gets the summaries.
        share: gets how much of the present file is done, 0 ... 1, where that takes long.
    """

    tick: Callable[[str], None]
    say: Callable[[str], None]
    share: Callable[[float], None] = lambda done: None


class BatchError(Exception):
    """Some files failed; their sentences are out."""

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


class SetupError(Exception):
    """No file can be worked on; the cause says why."""


class OutputError(NcodecError):
    """`filename` is not written, because that would lose or spill something."""

    exit_status = USAGE

    def __init__(self, filename: str, why: str) -> None:
        super().__init__(why)
        self.filename = filename


def failure(err: BaseException, subject: str = "") -> Failure | None:
    """The sentence `FILE: what` and the exit status for an error, or None if the error is a bug.

    Args:
        err: what was raised.
        subject: the file that was worked on, unless the error itself names one.
    """
    subject = getattr(err, "filename", None) or subject
    if isinstance(err, NcodecError):
        return _failure(err.exit_status, subject, str(err))
    if isinstance(err, OSError):
        words = _WORDS.get(err.errno or 0) or (err.strerror or str(err)).lower()
        return _failure(DISK_OR_BUG, subject, words)
    if is_out_of_memory(err):
        return _failure(DISK_OR_BUG, subject, "there is not enough memory for this picture")
    return None


def is_out_of_memory(err: BaseException) -> bool:
    """Python's and numpy's MemoryError, and torch's ways to say the same: no class of its own on a CPU."""
    if isinstance(err, MemoryError) or type(err).__name__ == "OutOfMemoryError":
        return True
    return isinstance(err, RuntimeError) and "can't allocate memory" in str(err)


def shown(name: object) -> str:
    """A file name, or another text, on one line and without control characters."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape", "surrogatepass").decode() for c in str(name))


def _failure(status: int, subject: str, words: str) -> Failure:
    words = shown(" ".join(words.split()))
    return Failure(status, f"{shown(subject)}: {words}" if subject else words)
