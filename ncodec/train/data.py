"""A folder of pictures -> one memory-mapped uint8 array per split, decoded once and kept in a cache folder."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from ncodec.errors import ImageError
from ncodec.picture import BROKEN

SIDE_MIN = 16
"""Smaller pictures teach nothing about 16x16 blocks and are left out."""
VALIDATION_SHARE = 0.05
READ_AHEAD = 16
"""Pictures decoded at once: bounds the memory."""


@dataclass(frozen=True, slots=True)
class Pack:
    """Pictures of one split, one after another.

    Attributes:
        data: uint8, memory-mapped; pictures as height x width x 3.
        index: int64 [n, 3]: offset in bytes, height, width.
    """

    data: np.ndarray
    index: np.ndarray

    def __len__(self) -> int:
        return len(self.index)

    def picture(self, i: int) -> np.ndarray:
        """uint8 [height, width, 3], a view."""
        offset, height, width = self.index[i]
        return self.data[offset : offset + height * width * 3].reshape(height, width, 3)


def open_packs(folder: Path, cache: Path, report: Callable[[str], None] = lambda line: None) -> tuple[Pack, Pack]:
    """(training, validation) packs of `folder`, made in `cache` unless they are there already.

    Pictures that cannot be read are passed over, and reported when the packs are made.

    Raises:
        ImageError: no usable picture in `folder`.
    """
    paths = list_pictures(folder)
    train, validation = split(paths, (folder / "index.jsonl").exists())
    for name, part in (("train", train), ("validation", validation)):
        if not _is_current(cache / name, part):
            report(f"decoding {len(part)} pictures for {name}")
            write_pack(part, cache / name, report)
    packs = read_pack(cache / "train"), read_pack(cache / "validation")
    if not len(packs[0]):
        raise ImageError(f"{folder}: no picture of at least {SIDE_MIN} x {SIDE_MIN} pixels to train on")
    return packs if len(packs[1]) else (packs[0], packs[0])


def list_pictures(folder: Path) -> list[Path]:
    """All files below `folder` of a kind that Pillow reads, by name, but hidden ones. ImageError if there is none."""
    if not folder.is_dir():
        raise ImageError(f"{folder}: not a folder of pictures")
    suffixes = {suffix for suffix, kind in Image.registered_extensions().items() if kind in Image.OPEN}
    found = (p for p in folder.rglob("*") if p.suffix.lower() in suffixes and p.is_file())
    paths = sorted(p for p in found if not any(part.startswith(".") for part in p.relative_to(folder).parts))
    if not paths:
        raise ImageError(f"{folder}: no pictures in it (of a type that Pillow opens)")
    return paths


def split(paths: list[Path], indexed: bool) -> tuple[list[Path], list[Path]]:
    """(training, validation): by names beginning with "0" in an indexed set, else 5 % chosen by a hash of the name."""
    if indexed:
        chosen = {p for p in paths if p.name.startswith("0")}
    else:
        rank = {p: int(hashlib.sha256(p.name.encode()).hexdigest()[:8], 16) / 2**32 for p in paths}
        chosen = {p for p in paths if rank[p] < VALIDATION_SHARE}
        if not chosen and len(paths) > 1:
            chosen = {min(paths, key=rank.__getitem__)}
    return [p for p in paths if p not in chosen], [p for p in paths if p in chosen]


def load_rgb(path: Path) -> np.ndarray:
    """uint8 [height, width, 3] of any picture; of 16-bit gray the upper 8 bits. ImageError if it cannot be read."""
    try:
        with Image.open(path) as image:
            if image.mode == "F":
                raise ImageError(f"{path}: has floating-point pixels; convert it to 8 bits first")
            if not image.mode.startswith("I"):
                return np.asarray(image.convert("RGB"))
            deep = np.asarray(image)
            gray = (deep >> 8 if deep.max() > 255 else deep).clip(0, 255).astype(np.uint8)
            return np.repeat(gray[..., None], 3, axis=2)
    except (*BROKEN, Image.DecompressionBombError) as error:
        raise ImageError(f"{path}: not a picture that can be read ({error})") from error


def write_pack(paths: list[Path], target: Path, report: Callable[[str], None] = lambda line: None) -> None:
    """Decode `paths` into `target`.raw, .npy and .json; an interrupted run leaves nothing that looks complete."""
    target.parent.mkdir(parents=True, exist_ok=True)
    contents = target.with_suffix(".json")  # written last: it is what says that the others are whole
    contents.unlink(missing_ok=True)
    rows, offset = [], 0
    part = target.with_name(f"{target.name}.{os.getpid()}.part")  # another run may be making the same
    try:
        with part.open("wb") as file:
            for picture in _decode(paths, report):
                height, width = picture.shape[:2]
                if min(height, width) < SIDE_MIN:
                    continue
                rows.append((offset, height, width))
                file.write(np.ascontiguousarray(picture).data)
                offset += picture.size
        part.replace(target.with_suffix(".raw"))
        with part.open("wb") as file:
            np.save(file, np.array(rows, np.int64).reshape(-1, 3))
        part.replace(target.with_suffix(".npy"))
        part.write_text(json.dumps(_contents(paths)))
        part.replace(contents)
    finally:
        part.unlink(missing_ok=True)


def read_pack(target: Path) -> Pack:
    index = np.load(target.with_suffix(".npy"))
    empty = not len(index)  # an empty file cannot be mapped
    return Pack(np.zeros(0, np.uint8) if empty else np.memmap(target.with_suffix(".raw"), np.uint8, "r"), index)


def centre_crops(pack: Pack, count: int, side: int) -> np.ndarray:
    """uint8 [n, side, side, 3]: the centres of at most `count` pictures, evenly spread; small ones are mirrored."""
    crops = []
    for i in sorted({round(x) for x in np.linspace(0, len(pack) - 1, min(count, len(pack)))}):
        picture = pack.picture(i)
        rows, columns = (mirrored(np.arange(side) + max(0, (n - side) // 2), n) for n in picture.shape[:2])
        crops.append(picture[rows[:, None], columns])
    return np.stack(crops)


def random_blocks(pack: Pack, count: int, side: int, seed: int) -> np.ndarray:
    """uint8 [n, side, side, 3], as many from every picture, n about `count` or what a small set has to offer."""
    random = np.random.default_rng(seed)
    blocks = []
    for i in range(len(pack)):
        picture = pack.picture(i)
        height, width = picture.shape[:2]
        # A small set has fewer blocks to offer than are wanted: four of them over every pixel say it all.
        for _ in range(max(1, min(count // len(pack), 4 * height * width // side**2))):
            top, left = random.integers(0, height - side + 1), random.integers(0, width - side + 1)
            blocks.append(picture[top : top + side, left : left + side])
    return np.stack(blocks)


def mirrored(position: np.ndarray, size: np.ndarray | int) -> np.ndarray:
    """Positions beyond the last pixel of `size` turn back, edge pixel repeated."""
    folded = position % (2 * size)
    return np.minimum(folded, 2 * size - 1 - folded)


def _decode(paths: list[Path], report: Callable[[str], None]) -> Iterator[np.ndarray]:
    def load(path: Path) -> np.ndarray | ImageError:
        try:
            return load_rgb(path)
        except ImageError as error:
            return error

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for start in range(0, len(paths), READ_AHEAD):
            for found in pool.map(load, paths[start : start + READ_AHEAD]):
                if isinstance(found, ImageError):
                    report(f"passed over: {found}")
                else:
                    yield found


def _contents(paths: list[Path]) -> list[list]:
    return [[str(p), (stat := p.stat()).st_size, stat.st_mtime_ns] for p in paths]


def _is_current(target: Path, paths: list[Path]) -> bool:
    files = [target.with_suffix(suffix) for suffix in (".raw", ".npy", ".json")]
    return all(f.exists() for f in files) and json.loads(files[2].read_text()) == _contents(paths)
