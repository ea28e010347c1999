"""Where the time of a call goes: the functions of the product are wrapped from outside."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

Watched = Sequence[tuple[Any, str, str]]
"""(module or class, name of its function, part of the work that the function's time belongs to)."""


class Stopwatch:
    """Sums times by part. Time inside a nested watched call belongs to that call alone.

    Args:
        outer: parts inside which everything keeps that part's name, as `outer: part`.
        clock: in seconds; `time.process_time` is for a look at one thread on a busy machine.

    Attributes:
        times_s: by part.
    """

    def __init__(self, outer: frozenset[str] = frozenset(), clock: Callable[[], float] = time.perf_counter) -> None:
        self.times_s: defaultdict[str, float] = defaultdict(float)
        self._outer, self._clock = outer, clock
        self._open: list[str] = []
        self._since = 0.0

    @contextmanager
    def watching(self, watched: Watched) -> Iterator[None]:
        """Wrap functions for the time of a block."""
        functions = [getattr(owner, name) for owner, name, _ in watched]
        for (owner, name, part), function in zip(watched, functions, strict=True):
            setattr(owner, name, self.wrapped(function, part))
        try:
            yield
        finally:
            for (owner, name, _), function in zip(watched, functions, strict=True):
                setattr(owner, name, function)

    def run(self, call: Callable[[], Any]) -> tuple[float, dict[str, float]]:
        """Time a call: (seconds, seconds by part; `rest` is what no watched function took)."""
        self.times_s.clear()
        begin = self._clock()
        call()
        total = self._clock() - begin
        return total, dict(self.times_s) | {"rest": total - sum(self.times_s.values())}

    def wrapped(self, function: Callable[..., Any], part: str) -> Callable[..., Any]:
        """The function, with its time charged to a part."""

        def timed(*args: Any, **options: Any) -> Any:
            with self.part(part):
                return function(*args, **options)

        return timed

    @contextmanager
    def part(self, name: str) -> Iterator[None]:
        """Charge the time of a block to a part."""
        around = next((part for part in self._open if part in self._outer), None)
        self._charge()
        self._open.append(name if around in (None, name) else f"{around}: {name}")
        try:
            yield
        finally:
            self._charge()
            self._open.pop()

    def _charge(self) -> None:
        """The time since the last change goes to the innermost open part."""
        now = self._clock()
        if self._open:
            self.times_s[self._open[-1]] += now - self._since
        self._since = now
