"""Which table codes which coefficient: integers only, the same on every machine (format.md).

Without contexts every band has one table, and the bands that share a table are one step. With contexts, bands are
coded channel by channel and diagonal by diagonal (u + v), and the magnitudes around a coefficient, relative to what
the scales of those bands let expect, put it into one of twelve classes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from ncodec.enhancement.params import Params
from ncodec.enhancement.tables import SCALES
from ncodec.enhancement.transform import BLOCK
from ncodec.entropy import Tables

MAX_MAGNITUDE = 63
"""Larger magnitudes count as this one in contexts, so that contexts fit into int16."""

MEAN_BITS = 10
"""Fractional bits of expected magnitudes."""

PRIOR = 6
"""Added to contexts and to their expectation before they are compared, so that a lone symbol does not decide; twice
that under a trellis, whose magnitudes are in half steps."""

CLASS_RATIOS_Q8 = (64, 91, 128, 181, 256, 362, 512, 724, 1024, 1448, 2048)
"""Where context classes begin: 256 * 2^(k/2), k = -4 ... 6, of the ratio of a context to its expectation."""


@dataclass(frozen=True)
class Step:
    """Bands that are coded at once; ``planes[step.bands]`` are their symbols [n, by, bx].

    Attributes:
        bands: int64 [n] channels, int64 [n] vertical frequencies u, int64 [n] horizontal frequencies v.
    """

    bands: tuple[np.ndarray, np.ndarray, np.ndarray]


def steps(params: Params) -> Iterator[Step]:
    """The steps of a slice, the bands of each in order of channel, u, v; bands that are not coded are left out."""
    scales = params.scale_array().reshape(-1, BLOCK, BLOCK)
    channel, u, v = np.nonzero(scales)
    order = scales[channel, u, v] if len(params.classes) == 1 else 2 * BLOCK * channel + u + v
    for key in np.unique(order):
        chosen = order == key
        yield Step((channel[chosen], u[chosen], v[chosen]))


StepCoder = Callable[[Step, np.ndarray], tuple[np.ndarray, np.ndarray]]
"""(step, context classes uint8 [n, by, bx]) -> symbols int16 [n, by, bx], and what they stand for in units of contexts:
integers of that shape, steps (the symbols themselves) or, under a trellis, half steps."""


def code_planes(code: StepCoder, shape: tuple[int, ...], params: Params, tables: Tables) -> np.ndarray:
    """Go through the steps of a slice in coding order; `code` codes one.

    Args:
        code: gets the classes of a step's coefficients and returns their symbols, and these in units of contexts.
        shape: [channels, 8, 8, by, bx].
        params: of the picture.
        tables: of the model.

    Returns:
        All symbols, int16 of that shape.
    """
    planes = np.zeros(shape, np.int16)
    if len(params.classes) == 1:
        for step in steps(params):
            planes[step.bands], _ = code(step, np.zeros((len(step.bands[0]), *shape[3:]), np.uint8))
        return planes
    thresholds = class_thresholds(params, tables)
    field = ContextField(shape)
    for step in steps(params):
        planes[step.bands], values = code(step, _classes(field.context(step), thresholds[step.bands]))
        # Limited before the sign goes: -32768 has no magnitude in int16.
        field.put(step, np.abs(np.clip(values, -MAX_MAGNITUDE, MAX_MAGNITUDE)).astype(np.int16, copy=False))
    return planes


def _classes(context: np.ndarray, thresholds: np.ndarray) -> np.ndarray:
    """uint8 [n, by, bx]: how many of the thresholds [n, classes - 1] of its band each context exceeds."""
    classes = np.zeros(context.shape, np.uint8)
    for column in thresholds.T:
        classes += context > column[:, None, None]
    return classes


def mean_magnitudes(tables: Tables) -> np.ndarray:
    """int64 [SCALES + 1]: mean magnitude of scale s times 2^MEAN_BITS, from the counts of the rows of shape 0."""
    means = np.zeros(SCALES + 1, np.int64)
    for scale in range(1, SCALES + 1):
        counts = tables.row_counts(scale)[:-1].astype(np.int64)
        magnitudes = np.abs(np.arange(len(counts)) + int(tables.low[scale]))
        means[scale] = (counts @ magnitudes) >> (24 - MEAN_BITS)
    return means


def class_thresholds(params: Params, tables: Tables) -> np.ndarray:
    """int16 [channels, 8, 8, classes - 1]: a coefficient's class is the number of these below its context."""
    unit = 2 if params.trellis else 1
    expected = unit * mean_magnitudes(tables)[params.scale_array()].reshape(-1, BLOCK, BLOCK)
    field = ContextField((*expected.shape, 1, 1), MEAN_BITS)
    thresholds = np.zeros((*expected.shape, len(CLASS_RATIOS_Q8)), np.int16)
    for step in steps(params):
        expectation = field.context(step)[:, 0, 0] + (unit * PRIOR << MEAN_BITS)
        ratios = np.array(CLASS_RATIOS_Q8)
        limit = (expectation[:, None] * ratios >> (MEAN_BITS + 8)) - unit * PRIOR
        thresholds[step.bands] = np.clip(limit, -unit * PRIOR, np.iinfo(np.int16).max)
        field.put(step, np.minimum(expected[step.bands], MAX_MAGNITUDE << MEAN_BITS)[:, None, None])
    return thresholds


