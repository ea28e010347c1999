"""Refining latents before they are coded: seconds more for the encoder, fewer bits and a better picture for everybody.

The analysis transform gives a picture's latents in one pass; better ones for this picture can be searched, since only
the decoder is fixed. Stochastic Gumbel annealing (Yang, Bamler, Mandt: Improving inference for neural image
compression, NeurIPS 2020, section 3.2): every latent is rounded up or down at random, more surely so from round to
round, and walks along the gradient of bits + lambda * squared error. Bits are those of the file's own tables. The
picture to come near is not the noisy one, but what the codec makes of it where bits do not count: of a noisy picture
the estimate of the clean one. How far that is off does not depend on the latents.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from ncodec.base import latent_features, step_parameters
from ncodec.container import QUALITIES
from ncodec.effort import ROUNDS
from ncodec.nets.architecture import LAMBDAS, LATENT_STRIDE
from ncodec.nets.costs import Costs
from ncodec.nets.exact import FEATURE_BITS
from ncodec.nets.gradient import Area
from ncodec.nets.model import Model
from ncodec.nets.prior import CONTEXT_HALO, place_step
from ncodec.nets.windows import Window, windows
from ncodec.noise import Noise

Progress = Callable[[float], None]
"""Gets how much of the search is done, 0 ... 1."""

CORE, HALO = 96, 8
"""Latents a side that are refined together, and those around them that are looked at; even, as checkerboards are."""

_RATE, _RATE_MAX = 0.2, 0.03
"""Length of steps in quantisation steps: the first over the root of the number of rounds, at most the second."""
_TEMPERATURES = 0.5, 0.15
"""Of the random rounding, in the first and in the last round."""
_MOMENTUM, _SQUARES_DECAY = 0.9, 0.99
_EDGE = 1e-3  # atanh(1) is infinite


def ignore(done: float) -> None:
    """The progress that nobody watches."""


@dataclass(frozen=True)
class Task:
    """What a picture's latents are refined for.

    Attributes:
        model: that codes it.
        quality: 1 ... 8.
        rounds: how many.
        target: uint8 [H, W, 1 or 3], the picture to come near.
        features: of the integer networks, for all latents.
        costs: of the symbols.
    """

    model: Model
    quality: int
    rounds: int
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
    task = Task(
        model=model,
        quality=quality,
        rounds=ROUNDS[effort],
        target=best_estimate(model, pixels, noise),
        features=latent_features(model, z, height, width),
        costs=Costs.of(model.latent_tables, y.device),
    )
    y_hat = y.clone()
    near, wide = (list(windows(height, width, CORE, halo)) for halo in (CONTEXT_HALO, HALO))
    for number, view in enumerate(zip(near, wide, strict=True)):
        for done in _Search(task, y_hat, *view).run():
            progress((number + done) / len(near))
    return y_hat


def best_estimate(model: Model, pixels: Tensor, noise: Noise) -> Tensor:
    """The clean picture as far as it can be known, uint8 [H, W, 1 or 3] on the CPU.

    The codec's own denoised picture of the best quality, without rounding of latents; and of what that has lost, as
    much of the input as is more than noise.
    """
    y = model.transforms.analyse(pixels, QUALITIES)
    estimate = model.transforms.synthesise(y, QUALITIES, *pixels.shape)
    lost = pixels.float().sub_(estimate)
    noise_variance = 255**2 * (noise.poisson_a * pixels.float().mean().item() / 255 + noise.gaussian_b)
    share = max(0.0, 1 - noise_variance / max(lost.square().mean().item(), 1e-9))
    return lost.mul_(share).add_(estimate).round_().clamp_(0, 255).to(torch.uint8)


class _Search:
    """Refines the latents of one window's core in place; `y` holds those around it, which stay."""

    def __init__(self, task: Task, y: Tensor, near: Window, wide: Window) -> None:
        self.task, self.y, self.near, self.wide = task, y, near, wide
        self.latents = y[near.core].clone()
        self.momentum, self.squares = torch.zeros_like(self.latents), torch.zeros_like(self.latents)
        self.means, self.rows = torch.zeros_like(self.latents), torch.zeros_like(self.latents, dtype=torch.uint8)
        self._set_parameters(0)
        self.area, self.target = _judged(near, wide, task.target)
        self.target = self.target.to(y.device)
        self.error_weight = float(LAMBDAS[task.quality - 1]) / task.target.shape[2]
        self.random = torch.Generator(y.device).manual_seed(0)

    def run(self) -> Iterator[float]:
        """Leave the better of what there was and what was found in `y`, decoded; yields how much is done."""
        before, cost_before = self._decode()
        high, low = _TEMPERATURES
        for number in range(self.task.rounds):
            self._round(number, high * (low / high) ** (number / self.task.rounds))
            yield (number + 1) / self.task.rounds
        after, cost_after = self._decode()
        self.y[self.near.core] = after if cost_after < cost_before else before

    def _round(self, number: int, temperature: float) -> None:
        """Round at random and walk: d J / d latents by way of the probability of rounding up."""
        self._follow_context()
        residual = self.latents - self.means
        symbols = residual.floor()
        share = residual.sub_(symbols).clamp_(_EDGE, 1 - _EDGE)
        up, slope = _random_rounding(share, temperature, self.random)
        uncoded = ~self.task.costs.is_coded[self.rows.int()]
        for values in (symbols, up, slope):
            values.masked_fill_(uncoded, 0)
        _, gradient = self._error(up + symbols + self.means)
        gradient.add_(self.task.costs.rise_at(self.rows, symbols)).mul_(slope)
        self._descend(gradient, number)

    def _descend(self, gradient: Tensor, number: int) -> None:
        """Adam (Kingma and Ba 2015); torch's own, at its first step, would import a compiler."""
        self.momentum.lerp_(gradient, 1 - _MOMENTUM)
        self.squares.mul_(_SQUARES_DECAY).addcmul_(gradient, gradient, value=1 - _SQUARES_DECAY)
        size = (self.squares / (1 - _SQUARES_DECAY ** (number + 1))).sqrt_().add_(1e-8)
        rate = min(_RATE_MAX, _RATE / math.sqrt(self.task.rounds))
        self.latents.addcdiv_(self.momentum, size, value=-rate / (1 - _MOMENTUM ** (number + 1)))

    def _decode(self) -> tuple[Tensor, float]:
        """The latents as they would be decoded now, and bits + lambda * squared error."""
        self._follow_context()
        symbols = self._symbols()
        decoded = symbols + self.means
        error, _ = self._error(decoded)
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

    def _error(self, latents: Tensor) -> tuple[Tensor, Tensor]:
        """Squared error, and lambda times its derivatives by `latents`, those of the core."""
        inner = self.wide.inner()
        around = self.y[self.wide.outer].clone()
        around[inner] = latents
        gradient_of = self.task.model.transforms.synthesis_gradient
        error, gradient = gradient_of(around, self.task.quality, self.target, self.area)
        return error, gradient[inner] * self.error_weight


def _random_rounding(share: Tensor, temperature: float, random: torch.Generator) -> tuple[Tensor, Tensor]:
    """Yang et al. 2020, equations 7 and 8: how much of each latent is rounded up, and its derivative by `share`.

    Args:
        share: float32, fractional parts; overwritten.
        temperature: above 0; the nearer, the more surely all or nothing, and to the nearest.
        random: draws.
    """
    rest = 1 - share
    # atanh(share) - atanh(rest), and its derivative
    preference = (share * (1 + share)).div_(rest * (1 + rest)).log_().mul_(0.5)
    rise = (share * (1 + rest)).reciprocal_().add_((rest * (1 + share)).reciprocal_())
    drawn = torch.empty_like(share).uniform_(1e-6, 1 - 1e-6, generator=random).logit_()
    up = preference.div_(temperature).add_(drawn).div_(temperature).sigmoid_()
    return up, rise.mul_(up).mul_(1 - up).div_(temperature**2)


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
