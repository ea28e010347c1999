"""How long a run is: over that its rates fall."""

from __future__ import annotations

from dataclasses import dataclass

from ncodec.errors import RequestError
from ncodec.train.checkpoint import Progress


@dataclass(frozen=True, slots=True)
class Budget:
    """How long a run is.

    One of `steps`, `pixels`, `seconds` (as `Progress` counts them) is the length of the whole run, over which the rates
    fall, resumed parts included. `until` (seconds since the epoch) ends this part of it; alone, the whole run.
    """

    steps: int | None = None
    pixels: int | None = None
    seconds: float | None = None
    until: float | None = None

    def check(self) -> None:
        """RequestError if there is no end, or more than one length."""
        lengths = sum(length is not None for length in (self.steps, self.pixels, self.seconds))
        if lengths > 1:
            raise RequestError("say one of steps, pixels and seconds: over it the rates fall")
        if not lengths and self.until is None:
            raise RequestError("training needs an end: steps, pixels, seconds or a time of day")

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
