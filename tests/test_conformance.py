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
from ncodec.weights import Models, release_of

FOLDER = Path(__file__).parent / "conformance" / "v1"
EXPECTED: dict[str, Any] = json.loads((FOLDER / "expected.json").read_text(encoding="utf-8"))
FILES: dict[str, dict[str, Any]] = EXPECTED["files"]
PICTURES = [(name, label) for name, entry in FILES.items() for label in entry["strengths"]]
MAX_FOLDER_BYTES = 300_000


@pytest.fixture(scope="module")
def native() -> Models:
    """The models as users run them: with bfloat16 transforms where the hardware has it."""
    return Models(torch.device("cpu"), transform_dtype(torch.device("cpu")))


def errors(models: Models, name: str, label: str) -> np.ndarray:
    """Absolute differences of a decode from the picture kept, in levels."""
    strength = FILES[name]["strengths"][label]
    pixels = codec.decode(parse((FOLDER / f"{name}.ncd").read_bytes()), models, strength).pixels
    with Image.open(FOLDER / f"{name}.{label}.png") as image:
        kept = np.array(image).reshape(pixels.shape)
    return np.abs(pixels.astype(int) - kept)


def test_the_model_of_the_files_is_released():
    named = {parse(path.read_bytes()).header.model.hex() for path in FOLDER.glob("*.ncd")}
    assert named == {EXPECTED["model"]}, "the files and expected.json do not belong together"
    assert release_of(bytes.fromhex(EXPECTED["model"])) is not None, (
        f"model {EXPECTED['model'][:8]} of tests/conformance/v1 is not in models/manifest.json: every released model "
        "stays there; before the first release, write the files anew with python tests/conformance/make.py"
    )


def test_the_folder_holds_what_is_expected_and_stays_small():
    wanted = {f"{name}.ncd" for name in FILES} | {f"{name}.{label}.png" for name, label in PICTURES} | {"expected.json"}
    assert {path.name for path in FOLDER.iterdir()} == wanted
    assert sum(path.stat().st_size for path in FOLDER.iterdir()) < MAX_FOLDER_BYTES


@pytest.mark.parametrize("name", FILES)
def test_symbols_are_exactly_as_coded(models: Models, name: str):
    data = (FOLDER / f"{name}.ncd").read_bytes()
    assert sha256(data) == FILES[name]["sha256"], "the file itself was changed"
    box = parse(data)
    assert dump(box) == data
    model = models.by_id(box.header.model)
    assert sha256(latents(box, model)) == FILES[name]["latents"]
    assert sha256(*enhancement_symbols(box, model)) == FILES[name]["enhancement"]


@pytest.mark.parametrize("name", FILES)
def test_alpha_and_metadata_are_exactly_as_coded(models: Models, name: str):
    picture = codec.decode(parse((FOLDER / f"{name}.ncd").read_bytes()), models, 1.0)
    for key in ("alpha", "icc", "exif"):
        extra = getattr(picture, key)
        assert (None if extra is None else sha256(extra)) == FILES[name][key]


@pytest.mark.parametrize(("name", "label"), PICTURES)
def test_pixels_are_within_a_level(models: Models, name: str, label: str):
    difference = errors(models, name, label)
    assert difference.max() <= 1
    assert difference.mean() <= 0.01


@pytest.mark.parametrize(("name", "label"), PICTURES)
def test_pixels_are_within_two_levels_on_this_hardware(native: Models, name: str, label: str):
    """docs/format.md, section 5: within one level in all but one sample in a thousand."""
    difference = errors(native, name, label)
    assert difference.max() <= 2
    assert np.count_nonzero(difference > 1) <= max(1, 0.001 * difference.size)
    assert difference.sum() <= max(1, 0.25 * difference.size)  # of a single pixel one sample may be rounded otherwise
