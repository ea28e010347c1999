"""Where ncodec loses and wins is worked out from the figures."""

from __future__ import annotations

from dataclasses import replace

from bench_report.made import CIRCUMSTANCES, made_rows
from ncodec.bench.report.verdict import Finding, Item, verdict
from ncodec.bench.summary import Summary, summarise


def summary_of(*methods: str) -> Summary:
    return summarise(made_rows(CIRCUMSTANCES, methods))


def titles(findings: tuple[Finding, ...]) -> str:
    return "\n".join(finding.title for finding in findings)


def test_a_better_codec_is_a_loss_in_bits_and_a_slower_one_a_win_in_time():
    found = verdict(summary_of("ncodec-denoised", "dncnn-then-avif444"))
    assert "Others need fewer bits" in titles(found.losses)
    assert "Encoding and decoding: ncodec 157 ms, others slower" in titles(found.wins)
    assert found.losses[0].items[0].what == "DnCNN, then AVIF 4:4:4"
    assert found.losses[0].items[0].figure.startswith("-")


def test_decoding_that_is_slower_than_others_is_told():
    found = verdict(summary_of("ncodec-denoised", "dncnn-then-jpeg"))
    (decoding,) = (finding for finding in found.losses if finding.title.startswith("Decoding"))
    assert decoding.items == (Item("DnCNN, then JPEG", "4 ms (18 x)"),)


def test_a_denoiser_counts_where_it_runs():
    wins = titles(verdict(summary_of("ncodec-denoised", "hyperprior-then-dncnn")).wins)
    assert "Decoding, with denoising after it: ncodec 71 ms, others slower" in wins


def test_the_upper_line_is_told():
    found = verdict(summary_of("ncodec-denoised", "dncnn"))
    assert found.losses[0].items[-1] == Item("DnCNN, without compression", "31.80 dB")


def test_beating_ncodecs_own_other_decodes_is_no_win():
    found = verdict(summary_of("ncodec-denoised", "ncodec-partial", "ncodec-plain"))
    assert found.wins == ()


def test_but_being_beaten_by_them_is_a_loss():
    rows = made_rows(CIRCUMSTANCES, ["ncodec-denoised"])
    better = [
        replace(row, method="ncodec-partial", psnr_denoised_clean_db=(row.psnr_denoised_clean_db or 0) + 1)
        for row in made_rows(CIRCUMSTANCES, ["ncodec-denoised"])
    ]
    losses = verdict(summarise([*rows, *better])).losses
    assert losses[0].items[0].what == "ncodec, half denoised"


def test_without_ncodec_there_is_no_verdict():
    found = verdict(summary_of("dncnn-then-jpeg", "dncnn"))
    assert found.losses == found.wins == ()


def test_a_comparison_of_few_points_says_so():
    rows = made_rows(CIRCUMSTANCES, ["ncodec-denoised", "dncnn-then-jpeg"])
    some = [row for row in rows if row.method == "ncodec-denoised" or row.setting in ("1", "5")]
    won = verdict(summarise(some)).wins[0].items[0].what
    assert won == "DnCNN, then JPEG, 2 points"


def test_few_items_are_shown_at_once():
    many = Finding("", tuple(Item(str(i), "") for i in range(9)))
    assert len(many.first) == 4
    assert len(many.first) + len(many.rest) == 9
    assert Finding("", many.items[:5]).rest == ()
