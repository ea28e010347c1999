"""AVIF with libaom's own denoiser, which people ask for with `denoise-noise-level`: it codes the denoised picture and
the parameters of a film grain, which decoders synthesise.

Any level but 0 gives the same file with libaom 3.14 (measured: levels 1 to 200, sigmas 10, 25 and 50).
"""

from __future__ import annotations

import io
from typing import Any

import numpy as np

from ncodec.bench.methods.files import avif
from ncodec.bench.missing import Missing
from ncodec.errors import FormatError

LEVEL = "25"


class AvifDenoise:
    """Decoded with the film grain, as every viewer shows it, or without.

    Args:
        threads: of encoder and decoder.
        grain: with it. Pillow's decoder always adds it, so FFmpeg's (the package av) decodes without.

    Raises:
        Missing: a package is not installed, or Pillow has no AVIF.
    """

    kmac_per_pixel = None

    def __init__(self, threads: int, *, grain: bool) -> None:
        self._codec = avif("4:4:4", threads, denoise_noise_level=LEVEL)
        self._threads = threads
        self._av: Any = None if grain else _av()
        self.settings = self._codec.settings

    def encode(self, pixels: np.ndarray, setting: str, sigma_8bit: float) -> bytes:
        """See Codec. Gray pictures as RGB: libaom 3.14 writes gray ones with film grain that no decoder reads."""
        return self._codec.encode(np.repeat(pixels, 3 // pixels.shape[2], axis=2), setting, sigma_8bit)

    def decode(self, data: bytes) -> np.ndarray:
        """See Codec; gray pictures come back as RGB."""
        return self._codec.decode(data) if self._av is None else self._without_grain(data)

    def _without_grain(self, data: bytes) -> np.ndarray:
        """dav1d leaves the grain out where its parameters are asked for as side data."""
        try:
            with self._av.open(io.BytesIO(data)) as container:
                context = container.streams.video[0].codec_context
                context.options = {"export_side_data": "film_grain"}
                context.thread_count = self._threads
                return next(container.decode(video=0)).to_ndarray(format="rgb24")
        except (self._av.FFmpegError, IndexError, StopIteration) as err:
            raise FormatError(f"FFmpeg does not decode this AVIF file ({err})") from err


def _av() -> Any:
    try:
        import av
    except ImportError as err:
        raise Missing("the package av is not installed (pip install 'ncodec[bench]')") from err
    return av
