"""Refining latents before they are coded: seconds more for the encoder, fewer bits and a better picture for everybody.

The analysis transform gives a picture's latents in one pass; better ones for this picture can be searched, since only
the decoder is fixed (Yang, Bamler, Mandt: Improving inference for neural image compression, NeurIPS 2020). The search
minimises bits + lambda * squared error of a picture that is not the noisy one (`ncodec.target`). It looks for the
points that the trellis shall come near, since the trellis minds the bits: in every round the best symbols for them are
found as they will be coded, the squared error of what these decode to is differentiated, and each point goes towards
where a parabola of that slope, and of the curvature that the error has on the average, is least.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from ncodec.base import SLICE_LATENTS, latent_features, residual, step_parameters
from ncodec.effort import SCHEDULES, Schedule
from ncodec.nets.architecture import LAMBDAS, LATENT_STRIDE
from ncodec.nets.exact import FEATURE_BITS
from ncodec.nets.gradient import Area
from ncodec.nets.model import Model
from ncodec.nets.prior import CONTEXT_HALO, decoded, place_step
from ncodec.nets.windows import Span, Window, windows
from ncodec.noise import Noise
from ncodec.paths import LatentPaths
from ncodec.target import Progress, best_estimate, ignore
from ncodec.trellis.states import half_steps
from ncodec.trellis.viterbi import SymbolCosts

GROUP = 3 * SLICE_LATENTS
"""Latents a side that are refined together. Their symbols are found as the file will code them, slice by slice: the
search counts on every single error, and other paths, which one other context leads to, lose half of what it has won."""

TILE, HALO = 96, 8
"""Latents a side whose gradient is taken at once, for memory's sake, and those around them that are looked at."""

ERROR_FACTOR = 1.25
"""Of lambda. Searched latents cost fewer bits for the same error; some of them are better spent on less error: what is
saved at equal PSNR is most about here (on the validation split)."""

CURVATURE = 20.0
"""Of lambda * squared error, in bits per squared step: its mean over coded latents is 14 at quality 8 and 27 at 2."""

FIRST_SHARE = 0.4
"""How far points go in the first round: this share of the way to where they seem to be best each by itself. They all
go at once, and the error of one is the others', too."""

FARTHEST = 1.0
"""Of a round's way, in steps."""

ASTRAY = 1.03
"""Cost, in the best round's: above, the curvature was larger than was thought, and the search goes back and half as far
(drawings, text; of photographs a few windows at most)."""


@dataclass(frozen=True)
class Task:
    """What a picture's latents are refined for.

    Attributes:
        model: that codes it.
        quality: 1 ... 8.
        schedule: of the search.
        target: uint8 [H, W, 1 or 3], the picture to come near.
        features: of the integer networks, for all latents.
        costs: of the symbols.
    """

    model: Model
    quality: int
    schedule: Schedule
    target: Tensor
    features: Tensor
    costs: SymbolCosts


@torch.inference_mode()
def refine(
    model: Model,
    pixels: Tensor,
    noise: Noise,
    quality: int,
    effort: int,
    y: Tensor,
    z: Tensor,
    progress: Progress = ignore,
) -> Tensor:
    """Latents -> latents that cost fewer bits for their squared error when a trellis has quantised them.

    Args:
        model: that codes them.
        pixels: uint8 [H, W, 1 or 3], the picture.
        noise: its noise, as it was estimated.
        quality: 1 ... 8, which the latents were made for.
        effort: 1 ... EFFORTS.
        y: float32 [h, w, latent], of the analysis transform.
        z: int16 hyper-latents of `y`, which stay.
        progress: told how much is done, from time to time.
    """
    height, width = y.shape[:2]
    schedule = SCHEDULES[effort - 1]
    steps = schedule.views + schedule.rounds  # one takes about as long as the other
    target = best_estimate(model, pixels, noise, schedule.views, lambda done: progress(done * schedule.views / steps))
    task = Task(
        model=model,
        quality=quality,
        schedule=schedule,
        target=target,
        features=latent_features(model, z, height, width),
        costs=SymbolCosts.of(model.latent_tables),
    )
    found, around = y.clone(), y.clone()
    groups = list(windows(height, width, GROUP))
    for number, group in enumerate(groups):
        search = _Search(task, around, group)
        for done in search.run():
            progress((schedule.views + schedule.rounds * (number + done) / len(groups)) / steps)
        found[group.core] = search.best
    return found


