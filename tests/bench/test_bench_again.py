"""What `ncodec bench` measures anew, passes over and refuses: in this process."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from bench_tools import QUICK, rows_in, save_scenes, small_weights
from cli_tools import names, save_scene
from ncodec.bench.results import read_results
from ncodec.bench.viewer import shot_name
from ncodec.cli.main import main
from ncodec.compat import allow_torchvision_beside_cpu_torch
from ncodec.weights import models_folder, releases


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The folder that `main` runs in, in this process; its threads are given back."""
    monkeypatch.chdir(tmp_path)
    threads = torch.get_num_threads()
    yield tmp_path
    torch.set_num_threads(threads)


def errors(capfd: pytest.CaptureFixture[str]) -> list[str]:
    """What was said on stderr, by lines; nothing may be on stdout."""
    out, err = capfd.readouterr()
    assert out == ""
    return err.splitlines()


def test_other_circumstances_are_measured_anew(here: Path) -> None:
    save_scenes(here / "in", 1)
    options = ("bench", "in", "--out", "out", "--methods", "noisy,ncodec-denoised", "--qualities", "1", *QUICK)
    for more in ((), ("--seed", "7"), ("--noise", "none"), ("--noise", "poisson-gaussian:0.02,0.001")):
        assert main([*options, *more]) == 0
    found = read_results(here / "out" / "results.jsonl")
    assert len(found.circumstances) == 4
    assert len(found.rows) == 8
    assert main([*options]) == 0  # nothing is measured again, and the picture is not one of the other noises
    assert len(read_results(here / "out" / "results.jsonl").rows) == 8
    (picture,) = (here / "out" / "pictures" / "a.png").glob("ncodec-denoised-*.png")
    assert picture.stem == shot_name(found.rows[0])
    inputs = sorted(path.name for name in ("noisy", "clean") for path in picture.parent.glob(f"{name}*.png"))
    assert inputs == [f"{name}-{found.rows[0].pixels}.png" for name in ("clean", "noisy")]
    noises = [about.noise for about in found.circumstances.values()]
    assert noises == ["gaussian:25", "gaussian:25", "none", "poisson-gaussian:0.02,0.001"]
    assert found.rows[5].psnr_plain_clean_db is None  # without noise the noisy picture is the clean one


def test_a_comparison_is_made_in_parts_and_a_new_model_repeats_nothing(here: Path) -> None:
    save_scenes(here / "in", 1)
    options = ("bench", "in", "--qualities", "1", "--repeats", "0", "--threads", "1", "--quiet", *small_weights(here))
    everything = "noisy,dncnn-then-jpeg,ncodec-denoised"
    assert main([*options, "--methods", "noisy,dncnn-then-jpeg"]) == 0
    first = (here / "report" / "results.jsonl").read_bytes()
    assert main([*options, "--methods", everything]) == 0
    second = (here / "report" / "results.jsonl").read_bytes()
    assert second.startswith(first)
    assert second.count(b'"kind": "row"') == 3
    (here / "new.safetensors").write_bytes(other_model())
    assert main([*options, "--methods", everything, "--model", "new.safetensors"]) == 0
    third = read_results(here / "report" / "results.jsonl")
    assert [row.method for row in third.rows][3:] == ["ncodec-denoised"]
    old, new = (third.circumstances[row.circumstances].model for row in third.rows[2:])
    assert old != new
    assert re.fullmatch("new [0-9a-f]{8}", new)
    page = (here / "report" / "report.html").read_text(encoding="utf-8")
    assert "2 runs, alike in all that their rows depend on" in page


def other_model() -> bytes:
    """The released weights in a file of another hash."""
    release = releases()[-1]
    data = (models_folder() / release.file).read_bytes()
    size = int.from_bytes(data[:8], "little")
    return (size + 8).to_bytes(8, "little") + data[8 : 8 + size] + b" " * 8 + data[8 + size :]


def test_a_picture_that_comes_between_moves_the_noise_of_those_after_it(here: Path) -> None:
    """Rows and pictures of the noise before are those of another picture."""
    save_scene(here / "in" / "b.png", seed=1)
    options = ("bench", "in", "--out", "out", "--methods", "noisy,ncodec-denoised", "--qualities", "3", *QUICK)
    assert main([*options]) == 0
    save_scene(here / "in" / "a.png")
    assert main([*options]) == 0
    found = read_results(here / "out" / "results.jsonl")
    before, after = (row for row in found.rows if (row.picture, row.method) == ("b.png", "ncodec-denoised"))
    assert before.circumstances == after.circumstances
    assert before.pixels != after.pixels
    assert "2 pictures" in (here / "out" / "report.html").read_text(encoding="utf-8")
    (shown,) = (here / "out" / "pictures" / "b.png").glob("ncodec-denoised-*.png")
    assert shown.stem == shot_name(after)


def test_pictures_that_differ_in_their_suffix_alone_are_two(here: Path) -> None:
    for name in ("a.png", "a.webp"):
        save_scene(here / "in" / name)
    assert main(["bench", "in", "--methods", "noisy,ncodec-denoised", "--qualities", "3", *QUICK]) == 0
    assert {path.name for path in (here / "report" / "pictures").iterdir()} == {"a.png", "a.webp"}
    page = (here / "report" / "report.html").read_text(encoding="utf-8")
    assert '"name": "a.png"' in page
    assert '"name": "a.webp"' in page


