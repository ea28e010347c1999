"""The enhancement layer of a whole picture: input minus denoised picture <-> the enhancement section of a file."""

from __future__ import annotations

import numpy as np

from ncodec.container import KEPT_UNIT, SLICE_PIXELS, Section, Tag
from ncodec.enhancement.choose import choose, sample
from ncodec.enhancement.params import Params
from ncodec.enhancement.slices import decode_slice, encode_slice
from ncodec.entropy import Tables, symbols_crc
from ncodec.errors import DriftError, FormatError
from ncodec.streams import pack_streams, unpack_streams


def encode_residual(pixels: np.ndarray, clean: np.ndarray, rd_lambda: float, tables: Tables) -> Section:
    """The enhancement section; its payload is empty where coding nothing is best.

    Args:
        pixels: uint8 [H, W, C], the input.
        clean: uint8 [H, W, C], the denoised picture as a decoder has it.
        rd_lambda: J = rd_lambda * D + R, D the mean squared error in 8-bit units, R in bits per pixel.
        tables: of the model, odd rows included.
    """
    height, width, channels = pixels.shape
    params = choose(_difference(sample(pixels), sample(clean)), height * width, rd_lambda, tables)
    if params is None:
        return Section.of(Tag.ENHANCEMENT, b"")
    streams, crc, energy, error = [], 0, 0.0, 0.0
    for place in _slices(height, width):
        coded = encode_slice(_difference(pixels[place], clean[place]), params, rd_lambda, tables)
        streams.append(coded.data)
        crc = symbols_crc(coded.symbols, crc)
        energy += coded.energy
        error += coded.error
    kept = round(KEPT_UNIT * max(0.0, 1 - error / energy)) if energy else 0
    payload = bytes([kept]) + params.to_bytes() + pack_streams(crc, streams)
    # The search went by a sample; the promise is kept by the bytes themselves.
    gain_bits = rd_lambda * (energy - error) / channels
    if 8 * len(payload) >= gain_bits:
        return Section.of(Tag.ENHANCEMENT, b"")
    return Section.of(Tag.ENHANCEMENT_TRELLIS if params.trellis else Tag.ENHANCEMENT, payload)


def add_residual(clean: np.ndarray, section: Section, share: float, tables: Tables) -> None:
    """Decode the enhancement section and add `share` (0 ... 1) of the residual to `clean` uint8 [H, W, C], in place.

    Raises:
        FormatError: the payload breaks a rule of the format.
        DriftError: other symbols were decoded than were coded.
    """
    payload = section.payload
    if not payload:
        return
    height, width, channels = clean.shape
    params, used = Params.from_bytes(payload[1:], channels, section.tag == Tag.ENHANCEMENT_TRELLIS)
    places = list(_slices(height, width))
    claimed, streams = unpack_streams(payload[1 + used :], len(places), "enhancement")
    crc = 0
    for place, stream in zip(places, streams, strict=True):
        part = clean[place]
        try:
            residual, symbols = decode_slice(stream, part.shape[0], part.shape[1], params, tables)
        except FormatError as err:
            raise DriftError("the enhancement layer's symbols do not come out as they were coded") from err
        crc = symbols_crc(symbols, crc)
        residual *= share
        residual += part
        np.clip(np.rint(residual, out=residual), 0, 255, out=residual)
        part[:] = residual
    if crc != claimed:
        raise DriftError("the enhancement layer's symbols do not come out as they were coded")


def _difference(pixels: np.ndarray, clean: np.ndarray) -> np.ndarray:
    return pixels.astype(np.int16) - clean


def _slices(height: int, width: int) -> list[tuple[slice, slice]]:
    """Slices in raster order."""
    return [
        (slice(top, min(top + SLICE_PIXELS, height)), slice(left, min(left + SLICE_PIXELS, width)))
        for top in range(0, height, SLICE_PIXELS)
        for left in range(0, width, SLICE_PIXELS)
    ]
