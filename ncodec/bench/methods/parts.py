"""What methods are made of. All pictures are uint8 [H, W, 1 or 3], sigmas are in 8-bit levels."""

from __future__ import annotations

from typing import Protocol

import numpy as np

DEFAULT = "default"
"""The setting of what has none."""


class Denoiser(Protocol):
    """Noisy picture -> clean picture."""

    @property
    def kmac_per_pixel(self) -> float | None:
        """Of its network, in thousands; None if it has none."""
        ...

    def denoise(self, pixels: np.ndarray, sigma_8bit: float) -> np.ndarray:
        """Remove noise; `sigma_8bit` is that of the noisy picture, for those that want to be told."""
        ...


class Codec(Protocol):
    """Picture <-> the bytes of a file."""

    @property
    def settings(self) -> tuple[str, ...]:
        """From the smallest file to the best picture. Where there are eight, `--qualities` picks from them."""
        ...

    @property
    def kmac_per_pixel(self) -> float | None:
        """Of the networks of encoder and decoder, in thousands; None if it has none."""
        ...

    def encode(self, pixels: np.ndarray, setting: str, sigma_8bit: float) -> bytes:
        """A whole file. `sigma_8bit` is that of the noisy picture. RequestError: it cannot hold this picture."""
        ...

    def decode(self, data: bytes) -> np.ndarray:
        """The mirror of `encode`, of its shape."""
        ...
