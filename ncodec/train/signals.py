"""A clean end on SIGTERM and SIGINT, which may reach a whole group of processes."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing import resource_tracker
from threading import Event, current_thread, main_thread
from typing import Any

ENDING = (signal.SIGINT, signal.SIGTERM)


class Stop(Event):
    """Set by a signal.

    Attributes:
        number: of the signal; 0 before it comes.
    """

    number = 0


@contextmanager
def stopped_by_signals() -> Iterator[Stop]:
    """An event that the first SIGTERM or SIGINT sets; a second one works as ever. For the main thread only: in others
    it is never set, and signals stay with whoever runs them."""
    stop = Stop()
    if current_thread() is not main_thread():
        yield stop
        return
    before: dict[int, Any] = {number: signal.getsignal(number) for number in ENDING}
    taken = [number for number, handler in before.items() if handler is not signal.SIG_IGN]

    def handle(number: int, frame: Any) -> None:
        stop.number = number
        stop.set()
        signal.signal(number, before[number])

    for number in taken:
        signal.signal(number, handle)
    try:
        yield stop
    finally:
        for number in taken:
            signal.signal(number, before[number])


@contextmanager
def signals_wait() -> Iterator[None]:
    """SIGTERM and SIGINT arrive when it is over; processes that begin meanwhile begin without them."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    resource_tracker.ensure_running()  # where multiprocessing starts it, it lets the signals through again
    before = signal.pthread_sigmask(signal.SIG_BLOCK, ENDING)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def ignore_signals() -> None:
    """In a process that another one ends."""
    for number in ENDING:
        signal.signal(number, signal.SIG_IGN)
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_UNBLOCK, ENDING)
