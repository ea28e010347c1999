"""Image files as everybody writes them, through Pillow, at the effort that their libraries take by default.

Settings are eight steps of each one's own quality, which cover about 0.2 to 2 bits per pixel of denoised photographs.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any

import numpy as np
from PIL import AvifImagePlugin, Image, features

from ncodec.bench.missing import Missing
from ncodec.errors import FormatError, RequestError
from ncodec.picture import our_limit

AVIF_SPEED = 6
"""Pillow's and avifenc's default."""

Quality = dict[str, Any]
"""Options of `Image.save`."""


def by_quality(value: float, channels: int) -> Quality:
    """A whole number, 0 ... 100."""
    return {"quality": round(value)}


def by_rate(value: float, channels: int) -> Quality:
    """JPEG 2000: target rate in bits per pixel; Pillow wants the ratio of the sizes."""
    return {"quality_mode": "rates", "quality_layers": [8 * channels / value]}


@dataclass(frozen=True)
class PillowCodec:
    """One format.

    Attributes:
        format: Pillow's name of it.
        settings: texts of the values that `quality` takes.
        quality: value, number of channels -> options of `Image.save`.
        options: more of them.
    """

    format: str
    settings: tuple[str, ...]
    quality: Callable[[float, int], Quality] = by_quality
    options: Mapping[str, Any] = field(default_factory=dict)

    kmac_per_pixel = None

    def encode(self, pixels: np.ndarray, setting: str, sigma_8bit: float) -> bytes:
        """See Codec."""
        return self.save(pixels, float(setting))

    def save(self, pixels: np.ndarray, value: float) -> bytes:
        """A file of any quality value. RequestError if the format or its library refuses the picture."""
        out = io.BytesIO()
        options = {**self.options, **self.quality(value, pixels.shape[2])}
        if pixels.shape[2] == 1:
            pixels = pixels[:, :, 0]
            options.pop("subsampling", None)  # AVIF would code colour planes for it
        try:
            Image.fromarray(pixels).save(out, self.format, **options)
        except (OSError, ValueError, RuntimeError) as err:
            raise RequestError(f"{self.format} cannot hold this picture ({err})") from err
        return out.getvalue()

    def decode(self, data: bytes) -> np.ndarray:
        """See Codec; where a format has no gray pictures, they come back as RGB. FormatError if Pillow fails."""
        try:
            with our_limit(), Image.open(io.BytesIO(data), formats=[self.format]) as image:
                pixels = np.asarray(image)
        except (OSError, ValueError, RuntimeError, SyntaxError) as err:
            raise FormatError(f"Pillow does not decode this {self.format} file ({err})") from err
        return pixels if pixels.ndim == 3 else pixels[:, :, None]


def jpeg() -> PillowCodec:
    """libjpeg-turbo: Huffman tables of the picture's own, progressive, 4:2:0."""
    steps = ("5", "10", "20", "35", "50", "65", "80", "90")
    return PillowCodec("JPEG", steps, options={"optimize": True, "progressive": True})


def webp() -> PillowCodec:
    """libwebp, lossy, its default method (4). Raises Missing."""
    _need("webp")
    return PillowCodec("WEBP", ("1", "10", "25", "40", "55", "70", "82", "92"))


def jpeg2000() -> PillowCodec:
    """OpenJPEG: the 9/7 wavelet, colour transform on, rate-controlled. Raises Missing."""
    _need("jpg_2000")
    rates = ("0.12", "0.2", "0.3", "0.45", "0.65", "0.95", "1.4", "2")
    return PillowCodec("JPEG2000", rates, by_rate, {"irreversible": True, "mct": 1})


def avif(subsampling: str, threads: int, **advanced: str) -> PillowCodec:
    """libaom at speed 6.

    Stills are tuned for the eye where nothing else is said (`tune=iq`, since libavif 1.3). `tune="ssim"` has the best
    PSNR: on five of Kodak's pictures 6.5 % fewer bits than that in 4:2:0, 10.2 % in 4:4:4; `psnr` 6.1 and 9.6 %.

    Args:
        subsampling: `4:2:0` or `4:4:4`.
        threads: of encoder and decoder.
        advanced: libaom's own options, dashes for underscores.

    Raises:
        Missing: this Pillow has no AVIF, or not with libaom.
    """
    _need("avif")
    if not AvifImagePlugin._avif.encoder_codec_available("aom"):  # pyright: ignore[reportAttributeAccessIssue]
        raise Missing("this Pillow writes AVIF without libaom")
    AvifImagePlugin.DEFAULT_MAX_THREADS = threads  # Pillow has no other way to tell the decoder
    options: dict[str, Any] = {"speed": AVIF_SPEED, "subsampling": subsampling, "max_threads": threads, "codec": "aom"}
    if advanced:
        options["advanced"] = {name.replace("_", "-"): value for name, value in advanced.items()}
    return PillowCodec("AVIF", ("10", "20", "30", "40", "50", "60", "70", "80"), options=options)


def jxl(threads: int) -> PillowCodec:
    """libjxl at effort 7, its default. Raises Missing.

    Below quality 19 it codes a picture of half the size, at a loss of 1.5 dB: the steps begin there.
    """
    try:
        plugin = import_module("pillow_jxl.JpegXLImagePlugin")
    except ImportError as err:
        raise Missing("the package pillow-jxl-plugin is not installed (pip install 'ncodec[bench]')") from err
    workers = 0 if threads == 1 else threads  # 0: no others beside the caller's
    plugin.DECODE_THREADS = workers  # pyright: ignore[reportAttributeAccessIssue]
    steps = ("19", "25", "35", "48", "60", "70", "80", "88")
    return PillowCodec("JXL", steps, options={"effort": 7, "num_threads": workers})


def _need(feature: str) -> None:
    if not features.check(feature):
        raise Missing(f"this Pillow is built without {feature}")
