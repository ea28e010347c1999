"""Pictures: uint8 arrays with their alpha, ICC profile and EXIF; the only user of Pillow."""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, UnidentifiedImageError

from ncodec.container import MAX_PIXELS, MAX_SIDE
from ncodec.errors import FormatError, ImageError

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

_DEEP = (
    "has more than 8 bits a sample; ncodec codes 8-bit pictures: convert it first, with the tone curve that you want"
)
_GRAY_MODES = {"1", "L", "LA", "La"}


@dataclass(frozen=True, slots=True, eq=False)
class Picture:
    """One picture in memory.

    Attributes:
        pixels: uint8 [height, width, channels], channels 1 (gray) or 3 (RGB).
        alpha: uint8 [height, width], or None.
        icc, exif: the metadata's bytes, or None.
    """

    pixels: np.ndarray
    alpha: np.ndarray | None = None
    icc: bytes | None = None
    exif: bytes | None = None

    def __post_init__(self) -> None:
        shape = self.pixels.shape
        if self.pixels.dtype != np.uint8 or len(shape) != 3 or shape[2] not in (1, 3):
            raise ImageError(f"pixels must be uint8 [height, width, 1 or 3], not {self.pixels.dtype} {list(shape)}")
        check_size(shape[1], shape[0])
        if self.alpha is not None and (self.alpha.dtype != np.uint8 or self.alpha.shape != shape[:2]):
            raise ImageError(f"alpha must be uint8 {list(shape[:2])}, not {self.alpha.dtype} {list(self.alpha.shape)}")

    @property
    def height(self) -> int:
        """In pixels."""
        return self.pixels.shape[0]

    @property
    def width(self) -> int:
        """In pixels."""
        return self.pixels.shape[1]


def check_size(width: int, height: int) -> None:
    """Raise ImageError for pictures that the format does not hold."""
    if width == 0 or height == 0:
        raise ImageError(f"the picture is empty ({width}x{height} pixels)")
    if width > MAX_SIDE or height > MAX_SIDE or width * height > MAX_PIXELS:
        raise ImageError(f"{width}x{height} pixels is over the limit of {MAX_PIXELS} pixels (no side above {MAX_SIDE})")


