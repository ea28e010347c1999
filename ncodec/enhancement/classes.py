"""The encoder's fit of context classes: do they pay, and which tables does each class take."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ncodec.enhancement.contexts import Step, code_planes
from ncodec.enhancement.params import CLASSES, SHIFT_BIAS, SHIFT_STEPS, USUAL_OFFSETS, ContextClass, Params, golomb_bits
from ncodec.enhancement.quantiser import Quantiser
from ncodec.enhancement.rows import class_rows
from ncodec.enhancement.tables import ROWS, SCALES, SHAPES
from ncodec.entropy import Tables, magnitude_bits

_MAGNITUDES = 64  # larger ones count as this one here
_REACH = 20  # largest difference of an offset from the usual one that is tried


class _Trial:
    """Quantises planes under params with contexts, writes nothing, and keeps what costs depend on."""

    def __init__(self, planes: np.ndarray, params: Params, weight: float, tables: Tables) -> None:
        self._planes = planes
        self._rows = class_rows(params)
        self._quantiser = Quantiser.of(params, weight, tables)
        self._classes = np.zeros(planes.shape, np.uint8)
        symbols = code_planes(self._code, planes.shape, params, tables)
        self.magnitudes = np.abs(symbols)
        self.sizes = np.abs(planes) / np.float32(params.step)

    def _code(self, step: Step, classes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        self._classes[step.bands] = classes
        rows = self._rows[step.bands]
        first = (np.arange(len(rows)) * CLASSES)[:, None, None]
        symbols = self._quantiser.quantise(self._planes[step.bands], rows.reshape(-1)[first + classes])
        return symbols, symbols

    def counts(self) -> np.ndarray:
        """float32 [bands, CLASSES, _MAGNITUDES]: how often each magnitude occurred."""
        bands = self._planes.shape[0] * 64
        index = np.minimum(self.magnitudes, _MAGNITUDES - 1).astype(np.int32)
        index += self._classes.astype(np.int32) * _MAGNITUDES
        index = index.reshape(bands, -1) + np.arange(bands, dtype=np.int32)[:, None] * (CLASSES * _MAGNITUDES)
        counts = np.bincount(index.reshape(-1), minlength=bands * CLASSES * _MAGNITUDES)
        return counts.reshape(bands, CLASSES, _MAGNITUDES).astype(np.float32)

    def reconstruct(self) -> tuple[tuple[int, int], float]:
        """Best shifts, and by how much they lower the squared error, in squared steps."""
        coded = np.flatnonzero(self.magnitudes)
        magnitude = self.magnitudes.reshape(-1)[coded].astype(np.float64)
        size = self.sizes.reshape(-1)[coded]
        excess = size - magnitude
        shifts, gain = [], 0.0
        for part in (magnitude == 1, magnitude > 1):
            mean = excess[part].mean() if part.any() else 0.0
            shift = int(np.clip(np.rint(SHIFT_BIAS - SHIFT_STEPS * mean), 0, SHIFT_STEPS - 1))
            point = magnitude[part] + (SHIFT_BIAS - shift) / SHIFT_STEPS
            gain += float((point * (2 * size[part] - point)).sum())
            shifts.append(shift)
        return (shifts[0], shifts[1]), gain


def fit_classes(
    planes: np.ndarray, params: Params, weight: float, share: float, tables: Tables, finer: int = 1
) -> tuple[Params, float]:
    """Give params context classes.

    Args:
        planes: float32 [C, 8, 8, by, bx], the sample.
        params: with one class.
        weight: bits that a squared error of one coefficient is worth.
        share: how much of a bit of the params to count.
        tables: of the model.
        finer: how much smaller the step index becomes. Measured on codec residuals: the best step is a little finer
            with contexts than without.

    Returns:
        Params with `CLASSES` classes, and the bits by which they are better than coding nothing.
    """
    shape = params.classes[0].shape
    step_index = max(params.step_index - finer, 0)
    usual = replace(params, step_index=step_index, classes=tuple(ContextClass(o, shape) for o in USUAL_OFFSETS))
    trial = _Trial(planes, usual, weight, tables)
    counts, scales = trial.counts(), params.scale_array().reshape(-1)
    coded = scales > 0
    row_bits = magnitude_bits(tables, _MAGNITUDES)[1:ROWS]
    costs = counts[coded].reshape(-1, _MAGNITUDES) @ row_bits.T
    classes, bits = fit_offsets(costs.reshape(-1, CLASSES, SHAPES, SCALES), scales[coded], share)
    shifts, gain = trial.reconstruct()
    fitted = replace(usual, classes=classes, shifts=shifts)
    return fitted, weight * usual.step**2 * gain - bits - share * 8 * len(fitted.to_bytes())


def fit_offsets(costs: np.ndarray, scales: np.ndarray, share: float) -> tuple[tuple[ContextClass, ...], float]:
    """The cheapest shape and offset for each class, and the bits of all symbols with them.

    Args:
        costs: float32 [bands, CLASSES, SHAPES, SCALES], bits of the symbols of each band and class with every table.
        scales: int64 [bands], of these bands.
        share: how much of a bit of the params to count.
    """
    differences = np.arange(-_REACH, _REACH + 1)
    describing = 2 + golomb_bits(2 * abs(differences) - (differences > 0))
    classes, total = [], 0.0
    for k, usual in enumerate(USUAL_OFFSETS):
        scale = np.clip(scales[:, None] + usual + differences, 1, SCALES) - 1
        by_choice = np.take_along_axis(costs[:, k], scale[:, None, :], axis=2).sum(0) + share * describing
        shape, at = np.unravel_index(by_choice.argmin(), by_choice.shape)
        classes.append(ContextClass(usual + int(differences[at]), int(shape)))
        total += float(by_choice[shape, at]) - share * float(describing[at])
    return tuple(classes), total
