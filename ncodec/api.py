"""`ncodec.encode` and `ncodec.decode` on numpy arrays and Pillow images."""

from __future__ import annotations

from functools import lru_cache
from numbers import Integral, Real
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ncodec import codec
from ncodec.container import QUALITIES, dump, parse
from ncodec.device import choose_device, transform_dtype
from ncodec.effort import EFFORTS
from ncodec.errors import RequestError
from ncodec.picture import Picture, from_any, to_array, to_image
from ncodec.upright import upright
from ncodec.weights import Models

if TYPE_CHECKING:
    from PIL import Image


def encode(
    picture: np.ndarray | Image.Image,
    quality: int = 3,
    *,
    noise_quality: int | str | None = None,
    effort: int = 0,
    model: str | Path = "base",
    device: str = "auto",
) -> bytes:
    """Picture -> bytes of an .ncd file.

    Args:
        picture: uint8 [H, W] or [H, W, C], C = 1 gray, 2 gray + alpha, 3 RGB, 4 RGBA; or a Pillow image, whose ICC
            profile and EXIF are kept. Pillow cuts 16-bit RGB to 8 bits when it loads a picture: encode refuses an image
            that is opened (PNG, TIFF or PNM), but cannot know of one that is loaded.
        quality: 1 (smallest) ... 8 (best), of the denoised picture.
        noise_quality: the same for the noise and fine detail on top of it; None takes `quality`; "off" leaves the
            enhancement layer out, and the file then decodes only denoised.
        effort: 0 (one pass) ... 3, how long better latents for this very picture are searched for: a better
            picture for its bits, for seconds of time a megapixel (docs/measurements.md); decoding is the same.
        model: name of a released model, or path of a weights file.
        device: "auto", "cpu", "cuda" or "cuda:n".

    Raises:
        ImageError: the picture is not of a kind that is coded.
        RequestError: a quality, the effort or the device is out of range.
        ModelError: the model is unknown or damaged.
    """
    source = from_any(picture)
    layers = (_quality(quality), _noise_quality(noise_quality, quality))
    search = _integer(effort, "effort", 0, EFFORTS)
    return dump(codec.encode(source, _models(device, ()).by_name(str(model)), *layers, search))


def decode(
    data: bytes,
    denoise: bool | float = False,
    *,
    grain: bool = False,
    models: tuple[str | Path, ...] = (),
    device: str = "auto",
) -> np.ndarray:
    """Bytes of an .ncd file -> uint8 [H, W] for gray, else [H, W, C], alpha last. The mirror of `encode`.

    Args:
        data: the file.
        denoise: False or 0 for the plain picture, which has as much of the noise as `noise_quality` paid for when it
            was encoded; True or 1 for the denoised one; or a strength between.
        grain: the denoised picture with synthetic noise of the stored parameters instead.
        models: weights files of your own, beside the released ones.
        device: "auto", "cpu", "cuda" or "cuda:n".

    Raises:
        FormatError: not an .ncd file, or damaged.
        RequestError: the file lacks the layer that is asked for, or an argument is out of range.
        ModelError: the model of the file is not here.
        DriftError: this machine decodes other symbols than were coded.
    """
    return to_array(_decode(data, denoise, grain, False, models, device))


def decode_image(
    data: bytes,
    denoise: bool | float = False,
    *,
    grain: bool = False,
    metadata: bool = True,
    models: tuple[str | Path, ...] = (),
    device: str = "auto",
) -> Image.Image:
    """As `decode`, to a Pillow image that carries the ICC profile and EXIF in its `info`, unless `metadata` is False.

    Without them, damage in them does not stop a decode, and the image is turned as the EXIF says.
    """
    return to_image(_decode(data, denoise, grain, metadata, models, device, turns=not metadata))


def _decode(
    data: bytes,
    denoise: bool | float,
    grain: bool,
    metadata: bool,
    models: tuple[str | Path, ...],
    device: str,
    turns: bool = False,
) -> Picture:
    if not isinstance(data, bytes | bytearray | memoryview):
        raise RequestError(f"data must be the bytes of an .ncd file, not a {type(data).__name__}")
    if not isinstance(denoise, Real | np.bool_) or not 0 <= denoise <= 1:
        raise RequestError(f"denoise must be a strength in 0..1, not {denoise!r}")
    if grain and denoise not in (0, 1):
        raise RequestError("grain goes with the fully denoised picture, not with a strength")
    extra = (models,) if isinstance(models, (str, Path)) else models
    strength = 1.0 if grain else float(denoise)
    box = parse(bytes(data))
    picture = codec.decode(box, _models(device, tuple(map(Path, extra))), strength, grain, metadata)
    return upright(picture, codec.readable_exif(box)) if turns else picture


@lru_cache(maxsize=4)
def _models(device: str, extra: tuple[Path, ...]) -> Models:
    place = choose_device(str(device))  # a torch.device tells its name
    return Models(place, transform_dtype(place), extra)


def _quality(value: Any, name: str = "quality", other: str = "") -> int:
    return _integer(value, name, 1, QUALITIES, other)


def _integer(value: Any, name: str, low: int, high: int, other: str = "") -> int:
    if not isinstance(value, Integral) or isinstance(value, bool) or not low <= int(value) <= high:
        raise RequestError(f"{name} must be an integer in {low}..{high}{other}, not {value!r}")
    return int(value)


def _noise_quality(value: int | str | None, quality: int) -> int | None:
    if value is None:
        return _quality(quality)
    return None if value == "off" else _quality(value, "noise_quality", ' or "off"')