def load(data: bytes) -> Picture:
    """Read an image file's bytes (PNG, or whatever else Pillow reads).

    Raises:
        ImageError: not an image, cut short, over the limit, several frames, or more than 8 bits a sample.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter(
                "ignore"
            )  # Pillow's own size warning lies far below our limit, which is checked first
            image = Image.open(io.BytesIO(data))
        check_size(*image.size)
        _check_depth(image, data)
        return from_image(image)
    except UnidentifiedImageError as err:
        raise ImageError("it is empty" if not data else "it is not a picture that Pillow can read") from err
    except Image.DecompressionBombError as err:
        raise ImageError(f"the picture is over the limit of {MAX_PIXELS} pixels") from err
    except (OSError, SyntaxError, ValueError, EOFError) as err:  # Pillow's ways to say that the file is broken
        raise ImageError(f"the picture is damaged or cut short ({err})") from err


def from_image(image: Image.Image) -> Picture:
    """Pillow image -> Picture: gray, gray with alpha, RGB, RGBA or palette. Raises ImageError on any other mode."""
    if getattr(image, "n_frames", 1) > 1:
        raise ImageError(f"it holds {image.n_frames} frames; ncodec codes single pictures")  # pyright: ignore
    if image.mode.startswith(("I", "F")):
        raise ImageError(f"it {_DEEP} (Pillow mode {image.mode})")
    if image.mode not in _GRAY_MODES and image.mode not in {"P", "PA", "RGB", "RGBA", "RGBX", "RGBa"}:
        raise ImageError(f"colour mode {image.mode} is not coded: convert it to RGB or gray first")
    icc, exif = image.info.get("icc_profile") or None, image.info.get("exif") or None
    has_alpha = image.mode in {"LA", "La", "PA", "RGBA", "RGBa"} or "transparency" in image.info
    colour = _colour_mode(image)
    planes = np.array(image.convert(colour + "A" if has_alpha else colour))
    planes = planes if planes.ndim == 3 else planes[:, :, None]
    if has_alpha:
        return Picture(np.ascontiguousarray(planes[:, :, :-1]), np.ascontiguousarray(planes[:, :, -1]), icc, exif)
    return Picture(np.ascontiguousarray(planes), None, icc, exif)


def from_any(picture: ArrayLike | Image.Image) -> Picture:
    """Pillow image or array -> Picture. Raises ImageError."""
    return from_image(picture) if isinstance(picture, Image.Image) else from_array(picture)


def from_array(array: ArrayLike) -> Picture:
    """uint8 [H, W], or [H, W, C] with C = 1 gray, 2 gray + alpha, 3 RGB, 4 RGBA -> Picture. Raises ImageError."""
    pixels = np.asarray(array)
    if pixels.dtype != np.uint8:
        advice = "scale and round it to 0..255 first" if pixels.dtype.kind in "fiu" else "it is not a picture"
        raise ImageError(f"pixels must be uint8, not {pixels.dtype}: {advice}")
    pixels = pixels[:, :, None] if pixels.ndim == 2 else pixels
    if pixels.ndim != 3 or pixels.shape[2] not in (1, 2, 3, 4):
        raise ImageError(f"an array must be [height, width] or [height, width, 1..4], not {list(pixels.shape)}")
    if pixels.shape[2] in (2, 4):
        return Picture(np.ascontiguousarray(pixels[:, :, :-1]), np.ascontiguousarray(pixels[:, :, -1]))
    return Picture(np.ascontiguousarray(pixels))


def to_array(picture: Picture) -> np.ndarray:
    """The mirror of `from_array`: uint8 [H, W] for gray, else [H, W, channels], alpha last."""
    if picture.alpha is not None:
        return np.concatenate([picture.pixels, picture.alpha[:, :, None]], axis=2)
    return picture.pixels[:, :, 0] if picture.pixels.shape[2] == 1 else picture.pixels


def to_image(picture: Picture) -> Image.Image:
    """Picture -> Pillow image of mode L, LA, RGB or RGBA, with the ICC profile and EXIF in `info`."""
    image = Image.fromarray(np.ascontiguousarray(to_array(picture)))
    if picture.icc is not None:
        image.info["icc_profile"] = picture.icc
    if picture.exif is not None:
        image.info["exif"] = picture.exif
    return image


def save_png(picture: Picture, compress_level: int = 4) -> bytes:
    """Picture -> the bytes of a PNG file."""
    out = io.BytesIO()
    to_image(picture).save(out, "PNG", compress_level=compress_level, icc_profile=picture.icc, exif=picture.exif or b"")
    return out.getvalue()


def pack_alpha(alpha: np.ndarray) -> bytes:
    """uint8 [H, W] -> bytes of a gray PNG: a lossless format that any later version can read."""
    out = io.BytesIO()
    Image.fromarray(alpha).save(out, "PNG", optimize=True)
    return out.getvalue()


def unpack_alpha(data: bytes, height: int, width: int) -> np.ndarray:
    """The mirror of `pack_alpha`. Raises FormatError unless it is a gray 8-bit PNG of this size."""
    try:
        with _our_limit():
            image = Image.open(io.BytesIO(data), formats=["PNG"])
        if image.mode != "L" or image.size != (width, height):
            raise FormatError(f"the alpha section is a {image.size} {image.mode} picture, not {(width, height)} L")
        return np.array(image)
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as err:
        raise FormatError(f"the alpha section is not a PNG ({err})") from err


@contextmanager
def _our_limit() -> Iterator[None]:
    """Pillow refuses, and warns of, pictures that are large for it; for the time of one call the limit is ours."""
    before = Image.MAX_IMAGE_PIXELS
    Image.MAX_IMAGE_PIXELS = MAX_PIXELS
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            yield
    finally:
        Image.MAX_IMAGE_PIXELS = before


def _colour_mode(image: Image.Image) -> str:
    """L if nothing is lost by it, else RGB."""
    if image.mode in _GRAY_MODES:
        return "L"
    if image.mode in {"P", "PA"} and image.palette is not None:
        palette = np.asarray(image.convert("RGB").getcolors(256) or [], dtype=object)
        if all(r == g == b for _, (r, g, b) in palette):
            return "L"
    return "RGB"


def _check_depth(image: Image.Image, data: bytes) -> None:
    """Refuse 16-bit files that Pillow would cut down to 8 bits without a word (it does so for RGB PNGs)."""
    if image.format == "PNG" and len(data) > 24 and data[24] == 16:
        raise ImageError(f"it {_DEEP}")
    if image.format == "TIFF" and max(image.tag_v2.get(258, (8,))) > 8:  # pyright: ignore
        raise ImageError(f"it {_DEEP}")
