"""Methods that know one number format, float32: what is said of their times where the others run in bfloat16."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from bench_report.made import CIRCUMSTANCES, made_results, made_rows
from ncodec.bench.report.page import document
from ncodec.bench.report.write import facts, write_report
from ncodec.bench.results import read_results
from ncodec.bench.selection import latest
from ncodec.bench.summary import summarise

METHODS = ["ncodec-denoised", "ncodec-refined", "testolina", "hyperprior-then-dncnn", "dncnn-then-jxl", "noisy"]
NOTE = "run in float32, as compressai codes with them, not in bfloat16"


def chapter(text: str, title: str) -> str:
    return text.split(f"\n## {title}\n")[1].split("\n## ")[0]


def costs(text: str, title: str) -> str:
    """The lines of times and memory."""
    lines = chapter(text, title).splitlines()
    return "\n".join(line for line in lines if line.startswith(("* Encoding", "* Decoding", "* Memory")))


@pytest.mark.parametrize("dtype", ["bfloat16", "float32"])
def test_costs_of_another_format_are_no_win(dtype: str, tmp_path: Path):
    text = document([made_results(tmp_path / "bench-times-x.jsonl", METHODS, dtype=dtype)])
    wins, losses = costs(text, "Where ncodec wins"), costs(text, "Where ncodec loses")
    assert "DnCNN, then JPEG XL" in wins + losses
    assert ("Testolina" in wins, "hyperprior" in wins) == (dtype == "float32", dtype == "float32")
    assert "Testolina" in losses  # faster than ncodec's search, whatever it runs in
    assert (NOTE in chapter(text, "Time")) == (dtype == "bfloat16")
    assert ("Testolina et al.'s in float32" in chapter(text, "Circumstances")) == (dtype == "bfloat16")
    assert "| **Testolina et al., combined** | - | 0.350 |" in chapter(text, "Time")


@pytest.mark.parametrize("dtype", ["bfloat16", "float32"])
def test_the_report_tells_it_too(dtype: str, tmp_path: Path):
    results = read_results(made_results(tmp_path / "results.jsonl", METHODS, dtype=dtype))
    write_report(latest(results), tmp_path / "none", tmp_path / "out", "ncodec-denoised")
    text = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    assert ("float32, as compressai codes with them, not in" in text) == (dtype == "bfloat16")
    wins = text.split("Where ncodec wins")[1].split("</section>")[0].split("Encoding and decoding")[1]
    assert ("Testolina" in wins) == (dtype == "float32")


def test_the_fastest_of_the_others_runs_in_the_same_format():
    summary = summarise(
        replace(row, psnr_denoised_clean_db=(row.psnr_denoised_clean_db or 0) + 2 * (row.method == "testolina"))
        for row in made_rows(CIRCUMSTANCES, ["ncodec-denoised", "testolina"])
    )
    for dtype, beside in (("bfloat16", ""), ("float32", "Testolina et al., combined")):
        (fact,) = (fact for fact in facts(summary, dtype) if fact.title == "Encoding and denoised decoding")
        assert beside in fact.beside
        assert bool(fact.beside) == bool(beside)
