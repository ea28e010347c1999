"""Old files decode as they did: symbols exactly, pixels within bounds (tests/conformance/make.py wrote the files)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from conformance.make import enhancement_symbols, latents, sha256
from ncodec import codec
from ncodec.container import dump, parse
from ncodec.device import transform_dtype
from ncodec.weights import Models, releases

FOLDERS = sorted(path.parent for path in (Path(__file__).parent / "conformance" / "v1").glob("*/expected.json"))
"""One for every model that was released since its files are kept."""
EXPECTED: dict[Path, dict[str, Any]] = {
    folder: json.loads((folder / "expected.json").read_text(encoding="utf-8")) for folder in FOLDERS
}
FILES: dict[Path, dict[str, Any]] = {
    folder / name: entry for folder, expected in EXPECTED.items() for name, entry in expected["files"].items()
}
PICTURES = [(path, label) for path, entry in FILES.items() for label in entry["strengths"]]
MAX_FOLDER_BYTES = 300_000


def named(value: object) -> str:
    """Of a case."""
    return f"{value.parent.name}-{value.name}" if isinstance(value, Path) else str(value)


@pytest.fixture(scope="module")
def native() -> Models:
    """The models as users run them: with bfloat16 transforms where the hardware has it."""
    return Models(torch.device("cpu"), transform_dtype(torch.device("cpu")))


def errors(models: Models, path: Path, label: str) -> np.ndarray:
    """Absolute differences of a decode from the picture kept, in levels."""
    strength = FILES[path]["strengths"][label]
    pixels = codec.decode(parse(path.with_suffix(".ncd").read_bytes()), models, strength).pixels
    with Image.open(path.with_suffix(f".{label}.png")) as image:
        kept = np.array(image).reshape(pixels.shape)
    return np.abs(pixels.astype(int) - kept)


def test_every_released_model_has_its_files():
    models_kept = {row.id.hex() for row in releases() if row.kind == "base"}
    assert {expected["model"] for expected in EXPECTED.values()} == models_kept, (
        "a released model stays in models/manifest.json, and its files in tests/conformance/v1; a new one gets its own "
        "by python tests/conformance/make.py"
    )


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_the_folder_holds_what_is_expected_and_stays_small(folder: Path):
    models = {parse(path.read_bytes()).header.model.hex() for path in folder.glob("*.ncd")}
    assert models == {EXPECTED[folder]["model"]}, "the files and expected.json do not belong together"
    assert EXPECTED[folder]["model"].startswith(folder.name.partition("-")[0])
    wanted = {path.with_suffix(".ncd") for path in FILES if path.parent == folder}
    wanted |= {path.with_suffix(f".{label}.png") for path, label in PICTURES if path.parent == folder}
    assert set(folder.iterdir()) == wanted | {folder / "expected.json"}
    assert sum(path.stat().st_size for path in folder.iterdir()) < MAX_FOLDER_BYTES


@pytest.mark.parametrize("path", FILES, ids=named)
def test_symbols_are_exactly_as_coded(models: Models, path: Path):
    data, expected = path.with_suffix(".ncd").read_bytes(), FILES[path]
    assert sha256(data) == expected["sha256"], "the file itself was changed"
    box = parse(data)
    assert dump(box) == data
    model = models.by_id(box.header.model)
    assert sha256(latents(box, model)) == expected["latents"]
    assert sha256(*enhancement_symbols(box, model)) == expected["enhancement"]


@pytest.mark.parametrize("path", FILES, ids=named)
def test_alpha_and_metadata_are_exactly_as_coded(models: Models, path: Path):
    picture = codec.decode(parse(path.with_suffix(".ncd").read_bytes()), models, 1.0)
    for key in ("alpha", "icc", "exif"):
        extra = getattr(picture, key)
        assert (None if extra is None else sha256(extra)) == FILES[path][key]


@pytest.mark.parametrize(("path", "label"), PICTURES, ids=named)
def test_pixels_are_within_a_level(models: Models, path: Path, label: str):
    difference = errors(models, path, label)
    assert difference.max() <= 1
    assert difference.mean() <= 0.01


@pytest.mark.parametrize(("path", "label"), PICTURES, ids=named)
def test_pixels_are_within_two_levels_on_this_hardware(native: Models, path: Path, label: str):
    """docs/format.md, section 5: within one level in all but one sample in a thousand."""
    difference = errors(native, path, label)
    assert difference.max() <= 2
    assert np.count_nonzero(difference > 1) <= max(1, 0.001 * difference.size)
    assert difference.sum() <= max(2, 0.25 * difference.size)  # of a single pixel two samples may be rounded otherwise
