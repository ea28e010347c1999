"""docs/format.md is complete: a decoder written from it alone (tests/reference) reads what ncodec writes.

The files are those of tests/conformance, and others of a tiny network for what these do not reach.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch

from conformance.make import enhancement_symbols, latents
from conftest import TINY
from ncodec import codec
from ncodec.container import Container, dump, parse
from ncodec.enhancement.params import ContextClass, Params
from ncodec.enhancement.slices import decode_slice, encode_slice
from ncodec.nets.model import Model
from ncodec.picture import Picture
from ncodec.weights import Models, models_folder, release_of
from pictures import scene
from reference import ans
from reference.base import decode_hyper_latents, decode_latents
from reference.container import read
from reference.decoder import Decoded, decode
from reference.enhancement import Slice, all_tables, class_thresholds, reconstruct
from reference.integer import Networks
from reference.params import read_params
from reference.weights import Weights, read_weights

HERE = Path(__file__).parent
GOLDEN = sorted((HERE / "conformance" / "v1").glob("*/*.ncd"))


@dataclass(frozen=True)
class Release:
    """A weights file, in both readers' hands."""

    models: Models
    model: Model
    weights: Weights

    @classmethod
    def of(cls, path: Path) -> Release:
        """Read it twice."""
        models = Models(torch.device("cpu"), torch.float32, (path,))
        weights = read_weights(path)
        return cls(models, models.by_id(weights.id), weights)

    def coded(self, pixels: np.ndarray, quality: int, noise_quality: int | None) -> bytes:
        """A file."""
        return dump(codec.encode(Picture(pixels), self.model, quality, noise_quality))


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Release:
    """A tiny random network whose tables were calibrated on a flat picture, so that symbols of others escape."""
    from ncodec.train.export import write_release
    from ncodec.train.network import trainable_network

    torch.manual_seed(3)
    network = trainable_network(TINY).eval()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter += 0.1 * torch.randn_like(parameter)
        network.analysis.log_gain += 3.0
    flat = np.full((64, 64, 3), 128, np.uint8)
    return Release.of(write_release(network, "small", [flat], tmp_path_factory.mktemp("weights"), {}))


@pytest.fixture(scope="module")
def golden() -> Callable[[Path], tuple[Release, bytes]]:
    """A conformance file with the release that it names."""
    known: dict[bytes, Release] = {}

    def get(path: Path) -> tuple[Release, bytes]:
        data = path.read_bytes()
        row = release_of(read(data).model_id)
        assert row is not None, f"the model of {path.name} is not in models/manifest.json"
        if row.id not in known:
            known[row.id] = Release.of(models_folder() / row.file)
        return known[row.id], data

    return get


def check_same(data: bytes, release: Release) -> Decoded:
    """The reference decoder agrees with ncodec: symbols exactly, pixels within a level and nearly all exactly."""
    box, mine = parse(data), decode(data, release.weights)
    assert np.array_equal(mine.latents, latents(box, release.model))
    theirs = enhancement_symbols(box, release.model)
    assert len(mine.enhancement) == len(theirs)
    assert all(np.array_equal(a, b) for a, b in zip(mine.enhancement, theirs, strict=True))
    for strength in (1.0,) if mine.residual is None else (1.0, 0.25, 0.0):
        picture = codec.decode(box, release.models, strength)
        difference = np.abs(mine.at(strength).astype(int) - picture.pixels)
        assert difference.max() <= 1
        assert np.count_nonzero(difference) <= max(1, 0.001 * difference.size)
        assert (mine.icc, mine.exif) == (picture.icc, picture.exif)
        assert np.array_equal(np.array(mine.alpha), np.array(picture.alpha))
    return mine


