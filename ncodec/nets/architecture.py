"""The sizes of one base-layer network, as they are stored in the metadata of its weights file."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields

import torch

from ncodec.container import QUALITIES

LAMBDAS = torch.logspace(-2.744727494896694, -1.045757490560675, QUALITIES, dtype=torch.float64)
"""float64 [8]: weight of the distortion of each quality, 0.0018 ... 0.09: ``lambda * 255^2 * MSE + bpp``."""

STRIDE = 8
"""The transforms work at 1/8 ..."""
LATENT_STRIDE = 16
"""... and 1/16 resolution; latents lie at 1/16."""
HYPER_STRIDE = 64
"""Hyper-latents lie at 1/64."""
HYPER_PER_LATENT = HYPER_STRIDE // LATENT_STRIDE


@dataclass(frozen=True, slots=True)
class Architecture:
    """Widths in channels, depths in residual blocks.

    Blocks start as the identity, so a network of more blocks can start from one of fewer (`ncodec.train`). Without its
    denoising module (`denoising8` = 0) it is a network of experiments; the released ones have it.
    """

    width8: int = 192
    width16: int = 320
    latent: int = 320
    hyper: int = 128
    entropy: int = 192
    analysis8: int = 6
    analysis16: int = 3
    synthesis16: int = 3
    synthesis8: int = 6
    denoising8: int = 6

    def to_dict(self) -> dict[str, int]:
        """Plain integers, for a JSON text."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, int]) -> Architecture:
        """The mirror of `to_dict`. Raises ValueError on a missing, unknown or senseless size."""
        names = {field.name for field in fields(cls)}
        if not isinstance(values, dict) or set(values) != names:
            raise ValueError(f"sizes {sorted(names.symmetric_difference(values))} are missing or unknown")
        least = {"denoising8": 0}
        if any(type(size) is not int or not least.get(name, 1) <= size <= 4096 for name, size in values.items()):
            raise ValueError("a size is not an integer in 1..4096 (denoising8: 0..4096)")
        if values["latent"] % 2:
            raise ValueError("the latents' channels must be even: each of the two steps codes half of them")
        return cls(**values)

    def analysis_kmac_per_pixel(self) -> float:
        """Multiply-accumulates of the analysis and hyper-analysis transforms per pixel, in thousands."""
        w8, w16, m, e = self.width8, self.width16, self.latent, self.entropy
        at8 = 192 * w8 + self.analysis8 * _block(w8)
        at16 = 4 * w8 * w16 + self.analysis16 * _block(w16) + w16 * m + m * e
        at32 = 4 * e * e + _block(e)
        return (at8 / 64 + at16 / 256 + at32 / 1024 + 4 * e * self.hyper / 4096) / 1000

    def synthesis_kmac_per_pixel(self) -> float:
        """Multiply-accumulates of the synthesis transform, denoising module included, per pixel, in thousands."""
        w8, w16, m = self.width8, self.width16, self.latent
        at8 = (self.synthesis8 + self.denoising8) * _block(w8) + 192 * w8
        at16 = m * w16 + self.synthesis16 * _block(w16) + 4 * w16 * w8
        return (at8 / 64 + at16 / 256) / 1000

    def exact_kmac_per_pixel(self) -> float:
        """Multiply-accumulates of the integer networks (hyper-synthesis, step 1, step 2) per pixel, in thousands."""
        e, m = self.entropy, self.latent
        at64 = 4 * self.hyper * e
        at32 = _block(e) + 4 * e * e
        at16 = _block(e) + (e * e + 2 * e * m)
        return (at64 / 4096 + at32 / 1024 + at16 / 256) / 1000 + self.context_kmac_per_pixel()

    def context_kmac_per_pixel(self) -> float:
        """Multiply-accumulates of the integer network of step 2 per pixel, in thousands."""
        e, m = self.entropy, self.latent
        return ((e + m) * e + _block(e) + 2 * e * m) / 256 / 1000


def _block(width: int) -> int:
    return 6 * width * width + 9 * width