def test_its_own_pictures_are_no_pictures_to_measure(here: Path) -> None:
    """The results lie in a folder of the current one, unless another is said."""
    save_scenes(here, 1)
    for _ in range(2):
        assert main(["bench", ".", "--methods", "noisy", *QUICK]) == 0
    assert len(list((here / "report" / "pictures" / "a.png").glob("noisy-*.png"))) == 1
    assert set(rows_in(here / "report")) == {("a.png", "noisy", "default")}


def test_a_picture_that_a_method_does_not_take_is_left_out_there(here: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """BM3D wants blocks of 8 x 8: that ends neither the run nor the other methods' rows; each method says it once."""
    pytest.importorskip("bm3d")
    save_scene(here / "in" / "a.png", 7, 40)
    methods = "noisy,bm3d,bm3d-then-webp,ncodec-denoised"
    assert main(["bench", "in", "--methods", methods, "--qualities", "2-4", *QUICK]) == 3
    why = "left out: Image cannot be smaller than block size!"
    assert errors(capfd) == [f"ncodec: error: a.png, {method}: {why}" for method in ("bm3d-then-webp", "bm3d")]
    assert {method for _, method, _ in rows_in(here / "report")} == {"noisy", "ncodec-denoised"}


def test_bad_pictures_are_passed_over(here: Path, capfd: pytest.CaptureFixture[str]) -> None:
    save_scenes(here / "in", 1)
    (here / "in" / "b.png").write_text("no picture")
    (here / "in" / "notes.txt").write_text("no picture, and not meant as one")
    assert main(["bench", "in", "--methods", "noisy", *QUICK]) == 3
    (said,) = errors(capfd)
    assert said.startswith("ncodec: error: in/b.png: it is not a picture")
    assert list(rows_in(here / "report")) == [("a.png", "noisy", "default")]


def test_real_noise_with_references(here: Path, capfd: pytest.CaptureFixture[str]) -> None:
    for name, sigma in (("a_real.png", 12), ("a_mean.png", 0), ("b_real.png", 12)):
        save_scene(here / "in" / name, sigma=sigma)
    options = ("bench", "in", "--reference", "in", "--methods", "noisy,ncodec-denoised", "--qualities", "5")
    assert main([*options, *QUICK]) == 3
    (said,) = errors(capfd)
    assert "b_real.png: in holds no clean picture for it (b_mean.* or b_real.*)" in said
    rows = rows_in(here / "report")
    assert set(rows) == {("a_real.png", "ncodec-denoised", "5"), ("a_real.png", "noisy", "default")}
    assert rows["a_real.png", "noisy", "default"].psnr_plain_clean_db == pytest.approx(26.6, abs=0.5)
    about = json.loads((here / "report" / "results.jsonl").read_text().splitlines()[0])
    assert about["noise"] == "real"


def test_what_is_missing_is_said_once(here: Path, capfd: pytest.CaptureFixture[str]) -> None:
    save_scenes(here / "in", 2)
    (here / "empty").mkdir()
    bare = ("--dncnn-weights", "empty", "--references", "empty")
    assert main(["bench", "in", "--methods", "noisy,*dncnn,testolina", *bare, *QUICK]) == 0
    said = errors(capfd)
    assert len(said) == 3
    assert all(line.startswith("ncodec: left out: ") for line in said)
    assert {method for _, method, _ in rows_in(here / "report")} == {"noisy"}


@pytest.mark.parametrize(
    ("line", "status", "word"),
    [
        ("bench nothing", 1, "nothing: there is no such file"),
        ("bench empty", 2, "empty"),
        ("bench in --methods foo", 2, "there is no method foo"),
        ("bench in --methods noisy --without *", 2, "no method is left"),
        ("bench in --methods testolina --references empty", 2, "denoising-*.safetensors"),
        ("bench in --anchor noisy", 2, "anchor noisy"),
        ("bench in --qualities 0-3", 2, "0-3"),
        ("bench in --qualities 5-3", 2, "5-3"),
        ("bench in --qualities 9", 2, "9"),
        ("bench in --noise pink", 2, "pink"),
        ("bench in --reference nothing", 2, "nothing"),
        ("bench in --model nothing", 5, "nothing"),
        ("bench in --device cuda:77", 2, "cuda:77"),
        ("bench in --dtype int8", 2, "int8"),
        ("bench in --out in/a.png", 2, "in/a.png"),
        ("bench in --out in", 2, "say another --out"),
        ("bench in --lpips-weights in/a.png --methods noisy", 5, "LPIPS"),
    ],
)
def test_bad_command_line(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    line: str,
    status: int,
    word: str,
) -> None:
    if "lpips" in line:
        allow_torchvision_beside_cpu_torch()
        pytest.importorskip("lpips")
    monkeypatch.chdir(tmp_path)
    save_scenes(tmp_path / "in", 1)
    (tmp_path / "empty").mkdir()
    before = names(tmp_path)
    assert main(line.split()) == status
    out, err = capfd.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert err.startswith("ncodec: error: ")
    assert word in err
    assert names(tmp_path) == before


def test_a_foreign_result_file_is_left_alone(here: Path, capfd: pytest.CaptureFixture[str]) -> None:
    save_scenes(here / "in", 1)
    (here / "report").mkdir()
    (here / "report" / "results.jsonl").write_text("mine\n")
    assert main(["bench", "in", "--methods", "noisy", *QUICK]) == 2
    assert "results.jsonl, line 1" in errors(capfd)[0]
    assert (here / "report" / "results.jsonl").read_text() == "mine\n"