class _Search:
    """Refines the latents of one group.

    Attributes:
        y: float32 [h, w, latent], all latents as far as they are known; the group's are overwritten by what will be
            decoded.
        best: float32, the latents of the group that were best.
    """

    def __init__(self, task: Task, y: Tensor, group: Window) -> None:
        self.task, self.y, self.group = task, y, group
        self.points = y[group.core].clone()
        self.best, self._decoded, self._slope, self._cost = self.points, self.points, self.points, math.inf
        self.error_weight = ERROR_FACTOR * float(LAMBDAS[task.quality - 1]) / task.target.shape[2]
        height, width = y.shape[:2]
        self._slices = self._parts(windows(height, width, SLICE_LATENTS, CONTEXT_HALO))
        tiles = self._parts(windows(height, width, TILE, HALO))
        judged = [(tile, *_judged(tile, task.target)) for tile in tiles]
        self._tiles = [(tile, area, target.to(y.device)) for tile, area, target in judged]
        self._first = [self._parameters(0, part) for part in self._slices]

    def _parts(self, parts: Iterable[Window]) -> list[Window]:
        """Those of the group."""
        return [part for part in parts if _lies(part.rows, self.group.rows) and _lies(part.columns, self.group.columns)]

    def _place(self, part: Window) -> tuple[slice, slice]:
        """Where the part lies in the group."""
        return replace(part, outer_rows=self.group.rows, outer_columns=self.group.columns).inner()

    def run(self) -> Iterator[float]:
        """Leave the best latents of the rounds in `best`, and decoded in `y`; yields how much is done."""
        rounds, last = self.task.schedule.rounds, self.task.schedule.last
        first = FIRST_SHARE
        for number in range(rounds):
            found, bits = self._quantise()
            error, slope = self._gradient()
            cost = bits + self.error_weight * error
            if cost < self._cost:
                self.best, self._decoded, self._slope, self._cost = self.points, found, slope, cost
            elif cost > ASTRAY * self._cost:
                found, slope = self._decoded, self._slope
                self.points = self.best
                first /= 2
            share = first * (1 + (last - 1) * number / max(1, rounds - 1))
            aims = torch.sub(found, slope, alpha=self.error_weight / CURVATURE)
            self.points = self.points + aims.sub_(self.points).mul_(share).clamp_(-FARTHEST, FARTHEST)
            yield (number + 1) / rounds
        found, bits = self._quantise()
        if bits + self.error_weight * self._error() < self._cost:
            self.best, self._decoded = self.points, found
        self.y[self.group.core] = self._decoded

    def _quantise(self) -> tuple[Tensor, float]:
        """Make `y` what the points would be decoded to now; returns a copy, and the bits."""
        bits = 0.0
        for step in (0, 1):
            for part, first in zip(self._slices, self._first, strict=True):
                mean, paths = self._parameters(1, part) if step else first
                values = residual(self.points[self._place(part)], step, mean).cpu().numpy().reshape(-1)
                symbols = paths.quantise(values, self.task.costs)
                odd = paths.odd(symbols)
                bits += paths.bits(symbols, odd, self.task.costs)
                halves = torch.from_numpy(half_steps(symbols, odd)).to(mean.device).view(mean.shape)
                place_step(self.y[part.core], decoded(mean, halves).float().mul_(2.0**-FEATURE_BITS), step)
        return self.y[self.group.core].clone(), bits

    def _parameters(self, step: int, part: Window) -> tuple[Tensor, LatentPaths]:
        """Means of a slice's step, and the paths of its symbols; those of step 2 follow the latents as they are now."""
        mean, rows = step_parameters(self.task.model, self.task.features, self.y, part, step)
        return mean, LatentPaths(rows.cpu().numpy().reshape(-1), self.task.model.latent_tables)

    def _error(self) -> float:
        """Squared error of `y`. Where tiles meet it counts twice."""
        error_of = self.task.model.transforms.synthesis_gradient.error
        quality = self.task.quality
        return sum(error_of(self.y[tile.outer], quality, target, area).item() for tile, area, target in self._tiles)

    def _gradient(self) -> tuple[float, Tensor]:
        """The same, and its derivatives by the group's latents."""
        gradient_of = self.task.model.transforms.synthesis_gradient
        total, slope = 0.0, torch.empty_like(self.points)
        for tile, area, target in self._tiles:
            error, found = gradient_of(self.y[tile.outer], self.task.quality, target, area)
            slope[self._place(tile)] = found[tile.inner()]
            total += error.item()
        return total, slope


def _lies(part: Span, whole: Span) -> bool:
    return whole.start <= part.start < whole.stop


def _judged(tile: Window, target: Tensor) -> tuple[Area, Tensor]:
    """Where a tile's error is measured: the core and half of the halo, in pixels of the outer area; and its target.

    Nearer to the border of the outer area the synthesis sees zeros where the picture goes on.
    """
    reach = HALO // 2 * LATENT_STRIDE
    spans = []
    for core, outer, size in (
        (tile.rows, tile.outer_rows, target.shape[0]),
        (tile.columns, tile.outer_columns, target.shape[1]),
    ):
        first = max(0, core.start * LATENT_STRIDE - reach)
        end = min(size, core.stop * LATENT_STRIDE + reach)
        spans.append((first, end, outer.start * LATENT_STRIDE))
    (top, bottom, above), (left, right, before) = spans
    area = slice(top - above, bottom - above), slice(left - before, right - before)
    return area, target[top:bottom, left:right]
