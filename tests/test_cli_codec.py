"""`ncodec encode` and `decode` with a tiny network: in this process, which has torch loaded, but for one round trip."""

from __future__ import annotations

import json
import re
import zlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import ncodec
from cli_tools import fake_ncd, names, ncodec_run, save_scene
from ncodec.cli.main import main
from ncodec.cli.reference import reference
from ncodec.container import Container, Section, Tag, dump, parse

Output = pytest.CaptureFixture[str]


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder to work in, but for a noisy picture."""
    save_scene(tmp_path / "in.png", 70, 90, sigma=25.0)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def encoded(place: Path, weights: Path, capfd: Output) -> Path:
    """`in.png` encoded as `in.ncd`, with an enhancement layer."""
    assert main(["encode", "in.png", "--model", str(weights), "--noise-quality", "8"]) == 0
    capfd.readouterr()
    return place / "in.ncd"


def pixels(path: str) -> np.ndarray:
    return np.asarray(Image.open(path))


def test_round_trip_in_processes_of_its_own(place: Path, weights: Path) -> None:
    run = ncodec_run("encode", "in.png", "-o", "out.ncd", "--model", weights, "--noise-quality", 8, cwd=place)
    assert run.returncode == 0, run.stderr
    size = (place / "out.ncd").stat().st_size
    number = r"\d+\.\d{3}"
    layers = rf"base {number}, noise {number}: \d+ % of the noise kept"
    line = rf"out\.ncd: {size:,} bytes, {number} bpp \({layers}\), \d+\.\d s\n"
    assert re.fullmatch(line, run.stderr.decode())
    piped = ncodec_run("decode", "-", "--model", weights, cwd=place, stdin=(place / "out.ncd").read_bytes())
    assert (piped.returncode, piped.stderr) == (0, b"")
    (place / "out.png").write_bytes(piped.stdout)
    expected = ncodec.decode((place / "out.ncd").read_bytes(), models=(weights,), device="auto")
    assert np.abs(pixels("out.png").astype(int) - expected).max() <= 1  # other machines' promise, met by two processes


KEPT = r", \d+ % of the noise kept"


@pytest.mark.parametrize(
    ("arguments", "strength", "grain", "what"),
    [
        ([], 0.0, False, rf"plain{KEPT}"),
        (["--denoise"], 1.0, False, "denoised"),
        (["--denoise", "0"], 0.0, False, rf"plain{KEPT}"),
        (["--denoise", "0.6"], 0.6, False, rf"denoised by 0\.6{KEPT}"),
        (["--denoise=0.6"], 0.6, False, rf"denoised by 0\.6{KEPT}"),
        (["--grain"], 1.0, True, "denoised, with synthetic grain"),
        (["--grain", "--denoise"], 1.0, True, "denoised, with synthetic grain"),
    ],
)
def test_decode_as_the_library_does(
    encoded: Path, weights: Path, capfd: Output, arguments: list[str], strength: float, grain: bool, what: str
) -> None:
    command = ["decode", *arguments, "in.ncd", "-o", "out.png", "--model", str(weights)]
    assert main(command) == 0
    assert re.fullmatch(rf"out\.png: 90x70 RGB, {what}, \d+\.\d s\n", capfd.readouterr().err)
    expected = ncodec.decode(encoded.read_bytes(), strength, grain=grain, models=(weights,))
    assert np.array_equal(pixels("out.png"), expected)


def test_decodes_differ(encoded: Path, weights: Path) -> None:
    """What the test above compares are three pictures and not one."""
    results = [ncodec.decode(encoded.read_bytes(), strength, models=(weights,)) for strength in (0, 0.6, 1)]
    assert not np.array_equal(results[0], results[1])
    assert not np.array_equal(results[1], results[2])


def test_encode_as_the_library_does(place: Path, weights: Path) -> None:
    assert main(["encode", "in.png", "--model", str(weights), "--quality", "5", "--noise-quality", "2", "-q"]) == 0
    expected = ncodec.encode(pixels("in.png"), 5, noise_quality=2, model=weights)
    assert Path("in.ncd").read_bytes() == expected


def test_encode_with_effort_as_the_library_does(place: Path, weights: Path, capfd: Output) -> None:
    assert main(["encode", "in.png", "--model", str(weights), "--effort", "1", "-q"]) == 0
    assert Path("in.ncd").read_bytes() == ncodec.encode(pixels("in.png"), effort=1, model=weights)
    for effort in ("4", "-1", "much"):
        assert main(["encode", "in.png", "-o", "new.ncd", "--model", str(weights), "--effort", effort]) == 2
        assert "--effort" in capfd.readouterr().err
    assert not Path("new.ncd").exists()


def test_noise_quality_follows_the_quality(place: Path, weights: Path, capfd: Output) -> None:
    assert main(["encode", "in.png", "--model", str(weights), "--quality", "7", "--json"]) == 0
    record = json.loads(capfd.readouterr().out)
    assert Path("in.ncd").read_bytes() == ncodec.encode(pixels("in.png"), 7, noise_quality=7, model=weights)
    assert (record["input"], record["output"], record["quality"]) == ("in.png", "in.ncd", 7)
    assert record["size_bytes"] == Path("in.ncd").stat().st_size
    assert record["time_s"] > 0


def test_every_field_of_the_json_objects_is_explained(place: Path, weights: Path, capfd: Output) -> None:
    explained = reference()[reference().index("## JSON") :]
    lines = [["noise", "in.png"], ["encode", "in.png", "--model", str(weights)], ["info", "in.ncd"]]
    lines += [["strip", "in.ncd"], ["decode", "in.ncd", "-o", "out.png", "--model", str(weights)]]
    for line in lines:
        assert main([*line, "--json"]) == 0
        for field in json.loads(capfd.readouterr().out):
            assert re.search(rf"\b{field}\b", explained), (line[0], field)


def test_file_without_noise_decodes_denoised_only(place: Path, weights: Path, capfd: Output) -> None:
    assert main(["encode", "in.png", "--model", str(weights), "--noise-quality", "off"]) == 0
    assert ", no noise), " in capfd.readouterr().err
    assert main(["decode", "in.ncd", "-o", "plain.png", "--model", str(weights)]) == 2
    assert "--denoise or --grain" in capfd.readouterr().err
    assert main(["decode", "in.ncd", "-o", "clean.png", "--model", str(weights), "--denoise"]) == 0
    assert names(place) == ["clean.png", "in.ncd", "in.png"]


def test_stripped_file_decodes_to_the_same_denoised_picture(encoded: Path, weights: Path) -> None:
    assert main(["strip", "in.ncd", "-q"]) == 0
    assert main(["decode", "in.ncd", "in-base.ncd", "-o", "out", "--denoise", "--model", str(weights), "-q"]) == 0
    assert np.array_equal(pixels("out/in.png"), pixels("out/in-base.png"))
    assert Path("in-base.ncd").stat().st_size < encoded.stat().st_size


def damaged(path: Path, tag: Tag) -> None:
    """Flip one bit of a section's payload."""
    box = parse(path.read_bytes())
    payload = bytearray(box.section(tag))
    payload[-1] ^= 1
    put(path, box, tag, bytes(payload), claimed=zlib.crc32(box.section(tag)))


