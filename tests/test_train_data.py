"""The trainer's pictures: decoded once, cut into patches."""

from __future__ import annotations

import dataclasses
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from ncodec.errors import ImageError
from ncodec.train import data
from ncodec.train.checkpoint import Progress, Start
from ncodec.train.data import list_pictures, load_rgb, open_packs, split
from ncodec.train.network import trainable_network
from ncodec.train.patches import PatchSource
from ncodec.train.recipe import DataRecipe
from ncodec.train.trainer import Trainer
from train_tools import tiny_recipe

CPU = torch.device("cpu")


def test_packs_hold_the_pictures_and_are_made_once(pictures: Path, tmp_path: Path) -> None:
    said: list[str] = []
    pack, validation = open_packs(pictures, tmp_path, said.append)
    assert (len(pack), len(validation)) == (5, 1)
    assert len(said) == 2
    train_paths, _ = split(list_pictures(pictures), indexed=False)
    for i, path in enumerate(train_paths):
        np.testing.assert_array_equal(pack.picture(i), load_rgb(path))
    open_packs(pictures, tmp_path, said.append)
    assert len(said) == 2


def test_an_indexed_set_validates_on_names_that_begin_with_0() -> None:
    paths = [Path(name) for name in ("0a.png", "1a.png", "fa.png")]
    assert split(paths, indexed=True) == (paths[1:], paths[:1])


def test_folders_that_cannot_be_used(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match="not a folder"):
        list_pictures(tmp_path / "nothing")
    with pytest.raises(ImageError, match="no pictures"):
        list_pictures(tmp_path)
    (tmp_path / "bad.png").write_bytes(b"not a picture")
    with pytest.raises(ImageError, match="16 x 16"):
        open_packs(tmp_path, tmp_path / "cache")
    Image.new("RGB", (9, 200)).save(tmp_path / "bad.png")
    with pytest.raises(ImageError, match="16 x 16"):
        open_packs(tmp_path, tmp_path / "cache")


def test_what_is_no_picture_is_passed_over(pictures: Path, tmp_path: Path) -> None:
    """Hidden files (macOS leaves ._x.png beside x.png), kinds that are only written, broken files."""
    shutil.copytree(pictures, tmp_path / "in")
    for name in ("._0.png", "paper.pdf", ".thumbnails/1.png", "broken.png"):
        (tmp_path / "in" / name).parent.mkdir(exist_ok=True)
        (tmp_path / "in" / name).write_bytes(b"not a picture")
    assert {path.name for path in list_pictures(tmp_path / "in")} == {f"{i}.png" for i in range(6)} | {"broken.png"}
    said: list[str] = []
    packs = open_packs(tmp_path / "in", tmp_path / "cache", said.append)
    assert sum(map(len, packs)) == 6
    (passed,) = [line for line in said if line.startswith("passed over: ")]
    assert "broken.png" in passed
    again: list[str] = []
    open_packs(tmp_path / "in", tmp_path / "cache", again.append)
    assert not again


def test_16_bit_gray_keeps_its_upper_bits(tmp_path: Path) -> None:
    Image.fromarray(np.full((20, 20), 0x80FF, np.uint16)).save(tmp_path / "deep.png")
    assert load_rgb(tmp_path / "deep.png").tolist() == np.full((20, 20, 3), 0x80).tolist()


def test_patches_are_repeatable_and_come_from_the_pictures(pictures: Path, tmp_path: Path) -> None:
    pack, _ = open_packs(pictures, tmp_path)
    recipe = DataRecipe(patch=64, batch=12, half_share=0.3, resized_share=0.3, gray_share=0.5)
    source, twin = (PatchSource(pack, recipe, CPU, seed=3) for _ in range(2))
    first = source.batch()
    assert first.shape == (12, 3, 64, 64)
    assert first.is_contiguous(memory_format=torch.channels_last)
    assert 0 <= first.min() < first.max() <= 1
    torch.testing.assert_close(first, twin.batch(), rtol=0, atol=0)
    state = source.state_dict()
    second = source.batch()
    twin.load_state_dict(state)
    torch.testing.assert_close(second, twin.batch(), rtol=0, atol=0)
    gray = (first == first[:, :1]).flatten(1).all(1).float().mean()
    assert 0.1 < gray < 0.95


