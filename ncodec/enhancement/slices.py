"""One slice of a residual <-> bytes: transform, quantise, code, and the mirror."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ncodec.enhancement.contexts import Step, code_planes
from ncodec.enhancement.dependent import DependentDecoder, DependentQuantiser, reconstruct
from ncodec.enhancement.params import Params
from ncodec.enhancement.quantiser import Quantiser, dequantise
from ncodec.enhancement.rows import SliceRows
from ncodec.enhancement.transform import forward, inverse, planes_shape
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
        tables: of the model, see `tables.py` and `trellis.with_odd`.
    """
    height, width, _ = residual.shape
    planes = forward(residual)
    rows_of = SliceRows(params, height, width)
    encoder = Encoder(tables)
    if params.trellis:
        trellis = DependentQuantiser(planes, params, rows_of, rd_lambda / params.channels, tables, encoder.push)
        symbols = code_planes(trellis.code, planes.shape, params, tables)
        coefficients = reconstruct(symbols, trellis.odd, params)
    else:
        quantiser = Quantiser.of(params, rd_lambda / params.channels, tables)

        def code(step: Step, classes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
            rows = rows_of(step, classes)
            symbols = quantiser.quantise(planes[step.bands], rows)
            encoder.push(symbols.reshape(-1), rows.reshape(-1))
            return symbols, symbols

        symbols = code_planes(code, planes.shape, params, tables)
        coefficients = dequantise(symbols, params)
    decoded = np.rint(inverse(coefficients, height, width))
    return CodedSlice(encoder.finish(), symbols, _squares(residual), _squares(residual - decoded))


def decode_slice(data: bytes, height: int, width: int, params: Params, tables: Tables) -> tuple[np.ndarray, np.ndarray]:
    """The mirror of `encode_slice`.

    Returns:
        The residual, float32 [H, W, C], and the symbols, int16 [C, 8, 8, by, bx].

    Raises:
        FormatError: the bytes are not such a slice. Most damage goes unnoticed here: compare the symbols' checksum.
    """
    decoder = Decoder(data, tables)
    rows_of = SliceRows(params, height, width)
    shape = planes_shape(height, width, params.channels)
    if params.trellis:
        trellis = DependentDecoder(decoder, rows_of, shape, tables)
        symbols = code_planes(trellis.code, shape, params, tables)
        coefficients = reconstruct(symbols, trellis.odd, params)
    else:

        def code(step: Step, classes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
            rows = rows_of(step, classes)
            symbols = decoder.pop(rows.reshape(-1)).reshape(rows.shape)
            return symbols, symbols

        symbols = code_planes(code, shape, params, tables)
        coefficients = dequantise(symbols, params)
    decoder.close()
    return inverse(coefficients, height, width), symbols


def _squares(values: np.ndarray) -> float:
    return float(np.square(values, dtype=np.float32).sum(dtype=np.float64))
