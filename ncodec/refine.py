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
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from ncodec.base import latent_features, residual, step_parameters
from ncodec.effort import SCHEDULES, Schedule
from ncodec.nets.architecture import LAMBDAS, LATENT_STRIDE
from ncodec.nets.exact import FEATURE_BITS
from ncodec.nets.gradient import Area
from ncodec.nets.model import Model
from ncodec.nets.prior import CONTEXT_HALO, decoded, place_step
from ncodec.nets.windows import Window, windows
from ncodec.noise import Noise
from ncodec.paths import LatentPaths
from ncodec.target import Progress, best_estimate, ignore
from ncodec.trellis.states import half_steps
from ncodec.trellis.viterbi import SymbolCosts

CORE, HALO = 96, 8
"""Latents a side that are refined together, and those around them that are looked at; even, as checkerboards are."""

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
    near, wide = (list(windows(height, width, CORE, halo)) for halo in (CONTEXT_HALO, HALO))
    for number, view in enumerate(zip(near, wide, strict=True)):
        search = _Search(task, around, *view)
        for done in search.run():
            progress((schedule.views + schedule.rounds * (number + done) / len(near)) / steps)
        found[search.near.core] = search.best
    return found


class _Search:
    """Refines the latents of one window's core.

    Attributes:
        y: float32 [h, w, latent], all latents as far as they are known: those around the window stay; those of the core
            are overwritten by what will be decoded.
        best: float32, the latents of the core that were best.
    """

    def __init__(self, task: Task, y: Tensor, near: Window, wide: Window) -> None:
        self.task, self.y, self.near, self.wide = task, y, near, wide
        self.points = y[near.core].clone()
        self.best, self._decoded, self._slope, self._cost = self.points, self.points, self.points, math.inf
        self.area, self.target = _judged(near, wide, task.target)
        self.target = self.target.to(y.device)
        self.error_weight = ERROR_FACTOR * float(LAMBDAS[task.quality - 1]) / task.target.shape[2]
        self._first = self._parameters(0)

    def run(self) -> Iterator[float]:
        """Leave the best latents of the rounds in `best`, and decoded in `y`; yields how much is done."""
        rounds, last = self.task.schedule.rounds, self.task.schedule.last
        first = FIRST_SHARE
        for number in range(rounds):
            found, bits = self._quantise()
            error, slope = self._gradient(found)
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
        if bits + self.error_weight * self._error(found) < self._cost:
            self.best, self._decoded = self.points, found
        self.y[self.near.core] = self._decoded

    def _quantise(self) -> tuple[Tensor, float]:
        """What the points would be decoded to now, and its bits."""
        bits = 0.0
        for step in (0, 1):
            mean, paths = self._parameters(1) if step else self._first
            values = residual(self.points, step, mean).cpu().numpy().reshape(-1)
            symbols = paths.quantise(values, self.task.costs)
            odd = paths.odd(symbols)
            bits += paths.bits(symbols, odd, self.task.costs)
            halves = torch.from_numpy(half_steps(symbols, odd)).to(mean.device).view(mean.shape)
            found = decoded(mean, halves).float().mul_(2.0**-FEATURE_BITS)
            place_step(self.y[self.near.core], found, step)
        return self.y[self.near.core].clone(), bits

    def _parameters(self, step: int) -> tuple[Tensor, LatentPaths]:
        """Means of a step, and the paths of its symbols; those of step 2 follow the latents of step 1 as they are."""
        mean, rows = step_parameters(self.task.model, self.task.features, self.y, self.near, step)
        return mean, LatentPaths(rows.cpu().numpy().reshape(-1), self.task.model.latent_tables)

    def _error(self, latents: Tensor) -> float:
        """Squared error."""
        error_of = self.task.model.transforms.synthesis_gradient.error
        return error_of(self._with_surroundings(latents), self.task.quality, self.target, self.area).item()

    def _gradient(self, latents: Tensor) -> tuple[float, Tensor]:
        """Squared error and its derivatives by `latents`, those of the core."""
        gradient_of = self.task.model.transforms.synthesis_gradient
        error, gradient = gradient_of(self._with_surroundings(latents), self.task.quality, self.target, self.area)
        return error.item(), gradient[self.wide.inner()]

    def _with_surroundings(self, latents: Tensor) -> Tensor:
        around = self.y[self.wide.outer].clone()
        around[self.wide.inner()] = latents
        return around


def _judged(near: Window, wide: Window, target: Tensor) -> tuple[Area, Tensor]:
    """Where a window's error is measured: the core and half of the halo, in pixels of the wide window; and its target.

    Nearer to the wide window's border the synthesis sees zeros where the picture goes on.
    """
    reach = HALO // 2 * LATENT_STRIDE
    spans = []
    for core, outer, size in (
        (near.rows, wide.outer_rows, target.shape[0]),
        (near.columns, wide.outer_columns, target.shape[1]),
    ):
        first = max(0, core.start * LATENT_STRIDE - reach)
        end = min(size, core.stop * LATENT_STRIDE + reach)
        spans.append((first, end, outer.start * LATENT_STRIDE))
    (top, bottom, above), (left, right, before) = spans
    area = slice(top - above, bottom - above), slice(left - before, right - before)
    return area, target[top:bottom, left:right]
