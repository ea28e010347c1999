"""The command line where all goes well, in real processes where that tells more."""

from __future__ import annotations

import json
import re
import resource
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cli_tools import ENV, fake_ncd, names, ncodec_run, save_scene, sentences
from ncodec import container
from ncodec.cli.options import with_strength
from ncodec.container import Tag
from ncodec.noise import Noise, add_noise

HEAVY = ("torch", "numpy", "PIL", "rich", "constriction", "compressai")


def loaded_by(*args: object, cwd: Path) -> list[str]:
    """The heavy packages that a command loads."""
    script = (
        "import sys; from ncodec.cli.main import main; status = main(sys.argv[1:]);"
        f"print('loaded', *(name for name in {HEAVY} if name in sys.modules)); sys.exit(status)"
    )
    command = [sys.executable, "-c", script, *map(str, args)]
    run = subprocess.run(command, cwd=cwd, env=ENV, capture_output=True, check=True)
    return run.stdout.decode().splitlines()[-1].split()[1:]


def test_help_loads_nothing_heavy_and_takes_no_time(tmp_path: Path) -> None:
    assert loaded_by("--help", cwd=tmp_path) == []
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert ncodec_run("--help", cwd=tmp_path).returncode == 0
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    # Processor time: the clock also counts what else the machine is doing.
    assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < 0.25


@pytest.mark.parametrize("command", ["info", "strip"])
def test_info_and_strip_load_nothing_heavy(tmp_path: Path, command: str) -> None:
    (tmp_path / "a.ncd").write_bytes(fake_ncd())
    assert loaded_by(command, "a.ncd", cwd=tmp_path) == []


def test_noise_needs_no_torch(tmp_path: Path) -> None:
    save_scene(tmp_path / "a.png")
    assert {"torch", "rich"}.isdisjoint(loaded_by("noise", "a.png", cwd=tmp_path))


def test_version(tmp_path: Path) -> None:
    run = ncodec_run("--version", cwd=tmp_path)
    assert re.fullmatch(r"ncodec \d\S*\n", run.stdout.decode())


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ("--denoise img.ncd", "--denoise=1 img.ncd"),
        ("img.ncd --denoise", "img.ncd --denoise=1"),
        ("--denoise 0.6 img.ncd", "--denoise=0.6 img.ncd"),
        ("--denoise .5 img.ncd", "--denoise=.5 img.ncd"),
        ("--denoise 1e-1 img.ncd", "--denoise=1e-1 img.ncd"),
        ("--denoise -1 img.ncd", "--denoise=-1 img.ncd"),
        ("--denoise=0.6 img.ncd", "--denoise=0.6 img.ncd"),
        ("--denoise 1.ncd", "--denoise=1 1.ncd"),
        ("--denoise -o out.png img.ncd", "--denoise=1 -o out.png img.ncd"),
        ("--denoise -- 0.6", "--denoise=1 -- 0.6"),
        ("-- --denoise 0.6", "-- --denoise 0.6"),
        ("", ""),
    ],
)
def test_strength_is_optional(given: str, meant: str) -> None:
    assert with_strength(given.split()) == meant.split()


def test_noise_is_that_of_the_library(tmp_path: Path) -> None:
    clean = save_scene(tmp_path / "a.png")
    run = ncodec_run("noise", "a.png", "--noise", "poisson-gaussian:0.01,0.001", "--seed", 5, cwd=tmp_path)
    assert run.returncode == 0
    assert run.stdout == b""
    assert re.fullmatch(
        r"a-noisy\.png: 56x40 RGB, noise of sigma 19\.\d at mid gray, seed 5, \d+\.\d s", sentences(run)[0]
    )
    noisy = np.asarray(Image.open(tmp_path / "a-noisy.png"))
    assert np.array_equal(noisy, add_noise(clean, Noise(0.01, 0.001), 5))


def test_pictures_of_a_batch_get_noise_of_their_own(tmp_path: Path) -> None:
    clean = save_scene(tmp_path / "a.png")
    save_scene(tmp_path / "b.png")
    run = ncodec_run("noise", "a.png", "b.png", "--seed", 3, "--json", "-o", "out", cwd=tmp_path)
    assert run.stderr == b""
    records = [json.loads(line) for line in run.stdout.splitlines()]
    assert [(r["input"], r["output"], r["seed"]) for r in records] == [
        ("a.png", "out/a-noisy.png", 3),
        ("b.png", "out/b-noisy.png", 4),
    ]
    second = np.asarray(Image.open(tmp_path / "out" / "b-noisy.png"))
    assert np.array_equal(second, add_noise(clean, Noise.gaussian(25), 4))


def test_noise_keeps_alpha_and_metadata(tmp_path: Path) -> None:
    alpha = Image.linear_gradient("L").resize((56, 40))
    image = Image.fromarray(np.asarray(save_scene(tmp_path / "c.png"))).convert("RGBA")
    image.putalpha(alpha)
    image.save(tmp_path / "a.png", icc_profile=b"not quite a profile")
    assert ncodec_run("noise", "a.png", "-q", cwd=tmp_path).stderr == b""
    noisy = Image.open(tmp_path / "a-noisy.png")
    assert np.array_equal(np.asarray(noisy)[:, :, 3], np.asarray(alpha))
    assert noisy.info["icc_profile"] == b"not quite a profile"


