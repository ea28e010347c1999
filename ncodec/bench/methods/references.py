"""The learned codecs that ncodec is measured against: the plain scale hyperprior, and Testolina et al.'s network."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch.utils.flop_counter import FlopCounterMode

from ncodec.bench.missing import Missing
from ncodec.train.reference import load_reference

PROBE_SIDE = 256
"""Of the picture on which multiplications are counted: a multiple of the networks' strides."""


class ReferenceCodec:
    """Several trained networks, one a rate, as compressai codes with them: float32, whole pictures.

    Args:
        folder: of the files `KIND-RATE.safetensors`.
        kind: `plain` or `denoising`.

    Raises:
        Missing: there is no such file.
        ModelError: a file is not of this kind.
    """

    def __init__(self, folder: Path, kind: str) -> None:
        self.paths = {_rate(path): path for path in sorted(folder.glob(f"{kind}-*.safetensors"), key=_by_rate)}
        if not self.paths:
            raise Missing(f"{folder} holds no {kind}-*.safetensors")
        self._networks = {rate: load_reference(path) for rate, path in self.paths.items()}
        self.settings = tuple(self.paths)
        self._kmac_per_pixel: float | None = None

    @property
    def kmac_per_pixel(self) -> float:
        """Counted by torch in a run of the encoder and the decoder; sizes are alike at all rates."""
        if self._kmac_per_pixel is None:
            self._kmac_per_pixel = self._count()
        return self._kmac_per_pixel

    def _count(self) -> float:
        reference = next(iter(self._networks.values()))
        picture = np.zeros((PROBE_SIDE, PROBE_SIDE, 3), np.uint8)
        with torch.no_grad(), FlopCounterMode(display=False) as counter:
            reference.decode(reference.encode(picture))
        return counter.get_total_flops() / 2 / PROBE_SIDE**2 / 1000

    def encode(self, pixels: np.ndarray, setting: str, sigma_8bit: float) -> bytes:
        """See Codec; which network stands in a byte before the reference's own file."""
        rgb = np.repeat(pixels, 3 // pixels.shape[2], axis=2)
        return bytes([self.settings.index(setting)]) + self._networks[setting].encode(rgb)

    def decode(self, data: bytes) -> np.ndarray:
        """See Codec; gray pictures come back as RGB."""
        return self._networks[self.settings[data[0]]].decode(data[1:])


def _rate(path: Path) -> str:
    return path.stem.partition("-")[2]


def _by_rate(path: Path) -> tuple[float, str]:
    """Numbers in order of their value, other names after them."""
    try:
        return float(_rate(path)), ""
    except ValueError:
        return float("inf"), _rate(path)
