"""Summaries for people."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from ncodec.cli.exits import shown
from ncodec.info import FileInfo

if TYPE_CHECKING:
    from ncodec.picture import Picture


def encoded(target: str, info: FileInfo, time_s: float) -> str:
    """`img.ncd: 31,904 bytes, 0.649 bpp (base 0.420, noise 0.221: 12 % of the noise kept), 1.9 s`."""
    return f"{_name(target)}: {info.size_bytes:,} bytes, {info.rate_bpp:.3f} bpp ({_layers(info)}), {time_s:.1f} s"


def picture(target: str, image: Picture, what: str, time_s: float) -> str:
    """`img.png: 768x512 RGB, denoised, 1.2 s`."""
    size = f"{image.width}x{image.height} {colours(image.pixels.shape[2], image.alpha is not None)}"
    return f"{_name(target)}: {size}, {what}, {time_s:.1f} s"


def colours(channels: int, has_alpha: bool) -> str:
    """`RGB`, `gray + alpha`."""
    return ("RGB" if channels == 3 else "gray") + (" + alpha" if has_alpha else "")


def file_info(source: str, info: FileInfo) -> str:
    """Several lines: what is in a file, and what it costs."""
    size = f"{info.width}x{info.height} {colours(info.channels, info.has_alpha)}"
    lines = [
        ("size", f"{info.size_bytes:,} bytes, {info.rate_bpp:.3f} bpp, {size}"),
        ("base", f"{info.base_bytes:,} bytes, {info.base_bpp:.3f} bpp, quality {info.quality}"),
        ("enhancement", _enhancement(info)),
        ("alpha", f"{info.alpha_bytes:,} bytes" if info.has_alpha else ""),
        ("metadata", f"{info.metadata_bytes:,} bytes" if info.metadata_bytes else ""),
        ("header", f"{info.header_bytes:,} bytes"),
        ("model", f"{info.model_name or 'not shipped with this ncodec'}, id {info.model_id}"),
        ("noise", f"sigma {info.noise_sigma:.1f} of 255 at mid gray (a {info.poisson_a:.6f}, b {info.gaussian_b:.6f})"),
        ("damaged", ", ".join(info.damaged)),
    ]
    return "\n".join([_name(source), *(f"  {key:<12} {text}" for key, text in lines if text)])


def _layers(info: FileInfo) -> str:
    if not info.has_enhancement:
        return f"base {info.base_bpp:.3f}, no noise"
    return f"base {info.base_bpp:.3f}, noise {info.enhancement_bpp:.3f}{kept(info, ': ')}"


def _enhancement(info: FileInfo) -> str:
    if not info.has_enhancement:
        return "none: decodes with --denoise or --grain only"
    return f"{info.enhancement_bytes:,} bytes, {info.enhancement_bpp:.3f} bpp{kept(info, ', ')}"


def kept(info: FileInfo, before: str) -> str:
    """`12 % of the noise kept` after `before`; nothing if that is not known."""
    return "" if info.noise_kept is None else f"{before}{100 * info.noise_kept:.0f} % of the noise kept"


def _name(path: str) -> str:
    return shown(os.path.normpath(path))