@pytest.mark.parametrize("path", GOLDEN, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_conformance_files_decode_alike(golden: Callable[[Path], tuple[Release, bytes]], path: Path):
    release, data = golden(path)
    check_same(data, release)


def test_conformance_files_reach_every_part_of_the_format():
    files = [read(path.read_bytes()) for path in GOLDEN]
    for tag in (3, 5):
        payloads = [(f.section(tag), 3 if f.rgb else 1) for f in files if tag in f.sections]
        params = [read_params(payload[1:], channels)[0] for payload, channels in payloads if payload]
        assert {p.has_contexts for p in params} == {False, True}
    assert {f.rgb for f in files} == {False, True}
    assert {tag for f in files for tag in f.sections} == {1, 2, 3, 4, 5, 6, 0x81, 0x82}
    assert any(not {3, 5} & set(f.sections) for f in files)
    assert any(f.width > 1024 for f in files)


@pytest.mark.parametrize(("height", "width", "channels"), [(41, 67, 3), (64, 128, 1), (1, 1030, 3), (1030, 7, 1)])
def test_other_networks_sizes_and_escapes(small: Release, height: int, width: int, channels: int):
    pixels = np.random.default_rng(height).integers(0, 256, (height, width, channels), dtype=np.uint8)
    check_same(small.coded(pixels, 8, 8), small)


def test_symbols_that_no_table_holds(small: Release, monkeypatch: pytest.MonkeyPatch):
    pixels = np.random.default_rng(5).integers(0, 256, (48, 48, 3), dtype=np.uint8)
    data = small.coded(pixels, 8, 8)
    raw: list[int] = []
    popped = ans.Stream.pop
    monkeypatch.setattr(ans.Stream, "pop", lambda self, t: (raw.append(t is ans.BYTE), popped(self, t))[1])
    check_same(data, small)
    assert sum(raw) >= 20, "the test is to reach escapes: make the tables narrower"


def test_activations_and_latents_at_their_limits(small: Release, monkeypatch: pytest.MonkeyPatch):
    """Latents and hyper-latents that no picture has: the clamps of the integer networks are reached."""
    rng = np.random.default_rng(6)
    z = torch.from_numpy(rng.integers(-32768, 32768, (2, 2, TINY.hyper)).astype(np.int16))
    y = torch.from_numpy(rng.uniform(-40000, 40000, (7, 5, TINY.latent)).astype(np.float32))
    monkeypatch.setattr(small.model.transforms, "analyse", lambda pixels, quality: y)
    monkeypatch.setattr(small.model.transforms, "hyper_analyse", lambda y: z)
    data = small.coded(scene(112, 80), 1, None)
    box, mine = parse(data), decode_latents(read(data), small.weights)
    assert np.array_equal(mine, latents(box, small.model))
    networks = Networks(small.weights.tensors)
    features = networks.features(decode_hyper_latents(read(data), small.weights), 7, 5)
    assert (np.abs(features) == networks.of("block16.v", "clamp")).any()
    assert (np.abs(mine) > 128 * 32000).any()
    assert (np.abs(mine) >> networks.of("latents", "shift") > networks.of("latents", "clamp")).any()


def random_params(rng: np.random.Generator, channels: int, contexts: bool) -> Params:
    """Anything that can stand in a file, with steps so fine that magnitudes pass 63."""
    classes = [(0, int(rng.integers(4)))]
    if contexts:
        classes = [(int(offset), int(shape)) for offset, shape in rng.integers((-50, 0), (51, 4), (12, 2))]
    scales = rng.integers(0, 51, 64 * channels) * (rng.random(64 * channels) < 0.8)
    shifts = rng.integers(0, 64, 2).tolist()
    return Params(
        int(rng.integers(50)),
        tuple(shifts),
        tuple(ContextClass(*c) for c in classes),
        bytes(scales.tolist()),
        bool(rng.integers(2)),
    )


@pytest.mark.parametrize("seed", range(24))
def test_enhancement_slices_of_any_params(small: Release, seed: int):
    rng = np.random.default_rng(seed)
    channels, (height, width) = (1, 3)[seed % 2], rng.integers(1, 40, 2)
    params = random_params(rng, channels, contexts=seed % 4 != 0)
    residual = rng.integers(-255, 256, (height, width, channels)).astype(np.int16)
    data = encode_slice(residual, params, 1e9, small.model.enhancement_tables).data
    theirs, symbols = decode_slice(data, height, width, params, small.model.enhancement_tables)
    mine, used = read_params(params.to_bytes() + b"more", channels, params.trellis)
    assert used == len(params.to_bytes())
    tables = all_tables(small.weights)
    thresholds = class_thresholds(mine, tables) if mine.has_contexts else {}
    decoded, odd = Slice(mine, thresholds, tables, height, width).decode(data)
    assert np.array_equal(decoded, symbols)
    assert odd.any() == params.trellis
    assert np.abs(symbols.astype(int)).max() > 63
    assert np.abs(reconstruct(decoded, odd, mine, height, width) - theirs).max() < 0.01


def test_four_slices(small: Release):
    """Two rows and two columns of slices, of which networks see the neighbours; the residual would take too long."""
    mine = check_same(small.coded(scene(1040, 1056, sigma=10), 4, None), small)
    assert mine.latents.shape == (65, 66, TINY.latent)


def test_the_worked_example_of_the_page():
    text = (HERE.parent / "docs" / "format.md").read_text(encoding="utf-8")
    block = re.search(r"```hex\n(.*?)```", text, re.S)
    assert block is not None
    file = read(bytes.fromhex("".join(line.partition("#")[0] for line in block.group(1).splitlines())))
    assert (file.rgb, file.quality, file.width, file.height, file.noise) == (True, 3, 3, 2, (0.0, 2**-7))
    assert (file.section(1), file.section(2)) == (b"\xa5\x5a\x01\x02\x03", bytes(range(16, 129, 16)))


def test_every_flipped_byte_is_refused(small: Release):
    data = small.coded(scene(9, 5), 1, 8)
    for at in range(len(data)):
        bad = bytearray(data)
        bad[at] ^= 0x21
        with pytest.raises((ValueError, KeyError)):
            decode(bytes(bad), small.weights)


def test_other_symbols_than_were_coded_are_noticed(small: Release):
    """With the sections' own checksums right, only Symbols_Crc can tell."""
    box = parse(small.coded(scene(40, 40), 3, 8))
    for index in range(3):
        sections = list(box.sections)
        payload = bytearray(sections[index].payload)
        payload[-3] ^= 0x10
        sections[index] = type(sections[index]).of(sections[index].tag, bytes(payload))
        with pytest.raises((ArithmeticError, ValueError)):
            decode(dump(Container(box.header, tuple(sections))), small.weights)


def test_the_reference_shares_no_code_with_ncodec():
    allowed = {"__future__", "bisect", "collections", "dataclasses", "hashlib", "itertools", "json", "math", "pathlib"}
    allowed |= {"struct", "zlib", "numpy", "reference"}
    for path in (HERE / "reference").glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            assert {name.partition(".")[0] for name in names} <= allowed, path.name
