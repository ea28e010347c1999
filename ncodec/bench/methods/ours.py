"""ncodec itself, as a user calls it: plain, denoised, or in part."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ncodec import codec
from ncodec.container import QUALITIES, dump, parse
from ncodec.effort import SCHEDULES
from ncodec.nets.model import Model
from ncodec.picture import Picture
from ncodec.weights import Models

PARTIAL_STRENGTH = 0.5
EFFORT = 1
"""Of `ncodec-refined`; the others take their latents as they come."""


@dataclass(frozen=True)
class Ncodec:
    """Encodes and decodes with a model.

    Attributes:
        models: where the decoder looks up what the file names.
        model: of the encoder.
        strength: of the denoising: 1 for files of the base layer alone.
        effort: of the encoder.
    """

    models: Models
    model: Model
    strength: float
    effort: int = 0

    settings = tuple(str(quality) for quality in range(1, QUALITIES + 1))

    @property
    def kmac_per_pixel(self) -> float:
        """Transforms and integer networks; the encoder of both layers needs the synthesis, too.

        Refining runs it there and back in each round and there once more, and the networks of step 2 as often; and
        both transforms for each view of its target (of a picture without noise one is enough).
        """
        arch = self.model.arch
        analysis, synthesis = arch.analysis_kmac_per_pixel(), arch.synthesis_kmac_per_pixel()
        exact = arch.exact_kmac_per_pixel()
        total = analysis + synthesis * (1 if self.strength == 1 else 2) + 2 * exact
        if self.effort:
            search = SCHEDULES[self.effort - 1]
            total += search.views * (analysis + synthesis) + (2 * search.rounds + 1) * synthesis
            total += (search.rounds + 1) * arch.context_kmac_per_pixel()
            total += exact - arch.context_kmac_per_pixel()
        return total

    def encode(self, pixels: np.ndarray, setting: str, sigma_8bit: float) -> bytes:
        """See Codec. With both layers the noise's quality is that of the picture."""
        quality = int(setting)
        noise_quality = None if self.strength == 1 else quality
        return dump(codec.encode(Picture(pixels), self.model, quality, noise_quality, self.effort))

    def decode(self, data: bytes) -> np.ndarray:
        """See Codec."""
        return codec.decode(parse(data), self.models, self.strength).pixels
