"""Signals that end the process: raised where it is at work, so that it clears away what it has begun."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType

_IMPORTING = "<frozen importlib._bootstrap>"
_AGAIN_S = 0.02


class Ended(BaseException):
    """A signal other than Ctrl-C's asks the process to end."""

    def __init__(self, signal_number: int) -> None:
        super().__init__(signal_number)
        self.signal_number = signal_number


def kill_at_once() -> None:
    """Ctrl-C ends the process without a traceback, until `signals_raise`: there is nothing to clear away yet."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)


def end_by_signal(status: int) -> None:
    """End this process by the signal for which `status` stands (128 and its number); return if it stands for none.

    Everything must be cleared away. A shell shows the same status, but it ends its loop only if Ctrl-C has killed the
    command, not if the command has ended with 130. Windows knows nothing of this: there it returns.
    """
    if status <= 128 or os.name != "posix":
        return
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, AttributeError):  # closed, or nobody left to tell
            stream.flush()
    signal.signal(status - 128, signal.SIG_DFL)
    os.kill(os.getpid(), status - 128)


@contextmanager
def signals_raise() -> Iterator[None]:
    """SIGINT raises KeyboardInterrupt, SIGTERM and SIGHUP `Ended`, unless whoever started us had them ignored.

    Not while a module is imported: packages run callbacks there that lose an exception, or end in C++ with it. The
    signal then waits until the import is done.
    """
    waiting: list[int] = []

    def end(number: int, frame: FrameType | None) -> None:
        if waiting:  # of two signals the first counts
            number = waiting[0]
        if hasattr(signal, "setitimer") and _imports(frame):
            waiting[:] = [number]
            signal.setitimer(signal.ITIMER_REAL, _AGAIN_S)
            return
        waiting.clear()
        raise KeyboardInterrupt if number == signal.SIGINT else Ended(number)

    names = ("SIGINT", "SIGTERM", "SIGHUP", "SIGALRM")
    ours = (signal.SIG_DFL, signal.default_int_handler)
    before = {getattr(signal, name): signal.getsignal(getattr(signal, name)) for name in names if hasattr(signal, name)}
    taken = {number: handler for number, handler in before.items() if handler in ours}
    for number in taken:
        signal.signal(number, end)
    try:
        yield
    finally:
        if hasattr(signal, "setitimer"):
            signal.setitimer(signal.ITIMER_REAL, 0)
        for number, handler in taken.items():
            signal.signal(number, handler)


def _imports(frame: FrameType | None) -> bool:
    """Whether the code of this frame runs on behalf of an import."""
    while frame is not None:
        if frame.f_code.co_filename == _IMPORTING:
            return True
        frame = frame.f_back
    return False
