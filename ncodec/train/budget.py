"""How long a run is: over that its rates fall."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from ncodec.errors import RequestError
from ncodec.train.checkpoint import Progress


@dataclass(frozen=True, slots=True)
class Budget:
    """How long a run is.

    One of `steps`, `pixels`, `seconds` (as `Progress` counts them) is the length of the whole run, over which the rates
    fall, resumed parts included. `until` (seconds since the epoch) ends this part of it; alone, the whole run. `said`
    is how a user said it, HH:MM.
    """

    steps: int | None = None
    pixels: int | None = None
    seconds: float | None = None
    until: float | None = None
    said: str = ""

    def check(self) -> None:
        """RequestError if there is no end, or more than one length."""
        if self._lengths() > 1:
            raise RequestError("say one of steps, pixels and seconds: over it the rates fall")
        if not self._lengths() and self.until is None:
            raise RequestError("training needs an end: steps, pixels, seconds or a time of day")

    @property
    def end(self) -> dict[str, Any] | None:
        """What a run's state keeps of a time of day that ends the whole run, for `going_on`."""
        return {"said": self.said, "until": self.until} if self.said and not self._lengths() else None

    def going_on(self, end: dict[str, Any] | None) -> Budget:
        """Of a run whose state has kept `end`: the same time of day said again is that end, not tomorrow's."""
        if end is None or self.end is None or end["said"] != self.said:
            return self
        return replace(self, until=end["until"])

    def share(self, progress: Progress, now: float) -> float:
        """0..1: how much of the whole run is over; with `until` alone, it is what was trained and the time left."""
        if self.steps is not None:
            return min(1.0, progress.step / self.steps)
        if self.pixels is not None:
            return min(1.0, progress.pixels / self.pixels)
        if self.seconds is not None:
            return min(1.0, progress.seconds / (self.seconds or 1))
        left = (self.until or 0.0) - now
        return progress.seconds / (progress.seconds + left) if left > 0 else 1.0

    def _lengths(self) -> int:
        return sum(length is not None for length in (self.steps, self.pixels, self.seconds))
