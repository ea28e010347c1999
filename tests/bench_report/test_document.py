"""docs/benchmarks.md and the command that makes it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from safetensors.numpy import save_file

from bench_report.made import NAMES, made_results
from cli_tools import ROOT
from ncodec.bench.report import training
from ncodec.bench.report.experiment import about_lines, load_experiments
from ncodec.bench.report.page import document, main
from ncodec.bench.report.write import write_report
from ncodec.bench.results import read_results
from ncodec.bench.selection import latest
from ncodec.weights import releases

DOCUMENT = ROOT / "docs" / "benchmarks.md"
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


@pytest.mark.skipif(not RESULTS and not DOCUMENT.exists(), reason="no results of ncodec bench are committed yet")
def test_the_document_is_that_of_the_result_files():
    command = "python -m ncodec.bench.report.page docs/results/bench-*.jsonl > docs/benchmarks.md"
    assert DOCUMENT.exists(), f"run {command}"
    assert DOCUMENT.read_text(encoding="utf-8") == document(RESULTS), f"run {command}"
    assert "](docs/benchmarks.md)" in (ROOT / "README.md").read_text(encoding="utf-8")


def test_it_says_first_where_ncodec_loses(files: list[Path]):
    chapters = [line for line in document(files).splitlines() if line.startswith("## ")]
    assert chapters == [
        "## Where ncodec loses", "## Goals", "## Bits at equal PSNR", "## PSNR at equal bits", "## Time",
        "## Real noise", "## Where ncodec wins", "## All methods near 0.5 bpp", "## What the figures are",
        "## Circumstances",
    ]  # fmt: skip


def test_the_noise_that_has_goals_comes_first_and_real_noise_last(files: list[Path], tmp_path: Path):
    weak = made_results(tmp_path / "bench-kodak-10.jsonl", noise="gaussian:10")
    chapter = document([files[2], weak, files[0]]).split("## Where ncodec loses")[1].split("\n## ")[0]
    titles = [line.split(":")[0] for line in chapter.splitlines() if line.startswith("### ")]
    assert titles == ["### kodak", "### kodak-10", "### cc15"]


def test_missed_goals_stand_before_all_else(files: list[Path]):
    first = document(files).split("## Where ncodec loses")[1].split("\n* ")[1]
    assert first.startswith("goal missed: +10.0 % bits against DnCNN, then AVIF 4:2:0, aim -25 %")


def test_goals_stand_in_one_table(files: list[Path]):
    lines = document(files).split("\n## Goals\n")[1].split("\n## ")[0].splitlines()
    for line in (
        "| BD-rate against DnCNN, then AVIF 4:2:0 | -25 % or less | +10.0 % | **missed** | kodak, bfloat16 |",
        "| BD-rate against AVIF's own denoiser | -50 % or less "
        "| ncodec's smallest file is better than its best, with -88 % bits | open | kodak, bfloat16 |",
        "| time of ncodec plain, then DnCNN, over ncodec's, which encodes the base layer alone "
        "| 5 or more | 13.8 | met | kodak-float32, float32 |",
        "| time of ncodec plain, then DnCNN, over ncodec's, both from one file with both layers "
        "| 5 or more | 9.0 | met | kodak-float32, float32 |",
        "| BD-rate against BM3D, then AVIF 4:4:4 | -30 % or less | not measured | open |  |",
    ):
        assert line in lines, line
    assert not any("cc15" in line for line in lines)


def test_goals_tell_what_the_references_are(files: list[Path], tmp_path: Path):
    words = "were trained by us"
    assert words in document(files).split("\n## Goals\n")[1].split("\n## ")[0]
    others = made_results(tmp_path / "bench-kodak.jsonl", ["ncodec-denoised", "dncnn-then-avif420"])
    assert words not in document([others])


def test_it_tells_how_far_networks_were_trained(files: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Those whose weights are at hand, and are the ones that were measured."""
    record = {"record": json.dumps({"lifetime_pixels": 12_340_000_000, "lifetime_steps": 5678})}
    name = f"{next(iter(load_experiments(files))).about.model}.safetensors"
    save_file({"x": np.zeros(1)}, tmp_path / name, record)
    monkeypatch.setattr(training, "models_folder", lambda: tmp_path)
    assert f"| {name} | 12.34 | 5,678 |" in document(files)
    (tmp_path / name).write_bytes(b"rubbish")
    assert "## Training" not in document(files)


def test_what_is_computed_on_mean_curves_is_told(files: list[Path], tmp_path: Path):
    told = "computed on the curves of these averages"
    goals = "BD-rate, BD-PSNR, PSNR at equal bits and the goals in bits are"
    assert f"{goals} {told}" in document(files).split("## What the figures are")[1]
    write_report(latest(read_results(files[2])), tmp_path / "none", tmp_path, "ncodec-denoised")
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert f"BD-rate, BD-PSNR and PSNR at equal bits are {told}" in page


def test_what_is_no_goal_is_for_the_record(files: list[Path]):
    assert "(for the record: its bytes hold the noise)" in document(files).split("## Bits at equal PSNR")[1]


def test_other_noise_is_told_in_short(files: list[Path], tmp_path: Path):
    weak = made_results(tmp_path / "bench-kodak-10.jsonl", noise="gaussian:10")
    text = document([*files, weak])
    assert "### kodak-10" in text.split("## Bits at equal PSNR")[1].split("\n## ")[0]
    assert "### kodak-10" not in text.split("## All methods near 0.5 bpp")[1].split("\n## ")[0]


