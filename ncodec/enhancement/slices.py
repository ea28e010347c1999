"""One slice of a residual <-> bytes: transform, quantise, code, and the mirror."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ncodec.enhancement.contexts import Step, class_rows, code_planes
from ncodec.enhancement.params import Params
from ncodec.enhancement.quantiser import Quantiser, dequantise
from ncodec.enhancement.transform import BLOCK, forward, inverse, planes_shape
from ncodec.entropy import Decoder, Encoder, Tables


@dataclass(frozen=True)
class CodedSlice:
    """What coding a slice gave.

    Attributes:
        data: its stream.
        symbols: int16 [C, 8, 8, by, bx], for the checksum.
        energy: sum of the squared residual, 8-bit units.
        error: sum of the squared difference between the residual and a decoder's, rounded to integers.
    """

    data: bytes
    symbols: np.ndarray
    energy: float
    error: float


def encode_slice(residual: np.ndarray, params: Params, rd_lambda: float, tables: Tables) -> CodedSlice:
    """Code a slice.

    Args:
        residual: int16 [H, W, C], C as in the params, H and W from 1.
        params: of the picture, from `choose`.
        rd_lambda: as in `choose`; decides which coefficients are worth their bits.
        tables: of the model, see `tables.py`.
    """
    height, width, _ = residual.shape
    planes = forward(residual)
    rows_of_class = class_rows(params)
    encoder = Encoder(tables)
    quantiser = Quantiser.of(params, rd_lambda / params.channels, tables)

    def code(step: Step, classes: np.ndarray) -> np.ndarray:
        rows = _table_rows(step, classes, rows_of_class, height, width)
        symbols = quantiser.quantise(planes[step.bands], rows)
        encoder.push(symbols.reshape(-1), rows.reshape(-1))
        return symbols

    symbols = code_planes(code, planes.shape, params, tables)
    decoded = np.rint(inverse(dequantise(symbols, params), height, width))
    return CodedSlice(encoder.finish(), symbols, _squares(residual), _squares(residual - decoded))


def decode_slice(data: bytes, height: int, width: int, params: Params, tables: Tables) -> tuple[np.ndarray, np.ndarray]:
    """The mirror of `encode_slice`.

    Returns:
        The residual, float32 [H, W, C], and the symbols, int16 [C, 8, 8, by, bx].

    Raises:
        FormatError: the bytes are not such a slice. Most damage goes unnoticed here: compare the symbols' checksum.
    """
    decoder = Decoder(data, tables)
    rows_of_class = class_rows(params)

    def code(step: Step, classes: np.ndarray) -> np.ndarray:
        rows = _table_rows(step, classes, rows_of_class, height, width)
        return decoder.pop(rows.reshape(-1)).reshape(rows.shape)

    symbols = code_planes(code, planes_shape(height, width, params.channels), params, tables)
    decoder.close()
    return inverse(dequantise(symbols, params), height, width), symbols


def _squares(values: np.ndarray) -> float:
    return float(np.square(values, dtype=np.float32).sum(dtype=np.float64))


def _table_rows(step: Step, classes: np.ndarray, rows_of_class: np.ndarray, height: int, width: int) -> np.ndarray:
    """uint8 [n, by, bx]: the table row of each coefficient of a step."""
    rows = rows_of_class[step.bands]
    if rows.shape[1] == 1:
        rows = np.broadcast_to(rows[:, :, None], classes.shape).copy()
    else:
        first = (np.arange(len(rows)) * rows.shape[1])[:, None, None]
        rows = rows.reshape(-1)[first + classes]
    _drop_missing(rows, step, height, width)
    return rows


def _drop_missing(rows: np.ndarray, step: Step, height: int, width: int) -> None:
    """Row 0 for the frequencies that the narrow and low blocks at the edges do not have."""
    _, u, v = step.bands
    if height % BLOCK:
        rows[u >= height % BLOCK, -1, :] = 0
    if width % BLOCK:
        rows[v >= width % BLOCK, :, -1] = 0
