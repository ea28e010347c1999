"""Pictures: uint8 arrays with their alpha, ICC profile and EXIF; Pillow reads and writes them here."""

from __future__ import annotations

import io
import struct
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, PngImagePlugin, UnidentifiedImageError

from ncodec.container import MAX_METADATA_BYTES, MAX_PIXELS, MAX_SIDE
from ncodec.errors import ImageError
from ncodec.exif import exif_of

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

_pillow_limits = threading.RLock()
_DEEP = (
    "has more than 8 bits a sample; ncodec codes 8-bit pictures: convert it first, with the tone curve that you want"
)
FORMATS = ("PNG", "JPEG", "TIFF", "BMP", "WEBP", "GIF", "PPM")
"""Kinds of files that are read: those of which Pillow tells how many bits a sample has."""
BROKEN = (
    OSError, SyntaxError, ValueError, EOFError, TypeError, LookupError, AttributeError, RuntimeError, struct.error,
)  # fmt: skip
"""What Pillow raises, beside errors of its own, of files that are not what they should be."""
_GRAY_MODES = {"1", "L", "LA", "La"}
_SPREAD = {"L;2": 85, "L;4": 17}


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
        for name, metadata in (("ICC", self.icc), ("EXIF", self.exif)):
            if not isinstance(metadata, bytes | None):
                raise ImageError(f"its {name} must be bytes, not {type(metadata).__name__}")
            if metadata and len(metadata) > MAX_METADATA_BYTES:
                raise ImageError(f"its {name} of {len(metadata)} bytes is over the limit of {MAX_METADATA_BYTES}")

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
    """Read an image file's bytes: PNG, JPEG, TIFF, BMP, WebP, GIF or PNM of 8 bits a sample.

    Raises:
        ImageError: not such an image, cut short, over the limit, several frames, or more than 8 bits a sample.
    """
    if not data:
        raise ImageError("it is empty")
    with our_limit(), _broken_files():
        image = Image.open(io.BytesIO(data), formats=FORMATS)
        check_size(*image.size)
        return from_image(image)


def from_image(image: Image.Image) -> Picture:
    """Pillow image -> Picture: gray, gray with alpha, RGB, RGBA or palette. Raises ImageError on any other mode."""
    with _broken_files():
        _check_kind(image)
        _load(image)
        return _from_pixels(image)


def _load(image: Image.Image) -> None:
    """Pillow spreads a PNG's gray of 2 and 4 bits over 8, but leaves the level that is transparent as it was."""
    raw = next((tile[3] for tile in getattr(image, "tile", ())), None)
    spread = _SPREAD.get(raw, 1) if isinstance(raw, str) else 1
    image.load()  # some metadata come only now
    if isinstance(image.info.get("transparency"), int):
        image.info["transparency"] *= spread


def _check_kind(image: Image.Image) -> None:
    frames = getattr(image, "n_frames", 1)
    if frames > 1 and image.format != "MPO":  # of the several pictures in a phone's JPEG the first is the photograph
        raise ImageError(f"it holds {frames} frames; ncodec codes single pictures")
    _check_depth(image)
    if image.mode not in _GRAY_MODES and image.mode not in {"P", "PA", "RGB", "RGBA", "RGBX", "RGBa"}:
        raise ImageError(f"colour mode {image.mode} is not coded: convert it to RGB or gray first")


def _from_pixels(image: Image.Image) -> Picture:
    icc, exif = image.info.get("icc_profile") or None, exif_of(image)
    has_alpha = image.has_transparency_data
    colour = _colour_mode(image, icc)
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
    try:
        pixels = np.asarray(array)
    except ValueError as err:  # a ragged list
        raise ImageError(f"it is no array of pixels ({err})") from err
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


@contextmanager
def our_limit() -> Iterator[None]:
    """Pillow refuses, and warns of, pictures and metadata that are large for it; for one call the limits are ours.

    They are global, hence the lock.
    """
    with _pillow_limits, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what is wrong with a file is said in an ImageError
        before = Image.MAX_IMAGE_PIXELS, PngImagePlugin.MAX_TEXT_CHUNK, PngImagePlugin.MAX_TEXT_MEMORY
        Image.MAX_IMAGE_PIXELS = MAX_PIXELS
        PngImagePlugin.MAX_TEXT_CHUNK = PngImagePlugin.MAX_TEXT_MEMORY = MAX_METADATA_BYTES
        try:
            yield
        finally:
            Image.MAX_IMAGE_PIXELS, PngImagePlugin.MAX_TEXT_CHUNK, PngImagePlugin.MAX_TEXT_MEMORY = before


@contextmanager
def _broken_files() -> Iterator[None]:
    """Pillow's many ways to say that a file is not what it should be -> ImageError."""
    try:
        yield
    except UnidentifiedImageError as err:
        raise ImageError("it is not a picture of a kind that ncodec reads (PNG is best)") from err
    except Image.DecompressionBombError as err:
        raise ImageError(f"the picture is over the limit of {MAX_PIXELS} pixels") from err
    except BROKEN as err:
        raise ImageError(f"the picture is damaged or cut short ({err})") from err


def _colour_mode(image: Image.Image, icc: bytes | None) -> str:
    """L if nothing is lost by it, else RGB: a palette's profile is one of RGB and does not go with a gray picture."""
    if image.mode in _GRAY_MODES:
        return "L"
    if image.mode in {"P", "PA"} and image.palette is not None and icc is None:
        palette = np.asarray(image.convert("RGB").getcolors(256) or [], dtype=object)
        if all(r == g == b for _, (r, g, b) in palette):
            return "L"
    return "RGB"


def _check_depth(image: Image.Image) -> None:
    """Refuse 16-bit files that Pillow would cut down to 8 bits without a word (it does so for RGB)."""
    if image.mode.startswith(("I", "F")):
        raise ImageError(f"it {_DEEP} (Pillow mode {image.mode})")
    for tile in getattr(image, "tile", ()):
        arguments = tile[3] if isinstance(tile[3], tuple) else (tile[3],)
        # BGR;16 are the 5 + 6 + 5 bits of a pixel
        deep_raw = any(isinstance(value, str) and ";16" in value and value != "BGR;16" for value in arguments)
        deep_pnm = image.format == "PPM" and any(isinstance(value, int) and value > 255 for value in arguments)
        if deep_raw or deep_pnm:
            raise ImageError(f"it {_DEEP}")
    if image.format == "TIFF" and max(image.tag_v2.get(258, (8,))) > 8:  # pyright: ignore
        raise ImageError(f"it {_DEEP}")