def test_times_are_those_of_each_number_format_and_of_the_paper(files: list[Path]):
    chapter = document(files).split("## Time")[1].split("## Real noise")[0]
    assert "bfloat16, 2 threads" in chapter
    assert "float32, 2 threads" in chapter
    assert "| ncodec, denoised, from a file with both layers | - | 0.170 | 0.071 | 0.241 | 1.54 |" in chapter
    assert "| cascade | 12.54 | 9.90 | 11.33 | 33.77 | 1.31 |" in chapter
    assert "| ncodec plain, then DnCNN | 1.900 | 0.170 | 0.100 | 2.170 | 13.82 |" in chapter


@pytest.fixture
def apart(tmp_path: Path) -> str:
    """The page of quality measured without a clock, and of times apart, in two number formats."""
    few = ["ncodec-denoised", "ncodec-plain", "ncodec-then-dncnn", "dncnn-then-avif420", "noisy"]
    return document([
        made_results(tmp_path / "bench-kodak.jsonl", repeats=0),
        made_results(tmp_path / "bench-times-bfloat16.jsonl", few, NAMES[:2]),
        made_results(tmp_path / "bench-times-float32.jsonl", few, NAMES[:2], dtype="float32"),
    ])  # fmt: skip


def test_times_and_quality_may_come_from_different_files(apart: str):
    chapters = {part.partition("\n")[0]: part for part in apart.split("\n## ")[1:]}
    for title in ("Bits at equal PSNR", "PSNR at equal bits", "All methods near 0.5 bpp"):
        assert "### kodak: 4 pictures" in chapters[title]
        assert "times-" not in chapters[title]
        assert "encode, s" not in chapters[title]
    assert "### kodak" not in chapters["Time"]
    for dtype in ("bfloat16", "float32"):
        assert f"### times-{dtype}: 2 pictures, white Gaussian noise, sigma 25, {dtype}, 2 threads" in chapters["Time"]
    assert chapters["Goals"].count("| 13.8 | met | times-") == 2
    losses = chapters["Where ncodec loses"].split("### ")
    assert "goal missed: +10.0 % bits" in losses[1]
    assert "Memory" not in losses[1]
    assert "dB" not in losses[2]
    assert "Decoding, with denoising after it: ncodec 71 ms, others faster" in losses[2]


def test_it_says_what_each_file_gives(apart: str):
    table = apart.split("\n## Circumstances")[1]
    assert "| kodak | rates and quality | 4 | 22 | white Gaussian noise, sigma 25 | bfloat16 |" in table
    assert "| times-float32 | times | 2 | 5 | white Gaussian noise, sigma 25 | float32 |" in table
    assert "* times: none measured, nor memory" in table
    assert "* times: medians of 3 runs after a warm-up, wall clock" in table


def test_what_ran_once_is_not_called_a_median(tmp_path: Path):
    found = latest(read_results(made_results(tmp_path / "bench-kodak.jsonl", ["ncodec-denoised", "bm3d-then-jxl"])))
    slow = tuple(replace(row, repeats=1) if row.method == "bm3d-then-jxl" else row for row in found.rows)
    usual = "medians of 3 runs after a warm-up, wall clock"
    assert dict(about_lines(found))["times"] == usual
    told = dict(about_lines(replace(found, rows=slow)))["times"]
    assert told == f"{usual}; what takes long ran once, without a warm-up: steps of BM3D, then JPEG XL"
    once = replace(found, about=replace(found.about, repeats=1), rows=slow)
    assert dict(about_lines(once))["times"] == "of one run, wall clock, after a warm-up unless it takes long"


def test_circumstances_that_all_files_share_are_told_once(apart: str):
    chapter = apart.split("\n## Circumstances")[1]
    assert chapter.count("* libraries: torch 2.13.0") == chapter.count("* noise: gaussian:25, seed 0") == 1
    own = chapter.split("### times-float32")[1]
    assert "* networks in: float32" in own
    assert "libraries" not in own


def test_an_older_model_is_named_wherever_its_figures_stand(tmp_path: Path):
    methods = ["ncodec-denoised", "ncodec-then-dncnn"]
    older, newest = ([Path(row.file).stem for row in releases() if row.name == "base"][place] for place in (0, -1))
    made = [
        made_results(tmp_path / "bench-times-a.jsonl", methods, model=older),
        made_results(tmp_path / "bench-times-b.jsonl", methods, model=newest),
        made_results(tmp_path / "bench-times-c.jsonl", methods, model="mine 01234567"),
    ]
    text = document(made)
    headings = [line for line in text.splitlines() if line.startswith("### times-")]
    assert len(headings) == 3 * 4  # losses, time, wins, circumstances
    for line in headings:
        assert (f"bfloat16, older model {older}" in line) == line.startswith("### times-a"), line
    goals = text.split("\n## Goals\n")[1].split("\n## ")[0]
    assert f"| met | times-a, bfloat16, older model {older} |" in goals
    assert "| met | times-b, bfloat16 |" in goals
    assert f"model {older}; the newest release is {newest}\n" in text
    assert text.count("the newest release") == 1


def test_without_times_there_is_no_chapter_of_them(tmp_path: Path):
    text = document([made_results(tmp_path / "bench-kodak.jsonl", repeats=0)])
    assert "## Time" not in text
    assert "Memory" not in text


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
