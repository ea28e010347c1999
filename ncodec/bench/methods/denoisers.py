"""Denoisers that are no codecs: DnCNN, FDnCNN, BM3D."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from ncodec.bench.missing import Missing
from ncodec.bench.pictures import PEAK, rms_sigma
from ncodec.nets.dncnn import DnCnn, denoise
from ncodec.noise import estimate_noise


@dataclass(frozen=True, eq=False)
class Network:
    """DnCNN, or FDnCNN with the noise level given or estimated (the estimation is part of its time).

    Attributes:
        net: on the device; blind or conditioned.
        dtype: of its inner convolutions, channels last.
        estimates: take the noise level from the picture itself, by ncodec's own estimator.
    """

    net: DnCnn
    dtype: torch.dtype
    estimates: bool = False

    @property
    def kmac_per_pixel(self) -> float:
        """See Denoiser."""
        return self.net.sizes.kmac_per_pixel()

    def denoise(self, pixels: np.ndarray, sigma_8bit: float) -> np.ndarray:
        """See Denoiser."""
        if self.estimates:
            sigma_8bit = rms_sigma(estimate_noise(pixels), pixels)
        return denoise(self.net, pixels, sigma_8bit if self.net.sizes.conditioned else None, self.dtype)


class Bm3d:
    """BM3D for colour (Dabov et al. 2007, Makinen et al. 2020), from its authors' package, with their defaults.

    Args:
        threads: of the processor.

    Raises:
        Missing: the package is not installed.
    """

    kmac_per_pixel = None

    def __init__(self, threads: int) -> None:
        try:
            import bm3d
        except ImportError as err:
            raise Missing("the package bm3d is not installed (pip install 'ncodec[bench]')") from err
        self._library: Any = bm3d
        self._profile = bm3d.BM3DProfile()
        self._profile.num_threads = threads

    def denoise(self, pixels: np.ndarray, sigma_8bit: float) -> np.ndarray:
        """See Denoiser. Without noise the picture itself."""
        if sigma_8bit == 0:
            return pixels
        values, sigma = pixels.astype(np.float64) / PEAK, sigma_8bit / PEAK
        if pixels.shape[2] == 3:
            clean = self._library.bm3d_rgb(values, sigma, self._profile)
        else:
            clean = self._library.bm3d(values[:, :, 0], sigma, self._profile)
        return np.clip(np.rint(clean * PEAK), 0, PEAK).astype(np.uint8).reshape(pixels.shape)
