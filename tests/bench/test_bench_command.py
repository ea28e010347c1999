"""`ncodec bench` as users run it."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from PIL import Image

from bench_tools import save_dncnn, save_references, save_scenes
from cli_tools import ENV, TIMEOUT_S, names, ncodec_run, ncodec_start, save_scene, sentences
from ncodec.bench.results import read_results
from ncodec.bench.row import Row
from ncodec.cli.main import main
from ncodec.compat import allow_torchvision_beside_cpu_torch
from ncodec.weights import models_folder, releases

QUICK = ("--repeats", "1", "--threads", "1", "--dtype", "float32", "--quiet")


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, ...]:
    """The options that name small networks."""
    folder = tmp_path_factory.mktemp("weights")
    save_dncnn(folder / "dncnn")
    save_references(folder / "references")
    return "--dncnn-weights", str(folder / "dncnn"), "--references", str(folder / "references")


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


def rows_in(folder: Path) -> dict[tuple[str, str, str], Row]:
    return {(row.picture, row.method, row.setting): row for row in read_results(folder / "results.jsonl").rows}


def test_everything_is_measured_once(tmp_path: Path, weights: tuple[str, ...]) -> None:
    save_scenes(tmp_path / "in")
    options = (
        "bench",
        "in",
        "--out",
        "out",
        "--qualities",
        "2,7",
        "--show",
        "1",
        "--without",
        "bm3d*",
        *QUICK,
        *weights,
    )
    run = ncodec_run(*options, cwd=tmp_path)
    assert run.returncode == 0, run.stderr.decode()
    assert run.stdout == b""
    rows = rows_in(tmp_path / "out")
    assert {picture for picture, _, _ in rows} == {"a.png", "b.png"}
    assert {setting for _, method, setting in rows if method == "ncodec-then-dncnn"} == {"2", "7"}
    assert {setting for _, method, setting in rows if method == "hyperprior-then-dncnn"} == {"0.25", "0.5"}
    for row in rows.values():
        assert (row.size_bytes is None) == (row.rate_bpp is None) == (row.encode_s is None) == (row.decode_s is None)
        if row.size_bytes:
            assert row.rate_bpp == pytest.approx(8 * row.size_bytes / (64 * 48), rel=1e-6)
        is_plain = row.method in ("ncodec-plain", "avif-grain", "noisy")
        assert (row.psnr_denoised_clean_db is None) == is_plain
        assert (row.psnr_plain_clean_db is not None) == is_plain
        assert row.ssim is not None
        assert row.ms_ssim is None  # too small for it
    plain, cascade = (rows["a.png", method, "2"] for method in ("ncodec-plain", "ncodec-then-dncnn"))
    assert plain.size_bytes == cascade.size_bytes
    assert cascade.psnr_denoised_clean_db == plain.psnr_plain_clean_db  # this denoiser changes nothing
    shown = tmp_path / "out" / "pictures"
    assert [path.name for path in shown.iterdir()] == ["a"]
    run_id = next(iter(rows.values())).circumstances
    for name in ("noisy", "clean", f"dncnn-default-{run_id}"):
        assert Image.open(shown / "a" / f"{name}.png").size == (64, 48)
    assert len([path for path in (shown / "a").iterdir() if path.name.startswith("ncodec-denoised-")]) == 1
    assert (tmp_path / "out" / "report.html").stat().st_size > 1000

    before = (tmp_path / "out" / "results.jsonl").read_bytes()
    assert ncodec_run(*options, cwd=tmp_path).returncode == 0
    assert (tmp_path / "out" / "results.jsonl").read_bytes() == before


def test_tables_go_to_standard_output(tmp_path: Path) -> None:
    save_scenes(tmp_path / "in", 1)
    run = ncodec_run("bench", "in", "--methods", "noisy,ncodec-d*", "--qualities", "4", *QUICK[:-1], cwd=tmp_path)
    assert run.returncode == 0, run.stderr.decode()
    text = run.stdout.decode()
    assert "ncodec-denoised" in text
    assert "1 picture, noise gaussian:25" in text
    assert sentences(run) == ["a.png: 2 new rows", "report/report.html: open it in a browser"]


def test_without_repeats_there_are_neither_times_nor_memory(tmp_path: Path, weights: tuple[str, ...]) -> None:
    save_scenes(tmp_path / "in", 1)
    methods = ("--methods", "noisy,dncnn-then-jpeg,ncodec-denoised,ncodec-then-dncnn", "--qualities", "4")
    run = ncodec_run("bench", "in", *methods, "--threads", "1", "--repeats", "0", *weights, cwd=tmp_path)
    assert run.returncode == 0, run.stderr.decode()
    rows = rows_in(tmp_path / "report").values()
    assert len(rows) == 4
    for row in rows:
        assert (row.denoise_s, row.encode_s, row.decode_s, row.memory_peak_mib, row.repeats) == (None,) * 4 + (0,)
        assert row.ssim is not None
    text = run.stdout.decode()
    assert "No times were measured" in text
    assert not [word for word in ("total", "MiB", "Seconds a picture") if word in text]
    page = (tmp_path / "report" / "report.html").read_text(encoding="utf-8")
    assert "Times and memory were not measured." in page
    assert not [word for word in ("total, s", "peak, MiB", "Seconds a picture", "Quality against time") if word in page]
    assert not (tmp_path / "report" / "time-quality.svg").exists()


def test_an_interrupted_run_goes_on(tmp_path: Path) -> None:
    save_scenes(tmp_path / "in", 3)
    options = ("bench", "in", "--out", "out", "--methods", "ncodec-*", "--without", "ncodec-then-*", *QUICK)
    process = ncodec_start(*options, cwd=tmp_path)
    results = tmp_path / "out" / "results.jsonl"
    wait_for(lambda: results.exists() and results.read_bytes().count(b"\n") > 5)
    process.send_signal(signal.SIGINT)
    err = process.communicate(timeout=TIMEOUT_S)[1]
    assert process.returncode == 130
    assert b"out keeps what was measured" in err
    before = results.read_bytes()
    assert before.endswith(b"\n")
    assert len(rows_in(tmp_path / "out")) < 72
    assert ncodec_run(*options, cwd=tmp_path).returncode == 0
    after = results.read_bytes()
    assert after.startswith(before)
    assert after.count(b'"circumstances", "id"') == 1
    assert len(rows_in(tmp_path / "out")) == after.count(b"\n") - 1 == 72


def wait_for(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + TIMEOUT_S
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


def test_other_circumstances_are_measured_anew(here: Path) -> None:
    save_scenes(here / "in", 1)
    options = ("bench", "in", "--out", "out", "--methods", "noisy,ncodec-denoised", "--qualities", "1", *QUICK)
    for more in ((), ("--seed", "7"), ("--noise", "none"), ("--noise", "poisson-gaussian:0.02,0.001")):
        assert main([*options, *more]) == 0
    found = read_results(here / "out" / "results.jsonl")
    assert len(found.circumstances) == 4
    assert len(found.rows) == 8
    first = found.rows[0].circumstances
    assert main([*options]) == 0  # nothing is measured again, and the picture is not one of the other noises
    assert len(read_results(here / "out" / "results.jsonl").rows) == 8
    (picture,) = (here / "out" / "pictures" / "a").glob("ncodec-denoised-*.png")
    assert picture.stem == f"ncodec-denoised-1-{first}"
    noises = [about.noise for about in found.circumstances.values()]
    assert noises == ["gaussian:25", "gaussian:25", "none", "poisson-gaussian:0.02,0.001"]
    assert found.rows[5].psnr_plain_clean_db is None  # without noise the noisy picture is the clean one


def test_a_comparison_is_made_in_parts_and_a_new_model_repeats_nothing(here: Path, weights: tuple[str, ...]) -> None:
    save_scenes(here / "in", 1)
    options = ("bench", "in", "--qualities", "1", "--repeats", "0", "--threads", "1", "--quiet", *weights)
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
    assert "b_real.png: in holds no clean picture for it (b_real.* or b_mean.*)" in said
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


def test_without_the_extra_it_leaves_out_what_needs_it(tmp_path: Path) -> None:
    save_scenes(tmp_path / "in", 1)
    (tmp_path / "without.py").write_text(
        "import sys\n"
        "for name in ('av', 'bjontegaard', 'bm3d', 'lpips', 'pillow_jxl'):\n"
        "    sys.modules[name] = None\n"
        "from ncodec.cli.main import main\n"
        "sys.exit(main(sys.argv[1:]))\n"
    )
    methods = "noisy,ncodec-denoised,avif-*,jpeg2000-alone,bm3d-then-j*"
    line = ("bench", "in", "--methods", methods, "--qualities", "2,4", "--repeats", "0", "--threads", "1")
    run = subprocess.run(
        [sys.executable, "without.py", *line], cwd=tmp_path, env=ENV, capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stderr
    said = run.stderr.splitlines()
    assert any(
        line.startswith("ncodec: left out: BD-rate and BD-PSNR: the package bjontegaard is not") for line in said
    )
    assert any(line.startswith("ncodec: left out: bm3d-then-jpeg, ") for line in said)
    assert "BD-" not in run.stdout
    page = (tmp_path / "report" / "report.html").read_text(encoding="utf-8")
    assert "Bjontegaard" not in page
    assert "avif-grain" in {method for _, method, _ in rows_in(tmp_path / "report")}


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


def test_help_needs_neither_torch_nor_the_comparison(tmp_path: Path) -> None:
    code = (
        "import sys; from ncodec.cli.main import main; main(['bench', '--help']); "
        "print([name for name in ('torch', 'ncodec.bench', 'matplotlib') if name in sys.modules])"
    )
    run = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env=ENV, capture_output=True, text=True, check=True
    )
    assert run.stdout.rstrip().endswith("[]")
