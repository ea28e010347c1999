"""Writes the conformance files of format version 1 with the current release of the base model.

    python tests/conformance/make.py [SUFFIX]

They go into v1/ and the first digits of the model's id, and after these -SUFFIX: when the encoder has learned something
that a model's files do not show. A file there MUST decode to the symbols and, within bounds, to
the pixels of the expected.json beside it from now on: the folders of older models stay as they are.
"""

from __future__ import annotations

import hashlib
import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))
sys.path.insert(0, str(Path(__file__).parents[2]))

import numpy as np
import torch
from PIL import Image, ImageCms

from ncodec import codec
from ncodec.base import decode_base
from ncodec.container import Container, Tag, dump, parse
from ncodec.enhancement.params import Params
from ncodec.enhancement.slices import decode_slice
from ncodec.nets.model import Model
from ncodec.picture import Picture
from ncodec.streams import unpack_streams
from ncodec.weights import Models
from pictures import scene
from reference.ans import slices

FOLDERS = Path(__file__).parent / "v1"
STRENGTHS = {"denoised": 1.0, "half": 0.5, "plain": 0.0}


def pictures() -> dict[str, tuple[Picture, int, int | None]]:
    """By file name: picture, quality, noise quality."""
    alpha = scene(50, 40, 1, seed=4)[:, :, 0]
    return {
        "rgb-noisy": (Picture(scene(48, 72, sigma=25)), 3, 3),
        "gray": (Picture(scene(61, 47, 1, sigma=10, seed=1)), 5, 5),
        "rgba-icc-exif": (Picture(scene(50, 40, sigma=8, seed=2), alpha, srgb(), b"Exif\0\0MM\0*\0\0\0\x08\0\0"), 4, 4),
        "one-pixel": (Picture(scene(1, 1, seed=3)), 1, 8),
        "two-slices": (Picture(scene(20, 1060, sigma=12, seed=5)), 2, 4),
        "base-only": (Picture(scene(70, 35, sigma=15, seed=6)), 8, None),
        "noise-kept": (Picture(scene(33, 65, sigma=40, seed=7)), 2, 8),
        "two-slices-noise": (Picture(scene(12, 1050, sigma=20, seed=9)), 1, 7),
        "flat-noise": (Picture((128 + scene(16, 24, 1, seed=8) % 16).astype(np.uint8)), 1, 7),
    }


def srgb() -> bytes:
    """An ICC profile, without the date in it."""
    profile = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    profile[24:36] = bytes(12)
    return bytes(profile)


def latents(box: Container, model: Model) -> np.ndarray:
    """Little-endian int32 [ceil(height/16), ceil(width/16), M], units 2^-7."""
    head = box.header
    y = decode_base(model, box.section(Tag.HYPERPRIOR), box.checked(box.latents), head.height, head.width)
    return (y.double() * 128).numpy().astype("<i4")


def enhancement_symbols(box: Container, model: Model) -> list[np.ndarray]:
    """Of every slice, little-endian int16 [channels, 8, 8, by, bx]; none where the layer is left out or empty."""
    payload = box.section(box.enhancement) if box.enhancement else b""
    if not payload:
        return []
    params, used = Params.from_bytes(payload[1:], box.header.channels, box.enhancement == Tag.ENHANCEMENT_TRELLIS)
    places = slices(box.header.height, box.header.width, 1)
    sizes = [(rows.stop - rows.start, columns.stop - columns.start) for rows, columns in places]
    _, streams = unpack_streams(payload[1 + used :], len(sizes), "enhancement")
    decoded = (
        decode_slice(data, *shape, params, model.enhancement_tables) for data, shape in zip(streams, sizes, strict=True)
    )
    return [symbols.astype("<i2") for _, symbols in decoded]


def sha256(*arrays: np.ndarray | bytes) -> str:
    """Of one array after the other."""
    return hashlib.sha256(b"".join(a if isinstance(a, bytes) else a.tobytes() for a in arrays)).hexdigest()


def write(folder: Path, name: str, box: Container, models: Models) -> dict[str, object]:
    """One file and its pictures -> what shall be expected of it."""
    data = dump(box)
    (folder / f"{name}.ncd").write_bytes(data)
    box, model = parse(data), models.by_id(box.header.model)
    strengths = STRENGTHS if box.enhancement else {"denoised": 1.0}
    for label, strength in strengths.items():
        picture = codec.decode(box, models, strength)
        pixels = picture.pixels[:, :, 0] if picture.pixels.shape[2] == 1 else picture.pixels
        Image.fromarray(pixels).save(folder / f"{name}.{label}.png", optimize=True)
    expected = {"latents": sha256(latents(box, model)), "enhancement": sha256(*enhancement_symbols(box, model))}
    extras = {"alpha": picture.alpha, "icc": picture.icc, "exif": picture.exif}
    expected |= {key: None if extra is None else sha256(extra) for key, extra in extras.items()}
    return {"bytes": len(data), "sha256": sha256(data), "strengths": strengths, **expected}


def main() -> None:
    """All files of the current model anew, but nothing that was committed once."""
    models = Models(torch.device("cpu"), torch.float32)
    model = models.by_name("base")
    folder = FOLDERS / "-".join([model.id.hex()[:8], *sys.argv[1:2]])
    folder.mkdir()
    boxes = {name: codec.encode(*args[:1], model, *args[1:]) for name, args in pictures().items()}
    files = {name: write(folder, name, box, models) for name, box in boxes.items()}
    expected = {"model": model.id.hex(), "files": files}
    (folder / "expected.json").write_text(json.dumps(expected, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
