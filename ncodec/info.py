"""What a .ncd file says about itself, without decoding it: no torch, no numpy."""

from __future__ import annotations

import math
import zlib
from dataclasses import dataclass

from ncodec.container import ENHANCEMENTS, LATENTS, Container, Tag
from ncodec.errors import ModelError
from ncodec.weights import release_of


@dataclass(frozen=True, slots=True)
class FileInfo:
    """Sizes, model and noise of one .ncd file.

    Attributes:
        size_bytes: of the whole file.
        width, height: pixels.
        channels: 1 gray, 3 RGB; alpha not counted.
        has_alpha: an alpha channel is there.
        quality: 1 ... 8, of the base layer.
        model_id: 16 hex digits.
        model_name: of the shipped release, or None for weights of the user's own.
        header_bytes, base_bytes, enhancement_bytes, alpha_bytes, metadata_bytes: what adds up to `size_bytes`;
            metadata is the ICC profile, EXIF, and optional sections that this version does not know.
        rate_bpp, base_bpp, enhancement_bpp: bits per pixel of the file and of its two layers.
        has_enhancement: whether a plain decode is possible.
        poisson_a, gaussian_b: estimated noise of the input, variance a*y + b at intensity y in [0, 1].
        noise_sigma: its standard deviation at mid gray (y = 1/2), in 8-bit levels.
        noise_kept: 0 ... 1, share of the residual's energy (noise and fine detail) that the enhancement layer keeps;
            None if there is no such layer, or if it is damaged.
        damaged: names of the sections whose checksum does not fit.
    """

    size_bytes: int
    width: int
    height: int
    channels: int
    has_alpha: bool
    quality: int
    model_id: str
    model_name: str | None
    header_bytes: int
    base_bytes: int
    enhancement_bytes: int
    alpha_bytes: int
    metadata_bytes: int
    rate_bpp: float
    base_bpp: float
    enhancement_bpp: float
    has_enhancement: bool
    poisson_a: float
    gaussian_b: float
    noise_sigma: float
    noise_kept: float | None
    damaged: tuple[str, ...]


def describe(box: Container, size_bytes: int) -> FileInfo:
    """A parsed file -> what `ncodec info` shows.

    Args:
        box: the file.
        size_bytes: of the whole file.
    """
    head = box.header
    base = box.size_bytes(Tag.HYPERPRIOR, *LATENTS)
    enhancement, alpha = box.size_bytes(*ENHANCEMENTS), box.size_bytes(Tag.ALPHA)
    payloads = sum(len(section.payload) for section in box.sections)
    bits_per_pixel = 8 / (head.width * head.height)
    damaged = _damaged(box)
    return FileInfo(
        size_bytes=size_bytes,
        width=head.width,
        height=head.height,
        channels=head.channels,
        has_alpha=head.has_alpha,
        quality=head.quality,
        model_id=head.model.hex(),
        model_name=_model_name(head.model),
        header_bytes=size_bytes - payloads,
        base_bytes=base,
        enhancement_bytes=enhancement,
        alpha_bytes=alpha,
        metadata_bytes=payloads - base - enhancement - alpha,
        rate_bpp=size_bytes * bits_per_pixel,
        base_bpp=base * bits_per_pixel,
        enhancement_bpp=enhancement * bits_per_pixel,
        has_enhancement=box.enhancement is not None,
        poisson_a=head.poisson_a,
        gaussian_b=head.gaussian_b,
        noise_sigma=255 * math.sqrt(head.poisson_a / 2 + head.gaussian_b),
        noise_kept=None if Tag.ENHANCEMENT.label in damaged else box.kept_share(),
        damaged=damaged,
    )


def _damaged(box: Container) -> tuple[str, ...]:
    names = {int(tag): tag.label for tag in Tag}
    broken = (section.tag for section in box.sections if zlib.crc32(section.payload) != section.crc)
    return tuple(names.get(tag, f"{tag:#04x}") for tag in broken)


def _model_name(model_id: bytes) -> str | None:
    """`base-1f0c9a2e`, or None; a list of models that cannot be read is no reason to keep the sizes back."""
    try:
        release = release_of(model_id)
    except ModelError:
        return None
    return release.file.removesuffix(".safetensors") if release else None
