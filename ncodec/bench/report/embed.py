"""The viewer's pictures as data inside the page: lossless WebP, cut to a size and a number that a page can carry."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from PIL import Image

from ncodec.bench.report.naming import NOISY, OURS, PLAIN, family_label, info_of, label_of
from ncodec.bench.row import Row
from ncodec.bench.viewer import CLEAN, DIGITS, input_name, shot_name

LARGEST_SIDE = 1024
"""Of a picture on the page: larger ones are cut to their middle, never scaled, for a scaled picture hides the noise."""
BUDGET_BYTES = 24_000_000
"""Of all data URIs of a page."""
CASCADES = ("ncodec-then-dncnn", "ncodec-then-fdncnn-estimated", "ncodec-then-fdncnn-given", "hyperprior-then-dncnn")
WORTH = (NOISY, CLEAN, OURS, PLAIN, *CASCADES)
"""Whose pictures go in first; the viewer begins with them."""


@dataclass(frozen=True, slots=True)
class Shot:
    """What a method made of a picture: the file's name, the method, a caption with its figures, the file."""

    name: str
    method: str
    caption: str
    path: Path


@dataclass(frozen=True, slots=True)
class Scene:
    """A picture on the page.

    Attributes:
        name: of the picture.
        shots: of it.
        note: what part of it is shown; empty for all.
        size: width and height of what is shown.
    """

    name: str
    shots: tuple[Shot, ...]
    note: str
    size: tuple[int, int]


@dataclass(slots=True)
class Album:
    """The viewer's data.

    Attributes:
        pictures: JSON-able: name, note, width, height, and the images of each.
        methods: that have images, `noisy` and `clean` too.
        left_out: names of pictures, and labels of methods, that the budget had no room for.
    """

    pictures: list[dict[str, object]]
    methods: list[str] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)


def find_scenes(folder: Path, rows: Iterable[Row]) -> list[Scene]:
    """Pictures as `ncodec bench` writes them: see `ncodec.bench.viewer`.

    Args:
        folder: of them; there are none where it is missing.
        rows: of one circumstance; a file without a row, or of other pixels, is left from another run and is not shown.
    """
    measured = {(row.picture, row.pixels, _file_of(row)): row for row in rows}
    known = {key[:2] for key in measured}
    scenes = []
    found = folder.rglob(f"{input_name(CLEAN, DIGITS)}.png")
    for clean in sorted(path for path in found if path.is_file()):  # no picture's folder
        name, pixels = clean.parent.relative_to(folder).as_posix(), clean.stem.rpartition("-")[2]
        noisy = input_name(NOISY, pixels)
        shots = [Shot(clean.stem, CLEAN, "as it should be", clean)]
        for path in sorted(clean.parent.glob("*.png")):
            row = measured.get((name, pixels, path.stem))
            if row:
                shots.append(Shot(path.stem, row.method, _caption(row), path))
            elif path.stem == noisy:
                shots.append(Shot(noisy, NOISY, "the input", path))
        if len(shots) > 1 and (name, pixels) in known:
            scenes.append(Scene(name, tuple(shots), *_part(clean)))
    return scenes


def embed(scenes: Sequence[Scene], budget_bytes: int = BUDGET_BYTES) -> Album:
    """Pictures in the page, as many as there is room for, one at least.

    First those of the most telling methods, picture by picture; then every other method's, of all pictures or of none.
    """
    album = Album([])
    images: dict[str, list[dict[str, str]]] = {}
    for place, scene in enumerate(scenes):
        first = [_image(shot) for shot in sorted(scene.shots, key=_worth) if shot.method in WORTH]
        size = _size(first)
        if place and size > budget_bytes:
            album.left_out += [other.name for other in scenes[place:]]
            break
        budget_bytes -= size
        images[scene.name] = first
        album.methods += [image["id"] for image in first if image["id"] not in album.methods]
        album.pictures.append(_described(scene, first))
    shown = [scene for scene in scenes if scene.name in images]
    for method in sorted({shot.method for scene in shown for shot in scene.shots}.difference(WORTH)):
        made = [(scene.name, _image(shot)) for scene in shown for shot in scene.shots if shot.method == method]
        size = _size(image for _, image in made)
        if size > budget_bytes:
            album.left_out.append(label_of(method))
            continue
        budget_bytes -= size
        album.methods.append(method)
        for name, image in made:
            images[name].append(image)
    return album


def data_uri(path: Path) -> str:
    """A picture, cut to its middle if it is large, as a lossless WebP in a data URI."""
    with Image.open(path) as image:
        part = image.convert("RGB").crop(_middle(image.size))
    target = io.BytesIO()
    part.save(target, "WEBP", lossless=True, quality=50, method=2)
    return "data:image/webp;base64," + base64.b64encode(target.getvalue()).decode("ascii")


def _file_of(row: Row) -> str:
    """Without suffix."""
    return input_name(NOISY, row.pixels) if row.method == NOISY else shot_name(row)


def _described(scene: Scene, images: list[dict[str, str]]) -> dict[str, object]:
    width, height = scene.size
    return {"name": scene.name, "note": scene.note, "width": width, "height": height, "images": images}


def _image(shot: Shot) -> dict[str, str]:
    label = {NOISY: "Noisy", CLEAN: "Clean"}.get(shot.method) or label_of(shot.method)
    group = "The picture" if shot.method in (NOISY, CLEAN) else family_label(info_of(shot.method).family)
    src = data_uri(shot.path)
    return {"id": shot.method, "label": label, "group": group, "caption": shot.caption, "src": src}


def _worth(shot: Shot) -> int:
    return WORTH.index(shot.method) if shot.method in WORTH else len(WORTH)


def _size(images: Iterable[dict[str, str]]) -> int:
    return sum(len(image["src"]) for image in images)


def _caption(row: Row) -> str:
    psnr = row.psnr_clean_db
    parts = ["" if row.rate_bpp is None else f"{row.rate_bpp:.2f} bpp", "" if psnr is None else f"{psnr:.2f} dB"]
    return ", ".join(filter(None, parts))


def _part(path: Path) -> tuple[str, tuple[int, int]]:
    """What is said of the part that is shown, and its size."""
    with Image.open(path) as image:
        width, height = image.size
    left, top, right, bottom = _middle((width, height))
    shown = right - left, bottom - top
    return "" if shown == (width, height) else f"the middle of {width} x {height} pixels", shown


def _middle(size: tuple[int, int]) -> tuple[int, int, int, int]:
    width, height = (min(side, LARGEST_SIDE) for side in size)
    left, top = (size[0] - width) // 2, (size[1] - height) // 2
    return left, top, left + width, top + height
