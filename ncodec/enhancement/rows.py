"""Table rows of the coefficients of a slice: integers from params and context classes (format.md)."""

from __future__ import annotations

import numpy as np

from ncodec.enhancement.contexts import Step
from ncodec.enhancement.params import Params
from ncodec.enhancement.tables import SCALES
from ncodec.enhancement.transform import BLOCK


def class_rows(params: Params) -> np.ndarray:
    """uint8 [channels, 8, 8, classes]: the table row of each band in each context class; 0 is not coded."""
    scales = params.scale_array()[:, :, None]
    offsets = np.array([c.offset for c in params.classes])
    shapes = np.array([c.shape for c in params.classes])
    scale = np.where(scales > 0, np.clip(scales + offsets, 1, SCALES), 0)
    rows = np.where(scale > 0, shapes * SCALES + scale, 0).astype(np.uint8)
    return rows.reshape(-1, BLOCK, BLOCK, len(params.classes))


class SliceRows:
    """Finds the rows of the steps of a slice of `height` x `width` pixels."""

    def __init__(self, params: Params, height: int, width: int) -> None:
        self._of_class = class_rows(params)
        self._rows_of_last, self._columns_of_last = height % BLOCK, width % BLOCK

    def __call__(self, step: Step, classes: np.ndarray) -> np.ndarray:
        """uint8 [n, by, bx], of context classes of that shape."""
        rows = self._of_class[step.bands]
        if rows.shape[1] == 1:
            rows = np.broadcast_to(rows[:, :, None], classes.shape).copy()
        else:
            first = (np.arange(len(rows)) * rows.shape[1])[:, None, None]
            rows = rows.reshape(-1)[first + classes]
        self._drop_missing(rows, step)
        return rows

    def _drop_missing(self, rows: np.ndarray, step: Step) -> None:
        """Row 0 for the frequencies that the narrow and low blocks at the edges do not have."""
        _, u, v = step.bands
        if self._rows_of_last:
            rows[u >= self._rows_of_last, -1, :] = 0
        if self._columns_of_last:
            rows[v >= self._columns_of_last, :, -1] = 0
