"""What docs/benchmarks.md says of losses, besides those of single experiments' means."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner

from bench_report.made import CIRCUMSTANCES, NAMES, made_results, made_rows
from cli_tools import ROOT
from measure import readme
from measure.report import beyond_text
from measure.report import document as measurements
from measure.results import read
from measure.sections import dncnn
from measure.sections.beyond import comparisons
from ncodec.bench.report.experiment import load_experiments
from ncodec.bench.report.idle import idle
from ncodec.bench.report.page import DENOISERS, document, main
from ncodec.bench.report.write import write_report
from ncodec.bench.results import Results, read_results, write_results
from ncodec.bench.selection import latest
from ncodec.bench.summary import summarise

RESULTS = ROOT / "docs" / "results"
BEYOND = {
    "comparisons": [
        {
            "what": "Kodak without noise",
            "link": "measurements.md#clean",
            "against": [{"name": "A", "percent": 7.06}, {"name": "B", "percent": -2}, {"name": "C", "percent": 34}],
        },
        {"what": "Kodak in the dark", "link": "measurements.md#dark", "against": [{"name": "D", "percent": 0.4}]},
    ]
}


def chapter(text: str, title: str) -> str:
    return text.split(f"\n## {title}\n")[1].split("\n## ")[0]


def test_losses_against_published_codecs_stand_first(tmp_path: Path):
    made = made_results(tmp_path / "bench-kodak.jsonl", ["ncodec-denoised", "dncnn-then-avif420"])
    (tmp_path / "beyond.json").write_text(json.dumps(BEYOND))
    first = chapter(document([made]), "Where ncodec loses").split("### ")[1]
    assert first.startswith("Beyond `ncodec bench`\n\n* Kodak without noise: ncodec needs more bits at equal PSNR")
    assert first.rstrip().endswith("C: **+34.0 %**; A: **+7.1 %** ([measured](measurements.md#clean))")
    assert "dark" not in first  # a draw


def test_a_file_of_another_kind_beside_the_results_is_one_sentence(tmp_path: Path):
    made = made_results(tmp_path / "bench-kodak.jsonl", ["ncodec-denoised", "dncnn-then-avif420"])
    (tmp_path / "beyond.json").write_text("[]")
    done = CliRunner().invoke(main, [str(made)])
    assert done.exit_code == 2
    assert "beyond.json is not of measure.report" in done.stderr


@pytest.mark.skipif(not list(RESULTS.glob("*.jsonl")), reason="docs/results holds no result files yet")
def test_the_file_of_published_codecs_is_that_of_the_measurements():
    path = RESULTS / "beyond.json"
    assert path.exists(), "run PYTHONPATH=tests python -m measure.report"
    assert path.read_text(encoding="utf-8") == beyond_text(RESULTS), "run PYTHONPATH=tests python -m measure.report"


@pytest.mark.skipif(not list(RESULTS.glob("*.jsonl")), reason="docs/results holds no result files yet")
def test_its_figures_stand_where_it_says():
    text = measurements(RESULTS)
    headings = [line.lstrip("# ") for line in text.splitlines() if line.startswith("#")]
    slugs = {"".join(c for c in head.lower().replace(" ", "-") if c.isalnum() or c in "-_") for head in headings}
    for comparison in comparisons(RESULTS)["comparisons"]:
        page, _, anchor = comparison["link"].partition("#")
        assert page == "measurements.md"
        assert anchor in slugs
        assert all(f"{one['percent']:+.1f} %" in text for one in comparison["against"])


def test_a_denoiser_that_does_nothing_is_no_opponent(tmp_path: Path):
    about = replace(CIRCUMSTANCES, noise="real")
    rows = list(made_rows(about, ["ncodec-denoised", "dncnn-then-avif420", "dncnn", "noisy"]))
    noisy_db = {row.picture: row.psnr_plain_clean_db for row in rows if row.method == "noisy"}
    for place, row in enumerate(rows):
        if row.method == "dncnn" and row.picture != NAMES[0]:
            rows[place] = replace(row, psnr_denoised_clean_db=noisy_db[row.picture])
    write_results(tmp_path / "bench-cc15.jsonl", Results({about.id: about}, tuple(rows)))
    text = document([tmp_path / "bench-cc15.jsonl"])
    words = "Nothing (less than 0.02 dB) is changed on 3 of 4 of these pictures by DnCNN, trained on"
    for title in ("Where ncodec loses", "Real noise", "Where ncodec wins"):
        assert words in chapter(text, title)
    found = latest(read_results(tmp_path / "bench-cc15.jsonl"))
    write_report(found, tmp_path / "none", tmp_path, "ncodec-denoised")
    assert words in (tmp_path / "report.html").read_text(encoding="utf-8")
    table = readme.table({"cc15": load_experiments([tmp_path / "bench-cc15.jsonl"])[0]})
    assert "| | cameras ¹ |" in table
    assert f"\n\n¹ {words}" in table
    alone = summarise(row for row in rows if row.picture == NAMES[1])
    assert idle(alone, ("dncnn",))[0].startswith("Nothing (less than 0.02 dB) is changed on 1 of 1 of these")
    assert not idle(alone, ("bm3d",))
    assert "is changed on" not in document([made_results(tmp_path / "bench-kodak.jsonl")])


def test_files_of_a_longer_search_are_judged_with_its_time(tmp_path: Path):
    methods = ["ncodec-denoised", "ncodec-refined", "dncnn-then-avif420"]
    quality = made_results(tmp_path / "bench-kodak.jsonl", methods, repeats=0)
    goal = "| BD-rate of ncodec --effort 1, denoised, against DnCNN, then AVIF 4:2:0 | -25 % or less | +"
    for files, encoder in (
        ([quality], "its encoder not timed"),
        ([quality, made_results(tmp_path / "bench-times-x.jsonl", methods, NAMES[:2])], "encoded in 28.0 s a picture"),
    ):
        text = document(files)
        (line,) = (line for line in chapter(text, "Goals").splitlines() if line.startswith(goal))
        assert f" %, {encoder} | **missed** |" in line
    losses = chapter(text, "Where ncodec loses")
    assert "* Encoding and decoding: ncodec --effort 1, denoised 28.1 s, others faster. ncodec, denoised" in losses
    assert "| ncodec --effort 1, denoised | - | 28.000 | 0.071 | 28.071 | 178.80 |" in chapter(text, "Time")


def test_times_name_their_pictures_and_settings(tmp_path: Path):
    methods = ["ncodec-denoised", "ncodec-plain", "ncodec-then-dncnn", "dncnn-then-jpeg", "dncnn-then-jxl"]
    text = chapter(document([made_results(tmp_path / "bench-times-x.jsonl", methods, NAMES[:2])]), "Time")
    own = "Settings 1, 2, 3, 4, 5, 6, 7, 8: ncodec, denoised; ncodec plain, then DnCNN."
    assert f"\nPictures: kodim01.png, kodim05.png. {own} Settings 1, 2, 3, 4, 5: DnCNN, then JPEG XL.\n" in text


def test_whose_denoisers_they_are_is_told(tmp_path: Path):
    ours = made_results(tmp_path / "bench-a.jsonl", weights={"dncnn": "dncnn-blind.safetensors 45a67aec"})
    assert DENOISERS in document([ours])
    assert DENOISERS not in document([made_results(tmp_path / "bench-b.jsonl")])


@pytest.mark.skipif(not (RESULTS / "dncnn.jsonl").exists(), reason="our denoisers are not measured yet")
def test_our_denoisers_are_as_good_as_is_said():
    """At or above their authors' own, at every level, to the digits that are shown."""
    assert "On Kodak they are at or above their authors' own" in DENOISERS.replace("\n", " ")
    _, rows = read(RESULTS / "dncnn.jsonl")
    for ours, theirs in dncnn.PAIRS.items():
        for sigma in {row["sigma"] for row in rows}:
            psnrs = [
                [row["psnr_db"] for row in rows if (row["network"], row["sigma"]) == (name, sigma)]
                for name in (ours, theirs)
            ]
            assert sum(psnrs[0]) / len(psnrs[0]) >= sum(psnrs[1]) / len(psnrs[1]) - 0.005
