"""ncodec: an image codec for pictures that carry noise.

>>> data = ncodec.encode(picture, quality=3)         # numpy array or Pillow image -> bytes of an .ncd file
>>> plain = ncodec.decode(data)                      # the picture with as much of its noise as was paid for
>>> clean = ncodec.decode(data, denoise=True)        # the picture without its noise
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ncodec.errors import NcodecError

if TYPE_CHECKING:
    from ncodec.api import decode, decode_image, encode

    __version__: str

__all__ = ["NcodecError", "__version__", "decode", "decode_image", "encode"]


def __getattr__(name: str) -> Any:
    """`encode` and `decode` load torch, so they are loaded when they are first asked for."""
    if name in {"encode", "decode", "decode_image"}:
        from ncodec import api

        return getattr(api, name)
    if name == "__version__":
        from importlib import metadata

        try:
            return metadata.version("ncodec")
        except metadata.PackageNotFoundError:
            return "0+source"
    raise AttributeError(f"module ncodec has no attribute {name}")
