"""A whole file (docs/format.md) to the parts that a test wants to compare."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from reference.base import decode_latents, denoised
from reference.container import ALPHA, ENHANCEMENT, ENHANCEMENT_TRELLIS, EXIF, ICC, File, read, read_png
from reference.enhancement import decode_residual
from reference.weights import Weights


@dataclass(frozen=True)
class Decoded:
    """Everything in a file.

    latents: int64 [ceil(height/16), ceil(width/16), M], units of 2^-7.
    synthesis: float32 [height, width, channels], 255 for white, before rounding.
    residual: float64, the same shape; None where the layer was left out.
    enhancement: of each slice the symbols int64 [channels, 8, 8, by, bx]; none for an empty layer.
    """

    file: File
    latents: np.ndarray
    synthesis: np.ndarray
    residual: np.ndarray | None
    enhancement: list[np.ndarray]
    alpha: np.ndarray | None
    icc: bytes | None
    exif: bytes | None

    @property
    def denoised(self) -> np.ndarray:
        """uint8 [height, width, channels]."""
        return to_bytes(self.synthesis)

    def at(self, strength: float) -> np.ndarray:
        """uint8 [height, width, channels]; 0 plain, 1 denoised."""
        if strength == 1:
            return self.denoised
        if self.residual is None:
            raise ValueError("there is no enhancement layer")
        return to_bytes(self.denoised + (1 - strength) * self.residual)


def to_bytes(levels: np.ndarray) -> np.ndarray:
    """Rounded and clamped."""
    return np.clip(np.rint(levels), 0, 255).astype(np.uint8)


def decode(data: bytes, weights: Weights) -> Decoded:
    """All of a file."""
    file = read(data)
    if file.model_id != weights.id:
        raise ValueError("these are not the weights of the file")
    latents = decode_latents(file, weights)
    residual, symbols = (
        decode_residual(file, weights) if {ENHANCEMENT, ENHANCEMENT_TRELLIS} & set(file.sections) else (None, [])
    )
    alpha = None
    if ALPHA in file.sections:
        rows = read_png(file.section(ALPHA), file.width, file.height)
        alpha = np.stack([np.frombuffer(row, np.uint8) for row in rows])
    icc, exif = (file.profile(tag) if tag in file.sections else None for tag in (ICC, EXIF))
    return Decoded(file, latents, denoised(file, weights, latents), residual, symbols, alpha, icc, exif)
