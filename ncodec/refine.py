"""Refining latents before they are coded: seconds more for the encoder, fewer bits and a better picture for everybody.

The analysis transform gives a picture's latents in one pass; better ones for this picture can be searched, since only
the decoder is fixed (Yang, Bamler, Mandt: Improving inference for neural image compression, NeurIPS 2020). Every latent
is rounded softly, more sharply from round to round, and walks along the gradient of bits + lambda * squared error
(`ncodec.descent`) towards a picture that is not the noisy one (`ncodec.target`). Bits are those of the file's tables.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from ncodec.base import latent_features, step_parameters
from ncodec.descent import Descent, soft_rounding, temperature
from ncodec.effort import SCHEDULES, Schedule
from ncodec.nets.architecture import LAMBDAS, LATENT_STRIDE
from ncodec.nets.costs import Costs
from ncodec.nets.exact import FEATURE_BITS
from ncodec.nets.gradient import Area
from ncodec.nets.model import Model
from ncodec.nets.prior import CONTEXT_HALO, place_step
from ncodec.nets.windows import Window, windows
from ncodec.noise import Noise
from ncodec.target import Progress, best_estimate, ignore

CORE, HALO = 96, 8
"""Latents a side that are refined together, and those around them that are looked at; even, as checkerboards are."""

ERROR_FACTOR = 1.25
"""Of lambda. Searched latents cost fewer bits for the same error; some of them are better spent on less error: what is
saved at equal PSNR is most about here (on the validation split), and files stay about as large as without a search."""
_EDGE = 1e-3  # atanh(1) is infinite


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
    costs: Costs


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
    """Latents -> latents that cost fewer bits for their squared error, as a decoder will have them.

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
        costs=Costs.of(model.latent_tables, y.device),
    )
    y_hat = y.clone()
    near, wide = (list(windows(height, width, CORE, halo)) for halo in (CONTEXT_HALO, HALO))
    for number, view in enumerate(zip(near, wide, strict=True)):
        for done in _Search(task, y_hat, *view).run():
            progress((schedule.views + schedule.rounds * (number + done) / len(near)) / steps)
    return y_hat


class _Search:
    """Refines the latents of one window's core in place; `y` holds those around it, which stay."""

    def __init__(self, task: Task, y: Tensor, near: Window, wide: Window) -> None:
        self.task, self.y, self.near, self.wide = task, y, near, wide
        self.latents = y[near.core].clone()
        self.means, self.rows = torch.zeros_like(self.latents), torch.zeros_like(self.latents, dtype=torch.uint8)
        self._set_parameters(0)
        self.area, self.target = _judged(near, wide, task.target)
        self.target = self.target.to(y.device)
        self.error_weight = ERROR_FACTOR * float(LAMBDAS[task.quality - 1]) / task.target.shape[2]
        self.random = torch.Generator(y.device).manual_seed(0)
        self.descent = Descent(self.latents, task.schedule)

    def run(self) -> Iterator[float]:
        """Leave the better of what there was and what was found in `y`, decoded; yields how much is done."""
        before, cost_before = self._decode()
        rounds = self.task.schedule.rounds
        for number in range(rounds):
            self._round(number / rounds)
            yield (number + 1) / rounds
        after, cost_after = self._decode()
        self.y[self.near.core] = after if cost_after < cost_before else before

    def _round(self, done: float) -> None:
        """Round softly and walk: d J / d latents by way of how much is rounded up."""
        self._follow_context()
        residual = self.latents - self.means
        symbols = residual.floor()
        share = residual.sub_(symbols).clamp_(_EDGE, 1 - _EDGE)
        up, slope = soft_rounding(share, temperature(done), self.task.schedule.chance, self.random)
        uncoded = ~self.task.costs.is_coded[self.rows.int()]
        for values in (symbols, up, slope):
            values.masked_fill_(uncoded, 0)
        gradient = self._gradient(up + symbols + self.means)
        self.descent.step(gradient.add_(self.task.costs.rise_at(self.rows, symbols)).mul_(slope))

    def _decode(self) -> tuple[Tensor, float]:
        """The latents as they would be decoded now, and bits + lambda * squared error."""
        self._follow_context()
        symbols = self._symbols()
        decoded = symbols + self.means
        error = self._error(decoded)
        bits = self.task.costs.of_symbols(self.rows, symbols).sum(dtype=torch.float64)
        return decoded, bits.item() + self.error_weight * error.item()

    def _follow_context(self) -> None:
        """Parameters of step 2 for the latents of step 1 as they are rounded now."""
        self.y[self.near.core] = self._symbols().add_(self.means)
        self._set_parameters(1)

    def _symbols(self) -> Tensor:
        return (self.latents - self.means).round_().mul_(self.task.costs.is_coded[self.rows.int()])

    def _set_parameters(self, step: int) -> None:
        means, rows = step_parameters(self.task.model, self.task.features, self.y, self.near, step)
        place_step(self.means, means.float().mul_(2.0**-FEATURE_BITS), step)
        place_step(self.rows, rows, step)

    def _error(self, latents: Tensor) -> Tensor:
        """Squared error."""
        error_of = self.task.model.transforms.synthesis_gradient.error
        return error_of(self._with_surroundings(latents), self.task.quality, self.target, self.area)

    def _gradient(self, latents: Tensor) -> Tensor:
        """Lambda times the squared error's derivatives by `latents`, those of the core."""
        gradient_of = self.task.model.transforms.synthesis_gradient
        _, gradient = gradient_of(self._with_surroundings(latents), self.task.quality, self.target, self.area)
        return gradient[self.wide.inner()] * self.error_weight

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
