"""Pictures to compare on."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from bench_tools import save_scenes
from cli_tools import save_scene
from ncodec.bench.pictures import Endings, clean_sources, noisy_sources, read_pair, rms_sigma
from ncodec.errors import ImageError
from ncodec.noise import Noise, add_noise
from pictures import scene

ENDINGS = Endings("_real", "_mean")
NONE = Noise(0, 0)


def files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def test_clean_pictures_get_the_noise_of_their_place(tmp_path: Path) -> None:
    folder = save_scenes(tmp_path)
    sources = clean_sources(folder, files(folder), seed=5)
    assert [(source.name, source.seed) for source in sources] == [("a.png", 5), ("b.png", 6)]
    pair = read_pair(sources[1], Noise.gaussian(25))
    assert np.array_equal(pair.clean, scene(48, 64, seed=1))
    assert np.array_equal(pair.noisy, add_noise(pair.clean, Noise.gaussian(25), 6))
    assert pair.sigma_8bit == pytest.approx(25)


def test_no_noise_leaves_the_picture(tmp_path: Path) -> None:
    folder = save_scenes(tmp_path, 1)
    pair = read_pair(clean_sources(folder, files(folder), 0)[0], NONE)
    assert np.array_equal(pair.noisy, pair.clean)
    assert pair.sigma_8bit == 0


def test_level_of_signal_dependent_noise_is_the_mean_variance(rng: np.random.Generator) -> None:
    pixels = rng.integers(0, 256, (40, 50, 3), dtype=np.uint8)
    noise = Noise(0.04, 0.0016)
    expected = 255 * np.sqrt(np.square(noise.sigma_at(pixels / 255)).mean())
    assert rms_sigma(noise, pixels) == pytest.approx(expected)


def test_a_picture_may_be_named_alone(tmp_path: Path) -> None:
    save_scenes(tmp_path, 1)
    assert clean_sources(tmp_path / "a.png", [tmp_path / "a.png"], 0)[0].name == "a.png"


def test_references_have_the_same_name_or_the_other_ending(tmp_path: Path) -> None:
    for name in ("in/a.png", "in/sub/b_real.png", "clean/a.jpg", "clean/sub/b_mean.png", "clean/unused.png"):
        save_scene(tmp_path / name)
    (tmp_path / "clean/a.txt").write_text("notes")
    folder = tmp_path / "in"
    sources, alone = noisy_sources(folder, files(folder), tmp_path / "clean", ENDINGS)
    assert not alone
    assert [source.name for source in sources] == ["a.png", "sub/b_real.png"]
    assert [source.reference and source.reference.name for source in sources] == ["a.jpg", "b_mean.png"]


def test_both_may_lie_in_one_folder(tmp_path: Path) -> None:
    for name in ("a_real.png", "a_mean.png", "b_real.png", "b_mean.png", "c[1]_real.png", "c[1]_mean.png"):
        save_scene(tmp_path / name)
    sources, alone = noisy_sources(tmp_path, files(tmp_path), tmp_path, ENDINGS)
    assert [source.name for source in sources] == ["a_real.png", "b_real.png", "c[1]_real.png"]
    assert not alone


def test_a_noisy_picture_is_no_reference_beside_the_clean_one(tmp_path: Path) -> None:
    """A folder of both kinds holds a noisy picture's own name, too: in another folder, or with another suffix."""
    for name in (
        "in/a_real.png",
        "all/a_real.png",
        "all/a_mean.png",
        "one/a_real.png",
        "one/a_real.jpg",
        "one/a_mean.png",
    ):
        save_scene(tmp_path / name)
    for folder, references in (("in", "all"), ("one", "one")):
        paths = files(tmp_path / folder)
        sources, alone = noisy_sources(tmp_path / folder, paths, tmp_path / references, ENDINGS)
        assert {source.reference and source.reference.name for source in sources} == {"a_mean.png"}
        assert not alone


def test_a_picture_without_a_reference_is_told(tmp_path: Path) -> None:
    save_scene(tmp_path / "in" / "x_real.png")
    save_scene(tmp_path / "clean" / "y.png")
    sources, alone = noisy_sources(tmp_path / "in", files(tmp_path / "in"), tmp_path / "clean", ENDINGS)
    assert not sources
    ((name, err),) = alone.items()
    assert name.endswith("x_real.png")
    assert "x_mean.* or x_real.*" in str(err)


def test_level_of_real_noise_is_the_difference(tmp_path: Path) -> None:
    clean = scene(48, 64)
    Image.fromarray(clean).save(tmp_path / "a_mean.png")
    Image.fromarray(clean ^ 1).save(tmp_path / "a_real.png")
    sources, _ = noisy_sources(tmp_path, files(tmp_path), tmp_path, ENDINGS)
    pair = read_pair(sources[0], NONE)
    assert pair.sigma_8bit == pytest.approx(1)
    assert pair.crc != read_pair(clean_sources(tmp_path, [tmp_path / "a_mean.png"], 0)[0], NONE).crc


def test_a_gray_picture_may_have_an_rgb_reference(tmp_path: Path) -> None:
    save_scene(tmp_path / "in" / "a.png", channels=1)
    save_scene(tmp_path / "clean" / "a.png")
    sources, _ = noisy_sources(tmp_path / "in", files(tmp_path / "in"), tmp_path / "clean", ENDINGS)
    pair = read_pair(sources[0], NONE)
    assert pair.noisy.shape == pair.clean.shape == (40, 56, 3)


def test_sizes_must_be_the_same(tmp_path: Path) -> None:
    save_scene(tmp_path / "in" / "a.png", 40, 56)
    save_scene(tmp_path / "clean" / "a.png", 40, 57)
    sources, _ = noisy_sources(tmp_path / "in", files(tmp_path / "in"), tmp_path / "clean", ENDINGS)
    with pytest.raises(ImageError, match="56x40, its reference 57x40"):
        read_pair(sources[0], NONE)
