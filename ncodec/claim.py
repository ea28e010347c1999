"""One process a folder of results: of two that go on from one state, one would have worked for nothing."""

from __future__ import annotations

from pathlib import Path
from typing import IO, Any

from ncodec.errors import RequestError


def claim(file: IO[Any] | int, folder: Path) -> None:
    """Keep an open file, and `folder` with it, to this process until it is closed or the process ends, however it does.

    Where files cannot be locked (Windows, some network drives) nothing is kept.

    Raises:
        RequestError: another process has it.
    """
    try:
        import fcntl
    except ModuleNotFoundError:
        return
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise RequestError(f"{folder}: another process is at work there") from None
    except OSError:  # the drive has no locks
        return