def test_standard_input_goes_to_standard_output_in_silence(tmp_path: Path) -> None:
    save_scene(tmp_path / "a.png")
    ncodec_run("noise", "a.png", cwd=tmp_path)
    piped = ncodec_run("noise", "-", cwd=tmp_path, stdin=(tmp_path / "a.png").read_bytes())
    assert piped.returncode == 0
    assert piped.stderr == b""
    assert piped.stdout == (tmp_path / "a-noisy.png").read_bytes()
    assert names(tmp_path) == ["a-noisy.png", "a.png"]


def test_standard_input_to_a_file(tmp_path: Path) -> None:
    run = ncodec_run("strip", "-", "-o", "out.ncd", cwd=tmp_path, stdin=fake_ncd())
    assert run.stdout == b""
    assert sentences(run)[0].startswith("out.ncd: ")
    assert (tmp_path / "out.ncd").read_bytes() == fake_ncd(enhancement=None)


def test_a_file_to_standard_output(tmp_path: Path) -> None:
    (tmp_path / "a.ncd").write_bytes(fake_ncd())
    run = ncodec_run("strip", "a.ncd", "-o", "-", cwd=tmp_path)
    assert (run.stdout, run.stderr) == (fake_ncd(enhancement=None), b"")


def test_folders_are_mirrored(tmp_path: Path) -> None:
    for name in ("photos/b.PNG", "photos/sub/a.jpg", "photos/.hidden.png", "photos/.thumbs/c.png"):
        save_scene(tmp_path / name)
    (tmp_path / "photos" / "notes.txt").write_text("no picture")
    run = ncodec_run("noise", "photos", "-o", "out", cwd=tmp_path)
    assert run.returncode == 0
    assert names(tmp_path / "out") == ["b-noisy.png", "sub/a-noisy.png"]
    note, *lines = sentences(run)
    assert note == "ncodec: 1 file of another kind was passed over (.txt)"
    assert [line.partition(":")[0] for line in lines] == ["out/b-noisy.png", "out/sub/a-noisy.png"]


def test_folders_without_output_are_filled_in_place(tmp_path: Path) -> None:
    for name in ("f/a.ncd", "f/g/b.ncd"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(fake_ncd())
    assert ncodec_run("strip", "f", cwd=tmp_path).returncode == 0
    assert names(tmp_path) == ["f/a-base.ncd", "f/a.ncd", "f/g/b-base.ncd", "f/g/b.ncd"]


@pytest.mark.parametrize("output", ["there", "new/"])
def test_one_file_into_a_folder(tmp_path: Path, output: str) -> None:
    (tmp_path / "there").mkdir()
    (tmp_path / "a.ncd").write_bytes(fake_ncd())
    assert ncodec_run("strip", "a.ncd", "-o", output, cwd=tmp_path).returncode == 0
    assert (tmp_path / output / "a-base.ncd").is_file()


def test_strip_cuts_the_enhancement_layer_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "a.ncd").write_bytes(fake_ncd())
    run = ncodec_run("strip", "a.ncd", cwd=tmp_path)
    stripped = (tmp_path / "a-base.ncd").read_bytes()
    size = len(stripped)
    rate_bpp, base_bpp = 8 * size / 600, 8 * 60 / 600
    line = f"a-base.ncd: {size} bytes, {rate_bpp:.3f} bpp (base {base_bpp:.3f}, no noise), 0.0 s"
    assert sentences(run) == [line]
    assert container.parse(stripped) == container.parse(fake_ncd()).without(Tag.ENHANCEMENT)


def test_info_for_people(tmp_path: Path) -> None:
    (tmp_path / "a.ncd").write_bytes(fake_ncd())
    run = ncodec_run("info", "a.ncd", cwd=tmp_path)
    text = run.stdout.decode()
    size = len(fake_ncd())
    assert run.stderr == b""
    assert text.startswith("a.ncd\n")
    assert f"{size} bytes, {8 * size / 600:.3f} bpp, 30x20 RGB\n" in text
    assert "60 bytes, 0.800 bpp, quality 3\n" in text
    assert "46 bytes, 0.613 bpp, 20 % of the noise kept\n" in text
    assert "sigma 25.0 of 255 at mid gray (a 0.000000, b 0.009612)\n" in text
    assert "not shipped with this ncodec, id 6e6f626f64797321\n" in text
    assert "damaged" not in text


def test_info_for_programs(tmp_path: Path) -> None:
    (tmp_path / "a.ncd").write_bytes(fake_ncd(enhancement=None))
    (tmp_path / "b.ncd").write_bytes(fake_ncd())
    run = ncodec_run("info", tmp_path, "--json", cwd=tmp_path)
    first, second = (json.loads(line) for line in run.stdout.splitlines())
    assert first["input"] == str(tmp_path / "a.ncd")
    assert (first["has_enhancement"], second["has_enhancement"]) == (False, True)
    parts = ("header_bytes", "base_bytes", "enhancement_bytes", "alpha_bytes", "metadata_bytes")
    assert sum(second[part] for part in parts) == second["size_bytes"] == len(fake_ncd())
    assert second["noise_kept"] == pytest.approx(0.2)
    assert second["noise_sigma"] == pytest.approx(25, rel=1e-5)
    assert second["model_id"] == b"nobodys!".hex()
    assert second["damaged"] == []


def test_info_reads_standard_input(tmp_path: Path) -> None:
    run = ncodec_run("info", "-", cwd=tmp_path, stdin=fake_ncd())
    assert run.stdout.decode().startswith("standard input\n")
