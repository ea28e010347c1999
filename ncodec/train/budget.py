"""How long a run is: over that its rates fall."""

from __future__ import annotations

from dataclasses import dataclass

from ncodec.errors import RequestError
from ncodec.train.checkpoint import Progress


@dataclass(frozen=True, slots=True)
class Budget:
    """How long a run is.

    One of `steps`, `pixels`, `seconds` is the length of the whole run, over which the rates fall, resumed parts
    included. `until` (seconds since the epoch) ends this part of it.
    """

    steps: int | None = None
    pixels: int | None = None
    seconds: float | None = None
    until: float | None = None

    def resolved(self, progress: Progress, now: float) -> Budget:
        """With `until` alone, the whole run is what was trained already plus the time left.

        Raises:
            RequestError: there is no end, or more than one length.
        """
        lengths = sum(length is not None for length in (self.steps, self.pixels, self.seconds))
        if lengths > 1:
            raise RequestError("say one of steps, pixels and seconds: over it the rates fall")
        if lengths:
            return self
        if self.until is None:
            raise RequestError("training needs an end: steps, pixels, seconds or a time of day")
        return Budget(seconds=progress.seconds + max(1.0, self.until - now))

    def share(self, progress: Progress) -> float:
        """0..1: how much of the whole run is over."""
        if self.steps is not None:
            return min(1.0, progress.step / self.steps)
        if self.pixels is not None:
            return min(1.0, progress.pixels / self.pixels)
        return min(1.0, progress.seconds / (self.seconds or 1))
