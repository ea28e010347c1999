"""docs/benchmarks.md and the command that makes it."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from bench_report.made import made_results
from cli_tools import ROOT
from ncodec.bench.report.page import document, main

RESULTS = sorted((ROOT / "docs" / "results").glob("bench-*.jsonl"))


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    """Of a test set and of real noise."""
    real = ["ncodec-denoised", "dncnn-then-avif420", "dncnn", "noisy"]
    return [
        made_results(tmp_path / "bench-kodak.jsonl"),
        made_results(tmp_path / "bench-kodak-float32.jsonl", dtype="float32"),
        made_results(tmp_path / "bench-cc15.jsonl", real, noise="real"),
    ]


@pytest.mark.skipif(not RESULTS, reason="docs/results holds no result files of ncodec bench yet")
def test_the_document_is_that_of_the_result_files():
    text = (ROOT / "docs" / "benchmarks.md").read_text(encoding="utf-8")
    assert text == document(RESULTS), "run python -m ncodec.bench.report.page docs/results/bench-*.jsonl"


def test_it_says_first_where_ncodec_loses(files: list[Path]):
    chapters = [line for line in document(files).splitlines() if line.startswith("## ")]
    assert chapters == [
        "## Where ncodec loses", "## Bits at equal PSNR", "## PSNR at equal bits", "## Time", "## Real noise",
        "## Where ncodec wins", "## All methods near 0.5 bpp", "## Circumstances",
    ]  # fmt: skip


def test_the_noise_that_has_goals_comes_first_and_real_noise_last(files: list[Path], tmp_path: Path):
    weak = made_results(tmp_path / "bench-kodak-10.jsonl", noise="gaussian:10")
    chapter = document([files[2], weak, files[0]]).split("## Where ncodec loses")[1].split("\n## ")[0]
    titles = [line.split(":")[0] for line in chapter.splitlines() if line.startswith("### ")]
    assert titles == ["### kodak", "### kodak-10", "### cc15"]


def test_missed_goals_stand_before_all_else(files: list[Path]):
    first = document(files).split("## Where ncodec loses")[1].split("\n* ")[1]
    assert first.startswith("goal missed: +10.0 % bits against DnCNN, then AVIF 4:2:0, aim -25 %")


def test_goals_are_judged_in_the_table(files: list[Path]):
    lines = document(files).splitlines()
    assert any("DnCNN, then AVIF 4:2:0 | +10.0 % | -0.17 dB |" in line and "missed" in line for line in lines)
    assert any("AVIF's own denoiser | -" in line and "met, ncodec's smallest file is better" in line for line in lines)
    assert any("for the record" in line for line in lines)


def test_times_are_those_of_each_number_format_and_of_the_paper(files: list[Path]):
    chapter = document(files).split("## Time")[1].split("## Real noise")[0]
    assert "bfloat16, 2 threads" in chapter
    assert "float32, 2 threads" in chapter
    assert "| ncodec, denoised, from a file with both layers | - | 0.170 | 0.071 | 0.241 | 1.54 |" in chapter
    assert "| cascade | 12.54 | 9.90 | 11.33 | 33.77 | 1.31 |" in chapter
    assert "ncodec plain, then DnCNN: 13.8 times the time, aim at least 5: met" in chapter


def test_real_noise_has_no_goals(files: list[Path]):
    chapter = document(files).split("## Real noise")[1].split("## Where ncodec wins")[0]
    assert "cc15: 4 pictures, noisy as they were taken" in chapter
    assert "the noisy picture itself" in chapter
    assert "goal" not in chapter


def test_the_command_writes_the_page(files: list[Path]):
    done = CliRunner().invoke(main, [str(path) for path in files])
    assert done.exit_code == 0
    assert done.stdout == document(files)


def test_a_file_of_another_kind_is_one_sentence(tmp_path: Path):
    path = tmp_path / "x.jsonl"
    path.write_text('{"kind": "something"}\n')
    done = CliRunner().invoke(main, [str(path)])
    assert done.exit_code == 2
    assert done.stderr.startswith(f"ncodec: error: {path}, line 1: not a result of ncodec bench")
    assert done.stdout == ""


def test_no_experiment_gives_the_head_alone(tmp_path: Path):
    path = tmp_path / "bench-empty.jsonl"
    path.write_text("")
    assert "##" not in document([path])
