"""The encoder's search for the `Params` of least J = lambda * D + R, on a sample of the residual.

D is the mean squared error per colour sample in 8-bit units, R is in bits per pixel. A squared error of one
coefficient therefore weighs lambda / channels against a bit; all costs here are in bits, summed over the sample.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ncodec.enhancement.classes import fit_classes
from ncodec.enhancement.fit_trellis import fit_trellis, has_odd_rows, trellis_step_index
from ncodec.enhancement.params import (
    BANDS,
    MAX_STEP_INDEX,
    SHIFT_BIAS,
    SHIFT_STEPS,
    ContextClass,
    Params,
    reconstruction,
)
from ncodec.enhancement.quantiser import thresholds
from ncodec.enhancement.scales import smooth_scales
from ncodec.enhancement.spectrum import Cells, Spectrum
from ncodec.enhancement.tables import ROWS, SCALES, SHAPES
from ncodec.enhancement.transform import BLOCK, forward
from ncodec.entropy import Tables, magnitude_bits

PATCH = 64
"""Width and height in pixels of the patches that a sample is made of."""

_MAX_PATCHES = 256
_HIGH_RATE = 6 / np.log(2)  # lambda * step^2 per sample at high rates: D = step^2 / 12, dD/dR = -2 ln(2) D
_STEPS = np.exp2(np.arange(-1, 8) / 4)  # candidates, relative to the step that follows from _HIGH_RATE
_BINS_PER_STEP = 12
_BINS = 768
_ROUNDS = 2  # of choosing thresholds for tables and tables for thresholds
_START_ROW = 1 + SCALES + 26  # any table of middling entropy


def sample(residual: np.ndarray) -> np.ndarray:
    """About a quarter of a residual, for `choose`.

    Args:
        residual: int16 [H, W, C].

    Returns:
        int16 [h, w, C]: patches from a regular grid, put together; a small picture as it is.
    """
    height, width, _ = residual.shape
    patch_height, patch_width = min(height, PATCH), min(width, PATCH)
    if height * width <= 16 * PATCH**2:
        return residual
    cell = max(2 * PATCH, int((height * width / _MAX_PATCHES) ** 0.5))
    tops, lefts = _starts(height, patch_height, cell), _starts(width, patch_width, cell)
    patches = [residual[y : y + patch_height, x : x + patch_width] for y in tops for x in lefts]
    # Put together along a side that is whole blocks long.
    return np.concatenate(patches, axis=0 if patch_height == PATCH else 1)


def _starts(length: int, patch: int, cell: int) -> list[int]:
    """Where patches begin along an axis: about one in each cell, on block borders."""
    if length <= patch:
        return [0]
    places = np.linspace(0, length - patch, max(2, -(-length // cell)))
    return (places // BLOCK * BLOCK).astype(int).tolist()


def choose(residual: np.ndarray, pixels: int, rd_lambda: float, tables: Tables) -> Params | None:
    """Choose the parameters of the enhancement layer of a picture.

    Args:
        residual: int16 [H, W, C], what `sample` gave for the picture.
        pixels: of the whole picture, which share the cost of the parameters.
        rd_lambda: lambda of J = lambda * D + R.
        tables: of the model.

    Returns:
        Params, or None if it is cheapest to code nothing.
    """
    height, width, channels = residual.shape
    weight = rd_lambda / channels
    planes = forward(residual)
    high_rate_step = np.sqrt(_HIGH_RATE / weight)
    search = _Search(planes, weight, high_rate_step, tables)
    plan = search.best(high_rate_step * _STEPS)
    if plan.cost >= search.nothing:
        return None
    share = height * width / pixels
    plain, saved = search.params(plan, share)
    if plain is None:
        return None
    choices = [(plain, saved), fit_classes(planes, plain, weight, share, tables)]
    choices += _with_trellis(search, planes, weight, share, tables)
    best, most = max(choices, key=lambda choice: choice[1])
    return best if most > 0 else None


def _with_trellis(
    search: _Search, planes: np.ndarray, weight: float, share: float, tables: Tables
) -> list[tuple[Params, float]]:
    """Params with a trellis, and what they save."""
    step_index = min(max(trellis_step_index(weight), 0), MAX_STEP_INDEX)
    search.restart()  # a scalar quantiser's dead zone leads to other tables
    plain, saved = search.params(search.plan(step_index), share)
    if plain is None:
        return []
    fitted = [plain]
    with_contexts, saved_with_contexts = fit_classes(planes, plain, weight, share, tables, finer=0)
    if saved_with_contexts > saved:
        fitted.append(with_contexts)
    return [fit_trellis(planes, params, weight, share, tables) for params in fitted if has_odd_rows(params)]


@dataclass(frozen=True)
class _Plan:
    """A quantiser, the tables that suit it, and the cost of both in bits of the sample.

    Attributes:
        step_index: see Params.
        shifts: see Params.
        shape: of all tables.
        costs: float64 [bands, SCALES + 1], of coding a band with each scale; 0: of not coding it.
        cost: the sum of their minima.
    """

    step_index: int
    shifts: tuple[int, int]
    shape: int
    costs: np.ndarray
    cost: float


class _Search:
    """Tries quantisers without contexts on the distribution of the coefficients."""

    def __init__(self, planes: np.ndarray, weight: float, high_rate_step: float, tables: Tables) -> None:
        self._spectrum = Spectrum(planes, high_rate_step / _BINS_PER_STEP, _BINS)
        self._weight = weight
        self._bits = magnitude_bits(tables, int(_BINS / _BINS_PER_STEP / _STEPS[0]) + 3)
        self.restart()
        self.nothing = weight * self._spectrum.energy.sum()

    def restart(self) -> None:
        """Forget where the last candidate ended."""
        self._rows = np.full(len(self._spectrum.energy), _START_ROW)
        self._shifts = (SHIFT_BIAS, SHIFT_BIAS)

    def best(self, steps: np.ndarray) -> _Plan:
        """The cheapest plan: from coarse candidates, then from steps near the best of them."""
        coarse = np.rint(16 * np.log2(steps)).astype(int)
        plan = self._cheapest(coarse)
        return min(plan, self._cheapest(plan.step_index + np.array([-2, -1, 1, 2])), key=lambda plan: plan.cost)

    def _cheapest(self, step_indices: np.ndarray) -> _Plan:
        possible = np.unique(np.clip(step_indices, 0, MAX_STEP_INDEX)).tolist()
        return min((self.plan(index) for index in possible), key=lambda plan: plan.cost)

    def plan(self, step_index: int) -> _Plan:
        """Tables for thresholds and thresholds for tables in turn, from where the last candidate ended."""
        step = 2 ** (step_index / 16)
        plans: list[_Plan] = []
        for _ in range(_ROUNDS):
            one, more = reconstruction(self._shifts)
            cells = self._quantise(step, one, more)
            costs = self._costs(cells, step, one, more)
            by_shape = costs.min(2).sum(0)
            shape = int(by_shape.argmin())
            costs = costs[:, shape]
            plans.append(_Plan(step_index, self._shifts, shape, costs, float(by_shape[shape])))
            self._rows = 1 + shape * SCALES + costs[:, 1:].argmin(1)
            coded = costs.argmin(1) > 0
            self._shifts = _centroid_shifts(cells, step, coded if coded.any() else ~coded)
        return min(plans, key=lambda plan: plan.cost)

    def _quantise(self, step: float, one: float, more: float) -> Cells:
        """Cells of each band under its present row."""
        first, second = thresholds(self._bits[self._rows, :3], one, 2 + more, 2 * self._weight * step**2)
        magnitudes = min(int(self._spectrum.largest / step) + 3, self._bits.shape[1])
        limits = second[:, None] + np.arange(-1.0, magnitudes - 2)
        limits[:, 0] = np.minimum(first, second)
        return self._spectrum.cells(step * limits)

    def _costs(self, cells: Cells, step: float, one: float, more: float) -> np.ndarray:
        """float64 [bands, SHAPES, SCALES + 1]: bits and weighted error of each band with each table; 0 is not coded."""
        magnitudes = cells.count.shape[1]
        point = step * (np.arange(magnitudes) + more)
        point[:2] = 0, step * one
        error = self._spectrum.energy - 2 * cells.total @ point + cells.count @ point**2
        bits = (cells.count.astype(np.float32) @ self._bits[1:ROWS, :magnitudes].T).reshape(-1, SHAPES, SCALES)
        costs = np.empty((len(error), SHAPES, SCALES + 1))
        costs[:, :, 0] = self._weight * self._spectrum.energy[:, None]
        costs[:, :, 1:] = bits + (self._weight * error)[:, None, None]
        return costs

    def params(self, plan: _Plan, share: float) -> tuple[Params | None, float]:
        """Params of a plan, its scales smoothed as far as the bits of describing them are worth it.

        Args:
            plan: from `best`.
            share: the sample's share of the picture's pixels, and so of those bits.

        Returns:
            Params, and the bits by which they are better than coding nothing; None if nothing is.
        """
        scales = smooth_scales(plan.costs.reshape(-1, BANDS, SCALES + 1), share)
        params = Params(plan.step_index, plan.shifts, (ContextClass(0, plan.shape),), scales.tobytes())
        cost = plan.costs[np.arange(scales.size), scales.reshape(-1)].sum() + share * 8 * len(params.to_bytes())
        saved = float(self.nothing - cost)
        return (params if scales.any() else None), saved


def _centroid_shifts(cells: Cells, step: float, coded: np.ndarray) -> tuple[int, int]:
    """The shifts that put both reconstruction points where the coefficients of the coded bands are on average."""
    count, total = cells.count[coded].sum(0), cells.total[coded].sum(0) / step
    excess = total - count * np.arange(len(count))
    means = [excess[1] / max(count[1], 1), excess[2:].sum() / max(count[2:].sum(), 1)]
    one, more = (int(np.clip(np.rint(SHIFT_BIAS - SHIFT_STEPS * mean), 0, SHIFT_STEPS - 1)) for mean in means)
    return one, more
