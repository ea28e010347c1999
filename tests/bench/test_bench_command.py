"""What `ncodec bench` measures: processes as users start them."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from bench_tools import QUICK, rows_in, save_scenes, small_weights
from cli_tools import ENV, TIMEOUT_S, ncodec_run, ncodec_start, sentences
from ncodec.bench.viewer import input_name, shot_name


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, ...]:
    """The options that name small networks."""
    return small_weights(tmp_path_factory.mktemp("weights"))


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
    assert [path.name for path in shown.iterdir()] == ["a.png"]
    denoised = rows["a.png", "dncnn", "default"]
    for name in (*(input_name(name, denoised.pixels) for name in ("noisy", "clean")), shot_name(denoised)):
        assert Image.open(shown / "a.png" / f"{name}.png").size == (64, 48)
    assert len([path for path in (shown / "a.png").iterdir() if path.name.startswith("ncodec-denoised-")]) == 1
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
    assert process.returncode == -signal.SIGINT
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


def test_help_needs_neither_torch_nor_the_comparison(tmp_path: Path) -> None:
    code = (
        "import sys; from ncodec.cli.main import main; main(['bench', '--help']); "
        "print([name for name in ('torch', 'ncodec.bench', 'matplotlib') if name in sys.modules])"
    )
    run = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env=ENV, capture_output=True, text=True, check=True
    )
    assert run.stdout.rstrip().endswith("[]")
