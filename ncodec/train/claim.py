"""One process a run: of two that go on from one state, one would have worked for nothing."""

from __future__ import annotations

from pathlib import Path
from typing import TextIO

from ncodec.errors import RequestError


def claim(log: TextIO, out: Path) -> None:
    """Keep a run's open log to this process until it is closed, or the process ends, however it does.

    Where files cannot be locked (Windows, some network drives) nothing is kept.

    Raises:
        RequestError: another process has it.
    """
    try:
        import fcntl
    except ModuleNotFoundError:
        return
    try:
        fcntl.flock(log, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise RequestError(f"{out}: another process is training this run") from None
    except OSError:  # the drive has no locks
        return
