"""The encoder's fit of params to dependent quantisation: tables, shifts, and what both cost on the sample."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ncodec.enhancement.classes import fit_offsets
from ncodec.enhancement.contexts import Step, code_planes
from ncodec.enhancement.dependent import DependentQuantiser
from ncodec.enhancement.params import BANDS, SHIFT_BIAS, SHIFT_STEPS, ContextClass, Params
from ncodec.enhancement.rows import SliceRows, class_rows
from ncodec.enhancement.scales import smooth_scales
from ncodec.enhancement.tables import ROWS, SCALES, SHAPES
from ncodec.enhancement.transform import BLOCK
from ncodec.enhancement.trellis import finer_row
from ncodec.entropy import Tables, magnitude_bits
from ncodec.trellis.states import half_steps

TRELLIS_WEIGHT = 2.4
"""Best lambda * (step / 2)^2 per sample: measured on noise and on codec residuals; much the same at all rates."""

_MAGNITUDES = 64  # larger ones count as this one less one
_NEVER = 1e4  # bits of what a row cannot code: enough, and sums of it stay exact


def trellis_step_index(weight: float) -> int:
    """The step for lambda per sample."""
    return int(np.rint(16 * np.log2(2 * np.sqrt(TRELLIS_WEIGHT / weight))))


def has_odd_rows(params: Params) -> bool:
    """Whether any coefficient could get an odd quantiser; otherwise a trellis changes nothing."""
    return any(map(finer_row, np.unique(class_rows(params)).tolist()))


class _Trial:
    """Quantises the sample along its best paths and keeps what costs depend on."""

    def __init__(self, planes: np.ndarray, params: Params, weight: float, tables: Tables) -> None:
        rows = SliceRows(params, BLOCK * planes.shape[3], BLOCK * planes.shape[4])
        self._quantiser = DependentQuantiser(planes, params, rows, weight, tables, lambda symbols, rows: None)
        self._classes = np.zeros(planes.shape, np.uint8)
        self._class_count = len(params.classes)
        self._magnitudes = np.abs(code_planes(self._code, planes.shape, params, tables))

    def _code(self, step: Step, classes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        self._classes[step.bands] = classes
        return self._quantiser.code(step, classes)

    def counts(self) -> np.ndarray:
        """float32 [bands, classes, 2, _MAGNITUDES]: how often each quantiser, even or odd, gave each magnitude."""
        shape = (self._magnitudes[..., 0, 0].size, self._class_count, 2, _MAGNITUDES)
        index = np.minimum(self._magnitudes, _MAGNITUDES - 1).astype(np.int32)
        index += _MAGNITUDES * (2 * self._classes.astype(np.int32) + self._quantiser.odd)
        index = index.reshape(shape[0], -1) + np.arange(0, np.prod(shape), np.prod(shape[1:]), dtype=np.int32)[:, None]
        return np.bincount(index.reshape(-1), minlength=np.prod(shape)).reshape(shape).astype(np.float32)

    def reconstruct(self) -> tuple[tuple[int, int], float]:
        """Best shifts, and the squared error with them, in squared steps."""
        halves = half_steps(self._magnitudes, self._quantiser.odd)
        excess = (self._quantiser.sizes - halves) / 2
        error = float(np.einsum("cuvyx,cuvyx->", excess, excess, dtype=np.float64))
        shifts = []
        for part in (halves == 2, (halves > 0) & (halves != 2)):
            values = excess[part]
            mean = float(values.mean(dtype=np.float64)) if len(values) else 0.0
            shift = int(np.clip(np.rint(SHIFT_BIAS - SHIFT_STEPS * mean), 0, SHIFT_STEPS - 1))
            by = (SHIFT_BIAS - shift) / SHIFT_STEPS
            error -= len(values) * by * (2 * mean - by)
            shifts.append(shift)
        return (shifts[0], shifts[1]), error


def fit_trellis(
    planes: np.ndarray, params: Params, weight: float, share: float, tables: Tables
) -> tuple[Params, float]:
    """Fit params to a trellis.

    Args:
        planes: float32 [C, 8, 8, by, bx], the sample.
        params: fitted to a scalar quantiser of the step that the trellis shall have.
        weight: bits that a squared error of one coefficient is worth.
        share: how much of a bit of the params to count.
        tables: with odd rows.

    Returns:
        Params with a trellis, and the bits by which they are better than coding nothing.
    """
    start = replace(params, trellis=True, shifts=(SHIFT_BIAS, SHIFT_BIAS))
    trial = _Trial(planes, start, weight, tables)
    costs = _costs(trial.counts(), tables)
    shifts, error = trial.reconstruct()
    if len(params.classes) > 1:
        scales = params.scale_array().reshape(-1)
        classes, spent = fit_offsets(costs[scales > 0], scales[scales > 0], share)
        fitted = replace(start, shifts=shifts, classes=classes)
    else:
        shape, scales, spent = _fit_scales(costs[:, 0], params.scale_array(), share)
        fitted = replace(start, shifts=shifts, classes=(ContextClass(0, shape),), scales=scales.tobytes())
    spent += share * 8 * len(fitted.to_bytes())
    energy = float(np.einsum("cuvyx,cuvyx->", planes, planes, dtype=np.float64))
    return fitted, weight * (energy - params.step**2 * error) - spent


def _costs(counts: np.ndarray, tables: Tables) -> np.ndarray:
    """float32 [bands, classes, SHAPES, SCALES]: bits of all symbols of each band and class with every pair of tables.

    Args:
        counts: of the trial.
        tables: with odd rows.
    """
    bits = np.minimum(magnitude_bits(tables, _MAGNITUDES), _NEVER)
    even, odd = (
        counts[:, :, which].reshape(-1, _MAGNITUDES) @ bits[which * ROWS + 1 : (which + 1) * ROWS].T for which in (0, 1)
    )
    return (even + odd).reshape(*counts.shape[:2], SHAPES, SCALES)


def _fit_scales(costs: np.ndarray, scales: np.ndarray, share: float) -> tuple[int, np.ndarray, float]:
    """The shape and the scales of least cost where there is one class; what was not coded stays so.

    Args:
        costs: float32 [bands, SHAPES, SCALES].
        scales: int64 [channels, 64], of the trial.
        share: how much of a bit of the params to count.

    Returns:
        The shape, the scales, uint8 [channels, 64], and the bits of all symbols.
    """
    coded = scales.reshape(-1) > 0
    shape = int(costs[coded].min(2).sum(0).argmin())
    full = np.full((len(coded), SCALES + 1), np.inf)
    full[~coded, 0] = 0
    full[coded, 1:] = costs[coded, shape]
    fitted = smooth_scales(full.reshape(-1, BANDS, SCALES + 1), share)
    return shape, fitted, float(full[np.arange(len(full)), fitted.reshape(-1)].sum())
