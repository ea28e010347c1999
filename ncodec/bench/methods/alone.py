"""Compression alone as the denoiser: the rate at which what is lost has the variance of the noise.

The rule is that of denoising by compression (as in arXiv 2506.12693): the noise is what cannot be compressed.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ncodec.bench.methods.files import PillowCodec

MATCHED = "matched"


@dataclass(frozen=True)
class Matched:
    """A codec whose quality is searched for by bisection; the search is part of the encoder's time.

    Attributes:
        codec: that is used.
        lowest, highest: values of its quality.
        steps: of the bisection.
        is_log: values are halved on a logarithmic scale.
    """

    codec: PillowCodec
    lowest: float
    highest: float
    steps: int
    is_log: bool = False

    settings = (MATCHED,)
    kmac_per_pixel = None

    def encode(self, pixels: np.ndarray, setting: str, sigma_8bit: float) -> bytes:
        """See Codec: the smallest file whose mean squared error is at most `sigma_8bit` squared."""
        low, high = self.lowest, self.highest
        best = self.codec.save(pixels, high)
        for _ in range(self.steps):
            middle = (low * high) ** 0.5 if self.is_log else (low + high) / 2
            data = self.codec.save(pixels, middle)
            error = self.codec.decode(data).astype(np.float32) - pixels
            if np.square(error).mean(dtype=np.float64) > sigma_8bit**2:
                low = middle
            else:
                best, high = data, middle
        return best

    def decode(self, data: bytes) -> np.ndarray:
        """See Codec."""
        return self.codec.decode(data)