class ContextField:
    """Magnitudes decoded so far, spread over neighbouring blocks and carried along the diagonals.

    With M the magnitudes of a band, limited to MAX_MAGNITUDE, and B = 2 M + M convolved with (1 2 1) x (1 2 1) over
    blocks, edge blocks repeated, a coefficient's context is own + other:
    own(u, v) = carry(u - 1, v) + carry(u, v - 1), where carry = 2 B + floor(own / 4) + floor(own / 8);
    other is B of the same band in the channel before. Bands that are not coded, or are not there, count as 0.
    """

    def __init__(self, shape: tuple[int, ...], fraction_bits: int = 0) -> None:
        """Shape [channels, 8, 8, by, bx]; `fraction_bits` are those of the magnitudes (0 for symbols)."""
        channels, _, _, *blocks = shape
        dtype = np.int64 if fraction_bits else np.int16
        self._carry = np.zeros((channels, BLOCK + 1, BLOCK + 1, *blocks), dtype)  # row and column 0 stay 0
        self._spread = np.zeros((channels + 1, BLOCK, BLOCK, *blocks), dtype)  # "channel -1" stays 0

    def context(self, step: Step) -> np.ndarray:
        """Contexts [n, by, bx] of the bands of the step that comes next."""
        channel, u, v = step.bands
        own = self._carry[channel, u, v + 1]
        own += self._carry[channel, u + 1, v]
        self._carry[channel, u + 1, v + 1] = (own >> 2) + (own >> 3)
        own += self._spread[step.bands]
        return own

    def put(self, step: Step, magnitudes: np.ndarray) -> None:
        """Enter the magnitudes [n, by, bx] of a step, each at most MAX_MAGNITUDE, after its `context`."""
        spread = _spread(magnitudes)
        channel, u, v = step.bands
        self._spread[channel + 1, u, v] = spread
        self._carry[channel, u + 1, v + 1] += spread << 1


def _spread(magnitudes: np.ndarray) -> np.ndarray:
    """B of `ContextField`, of magnitudes [n, by, bx]."""
    along_y = magnitudes << 1
    along_y[:, 1:] += magnitudes[:, :-1]
    along_y[:, :-1] += magnitudes[:, 1:]
    along_y[:, 0] += magnitudes[:, 0]
    along_y[:, -1] += magnitudes[:, -1]
    spread = (along_y + magnitudes) << 1
    spread[:, :, 1:] += along_y[:, :, :-1]
    spread[:, :, :-1] += along_y[:, :, 1:]
    spread[:, :, 0] += along_y[:, :, 0]
    spread[:, :, -1] += along_y[:, :, -1]
    return spread