def test_dark_patches_are_others_behind_a_curve_and_half_of_them_gray(pictures: Path, tmp_path: Path) -> None:
    pack, _ = open_packs(pictures, tmp_path)
    recipe = DataRecipe(patch=64, batch=60, half_share=0, resized_share=0, gray_share=0)
    light, dark = (PatchSource(pack, dataclasses.replace(recipe, dark_share=x), CPU, seed=3).batch() for x in (0, 1))
    gray = (dark == dark[:, :1]).flatten(1).all(1)
    assert 0.3 < gray.float().mean() < 0.7
    for seen, meant in zip(dark[~gray].flatten(1), light[~gray].flatten(1), strict=True):
        order = meant.argsort()
        assert (seen[order].diff() >= -1e-6).all()
        assert 0.94 * meant.min() ** 3 <= seen.min() <= 0.06 + meant.min() ** 1.2
    assert dark.mean() < 0.8 * light.mean()


def test_a_resident_set_gives_the_patches_of_the_memory_map(pictures: Path, tmp_path: Path) -> None:
    pack, _ = open_packs(pictures, tmp_path)
    source, resident = (PatchSource(pack, DataRecipe(patch=64, batch=16), CPU, seed=1) for _ in range(2))
    resident.resident = torch.from_numpy(np.array(pack.data))
    torch.testing.assert_close(source.batch(), resident.batch(), rtol=0, atol=0)


def test_a_decoder_that_fails_in_its_own_way_is_named_with_its_file(
    pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(self: Image.Image, *arguments: object) -> None:
        raise RuntimeError("a plugin's own words")

    monkeypatch.setattr(Image.Image, "convert", fail)
    with pytest.raises(ImageError, match=r"0\.png.*own words"):
        load_rgb(pictures / "0.png")


def test_two_runs_may_make_the_same_pack(pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another one in the middle of it, then to its end; a run that fails leaves nothing."""
    decode, paths = data.load_rgb, list_pictures(pictures)
    others: list[int] = []

    def load(path: Path) -> np.ndarray:
        if path == paths[3] and not others:
            others.append(1)
            with monkeypatch.context() as other:
                other.setattr(data.os, "getpid", lambda: 1)
                data.write_pack(paths, tmp_path / "train")
        return decode(path)

    monkeypatch.setattr(data, "load_rgb", load)
    data.write_pack(paths, tmp_path / "train")
    assert others
    pack = data.read_pack(tmp_path / "train")
    for i, path in enumerate(paths):
        np.testing.assert_array_equal(pack.picture(i), decode(path))

    def fail(path: Path) -> np.ndarray:
        raise MemoryError

    monkeypatch.setattr(data, "load_rgb", fail)
    with pytest.raises(MemoryError):
        data.write_pack(paths, tmp_path / "large")
    assert not list(tmp_path.glob("*.part"))


def test_an_index_is_replaced_whole_or_not_at_all(
    pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths, save = list_pictures(pictures), np.save
    data.write_pack(paths, tmp_path / "train")
    before = (tmp_path / "train.npy").read_bytes()

    def fail(file: Any, rows: np.ndarray) -> None:
        save(file, rows[:1])
        raise OSError("no space left")

    monkeypatch.setattr(data.np, "save", fail)
    with pytest.raises(OSError, match="no space"):
        data.write_pack(paths, tmp_path / "train")
    assert (tmp_path / "train.npy").read_bytes() == before
    assert not list(tmp_path.glob("*.part"))


def test_weights_that_have_learnt_go_on_with_other_patches(pictures: Path, tmp_path: Path) -> None:
    """Each run once began with the same patches and the same noise."""
    pack, _ = open_packs(pictures, tmp_path)
    recipe = tiny_recipe()
    network = trainable_network(recipe.architecture).state_dict()
    drawn = []
    for steps in (None, 0, 0, 7):
        start = None if steps is None else Start(recipe.architecture, network, network, Progress(lifetime_steps=steps))
        trainer = Trainer(recipe, pack, CPU, start)
        drawn.append((trainer.source.batch(), torch.rand(4, generator=trainer.noise)))
    for patches, noise in drawn[1:3]:
        assert torch.equal(patches, drawn[0][0])
        assert torch.equal(noise, drawn[0][1])
    assert not torch.equal(drawn[3][0], drawn[0][0])
    assert not torch.equal(drawn[3][1], drawn[0][1])
