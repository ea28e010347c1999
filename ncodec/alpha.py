"""Alpha, without loss: a gray PNG, which any later version can read."""

from __future__ import annotations

import io
import struct

import numpy as np
from PIL import Image

from ncodec.errors import FormatError, ImageError
from ncodec.picture import from_image, our_limit

_HEADER = struct.Struct(">IIBBBBB")  # of a PNG, from byte 16: width, height, depth, colour type, ..., interlace
_HEADER_AT = 16


def pack_alpha(alpha: np.ndarray) -> bytes:
    """uint8 [H, W] -> bytes of a gray PNG."""
    out = io.BytesIO()
    Image.fromarray(alpha).save(out, "PNG")
    return out.getvalue()


def unpack_alpha(data: bytes, height: int, width: int) -> np.ndarray:
    """The mirror of `pack_alpha`. Raises FormatError unless it is a gray 8-bit PNG of this size, not interlaced."""
    head = data[_HEADER_AT : _HEADER_AT + _HEADER.size]
    if len(head) < _HEADER.size or _HEADER.unpack(head) != (width, height, 8, 0, 0, 0, 0):
        raise FormatError(f"the alpha section is not a plain 8-bit gray PNG of {width}x{height} pixels")
    try:
        with our_limit():
            image = Image.open(io.BytesIO(data), formats=["PNG"])
            if image.size == (width, height) and image.mode == "L":  # Pillow goes by the last header
                return from_image(image).pixels[:, :, 0]
    except (ImageError, Image.DecompressionBombError, OSError, SyntaxError, ValueError) as err:
        raise FormatError(f"the alpha section is not a whole PNG ({err})") from err
    raise FormatError("the alpha section has a second header of another picture")