def put(path: Path, box: Container, tag: Tag, payload: bytes, claimed: int | None = None) -> None:
    section = Section(tag, payload, zlib.crc32(payload) if claimed is None else claimed)
    path.write_bytes(dump(replace(box, sections=tuple(section if s.tag == tag else s for s in box.sections))))


def test_damaged_enhancement_layer_stops_only_plain_decodes(encoded: Path, weights: Path, capfd: Output) -> None:
    damaged(encoded, parse(encoded.read_bytes()).enhancement)
    assert main(["decode", "in.ncd", "-o", "plain.png", "--model", str(weights)]) == 4
    assert "in.ncd: the enhancement section is damaged" in capfd.readouterr().err
    assert main(["decode", "in.ncd", "-o", "clean.png", "--model", str(weights), "--denoise"]) == 0
    assert not Path("plain.png").exists()


def test_drift_has_its_own_status(encoded: Path, weights: Path, capfd: Output) -> None:
    """Other symbols than the encoder claims to have coded, in a file without damage."""
    box = parse(encoded.read_bytes())
    latents = bytearray(box.section(box.latents))
    latents[0] ^= 1  # the checksum of the symbols comes first
    put(encoded, box, box.latents, bytes(latents))
    assert main(["decode", "in.ncd", "-o", "out.png", "--model", str(weights)]) == 6
    assert "in.ncd: this machine decoded other latents" in capfd.readouterr().err
    assert not Path("out.png").exists()


def test_unknown_models(place: Path, weights: Path, capfd: Output) -> None:
    Path("a.ncd").write_bytes(fake_ncd())
    assert main(["decode", "a.ncd"]) == 5
    assert "a.ncd: the file needs model 6e6f626f" in capfd.readouterr().err
    assert main(["decode", "a.ncd", "--model", str(weights)]) == 5  # it is another one
    assert main(["decode", "a.ncd", "--model", "nowhere.safetensors"]) == 5
    assert "nowhere.safetensors" in capfd.readouterr().err


def test_model_that_is_not_there_is_said_once(place: Path, capfd: Output) -> None:
    save_scene(place / "in2.png")
    assert main(["encode", "in.png", "in2.png", "--model", "nope"]) == 5
    err = capfd.readouterr().err
    assert err.startswith("ncodec: error: there is no model nope")
    assert err.count("\n") == 1
    assert names(place) == ["in.png", "in2.png"]


def test_weights_that_are_none(place: Path, capfd: Output) -> None:
    Path("bad.safetensors").write_bytes(b"no weights at all")
    assert main(["encode", "in.png", "--model", "bad.safetensors"]) == 5
    assert "bad.safetensors is not a safetensors file" in capfd.readouterr().err


@pytest.mark.parametrize("name", ["tpu", "cuda:99"])
def test_device_that_is_not_there(place: Path, capfd: Output, name: str) -> None:
    save_scene(place / "in2.png")
    assert main(["encode", "in.png", "in2.png", "--device", name]) == 2
    err = capfd.readouterr().err
    assert err.startswith(f"ncodec: error: device {name} ")
    assert err.count("\n") == 1


def test_threads(place: Path, weights: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []
    monkeypatch.setattr(torch, "set_num_threads", asked.append)
    assert main(["encode", "in.png", "--model", str(weights), "-q"]) == 0
    assert main(["encode", "in.png", "--model", str(weights), "-q", "--force", "--threads", "1"]) == 0
    assert asked == [1]


def test_train_hands_its_arguments_on(place: Path, capfd: Output) -> None:
    assert main(["train", "--help"]) == 0
    assert "--data" in capfd.readouterr().out
    assert main(["train", "--data", "pictures", "--nonsense"]) == 2
    assert "--nonsense" in capfd.readouterr().err
